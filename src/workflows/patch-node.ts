/**
 * One node in one run: preflight, apply, reboot if required and allowed, verify.
 *
 * Owns the node for as long as it runs; its id is the lock. Ends with a full record and fails only when it is
 * terminated. Cancelled, it starts nothing new and ends every wait, except that a package transaction which has begun is
 * followed to its end. What it did to the node survives in the node's own job directory, so it can be killed anywhere.
 */
import {
  CancellationScope,
  CancelledFailure,
  isCancellation,
  patched,
  setCurrentDetails,
  setHandler,
  uuid4,
} from '@temporalio/workflow';
import type { ErrorInfo } from '../domain/errors';
import type { NodePatchResult, StepRecord } from '../domain/node-patch';
import {
  MAX_APPLY_ATTEMPTS,
  decidePatch,
  decideReboot,
  findDamage,
  snapshot,
  tellWhatWasDone,
} from '../domain/node-patch';
import type { ApplyReport, NodeFacts, NodeStep, OutOfReach, PatchPlan, PhaseOutcome } from '../domain/node-report';
import type { PackagePolicy } from '../domain/package-policy';
import { renderNodePatch } from '../domain/render';
import type { RunPolicy, RunTrigger } from '../domain/run';
import type { NodeSpec, NodeTarget } from '../domain/spec';
import { local, once, transaction, waiting } from './activity-options';
import { toErrorInfo } from './failures';
import { forbidRebootsSignal, nodePatchQuery } from './messages';
import { LOST_TIMEOUT_MS, NOTICE_AFTER_MS, outlast, tellRun } from './patience';

export interface PatchNodeInput {
  cluster: string;
  run: number;
  trigger: RunTrigger;
  node: NodeSpec;
  policy: RunPolicy;
}

/** What a cancelled run still spends on finding out how it left a node. */
const SHORT_LOOK_MS = 60_000;

/** A node may name every package that wants the reboot; this many are enough to understand it. */
const MAX_REBOOT_REASONS = 20;

export async function patchNode(input: PatchNodeInput): Promise<NodePatchResult> {
  const work = new NodePatch(input);
  setHandler(forbidRebootsSignal, () => work.forbidReboots(), {
    description: 'From the rollout: reboots are no longer allowed.',
  });
  setHandler(nodePatchQuery, () => work.result, { description: 'The record of this node patch so far.' });
  return work.run();
}

class NodePatch {
  private readonly target: NodeTarget;
  readonly result: NodePatchResult;
  private rebootAllowed: boolean;
  private attempt = 1;
  private packageManager = '';
  private cancelled = false;
  /** A package transaction was begun, and nobody has heard of its end. */
  private transactionOpen = false;

  constructor(private readonly input: PatchNodeInput) {
    const { name, host, ssh, hostKeys } = input.node;
    this.target = { cluster: input.cluster, name, host, ssh, hostKeys };
    this.rebootAllowed = input.policy.rebootIfRequired;
    this.result = {
      node: name,
      run: input.run,
      outcome: 'failed',
      token: uuid4().replaceAll('-', '').slice(0, 16),
      startedAt: timestamp(),
      endedAt: '',
      changes: [],
      keptBack: [],
      keptConfigFiles: [],
      appliedAt: null,
      before: null,
      after: null,
      reboots: 0,
      pendingUpdates: null,
      rebootReasons: [],
      steps: [],
      error: null,
    };
  }

  forbidReboots(): void {
    this.rebootAllowed = false;
  }

  async run(): Promise<NodePatchResult> {
    CancellationScope.current().cancelRequested.catch(() => {
      this.cancelled = true;
    });
    try {
      await this.patch();
    } catch (failure) {
      if (isCancellation(failure)) this.endCancelled();
      else this.fail(toErrorInfo(failure, `the patch of ${this.input.node.name}`));
    }
    this.tellWhatWasDone();
    this.result.endedAt = timestamp();
    this.show();
    await CancellationScope.nonCancellable(() => this.audit());
    return this.result;
  }

  private async patch(): Promise<void> {
    const { facts, plan } = await this.preflight();
    const decision = decidePatch(plan, facts.reboot.required, this.rebootAllowed);
    switch (decision.do) {
      case 'nothing':
        this.result.outcome = decision.outcome;
        return;
      case 'apply': {
        this.throwIfCancelled();
        const applied = await CancellationScope.nonCancellable(() => this.applyPlan(plan));
        if (applied) await this.finish(facts);
        else await this.lookAfterFailure();
        return;
      }
      case 'reboot':
        await this.finish(facts, facts);
    }
  }

