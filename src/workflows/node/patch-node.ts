/**
 * One node in one run: preflight, drain, apply, reboot if required and allowed, verify, uncordon.
 *
 * Owns the node for as long as it runs; its id is the lock. Its full record stands in its own history; its run gets what
 * the cluster keeps. Cancelled, it starts nothing new and ends every wait, except that a package transaction which has begun is
 * followed to its end. What it did to the node survives in the node's own job directory, so it can be killed anywhere.
 */
import { CancellationScope, CancelledFailure, isCancellation, setHandler, sleep } from '@temporalio/workflow';
import type { ErrorInfo, ErrorType } from '../../domain/shared/errors';
import type { NodePatchResult } from '../../domain/node/patch';
import type { MemberSettled } from '../../domain/cluster/member';
import type { ReleaseAnswer } from '../../domain/cluster/messages';
import { findBootDefect } from '../../domain/node/boot';
import { mayRecover, unitWarnings } from '../../domain/node/failed-units';
import { reasonToStayCordoned } from '../../domain/kubernetes/drain-record';
import { MAX_APPLY_ATTEMPTS, decidePatch, findDamage } from '../../domain/node/patch';
import type { ApplyReport, NodeFacts, PlanSummary, PhaseOutcome } from '../../domain/node/report';
import { repairedWarning } from '../../domain/node/warning';
import { outcomeWithOutdated } from '../../domain/node/outdated-code';
import { decideReboot } from '../../domain/node/reboot';
import { NO_RESTARTS } from '../../domain/spec/restart-policy';
import { endNodePatch } from '../shared/endings';
import { toErrorInfo } from '../shared/failures';
import { tellCluster } from '../shared/node-action';
import { handleInternalSignals } from '../shared/internal-signals';
import { isObject, isRunOf, requireOwnId } from '../shared/own-id';
import { publishNodeEnd } from '../shared/search-attributes';
import {
  forbidRebootsSignal,
  nodePatchQuery,
  outageAnswerSignal,
  releaseUpdate,
  reportEndSignal,
  windowSignal,
  withdrawSignal,
} from '../../contract/messages';
import { nodeWorkflowId } from '../../contract/workflow-ids';
import { defined } from '../../domain/shared/defined';
import { NodeDrain } from './drain';
import type { PatchNodeInput } from './input';
import { NodeOutage } from './outage';
import { NodeRecord } from './record';
import { NodeSilence } from './silence';
import { NodeRestarts } from './restarts';
import type { Preflight } from './steps';
import { NodeSteps } from './steps';
import { ReleasableWaits } from './release';
import { notifyEnd } from './unreachable';
import { PatchWindow } from './window';
import { leavesUnchanged } from '../../domain/run/window-end';
import { plainText } from '../../domain/shared/text';
import { parseWindow } from '../../domain/run/progress-parser';

/** Most services that are started again come back within this. */
const UNIT_RETRY_MS = 10_000;

/** @throws ApplicationFailure with the settled record, when the patch has failed */
export async function patchNode(input: PatchNodeInput): Promise<MemberSettled> {
  requireOwnId(
    (id, parent) =>
      id === nodeWorkflowId(input.cluster, input.node.name) && isRunOf(input.cluster, parent) && isObject(input.policy),
  );
  const work = new NodePatch(input);
  let isHandedOver = false;
  handleInternalSignals(
    [forbidRebootsSignal, () => work.forbidReboots()],
    [outageAnswerSignal, (value) => work.outage.answered(value)],
    [windowSignal, (value) => work.changeWindow(value)],
    [withdrawSignal, (value) => work.withdraw(value)],
    [
      reportEndSignal,
      async () => {
        isHandedOver = true;
        await work.notifyRunAgain();
      },
    ],
  );
  setHandler(releaseUpdate, (value) => work.release(value), {
    description: 'Stop waiting for the node. Input: nothing, or {"reason": "...", "by": "..."}.',
    validator: (value) => work.waits.check(value),
  });
  setHandler(nodePatchQuery, () => work.record.result, { description: 'The record of this node patch so far.' });
  const result = await work.run();
  if (work.wasLost || isHandedOver) await CancellationScope.nonCancellable(() => notifyEnd(input, result));
  publishNodeEnd(result.outcome, input.searchAttributes);
  return endNodePatch(result);
}

