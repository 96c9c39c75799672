/** Inspects a node: facts, pending packages, and whether a job could start. Results read before an error are kept. */
import type { NodeObservation } from '../domain/inspection/node';
import type { NodeFacts, PatchPlan } from '../domain/node/report';
import type { IneffectiveReboot } from '../domain/node/reboot';
import { discountIneffectiveReboot } from '../domain/node/reboot';
import { OspatchError, isOspatchError } from '../domain/shared/errors';
import type { PackagePolicy } from '../domain/spec/package-policy';
import { readFacts } from './read-facts';
import { packageManager } from './package-managers';
import { acceptPlan, managerOf } from './preflight';
import type { Session } from './session';
import { assertSupported } from './supported-systems';

export interface InspectionLimits {
  /** Limit for the facts, in milliseconds. */
  factsMs: number;
  /** Limit for the pending packages and the trial start, in milliseconds. */
  planMs: number;
}

export interface InspectionOptions {
  packages?: PackagePolicy | undefined;
  ineffectiveReboot?: IneffectiveReboot | undefined;
  /** Whether a job that does nothing is started, as a test. */
  tryStart: boolean;
}

/**
 * Changes nothing on the node, except that the helper may be installed and a job that does nothing started. Calls that exceed a limit end with the
 * session's signal.
 */
export async function inspectNode(
  session: Session,
  limits: InspectionLimits,
  options: InspectionOptions,
): Promise<NodeObservation> {
  const { node, reachability } = session;
  const observed: NodeObservation = {
    facts: null,
    clockAheadMs: null,
    plan: null,
    helperPlaced: null,
    error: null,
    timedOutMs: null,
  };
  const inspect = async (): Promise<void> => {
    const read = await within(limits.factsMs, async () => ({ reading: await readFacts(session), at: session.now() }));
    if (read === null) {
      observed.timedOutMs = limits.factsMs;
      return;
    }
    const facts = discountIneffectiveReboot(read.reading.facts, options.ineffectiveReboot ?? null);
    const clock = Date.parse(facts.clock);
    observed.facts = facts;
    observed.clockAheadMs = Number.isNaN(clock) ? null : clock - read.at;
    assertSupported(node.name, read.reading);
    // Detects problems that would fail the first job of a run.
    const [plan, start] = await Promise.allSettled([
      within(limits.planMs, () => readPending(session, facts, options.packages)),
      within(limits.planMs, async () => {
        await reachability.whenReachable(() => node.checkRights());
        if (options.tryStart && facts.job === null) await reachability.whenReachable(() => node.tryStart());
      }),
    ]);
    if (plan.status === 'fulfilled') observed.plan = plan.value;
    if (start.status === 'rejected') throw start.reason;
    if (plan.status === 'rejected') throw plan.reason;
    if (observed.plan === null) observed.timedOutMs = limits.planMs;
  };
  try {
    await inspect();
  } catch (error) {
    if (!isOspatchError(error)) throw error;
    observed.error = error.toInfo();
  }
  observed.helperPlaced = node.helperPlaced;
  return observed;
}

/** What a patch would change, according to the node's current package lists. */
async function readPending(session: Session, facts: NodeFacts, packages?: PackagePolicy): Promise<PatchPlan> {
  const manager = packageManager(managerOf(facts));
  const answer = await session.reachability.whenReachable(() => session.node.pending(packages));
  if (answer.state !== 'done') {
    throw new OspatchError({
      type: 'HelperProtocol',
      message: `${session.node.name} did not list its pending packages`,
    });
  }
  if (answer.rc !== 0) {
    const log = answer.result.replace(/^out /gm, '');
    throw new OspatchError(manager.classify({ node: session.node.name, phase: 'plan', rc: answer.rc, log }));
  }
  return acceptPlan(session.node.name, manager, answer.result, facts, packages);
}

/** Null when the limit is exceeded. */
async function within<T>(limitMs: number, work: () => Promise<T>): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), limitMs);
    // A cancelled inspection must not keep the process alive.
    timer.unref();
  });
  try {
    return await Promise.race([work(), over]);
  } finally {
    clearTimeout(timer);
  }
}