  private async preflight(): Promise<{ facts: NodeFacts; plan: PatchPlan }> {
    const { policy } = this.input;
    const { facts, plan, repaired } = await this.step('preflight', () =>
      waiting.preflight.executeWithOptions({ summary: this.summary('preflight') }, [
        {
          target: this.target,
          ...this.job(),
          ...this.packagePolicy(),
          withoutDrain: policy.withoutDrain,
          // Once an attempt has begun, the node may be half-way: it is waited for as long as after any change.
          unreachableTimeoutMs: this.attempt === 1 ? policy.unreachableTimeoutMs : LOST_TIMEOUT_MS,
        },
      ]),
    );
    this.packageManager = facts.packageManager;
    this.result.before ??= snapshot(facts, timestamp());
    if (repaired !== null) this.record(repaired);
    this.result.pendingUpdates = plan.changes.length;
    this.noteRebootReasons(facts);
    this.result.keptBack = plan.keptBack;
    return { facts, plan };
  }

  /** Applies until one attempt has ended with an exit code. Returns false when that was a failure. */
  private async applyPlan(firstPlan: PatchPlan): Promise<boolean> {
    let plan = firstPlan;
    for (;;) {
      let outcome: PhaseOutcome<ApplyReport>;
      try {
        outcome = await this.apply(plan);
      } catch (failure) {
        const error = toErrorInfo(failure, `apply on ${this.input.node.name}`);
        if (error.type !== 'PlanChanged') return this.fail(error);
        this.transactionOpen = false;
        if (this.attempt >= MAX_APPLY_ATTEMPTS) return this.fail(error);
        // Nothing was changed; somebody refreshed the package lists in between. Plan again and apply that.
        const next = await this.planAgain();
        if (next === null) return false;
        plan = next;
        continue;
      }
      if (outcome.state === 'done') {
        this.record(outcome.result);
        const { error, unfinished } = outcome.result;
        if (error === null) {
          this.result.pendingUpdates = 0;
          return true;
        }
        if (this.mayHaveMoved(outcome.result) && patched('plan-again-after-fetch-failure')) {
          const next = await this.planAgain();
          if (next === null) return false;
          plan = next;
          continue;
        }
        if (error.type !== 'PackagesBroken' && unfinished !== true) return this.fail(error);
        if (this.attempt >= MAX_APPLY_ATTEMPTS) return this.giveUp(error);
      } else if (this.attempt >= MAX_APPLY_ATTEMPTS) {
        return this.giveUp(interrupted(this.input.node.name, this.attempt));
      }
      if (!(await this.repair())) return false;
      const next = await this.planAgain();
      if (next === null) return false;
      plan = next;
      if (plan.changes.length === 0) {
        // The repair has completed what the interrupted transaction had begun.
        this.result.pendingUpdates = 0;
        return true;
      }
    }
  }

  /** Repositories drop a package when they get the next one: newer lists name that, if nothing was changed yet. */
  private mayHaveMoved({ error, changes }: ApplyReport): boolean {
    return error?.type === 'Repository' && changes.length === 0 && this.attempt < MAX_APPLY_ATTEMPTS;
  }

  /** The plan of the next attempt; null when there must be none: the run was cancelled, or the node gives no plan. */
  private async planAgain(): Promise<PatchPlan | null> {
    if (this.cancelled) {
      this.endCancelled();
      return null;
    }
    this.attempt += 1;
    try {
      return (await this.preflight()).plan;
    } catch (failure) {
      this.fail(toErrorInfo(failure, `the plan of ${this.input.node.name}`));
      return null;
    }
  }

  private apply(plan: PatchPlan): Promise<PhaseOutcome<ApplyReport>> {
    const count = plan.changes.length;
    this.transactionOpen = true;
    const input = {
      target: this.target,
      ...this.job(),
      ...this.packagePolicy(),
      packageManager: this.packageManager,
      planDigest: plan.digest,
      planned: count,
      lostTimeoutMs: LOST_TIMEOUT_MS,
    };
    return this.step('apply', () =>
      outlast(
        [NOTICE_AFTER_MS],
        (watch) =>
          transaction.apply.executeWithOptions({ summary: this.summary(`apply ${count} packages`) }, [
            { ...input, ...watch },
          ]),
        (outOfReach) => tellRun(this.target.name, outOfReach),
      ),
    );
  }