/** Failures of a download that newer package lists may remedy. */
const PLAN_AGAIN: ReadonlySet<ErrorType> = new Set<ErrorType>(['Repository', 'PlanChanged']);

class NodePatch {
  readonly record: NodeRecord;
  readonly waits: ReleasableWaits;
  private readonly steps: NodeSteps;
  private readonly restarts: NodeRestarts;
  readonly outage: NodeOutage;
  private readonly silence: NodeSilence;
  private readonly window: PatchWindow;
  /** The node was drained for this patch. */
  private drained = false;
  /** Null: nodes of this cluster are not drained. */
  private readonly kubernetes: NodeDrain | null;

  constructor(private readonly input: PatchNodeInput) {
    this.record = new NodeRecord(input);
    this.waits = new ReleasableWaits(input.node.name);
    this.window = new PatchWindow(input.node.name, input.window ?? null);
    this.steps = new NodeSteps(input, this.record, this.waits, this.window);
    this.restarts = new NodeRestarts(input.policy.restartServices ?? NO_RESTARTS, this.record);
    this.silence = new NodeSilence(input, this.record, this.waits);
    this.outage = new NodeOutage(input, this.record, this.waits, this.silence);
    const { kubernetes } = input.policy;
    this.kubernetes =
      kubernetes === undefined
        ? null
        : new NodeDrain(input, kubernetes, this.record, this.waits, this.steps, {
            outage: this.outage,
            window: this.window,
          });
  }

  /** The run was told that the node is unreachable, and may have left it to the next run workflow. */
  get wasLost(): boolean {
    return this.steps.lost;
  }

  notifyRunAgain(): Promise<void> {
    return this.steps.notifyRunAgain();
  }

  /** @throws ApplicationFailure `Refused` when there is no wait to end */
  release(value: unknown): ReleaseAnswer {
    const { step, message } = this.waits.release(value);
    const { cluster, run, node } = this.input;
    const { by, reason } = message;
    const result = `the wait for ${node.name} in its step ${step} was ended`;
    void tellCluster(cluster, { request: 'release', node: node.name, run, ...defined({ by, reason }), result });
    return { step };
  }

  changeWindow(value: unknown): void {
    const window = value === null ? null : parseWindow(value);
    if (value === null || window !== null) this.window.change(window);
  }

  withdraw(value: unknown): void {
    if (typeof value === 'string') this.window.withdraw(plainText(value, 300));
  }

  forbidReboots(): void {
    this.steps.rebootAllowed = false;
  }

  async run(): Promise<NodePatchResult> {
    CancellationScope.current().cancelRequested.catch(() => {
      this.steps.cancelled = true;
    });
    await this.recorded(() => this.patch());
    if (this.kubernetes !== null) await this.returnToService(this.kubernetes);
    return CancellationScope.nonCancellable(async () => {
      await this.silence.end();
      return this.record.close();
    });
  }

