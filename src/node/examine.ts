/** A look at a node for a diagnosis: what can be seen is told, also when something then ends the look early. */
import type { NodeExamination } from '../domain/inspection/node';
import { isOspatchError } from '../domain/shared/errors';
import type { PackagePolicy } from '../domain/spec/package-policy';
import type { UncuredReboot } from '../domain/node/reboot';
import { discountUncured } from '../domain/node/reboot';
import { readPending } from './check';
import { lookAt } from './look';
import type { Session } from './session';
import { assertSupported } from './supported-systems';

/**
 * Changes nothing on the node, except that the helper may be placed. Neither the facts nor what is pending may take
 * longer than `limitMs`; what goes on then is left to the signal of the session.
 */
export async function examineNode(
  session: Session,
  limitMs: number,
  known: { packages?: PackagePolicy | undefined; uncuredReboot?: UncuredReboot | undefined } = {},
): Promise<NodeExamination> {
  const { node, reachability } = session;
  const seen: NodeExamination = {
    facts: null,
    clockAheadMs: null,
    plan: null,
    helperPlaced: null,
    error: null,
    timedOutMs: null,
  };
  const look = async (): Promise<void> => {
    const read = await within(limitMs, async () => ({
      reading: await lookAt(session),
      at: session.now(),
    }));
    if (read === null) {
      seen.timedOutMs = limitMs;
      return;
    }
    const facts = discountUncured(read.reading.facts, known.uncuredReboot ?? null);
    const clock = Date.parse(facts.clock);
    seen.facts = facts;
    seen.clockAheadMs = Number.isNaN(clock) ? null : clock - read.at;
    assertSupported(node.name, read.reading);
    // What would keep a run from its first job, found before a run meets it.
    const [plan, start] = await Promise.allSettled([
      within(limitMs, () => readPending(session, facts, known.packages)),
      within(limitMs, async () => {
        await reachability.whenReachable(() => node.checkRights());
        if (facts.job === null) await reachability.whenReachable(() => node.tryStart());
      }),
    ]);
    if (start.status === 'rejected') throw start.reason;
    if (plan.status === 'rejected') throw plan.reason;
    seen.plan = plan.value;
    if (seen.plan === null) seen.timedOutMs = limitMs;
  };
  try {
    await look();
  } catch (error) {
    if (!isOspatchError(error)) throw error;
    seen.error = error.toInfo();
  }
  seen.helperPlaced = node.helperPlaced;
  return seen;
}

/** Null when the time is over first. */
async function within<T>(limitMs: number, work: () => Promise<T>): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), limitMs);
    // A cancelled examination is waited for by nobody.
    timer.unref();
  });
  try {
    return await Promise.race([work(), over]);
  } finally {
    clearTimeout(timer);
  }
}
