/** The steps of one node patch: activity calls, and their results in the record. */
import { ActivityFailure, CancellationScope, CancelledFailure, isCancellation } from '@temporalio/workflow';
import type { TargetInput, Watch } from '../../contract/activities/node';
import type {
  ApplyReport,
  NodeFacts,
  FailedNodeFacts,
  UnreachableNode,
  PlanSummary,
  PhaseOutcome,
  PreflightReport,
  RestartReport,
} from '../../domain/node/report';
import type { ErrorInfo } from '../../domain/shared/errors';
import type { PackagePolicy } from '../../domain/spec/package-policy';
import type { IneffectiveReboot } from '../../domain/node/reboot';
import { discountIneffectiveReboot, ineffectiveRebootAfter } from '../../domain/node/reboot';
import type { RestartPolicy } from '../../domain/spec/restart-policy';
import type { NodeTarget } from '../../domain/spec/types';
import { HEARTBEAT_TIMEOUT_MS } from '../../domain/node/time-limits';
import type { Options } from '../shared/activity-options';
import { singleAttempt, optionsFor, reportsCancellation, uncancellable, cancellable } from '../shared/activity-options';
import { failureOf, toErrorInfo } from '../shared/failures';
import type { RebootRequested } from '../../domain/node/reboot';
import type { NodeRecord } from './record';
import type { PatchNodeInput } from './input';
import { LOST_TIMEOUT_MS, NOTICE_AFTER_MS, describeWait, retryWhileUnreachable, notifyRun } from './unreachable';
import type { ReleasableWaits } from './release';
import type { PatchWindow } from './window';
import { leavesUnchanged, windowOver } from '../../domain/run/window-end';
import { defined } from '../../domain/shared/defined';
import { timestamp } from '../shared/timestamp';

/** Limit for inspecting a node in a cancelled run. */
const SHORT_LOOK_MS = 60_000;

/** Unreachable limit of a node, and the part already observed. */
type Limits = Pick<TargetInput, 'unreachableTimeoutMs' | 'observedMs'>;

/** The state of a node, and its plan. */
export interface Preflight {
  facts: NodeFacts;
  plan: PlanSummary;
}

export class NodeSteps {
  /** Attempt at the package transaction; part of the job ids on the node. */
  attempt = 1;
  rebootAllowed: boolean;
  cancelled = false;
  /** The run was notified that the node is unreachable. */
  lost = false;
  private notice: string | null = null;
  private readonly target: NodeTarget;
  private readonly root = CancellationScope.current();
  private packageManager = '';
  /** A package transaction was started and may be incomplete. */
  private changeBegun = false;
  /** The last reboot that did not clear its reasons, and the number of packages changed before it. */
  private ineffective: IneffectiveReboot | null;
  private changedBeforeReboot = 0;

  constructor(
    private readonly input: PatchNodeInput,
    private readonly record: NodeRecord,
    private readonly waits: ReleasableWaits,
    private readonly window: PatchWindow,
  ) {
    const { name, host, ssh, hostKeys } = input.node;
    this.target = { cluster: input.cluster, name, host, ssh, hostKeys };
    this.rebootAllowed = input.policy.rebootIfRequired;
    this.ineffective = input.ineffectiveReboot ?? null;
  }

  async preflight(): Promise<Preflight> {
    const { policy } = this.input;
    const look = (limits: Limits): Promise<PreflightReport> =>
      cancellable.preflight.executeWithOptions(this.options('preflight'), [
        {
          target: this.target,
          ...this.job(),
          ...this.packagePolicy(),
          // A node that is drained may be patched whatever runs on it.
          withoutDrain: policy.withoutDrain || policy.kubernetes !== undefined,
          ...defined({ ignoredOwners: policy.ignoredOwners }),
          ...limits,
        },
      ]);
    const { unreachableTimeoutMs } = policy;
    const report = await this.record.step('preflight', () =>
      this.changeBegun ? this.afterChange('preflight', LOST_TIMEOUT_MS, look) : look({ unreachableTimeoutMs }),
    );
    const { plan, repaired, refused } = report;
    if (repaired !== null) this.record.noteTransaction(repaired);
    const facts = this.withoutIneffectiveReboot(report.facts);
    this.packageManager = facts.packageManager;
    this.record.noteBefore(facts);
    if (plan.digest !== '') this.record.notePlan(plan);
    if (refused !== undefined) throw failureOf(refused);
    return { facts, plan };
  }