  private async recorded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (failure) {
      if (isCancellation(failure)) this.record.endCancelled();
      else this.noteFailure(toErrorInfo(failure, `the patch of ${this.input.node.name}`));
    }
  }

  private noteFailure(error: ErrorInfo): void {
    if (leavesUnchanged(error.type)) this.record.leave(error);
    else this.record.fail(error);
  }

  /** However the patch has ended, also by a cancellation. */
  private async returnToService(kubernetes: NodeDrain): Promise<void> {
    // Pods on a node whose packages are being changed are no service, nor on one that nobody has seen since.
    const why = reasonToStayCordoned(this.record.result.error);
    if (why === null) await kubernetes.release();
    else kubernetes.leaveCordoned(why);
    if (this.succeededSoFar()) await this.recorded(() => kubernetes.awaitWorkloads());
  }

  /** All went well so far, and nobody has cancelled the run. */
  private succeededSoFar(): boolean {
    return this.record.result.error === null && this.record.result.outcome !== 'failed' && !this.steps.cancelled;
  }

  private async patch(): Promise<void> {
    const { facts, plan } = await this.window.within(() => this.prepared());
    const rebootDue = facts.reboot.required || this.restarts.asReboot(facts, this.mayReboot());
    const decision = decidePatch(plan, rebootDue, this.steps.rebootAllowed);
    switch (decision.do) {
      case 'nothing':
        if (this.restarts.due(facts) && !this.steps.cancelled) {
          if (!(await this.restartOnly(facts))) return;
          break;
        }
        this.record.result.outcome = outcomeWithOutdated(decision.outcome, facts);
        if (this.kubernetes !== null) await this.kubernetes.removeStaleCordon();
        return;
      case 'apply': {
        this.throwIfCancelled();
        if (!(await this.drain(facts))) return;
        this.throwIfCancelled();
        const applied = await CancellationScope.nonCancellable(() => this.applyPlan(plan));
        if (applied) await this.finish(facts);
        else await this.lookAfterFailure();
        break;
      }
      case 'reboot': {
        const defect = findBootDefect(this.input.node.name, facts);
        if (defect !== null) {
          this.record.fail(defect);
          return;
        }
        if (!(await this.drain(facts))) return;
        await this.finish(facts, facts);
      }
    }
    if (this.kubernetes !== null && this.succeededSoFar()) await this.kubernetes.awaitHealthy();
  }

  /** Services of a node with nothing to apply; it is drained only for what pods live from. Returns false if that failed. */
  private async restartOnly(facts: NodeFacts): Promise<boolean> {
    if (this.restarts.needDrain(facts)) {
      if (!(await this.drain(facts))) return false;
    } else {
      if (this.kubernetes !== null) await this.kubernetes.removeStaleCordon();
      await this.silence.begin('restart');
    }
    await this.finish(facts, facts);
    return true;
  }

  /** Takes the node out of service. Returns false when it must stay in; the record says why. */
  private async drain(facts: NodeFacts): Promise<boolean> {
    const { kubernetes } = this;
    const take = async (): Promise<boolean> =>
      kubernetes === null ? (await this.outage.request('apply')).granted : kubernetes.prepare(facts);
    const isTaken = await (this.steps.hasChanged ? take() : this.window.within(take));
    if (kubernetes === null) return isTaken;
    this.drained ||= isTaken;
    return isTaken;
  }

  /**
   * What a node needs, with its packages downloaded before the node is drained. Lists that were too old for the mirror
   * are read once more; a node whose packages cannot be downloaded fails while still in service.
   */
  private async prepared(): Promise<Preflight> {
    const first = await this.steps.preflight();
    // A node that is not drained is in service until its transaction, which downloads first.
    const isDue = this.kubernetes !== null && this.input.policy.prefetch && first.plan.pending > 0;
    if (!isDue) return first;
    this.throwIfCancelled();
    try {
      await this.steps.prefetch(first.plan);
      return first;
    } catch (failure) {
      if (isCancellation(failure) || !PLAN_AGAIN.has(toErrorInfo(failure, 'the download').type)) throw failure;
    }
    this.steps.attempt += 1;
    const next = await this.steps.preflight();
    if (next.plan.pending > 0) await this.steps.prefetch(next.plan);
    return next;
  }

  /** Applies until one attempt has ended with an exit code. Returns false when that was a failure. */
  private async applyPlan(firstPlan: PlanSummary): Promise<boolean> {
    const failures: string[] = [];
    const applied = await this.applyUntilDone(firstPlan, failures);
    if (applied) {
      for (const failure of failures) {
        this.record.addWarning(
          repairedWarning(`the packages were applied, by a repair or another attempt, after a failure: ${failure}`),
        );
      }
    }
    return applied;
  }

  /** `failures` gets what a repair or another attempt was due for. */
  private async applyUntilDone(firstPlan: PlanSummary, failures: string[]): Promise<boolean> {
    let plan = firstPlan;
    for (;;) {
      let outcome: PhaseOutcome<ApplyReport>;
      try {
        outcome = await this.steps.apply(plan);
      } catch (failure) {
        const error = toErrorInfo(failure, `apply on ${this.input.node.name}`);
        // A job that others kept waiting until it was given up has not been started.
        if (leavesUnchanged(error.type)) throw failure;
        if (error.type === 'PlanChanged' || (error.type === 'Busy' && reasonToStayCordoned(error) === null)) {
          this.record.transactionOpen = false;
        }
        if (error.type !== 'PlanChanged') return this.record.fail(error);
        if (this.steps.attempt >= MAX_APPLY_ATTEMPTS) return this.record.fail(error);
        // Nothing was changed; somebody refreshed the package lists in between. Plan again and apply that.
        const next = await this.planAgain();
        if (next === null) return false;
        plan = next;
        continue;
      }
      if (outcome.state === 'done') {
        this.record.noteTransaction(outcome.result);
        const { error, unfinished } = outcome.result;
        if (error === null) {
          this.record.result.pendingUpdates = 0;
          return true;
        }
        failures.push(error.message);
        if (this.packageListsStale(outcome.result)) {
          const next = await this.planAgain();
          if (next === null) return false;
          plan = next;
          continue;
        }
        if (error.type !== 'PackagesBroken' && unfinished !== true) return this.record.fail(error);
        if (this.steps.attempt >= MAX_APPLY_ATTEMPTS) return this.failAfterRepair(error);
      } else if (this.steps.attempt >= MAX_APPLY_ATTEMPTS) {
        return this.failAfterRepair(interrupted(this.input.node.name, this.steps.attempt));
      } else failures.push(`attempt ${this.steps.attempt} was interrupted`);
      if (!(await this.repair()) && !this.mayBeMendedByPlan()) return false;
      const next = await this.planAgain();
      if (next === null) return false;
      plan = next;
      if (plan.pending === 0) {
        // The repair has completed what the interrupted transaction had begun.
        this.record.result.pendingUpdates = 0;
        return true;
      }
    }
  }

  /** Repositories drop a package when they get the next one: newer lists name that. apk goes on with other packages. */
  private packageListsStale({ error, unfinished }: ApplyReport): boolean {
    return error?.type === 'Repository' && unfinished !== true && this.steps.attempt < MAX_APPLY_ATTEMPTS;
  }

  /** The plan of the next attempt; null when there must be none: the run was cancelled, or the node gives no plan. */
  private async planAgain(): Promise<PlanSummary | null> {
    if (this.steps.cancelled) {
      this.record.endCancelled();
      return null;
    }
    this.steps.attempt += 1;
    try {
      return (await this.steps.preflight()).plan;
    } catch (failure) {
      if (isCancellation(failure)) this.record.endCancelled();
      else this.noteFailure(toErrorInfo(failure, `the plan of ${this.input.node.name}`));
      return null;
    }
  }

  private async repair(): Promise<boolean> {
    for (let tries = 1; tries <= MAX_APPLY_ATTEMPTS; tries += 1) {
      const outcome = await this.steps.repair();
      if (outcome.state === 'done') {
        this.record.noteTransaction(outcome.result);
        return outcome.result.error === null || this.record.fail(outcome.result.error);
      }
      this.steps.attempt += 1;
    }
    return this.record.fail(interrupted(this.input.node.name, MAX_APPLY_ATTEMPTS));
  }

  /** The repair has failed, and packages are left that a transaction unpacks anew: the next plan may hold them. */
  private mayBeMendedByPlan(): boolean {
    if (this.record.result.error?.details?.['unpackAgain'] !== true) return false;
    this.record.result.error = null;
    return true;
  }

  /** The last attempt was stopped half-way too: no other is made, but what it has begun is completed if it can be. */
  private async failAfterRepair(error: ErrorInfo): Promise<false> {
    await this.repair();
    return this.record.fail(error);
  }

  /** Reboots as often as needed and allowed, then decides how the node stands. */
  private async finish(before: NodeFacts, known?: NodeFacts): Promise<void> {
    let facts = known ?? (await this.steps.verify());
    for (;;) {
      facts = await this.lookAgain(before, facts);
      this.record.noteAfter(facts);
      const damage = findDamage(this.input.node.name, before, facts);
      if (damage !== null) {
        this.record.fail(damage);
        return;
      }
      const asked = this.restarts.withReboot(facts, this.mayReboot(), this.record.result.reboots);
      const decision = decideReboot(
        this.input.node.name,
        asked,
        this.mayReboot(),
        this.record.result.reboots,
        this.input.policy.ignoredOwners,
      );
      if (decision.do === 'finish') {
        if (this.restarts.due(facts) && !this.steps.cancelled) {
          const { drained } = this;
          const restarted = await CancellationScope.nonCancellable(() => this.restarts.run(this.steps, drained));
          if (!restarted) {
            await this.lookAfterRestart();
            return;
          }
          facts = await this.steps.verify();
          continue;
        }
        for (const warning of unitWarnings(before, facts)) this.record.addWarning(warning);
        const changed = this.record.result.changes.length > 0 || this.record.result.reboots > 0;
        const outcome = decision.outcome === 'patched' && !changed ? 'up-to-date' : decision.outcome;
        this.record.result.outcome = outcomeWithOutdated(outcome, facts);
        this.restarts.sayWhatIsLeft(facts);
        return;
      }
      if (decision.do === 'fail') {
        this.record.fail(decision.error);
        return;
      }
      // The last thing before the reboot, also of a node that was drained just now: a pod may be bound to it at any time.
      if (!this.drained && !(await this.drain(facts))) return;
      if (this.kubernetes !== null && !(await this.kubernetes.redrain())) return;
      // That may have taken long enough for the answer to be another one.
      if (!this.mayReboot()) continue;
      facts = await this.steps.reboot(facts);
    }
  }

  /** A unit may be between two tries, or just have been started by what it needs. */
  private async lookAgain(before: NodeFacts, facts: NodeFacts): Promise<NodeFacts> {
    if (this.steps.cancelled || !mayRecover(before, facts)) return facts;
    await CancellationScope.nonCancellable(() =>
      sleep(UNIT_RETRY_MS, { summary: 'units that were started again get a moment' }),
    );
    return this.steps.verify();
  }

  /**
   * A failed apply may have changed packages, also when it could not say so any more: what the node looks like now, if
   * it can still be asked.
   */
  private async lookAfterFailure(): Promise<void> {
    const { changes, error } = this.record.result;
    if (changes.length === 0 && !this.record.transactionOpen) return;
    // It was waited for already, for long.
    if (reasonToStayCordoned(error) !== null) return;
    try {
      this.record.noteFailedNode(await this.steps.inspectFailed());
    } catch {
      // The failure already recorded says more than that the node cannot be read now.
    }
  }

  /** The services that did start anew are no longer on replaced code, and the one that failed runs nothing. */
  private async lookAfterRestart(): Promise<void> {
    const { error } = this.record.result;
    if (reasonToStayCordoned(error) !== null) return;
    try {
      const facts = await this.steps.verify(this.input.policy.unreachableTimeoutMs);
      this.record.noteAfter(facts);
      this.restarts.sayWhatIsLeft(facts);
    } catch {
      // The failure already recorded says more than that the node cannot be read now.
    }
  }

  private mayReboot(): boolean {
    return this.steps.rebootAllowed && !this.steps.cancelled;
  }

  private throwIfCancelled(): void {
    if (this.steps.cancelled) throw new CancelledFailure('the patch was cancelled');
  }
}

function interrupted(node: string, attempts: number): ErrorInfo {
  return {
    type: 'PackagesBroken',
    message: `the package transaction on ${node} was interrupted ${attempts} times`,
    remedy: `find the cause (power, memory), then patch ${node} again`,
  };
}
