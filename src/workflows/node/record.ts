/** The record of one node patch: kept up to date step by step, shown in the Temporal UI, written to the audit log. */
import { setCurrentDetails, uuid4 } from '@temporalio/workflow';
import type { ErrorInfo } from '../../domain/shared/errors';
import type { NodePatchResult } from '../../domain/node/patch';
import { snapshot, describeWorkDone } from '../../domain/node/patch';
import type { ApplyReport, NodeFacts, NodeStep, FailedNodeFacts, PlanSummary } from '../../domain/node/report';
import type { NodeWarning } from '../../domain/node/warning';
import { mergeWarnings } from '../../domain/node/warning';
import type { RebootRequested } from '../../domain/node/reboot';
import { ineffectiveRebootOf } from '../../domain/node/reboot';
import { renderNodePatch } from '../../domain/render/cluster';
import { local } from '../shared/activity-options';
import type { PatchNodeInput } from './input';
import { timedStep } from '../shared/timed-step';
import { defined } from '../../domain/shared/defined';
import { timestamp } from '../shared/timestamp';

/** A node may name every package that wants the reboot; this many are enough to understand it. */
const MAX_REBOOT_REASONS = 20;

export class NodeRecord {
  readonly result: NodePatchResult;
  /** A package transaction was begun, and nobody has heard of its end. */
  transactionOpen = false;
  /** Null: none is open. */
  rebootRequested: RebootRequested | null = null;
  /** Facts and plan are read anew and replace what they said before; what jobs said stays. */
  private readonly warnings: Record<'facts' | 'plan' | 'jobs', readonly NodeWarning[]> = {
    facts: [],
    plan: [],
    jobs: [],
  };

  constructor(private readonly input: PatchNodeInput) {
    this.result = {
      kind: 'node',
      node: input.node.name,
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
      warnings: [],
      steps: [],
      error: null,
    };
  }

  /** Runs `body` as one step of the patch, with its duration. */
  step<T>(step: NodeStep, body: () => Promise<T>): Promise<T> {
    return timedStep(this.result.steps, () => this.show(), step, body);
  }

  /** What the node looked like before anything was changed there. */
  noteBefore(facts: NodeFacts): void {
    this.result.before ??= snapshot(facts, timestamp());
    this.noteFacts(facts);
  }

  noteAfter(facts: NodeFacts): void {
    this.result.after = snapshot(facts, timestamp());
    this.noteFacts(facts);
  }

  private noteFacts(facts: NodeFacts): void {
    this.noteRebootReasons(facts);
    const ineffective = ineffectiveRebootOf(facts);
    if (ineffective === null) delete this.result.ineffectiveReboot;
    else this.result.ineffectiveReboot = ineffective;
    this.warn('facts', facts.warnings);
  }

  notePlan(plan: PlanSummary): void {
    this.result.pendingUpdates = plan.pending;
    this.result.keptBack = plan.keptBack;
    this.noteSecurity(plan.security);
    this.warn('plan', plan.warnings);
  }

  /** Something a person should know that neither facts nor plan say. */
  addWarning(warning: NodeWarning): void {
    this.warn('jobs', [...this.warnings.jobs, warning]);
  }

  private warn(source: 'facts' | 'plan' | 'jobs', warnings: readonly NodeWarning[]): void {
    this.warnings[source] = warnings;
    this.result.warnings = mergeWarnings(this.warnings.jobs, this.warnings.plan, this.warnings.facts);
  }

  /** Kept over the reboot that they have led to. */
  private noteRebootReasons(facts: NodeFacts): void {
    for (const reason of facts.reboot.reasons) this.noteRebootReason(reason);
  }

  noteRebootReason(reason: string): void {
    const all = new Set([...this.result.rebootReasons, reason]);
    this.result.rebootReasons = [...all].slice(0, MAX_REBOOT_REASONS);
  }

  /** A transaction has ended, and the node has said how. */
  noteTransaction(report: ApplyReport): void {
    this.transactionOpen = false;
    this.result.keptConfigFiles.push(...report.keptConfigFiles);
    this.warn('jobs', [...this.warnings.jobs, ...report.warnings]);
    if (report.changes.length === 0) return;
    this.result.changes.push(...report.changes);
    this.result.appliedAt = this.endOf(report);
    this.result.pendingUpdates = Math.max(0, (this.result.pendingUpdates ?? 0) - report.changes.length);
    this.noteSecurity(undefined);
  }