  /** Inspects the node after a failed patch. The wait for an unreachable node is short. */
  inspectFailed(): Promise<FailedNodeFacts> {
    const input = { target: this.target, ...this.job(), ...this.packagePolicy() };
    const look = ({ unreachableTimeoutMs }: Limits): Promise<FailedNodeFacts> =>
      cancellable.inspectFailedNode.executeWithOptions(this.options('inspect the failed node'), [
        { ...input, unreachableTimeoutMs },
      ]);
    return this.look(Math.min(NOTICE_AFTER_MS, this.input.policy.unreachableTimeoutMs), look);
  }

  /** Downloads the packages of `plan` while the node is in service. */
  prefetch(plan: PlanSummary): Promise<void> {
    const input = {
      ...this.transactionInput(),
      planDigest: plan.digest,
      planned: plan.pending,
      unreachableTimeoutMs: this.input.policy.unreachableTimeoutMs,
    };
    return this.record.step('prefetch', () =>
      cancellable.prefetch.executeWithOptions(this.options(`download ${plan.pending} packages`), [input]),
    );
  }

  async apply(plan: PlanSummary): Promise<PhaseOutcome<ApplyReport>> {
    const begin = this.beginBy();
    this.record.transactionOpen = true;
    const { changeBegun } = this;
    this.changeBegun = true;
    const planned = plan.pending;
    const input = {
      ...this.transactionInput(),
      ...begin,
      planDigest: plan.digest,
      planned,
      lostTimeoutMs: LOST_TIMEOUT_MS,
    };
    try {
      const outcome = await this.follow('apply', `apply ${planned} packages`, (options, watch) =>
        uncancellable.apply.executeWithOptions(options, [{ ...input, ...watch }]),
      );
      if (begin.beginByMs !== undefined && hasOnlyWaited(outcome) && Date.now() >= begin.beginByMs)
        throw failureOf(windowOver(this.target.name));
      return outcome;
    } catch (failure) {
      // The transaction was not started.
      const { type } = toErrorInfo(failure, 'apply');
      if (type === 'PlanChanged' || leavesUnchanged(type)) this.changeBegun = changeBegun;
      if (leavesUnchanged(type)) this.record.transactionOpen = false;
      throw failure;
    }
  }

  /** Whether a change of the node may have begun. */
  get hasChanged(): boolean {
    return this.changeBegun || this.record.result.reboots > 0 || this.record.rebootRequested !== null;
  }

  /** What an activity that begins the change is given; nothing once a change has begun. */
  private beginBy(): { beginByMs?: number } {
    if (this.hasChanged) return {};
    this.window.check();
    return defined({ beginByMs: this.window.beginByMs ?? undefined });
  }

  repair(): Promise<PhaseOutcome<ApplyReport>> {
    this.record.transactionOpen = true;
    const input = { ...this.transactionInput(), lostTimeoutMs: LOST_TIMEOUT_MS };
    return this.follow('repair', 'repair', (options, watch) =>
      uncancellable.repair.executeWithOptions(options, [{ ...input, ...watch }]),
    );
  }

  /** `attempt` is part of the job id; each job first determines the outdated code. */
  restart(policy: RestartPolicy, drained: boolean, attempt: number): Promise<PhaseOutcome<RestartReport>> {
    const { token } = this.record.result;
    const begin = this.beginBy();
    const input = { target: this.target, token, attempt, policy, drained, lostTimeoutMs: LOST_TIMEOUT_MS, ...begin };
    return this.follow('restart', 'restart services', (options, watch) =>
      uncancellable.restart.executeWithOptions(options, [{ ...input, ...watch }]),
    );
  }

  reboot(facts: NodeFacts): Promise<NodeFacts> {
    return this.releasable('reboot', () => this.rebootOnce(facts));
  }

