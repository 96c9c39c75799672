/** Which nodes of a plain fleet are down: those that nobody can log in to. */
import { Context } from '@temporalio/activity';
import { isOspatchError } from '../domain/shared/errors';
import { mapConcurrently } from '../domain/shared/map-concurrently';
import type { NodeTarget } from '../domain/spec/types';
import { sshTarget } from '../node/ssh-target';
import { toApplicationFailure } from './errors';
import type { TransportPool } from '../ssh/transport';

const LOGINS_AT_ONCE = 32;
const ANSWERS_WITHIN_MS = 10_000;

export async function unreachableNodes(pool: TransportPool, targets: readonly NodeTarget[]): Promise<string[]> {
  const { cancellationSignal, heartbeat } = Context.current();
  const found = await mapConcurrently(targets, LOGINS_AT_ONCE, async (target) => {
    heartbeat();
    return (await isUnreachable(pool, target, cancellationSignal)) ? [target.name] : [];
  });
  return found.flat();
}

/** `:` does nothing in every shell; what matters is that somebody answers. */
async function isUnreachable(pool: TransportPool, target: NodeTarget, signal: AbortSignal): Promise<boolean> {
  try {
    await pool.transport(sshTarget(target)).exec(':', { timeoutMs: ANSWERS_WITHIN_MS, signal });
    return false;
  } catch (error) {
    if (signal.aborted) throw error;
    // Of a node that the worker may not look at, nothing is known.
    if (isOspatchError(error) && error.type === 'Denied') throw toApplicationFailure(error, 1);
    return isOspatchError(error) && error.type === 'Unreachable';
  }
}