  /** What the node itself says after a failure counts more than what its jobs had time to say. */
  noteFailedNode({ facts, pending, changes }: FailedNodeFacts): void {
    this.noteAfter(facts);
    this.result.pendingUpdates = pending;
    this.noteSecurity(undefined);
    if (changes === null) return;
    this.transactionOpen = false;
    if (changes.length > 0) this.result.appliedAt ??= timestamp();
    this.result.changes = changes;
  }

  private noteSecurity(count: number | undefined): void {
    if (count === undefined) delete this.result.securityUpdates;
    else this.result.securityUpdates = count;
  }

  /** When the transaction ended on the node, which may be long before anybody was there to be told. */
  private endOf({ endedAgo }: ApplyReport): string {
    const stepStarted = Date.parse(this.result.steps.at(-1)?.startedAt ?? this.result.startedAt);
    return new Date(Math.max(stepStarted, Date.now() - endedAgo * 1_000)).toISOString();
  }

  fail(error: ErrorInfo): false {
    this.result.outcome = 'failed';
    this.result.error = error;
    // A plan that was refused is known all the same.
    const pending = error.details?.['pendingUpdates'];
    if (typeof pending === 'number') this.result.pendingUpdates = pending;
    return false;
  }

  /** What the patch waits for with its node in service; null: nothing any more. */
  waitFor(what: string | null): void {
    if (what === null) delete this.result.waitingFor;
    else this.result.waitingFor = what;
    this.show();
  }

  noteWaited(ms: number): void {
    if (ms > 0) this.result.waitedMs = (this.result.waitedMs ?? 0) + ms;
  }

  /** Untouched: the run gives the node another turn. */
  sendBack(message: string): void {
    this.result.outcome = 'not-tried';
    this.result.error = { type: 'NotTried', message };
  }

  /** Not changed, because its window has ended or somebody has left it out. */
  leave(error: ErrorInfo): void {
    this.result.outcome = 'not-tried';
    this.result.error = error;
  }

  /** Left as it is, by the policy of the cluster. */
  skip(error: ErrorInfo): false {
    this.result.outcome = 'skipped';
    this.result.error = error;
    return false;
  }

  endCancelled(): void {
    const step = this.result.steps.at(-1)?.step;
    if (step === 'reboot' && this.rebootRequested === 'no') {
      // Its packages are in place, and the reboot that was waited for was never sent.
      this.result.outcome = 'reboot-pending';
      this.result.error = null;
      return;
    }
    const asked = step === 'reboot';
    this.result.outcome = asked ? 'failed' : 'cancelled';
    this.result.error = {
      type: 'Cancelled',
      message: `the patch was cancelled ${this.whenCancelled(step)}`,
      ...defined({ remedy: asked ? `ospatch check ${this.input.cluster}` : undefined }),
    };
  }

  private whenCancelled(step: NodeStep | undefined): string {
    const { name } = this.input.node;
    if (this.result.waitingFor !== undefined) return `while ${name} waited, in service, for ${this.result.waitingFor}`;
    if (step === 'reboot') {
      if (this.rebootRequested === null) return `after ${name} was rebooted, before it was found to be healthy`;
      return this.rebootRequested === 'yes'
        ? `while ${name} was rebooting; its return was not waited for`
        : `while a reboot of ${name} was being requested; whether the node rebooted is unknown, and its return was not waited for`;
    }
    if (this.result.changes.length > 0) return `before all packages of ${name} were changed`;
    if (step === 'drain') return `while ${name} was being drained; none of its packages was changed`;
    return `before ${name} was changed`;
  }

  /** The last word on everything. */
  async close(): Promise<NodePatchResult> {
    this.describeWorkDone();
    delete this.result.waitingFor;
    this.result.endedAt = timestamp();
    this.show();
    await this.audit();
    return this.result;
  }

  show(): void {
    setCurrentDetails(renderNodePatch(this.input.cluster, this.input.trigger, this.result));
  }

  /** Only after everything has ended is it known. A cancellation says so itself. */
  private describeWorkDone(): void {
    const { error, changes, reboots, drain } = this.result;
    if (error === null || error.type === 'Cancelled') return;
    const message = describeWorkDone(error.message, {
      packagesChanged: changes.length,
      reboots,
      podsEvicted: drain?.evicted ?? 0,
      rebootRequested: this.rebootRequested === 'yes' || this.rebootRequested === 'unknown',
      transactionOpen: this.transactionOpen,
    });
    this.result.error = { ...error, message };
  }

  private async audit(): Promise<void> {
    try {
      await local.recordAudit({ cluster: this.input.cluster, trigger: this.input.trigger, result: this.result });
    } catch {
      // What cannot be written down must not fail the node; its run knows how it ended.
    }
  }
}