  private async rebootOnce(facts: NodeFacts): Promise<NodeFacts> {
    const { rebootCommand, powerCycle } = this.input.policy;
    const input = {
      target: this.target,
      bootId: facts.bootId,
      ...defined({ command: rebootCommand }),
      lostTimeoutMs: LOST_TIMEOUT_MS,
      ...this.beginBy(),
    };
    const begunAt = Date.now();
    const notices = new Set([NOTICE_AFTER_MS, ...(powerCycle === undefined ? [] : [powerCycle.afterMs])]);
    try {
      const after = await this.record.step('reboot', () =>
        retryWhileUnreachable(
          [...notices].toSorted((a, b) => a - b),
          (watch) => reportsCancellation.reboot.executeWithOptions(this.options('reboot'), [{ ...input, ...watch }]),
          (unreachableNode) => this.onUnreachableAfterReboot(unreachableNode),
        ),
      );
      this.record.result.reboots += 1;
      this.record.rebootRequested = null;
      this.ineffective = ineffectiveRebootAfter(facts, after);
      this.changedBeforeReboot = this.record.result.changes.length;
      return this.withoutIneffectiveReboot(after);
    } catch (failure) {
      if (!isCancellation(failure) && toErrorInfo(failure, 'the reboot').type === 'WindowOver') throw failure;
      const rebooted = hasRebooted(failure);
      if (rebooted) this.record.result.reboots += 1;
      this.record.rebootRequested = rebooted
        ? null
        : wasRebootRequested(failure, this.target.name, Date.now() - begunAt);
      throw failure;
    }
  }

  /** No package job can run on a node that is shutting down, so only here may its power be cut. */
  private async onUnreachableAfterReboot(unreachableNode: UnreachableNode): Promise<void> {
    // A node that answers and does not reboot counts as well, and its power is not cut.
    const isLong = unreachableNode.observedMs >= NOTICE_AFTER_MS || unreachableNode.jobMs !== undefined;
    if (isLong) await this.notifyUnreachable(unreachableNode);
    const { powerCycle } = this.input.policy;
    const due = powerCycle !== undefined && unreachableNode.observedMs >= powerCycle.afterMs;
    if (!due || this.record.result.powerCycle !== undefined || !this.rebootAllowed || this.cancelled) return;
    this.record.result.powerCycle = { at: timestamp(), error: null };
    try {
      await singleAttempt.powerCycle.executeWithOptions(this.options(`power-cycle by ${powerCycle.hook}`), [
        { target: this.target, hook: powerCycle.hook },
      ]);
    } catch (failure) {
      if (isCancellation(failure)) throw failure;
      // The wait continues: someone may bring the node back by hand.
      this.record.result.powerCycle.error = toErrorInfo(failure, `power-cycling ${this.target.name}`).message;
    }
    this.record.show();
  }

  /** Waits long for the node by default, but only briefly when the run is cancelled. */
  async verify(timeoutMs = LOST_TIMEOUT_MS): Promise<NodeFacts> {
    const look = (limits: Limits): Promise<NodeFacts> =>
      cancellable.readFacts.executeWithOptions(this.options('verify'), [{ target: this.target, ...limits }]);
    return this.withoutIneffectiveReboot(await this.look(timeoutMs, look));
  }

  private look<R>(timeoutMs: number, look: (limits: Limits) => Promise<R>): Promise<R> {
    return this.record.step('verify', async () => {
      try {
        if (!this.cancelled) return await this.afterChange('verify', timeoutMs, look);
      } catch (failure) {
        if (!isCancellation(failure)) throw failure;
      }
      return CancellationScope.nonCancellable(() => look({ unreachableTimeoutMs: SHORT_LOOK_MS }));
    });
  }

  /**
   * Reads a node after a change: notifies the run when the node does not come back; a release ends the wait, and so
   * does a cancellation of the run, even in a non-cancellable scope.
   */
  private afterChange<R>(
    step: 'preflight' | 'verify',
    timeoutMs: number,
    look: (limits: Limits) => Promise<R>,
  ): Promise<R> {
    const scope = new CancellationScope({ cancellable: true, parent: this.root });
    return scope.run(() => this.releasable(step, () => this.untilLost(timeoutMs, look)));
  }

  /** A node that does not come back after a change counts as unreachable after the change. */
  private async untilLost<R>(timeoutMs: number, look: (limits: Limits) => Promise<R>): Promise<R> {
    if (timeoutMs <= NOTICE_AFTER_MS) return look({ unreachableTimeoutMs: timeoutMs });
    const observedMs = NOTICE_AFTER_MS;
    try {
      return await look({ unreachableTimeoutMs: observedMs });
    } catch (failure) {
      const { message } = this.unreachableInfo(failure);
      await this.notifyUnreachable({ state: 'unreachable', observedMs, message });
    }
    try {
      return await look({ unreachableTimeoutMs: timeoutMs, observedMs });
    } catch (failure) {
      throw failureOf({ ...this.unreachableInfo(failure), type: 'UnreachableAfterChange' });
    }
  }

