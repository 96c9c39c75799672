/** Which nodes show a trusted host key: those in quarantine, before a run goes on with them. */
import { Context } from '@temporalio/activity';
import { isOspatchError } from '../domain/shared/errors';
import { mapConcurrently } from '../domain/shared/map-concurrently';
import type { NodeTarget } from '../domain/spec/types';
import { sshTarget } from '../node/ssh-target';
import type { TransportPool } from '../ssh/transport';

const PROBES_AT_ONCE = 16;

export async function probeHostKeys(pool: TransportPool, targets: readonly NodeTarget[]): Promise<string[]> {
  const { cancellationSignal, heartbeat } = Context.current();
  const found = await mapConcurrently(targets, PROBES_AT_ONCE, async (target) => {
    heartbeat();
    cancellationSignal.throwIfAborted();
    return (await showsTrustedKey(pool, target)) ? [target.name] : [];
  });
  return found.flat();
}

/** A node that cannot be reached proves nothing. */
async function showsTrustedKey(pool: TransportPool, target: NodeTarget): Promise<boolean> {
  try {
    await pool.probeHostKey(sshTarget(target));
    return true;
  } catch (error) {
    if (!isOspatchError(error)) throw error;
    return false;
  }
}