  private async repair(): Promise<boolean> {
    for (let tries = 1; tries <= MAX_APPLY_ATTEMPTS; tries += 1) {
      this.transactionOpen = true;
      const outcome = await this.step('repair', () =>
        outlast(
          [NOTICE_AFTER_MS],
          (watch) =>
            transaction.repair.executeWithOptions({ summary: this.summary('repair') }, [
              {
                target: this.target,
                ...this.job(),
                ...this.packagePolicy(),
                packageManager: this.packageManager,
                lostTimeoutMs: LOST_TIMEOUT_MS,
                ...watch,
              },
            ]),
          (outOfReach) => tellRun(this.target.name, outOfReach),
        ),
      );
      if (outcome.state === 'done') {
        this.record(outcome.result);
        return outcome.result.error === null || this.fail(outcome.result.error);
      }
      this.attempt += 1;
    }
    return this.fail(interrupted(this.input.node.name, MAX_APPLY_ATTEMPTS));
  }

  /** The last attempt was stopped half-way too: no other is made, but what it has begun is completed if it can be. */
  private async giveUp(error: ErrorInfo): Promise<false> {
    if (patched('repair-after-last-attempt')) await this.repair();
    return this.fail(error);
  }

  /** Reboots as often as needed and allowed, then decides how the node stands. */
  private async finish(before: NodeFacts, known?: NodeFacts): Promise<void> {
    let facts = known ?? (await this.verify());
    for (;;) {
      this.result.after = snapshot(facts, timestamp());
      this.noteRebootReasons(facts);
      const damage = findDamage(this.input.node.name, before, facts);
      if (damage !== null) {
        this.fail(damage);
        return;
      }
      const decision = decideReboot(
        this.input.node.name,
        facts,
        this.rebootAllowed && !this.cancelled,
        this.result.reboots,
      );
      if (decision.do === 'finish') {
        const changed = this.result.changes.length > 0 || this.result.reboots > 0;
        this.result.outcome = decision.outcome === 'patched' && !changed ? 'up-to-date' : decision.outcome;
        return;
      }
      if (decision.do === 'fail') {
        this.fail(decision.error);
        return;
      }
      facts = await this.reboot(facts);
    }
  }

  private async reboot(facts: NodeFacts): Promise<NodeFacts> {
    const { rebootCommand, powerCycle } = this.input.policy;
    const input = {
      target: this.target,
      bootId: facts.bootId,
      ...(rebootCommand === undefined ? {} : { command: rebootCommand }),
      lostTimeoutMs: LOST_TIMEOUT_MS,
    };
    const notices = new Set([NOTICE_AFTER_MS, ...(powerCycle === undefined ? [] : [powerCycle.afterMs])]);
    try {
      const after = await this.step('reboot', () =>
        outlast(
          [...notices].toSorted((a, b) => a - b),
          (watch) => waiting.reboot.executeWithOptions({ summary: this.summary('reboot') }, [{ ...input, ...watch }]),
          (outOfReach) => this.missAfterReboot(outOfReach),
        ),
      );
      this.result.reboots += 1;
      return after;
    } catch (failure) {
      if (hasRebooted(failure)) this.result.reboots += 1;
      throw failure;
    }
  }

  /** No package job can run on a node that is on its way down, so here, and only here, its power may be cut. */
  private async missAfterReboot(outOfReach: OutOfReach): Promise<void> {
    if (outOfReach.observedMs >= NOTICE_AFTER_MS) await tellRun(this.target.name, outOfReach);
    const { powerCycle } = this.input.policy;
    const due = powerCycle !== undefined && outOfReach.observedMs >= powerCycle.afterMs;
    if (!due || this.result.powerCycle !== undefined || !this.rebootAllowed || this.cancelled) return;
    this.result.powerCycle = { at: timestamp(), error: null };
    try {
      await once.powerCycle.executeWithOptions({ summary: this.summary(`power-cycle by ${powerCycle.hook}`) }, [
        { target: this.target, hook: powerCycle.hook },
      ]);
    } catch (failure) {
      if (isCancellation(failure)) throw failure;
      // The node is waited for all the same: somebody may bring it back by hand.
      this.result.powerCycle.error = toErrorInfo(failure, `power-cycling ${this.target.name}`).message;
    }
    this.show();
  }

  /** Waits long for the node, but not when the run is cancelled: then one short look must do. */
  private async verify(): Promise<NodeFacts> {
    const look = (unreachableTimeoutMs: number): Promise<NodeFacts> =>
      waiting.readFacts.executeWithOptions({ summary: this.summary('verify') }, [
        { target: this.target, unreachableTimeoutMs },
      ]);
    return this.step('verify', async () => {
      try {
        if (!this.cancelled) return await look(LOST_TIMEOUT_MS);
      } catch (failure) {
        if (!isCancellation(failure)) throw failure;
      }
      return CancellationScope.nonCancellable(() => look(SHORT_LOOK_MS));
    });
  }