  /** @throws any other failure unchanged */
  private unreachableInfo(failure: unknown): ErrorInfo {
    const info = toErrorInfo(failure, `the look at ${this.target.name}`);
    if (isCancellation(failure) || info.type !== 'Unreachable') throw failure;
    return info;
  }

  /** The facts without reasons that a reboot does not clear; packages changed since count as new reasons. */
  private withoutIneffectiveReboot(facts: NodeFacts): NodeFacts {
    const changed = this.record.result.changes.slice(this.changedBeforeReboot).map(({ name }) => name);
    return discountIneffectiveReboot(facts, this.ineffective, changed);
  }

  /** Follows a transaction to its end however long the node is unreachable, and notifies the run. */
  private follow<R>(
    step: 'apply' | 'repair' | 'restart',
    what: string,
    attempt: (options: Options, watch: Watch) => Promise<PhaseOutcome<R> | UnreachableNode>,
  ): Promise<PhaseOutcome<R>> {
    const options = this.options(what);
    return this.record.step(step, () =>
      this.releasable(step, () =>
        retryWhileUnreachable(
          [NOTICE_AFTER_MS],
          (watch) => attempt(options, watch),
          (unreachableNode) => this.notifyUnreachable(unreachableNode),
        ),
      ),
    );
  }

  private notifyUnreachable(unreachableNode: UnreachableNode): Promise<void> {
    return this.notifyRun(describeWait(this.input.cluster, this.target, unreachableNode));
  }

  /** Notifies the run that it waits for this node, so that the run can continue or pause without it. */
  notifyRun(message: string): Promise<void> {
    this.lost = true;
    this.notice = message;
    return notifyRun(this.input, message);
  }

  /** Tells a run workflow that has begun since: the notice may have come to the cluster when that had been started already. */
  async notifyRunAgain(): Promise<void> {
    if (this.notice !== null) await notifyRun(this.input, this.notice);
  }

  /** After a change, waits for the node until the limit, or until a user ends the wait. */
  private releasable<R>(
    step: 'preflight' | 'apply' | 'repair' | 'restart' | 'reboot' | 'verify',
    body: () => Promise<R>,
  ): Promise<R> {
    const { name } = this.target;
    return this.waits.run(step, body, (how) => ({
      type: 'UnreachableAfterChange',
      message: `${name} is no longer waited for: ${how}`,
      remedy: `check ${name}; the next run repairs what was left unfinished`,
    }));
  }

  private transactionInput() {
    return { target: this.target, ...this.job(), ...this.packagePolicy(), packageManager: this.packageManager };
  }

  private job(): { token: string; attempt: number } {
    return { token: this.record.result.token, attempt: this.attempt };
  }

  private packagePolicy(): { packages?: PackagePolicy; lockTimeoutMs?: number } {
    const { packages, lockTimeoutMs } = this.input.policy;
    return {
      ...defined({ packages, lockTimeoutMs }),
    };
  }

  private options(what: string): Options {
    return optionsFor(this.input.node, this.input.policy, what);
  }
}

/** The transaction has waited for a lock of another program, and changed nothing. */
function hasOnlyWaited(outcome: PhaseOutcome<ApplyReport>): boolean {
  if (outcome.state !== 'done') return false;
  const { error, changes, unfinished } = outcome.result;
  return error?.type === 'Busy' && changes.length === 0 && unfinished !== true;
}

/** The progress of a reboot that failed. */
function wasRebootRequested(failure: unknown, node: string, elapsedMs: number): RebootRequested {
  // The wait for another job to end has timed out.
  if (!isCancellation(failure)) return toErrorInfo(failure, `the reboot of ${node}`).type === 'Busy' ? 'no' : 'yes';
  const cause = failure instanceof ActivityFailure ? failure.cause : failure;
  const details: unknown = cause instanceof CancelledFailure ? cause.details?.[0] : undefined;
  // An attempt without details proves nothing: it may not have started, or may be waiting between two attempts.
  if (typeof details !== 'object' || details === null || !('rebootRequested' in details)) {
    return elapsedMs < HEARTBEAT_TIMEOUT_MS / 2 ? 'no' : 'unknown';
  }
  return details.rebootRequested === 'yes' || details.rebootRequested === 'no' ? details.rebootRequested : 'unknown';
}

/** The reboot was proven, and a later step failed. */
function hasRebooted(failure: unknown): boolean {
  return !isCancellation(failure) && toErrorInfo(failure, 'the reboot').details?.['rebooted'] === true;
}
