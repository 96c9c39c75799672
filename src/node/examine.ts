/** A look at a node for a diagnosis: what can be seen is told, also when something then ends the look early. */
import type { NodeExamination } from '../domain/diagnosis';
import { OspatchError, isOspatchError } from '../domain/errors';
import { readPending } from './check';
import type { Session } from './session';
import { refuseUnsupported } from './support';

/**
 * Changes nothing on the node, except that the helper may be placed. Never takes longer than `limit`, which is a signal
 * of its own so that the end of the time is told from a cancellation.
 */
export async function examineNode(session: Session, limit: { signal: AbortSignal; ms: number }): Promise<NodeExamination> {
  const { node, outage } = session;
  const seen: NodeExamination = { facts: null, clockAheadMs: null, plan: null, helperPlaced: null, error: null };
  const look = async (): Promise<void> => {
    const reading = await outage.reach(() => node.facts());
    const at = session.now();
    const clock = Date.parse(reading.facts.clock);
    seen.facts = reading.facts;
    seen.clockAheadMs = Number.isNaN(clock) ? null : clock - at;
    refuseUnsupported(node.name, reading);
    seen.plan = await readPending(session, reading.facts);
  };
  try {
    await withinLimit(look(), limit.signal);
  } catch (error) {
    if (limit.signal.aborted && !isOspatchError(error)) seen.error = timedOut(node.name, limit.ms, seen);
    else if (isOspatchError(error)) seen.error = error.toInfo();
    else throw error;
  }
  seen.helperPlaced = node.helperPlaced;
  return seen;
}

/** Rejects when the time is over, also while something does not listen to the signal. */
async function withinLimit(work: Promise<void>, signal: AbortSignal): Promise<void> {
  let stop = (): void => undefined;
  const over = new Promise<never>((_, reject) => {
    stop = (): void => reject(new Error('the time is over'));
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
  });
  try {
    await Promise.race([work, over]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

function timedOut(name: string, limitMs: number, seen: NodeExamination): ReturnType<OspatchError['toInfo']> {
  const time = `${Math.round(limitMs / 1000)} s`;
  const remedy = `log in to ${name} and see why commands hang there: load, a full disk, sudo or a directory service`;
  if (seen.facts === null) return { type: 'Unreachable', message: `${name} did not answer within ${time}.`, remedy };
  return {
    type: 'PackageManager',
    message: `${name} did not tell its pending packages within ${time}.`,
    remedy,
  };
}