  /** A failed apply may have changed packages: say what the node looks like now, if it can still be asked. */
  private async lookAfterFailure(): Promise<void> {
    if (this.result.changes.length === 0) return;
    try {
      const facts = await this.verify();
      this.result.after = snapshot(facts, timestamp());
      this.noteRebootReasons(facts);
    } catch {
      // The failure already recorded says more than that the node cannot be read now.
    }
  }

  /** Kept over the reboot that they have led to. */
  private noteRebootReasons(facts: NodeFacts): void {
    const all = new Set([...this.result.rebootReasons, ...facts.reboot.reasons]);
    this.result.rebootReasons = [...all].slice(0, MAX_REBOOT_REASONS);
  }

  private record(report: ApplyReport): void {
    this.transactionOpen = false;
    this.result.keptConfigFiles.push(...report.keptConfigFiles);
    if (report.changes.length === 0) return;
    this.result.changes.push(...report.changes);
    this.result.appliedAt = this.endOf(report);
    this.result.pendingUpdates = Math.max(0, (this.result.pendingUpdates ?? 0) - report.changes.length);
  }

  /** When the transaction ended on the node, which may be long before anybody was there to be told. */
  private endOf({ endedAgo }: ApplyReport): string {
    const stepStarted = Date.parse(this.result.steps.at(-1)?.startedAt ?? this.result.startedAt);
    return new Date(Math.max(stepStarted, Date.now() - endedAgo * 1_000)).toISOString();
  }

  private fail(error: ErrorInfo): false {
    this.result.outcome = 'failed';
    this.result.error = error;
    return false;
  }

  /** Only after everything has ended is it known. A cancellation says so itself. */
  private tellWhatWasDone(): void {
    const { error, changes, reboots, steps } = this.result;
    if (error === null || error.type === 'Cancelled') return;
    const rebootSteps = steps.filter(({ step }) => step === 'reboot').length;
    const message = tellWhatWasDone(error.message, {
      packagesChanged: changes.length,
      reboots,
      rebootAsked: rebootSteps > reboots,
      transactionOpen: this.transactionOpen,
    });
    this.result.error = { ...error, message };
  }

  private throwIfCancelled(): void {
    if (this.cancelled) throw new CancelledFailure('the run was cancelled');
  }

  private endCancelled(): void {
    const rebooting = this.result.steps.at(-1)?.step === 'reboot';
    const changed = this.result.changes.length > 0;
    this.result.outcome = rebooting ? 'failed' : 'cancelled';
    this.result.error = {
      type: 'Cancelled',
      message: rebooting
        ? `the run was cancelled while ${this.input.node.name} was rebooting; its return was not waited for.`
        : changed
          ? `the run was cancelled before all packages of ${this.input.node.name} were changed.`
          : `the run was cancelled before ${this.input.node.name} was changed.`,
      ...(rebooting ? { remedy: `ospatch check ${this.input.cluster}` } : {}),
    };
  }

  private async step<T>(step: NodeStep, body: () => Promise<T>): Promise<T> {
    const started = Date.now();
    const record: StepRecord = { step, startedAt: new Date(started).toISOString(), durationMs: 0 };
    this.result.steps.push(record);
    this.show();
    try {
      return await body();
    } finally {
      record.durationMs = Date.now() - started;
    }
  }

  private job(): { token: string; attempt: number } {
    return { token: this.result.token, attempt: this.attempt };
  }

  private packagePolicy(): { packages?: PackagePolicy } {
    const { packages } = this.input.policy;
    return packages === undefined ? {} : { packages };
  }

  private summary(what: string): string {
    return `${this.input.node.name}: ${what}`;
  }

  private show(): void {
    setCurrentDetails(renderNodePatch(this.input.cluster, this.input.trigger, this.result));
  }

  private async audit(): Promise<void> {
    try {
      await local.recordAudit({ cluster: this.input.cluster, trigger: this.input.trigger, result: this.result });
    } catch {
      // The record itself is the workflow's result; a log line that cannot be written must not fail the node.
    }
  }
}

/** The reboot was proven, and something else went wrong after it. */
function hasRebooted(failure: unknown): boolean {
  return !isCancellation(failure) && toErrorInfo(failure, 'the reboot').details?.['rebooted'] === true;
}

function interrupted(node: string, attempts: number): ErrorInfo {
  return {
    type: 'PackagesBroken',
    message: `the package transaction on ${node} was interrupted ${attempts} times.`,
    remedy: `find out what stops it (power, memory), then patch ${node} again`,
  };
}

/** Workflow time as ISO 8601. */
function timestamp(): string {
  return new Date(Date.now()).toISOString();
}
