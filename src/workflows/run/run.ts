/**
 * One run over a cluster: takes its nodes one at a time and settles every one of them.
 *
 * Owns the order, the failure budget and the cursor. A node that is unreachable for long after a change was begun counts
 * against the budget until it is back; where the budget allows it, the others go on meanwhile. Ends when all nodes have
 * settled. At a pause, or when its history is large, it ends with a cursor from which the next workflow of the same run
 * goes on; node patches of lost nodes go on without it, and the next run workflow adopts them. Cancelled, it starts no further
 * node and waits for those in flight.
 */
import { CancellationScope, condition, setCurrentDetails, setHandler, workflowInfo } from '@temporalio/workflow';
import { clusterWorkflowId } from '../../contract/workflow-ids';
import { nodeEndedSignal, nodeUnreachableSignal, progressQuery, restrictSignal } from '../../contract/messages';
import type { MemberKind, MemberSettled } from '../../domain/cluster/member';
import { memberName } from '../../domain/cluster/member';
import { parsePageRequest } from '../../domain/cluster/status-pages';
import { renderRunProgress } from '../../domain/render/cluster';
import { progressPage } from '../../domain/run/progress-page';
import { parseLost, parseRestrictions, parseSettled } from '../../domain/run/progress-parser';
import type {
  LostInRun,
  LostNode,
  NodeInWork,
  RunInput,
  RunProgressPage,
  RunResult,
  RunCursor,
  RunRestrictions,
} from '../../domain/run/run';
import {
  NODES_PER_RUN_WORKFLOW,
  notTried,
  runFailure,
  runOutcome,
  skippedBecauseRemoved,
  withinBudget,
} from '../../domain/run/run';
import { defined } from '../../domain/shared/defined';
import { endRun } from '../shared/endings';
import { isObject, requireOwnId } from '../shared/own-id';
import { publishRunEnd } from '../shared/search-attributes';
import type { RunMember } from './member';
import type { MemberInFlight, RunOfMembers } from './members-in-flight';
import { MembersInFlight } from './members-in-flight';
import { membersOf } from './members';
import { ProgressReporter } from './progress-reporter';
import { RestrictionsInForce } from './restrictions';

/** @throws ApplicationFailure `RunFailed` with the report, when the run has failed */
export async function run(input: RunInput): Promise<RunResult> {
  requireOwnId((id) => isOwnRun(id, input));
  const work = new RunLoop(input);
  setHandler(progressQuery, (value) => progressPage(work.progress(), parsePageRequest(value)), {
    description: 'How far the run is, node by node.',
  });
  setHandler(restrictSignal, (value) => work.restrict(parseRestrictions(value) ?? {}), {
    description: 'From the cluster: what this run may no longer do.',
  });
  setHandler(nodeUnreachableSignal, (value) => work.nodeUnreachable(parseLost(value)), {
    description: 'From a node patch: the node has been unreachable for long, and is still waited for',
  });
  setHandler(nodeEndedSignal, (value) => work.nodeEnded(parseSettled(value)), {
    description: 'From a node patch whose node was unreachable for long: the patch has ended',
  });
  const report = await work.run();
  publishRunEnd(report, input.searchAttributes);
  return endRun(report, runFailure(input, report));
}

function isOwnRun(id: string, { cluster, run, nodes, policy, restrictions }: RunInput): boolean {
  const isWhole = Array.isArray(nodes) && isObject(policy) && isObject(restrictions);
  return isWhole && id.startsWith(`${clusterWorkflowId(cluster)}/run/${run}-`);
}

class RunLoop implements RunOfMembers {
  readonly kind: MemberKind;
  readonly members: ReadonlyMap<string, RunMember>;
  readonly restrictions: RestrictionsInForce;
  private readonly cursor: RunCursor;
  private readonly alreadySettled: number;
  private readonly settledNodes: Set<string>;
  private readonly inFlight: MembersInFlight;
  private readonly reporter: ProgressReporter;

  constructor(readonly input: RunInput) {
    const { settled, failures, lost = [] } = input.resumeFrom ?? { settled: [], failures: 0 };
    this.cursor = { settled: [...settled], failures };
    this.alreadySettled = settled.length;
    this.settledNodes = new Set(settled.map(({ node }) => node));
    this.kind = input.policy.kind;
    this.members = new Map(membersOf(input).map((member) => [member.name, member]));
    this.restrictions = new RestrictionsInForce(input.restrictions);
    this.inFlight = new MembersInFlight(this);
    this.reporter = new ProgressReporter(input, (node) => this.inFlight.has(node));
    // What lost nodes have said before this run workflow began is handed over as the handlers are registered.
    for (const one of lost) this.inFlight.adopt(one);
  }

  progress(): RunProgressPage {
    const { settled } = this.cursor;
    const { run, nodes } = this.input;
    const inFlight = this.inFlight.all();
    return {
      run,
      total: nodes.length,
      done: settled.length,
      current: inFlight.filter((one) => !one.lost).map(toInWork)[0] ?? null,
      lost: inFlight.filter((one) => one.lost).map(toInWork),
      settled,
    };
  }

  nodeUnreachable(lost: LostNode | null): void {
    const inFlight = lost === null ? undefined : this.inFlight.sender(lost);
    if (lost === null || inFlight === undefined) return;
    inFlight.lost = true;
    this.reporter.lost(lost);
    this.show();
  }

  nodeEnded(settled: MemberSettled | null): void {
    if (settled === null || this.inFlight.sender(settled) === undefined) return;
    // At once: whatever else has arrived by now may end this run workflow, which would hand over a node patch that has ended.
    this.settle(settled);
  }

  async restrict(restrictions: RunRestrictions): Promise<void> {
    this.restrictions.take(restrictions);
    await this.inFlight.syncRestrictions();
  }

  async run(): Promise<RunResult> {
    CancellationScope.current().cancelRequested.catch(() => {
      this.restrictions.cancelled = true;
      this.inFlight.cancelAllAdopted();
    });
    const reporting = CancellationScope.nonCancellable(() => this.reporter.report());
    try {
      await this.takeNodes();
    } finally {
      this.reporter.end();
      await reporting;
    }
    // Nothing is awaited from here on, so what is heard by now is in the report.
    return this.report();
  }

  /** Ends when all nodes have settled, or when the rest is for the next workflow of the run. */
  private async takeNodes(): Promise<void> {
    if (this.inFlight.size > 0) this.show();
    for (const adopted of this.inFlight.all()) void this.inFlight.awaitAdopted(adopted);
    for (const member of this.members.values()) {
      if (this.settledNodes.has(member.name) || this.inFlight.has(member.name)) continue;
      await this.budgetIsFree();
      const skip = this.reasonNotToTry(member) ?? member.quarantined;
      if (skip !== null) {
        this.settle(skip);
        continue;
      }
      if (this.restrictions.paused || this.historyIsLarge()) return this.onlyLostIsLeft();
      const end = await this.patchUnlessLost(member);
      if (end === 'not-started') return this.onlyLostIsLeft();
    }
    await this.shielded(() => this.inFlight.size === 0 || this.onlyLostInPause());
  }

  private report(): RunResult {
    const cursor = { ...this.cursor, settled: [...this.cursor.settled] };
    const isFinished = this.inFlight.size === 0 && [...this.members.keys()].every((name) => this.isSettled(name));
    if (isFinished) {
      return { end: 'finished', outcome: runOutcome(cursor.settled, this.restrictions.cancelled), cursor };
    }
    const lost = this.inFlight.all().map(toLostInRun);
    if (lost.length > 0) cursor.lost = lost;
    return { end: 'suspended', outcome: runOutcome(cursor.settled, false), cursor };
  }

  private historyIsLarge(): boolean {
    const settledHere = this.cursor.settled.length - this.alreadySettled;
    // The first node of a run workflow is always taken, or a run would never get on.
    return (
      settledHere >= NODES_PER_RUN_WORKFLOW ||
      (settledHere > 0 && (this.restrictions.handOver || workflowInfo().continueAsNewSuggested))
    );
  }

  /** Waits while only lost nodes, which may come back, stand between the next node and the failure budget. */
  private async budgetIsFree(): Promise<void> {
    const { onFailure } = this.input.policy;
    await this.shielded(
      () =>
        this.inFlight.size === 0 ||
        this.restrictions.cancelled ||
        this.restrictions.paused ||
        !withinBudget(this.cursor.failures, onFailure) ||
        withinBudget(this.cursor.failures + this.inFlight.size, onFailure),
    );
  }

  /** Ends when the node has settled, or when it is lost and goes on in the background. */
  private async patchUnlessLost(member: RunMember): Promise<'begun' | 'not-started'> {
    const { name } = member;
    const inFlight = this.inFlight.begin(member);
    this.reporter.started(name);
    this.show();
    const patching = this.inFlight.patch(inFlight, member).then((end): 'begun' | 'not-started' => {
      if (end === 'not-started') {
        this.inFlight.remove(name);
        return end;
      }
      this.settle(end);
      return 'begun';
    });
    const isOver = (): boolean => inFlight.lost || this.inFlight.get(name) !== inFlight;
    await CancellationScope.nonCancellable(() => Promise.race([patching, condition(isOver)]));
    return inFlight.lost || this.isSettled(name) ? 'begun' : patching;
  }

  private onlyLostInPause(): boolean {
    return this.restrictions.paused && !this.restrictions.cancelled && this.inFlight.onlyLost();
  }

  /** A cancelled run still waits for the nodes in work; they are told by their own cancellation. */
  private async shielded(until: () => boolean): Promise<void> {
    if (!until()) await CancellationScope.nonCancellable(() => condition(until));
  }

  /** A lost node is left to the next run workflow, never waited for here. */
  private onlyLostIsLeft(): Promise<void> {
    return this.shielded(() => this.inFlight.onlyLost());
  }

  reasonNotToTry({ name }: RunMember): MemberSettled | null {
    const unit = memberName(this.kind);
    if (this.restrictions.removed.has(name)) return skippedBecauseRemoved(this.kind, name);
    if (this.restrictions.cancelled) return notTried(this.kind, name, `the run was cancelled before this ${unit}`);
    if (withinBudget(this.cursor.failures, this.input.policy.onFailure)) return null;
    const failed = this.cursor.settled.find((one) => one.outcome === 'failed' && !this.isQuarantined(one.node));
    const why = `the run stopped before this ${unit} because ${failed?.node ?? `another ${unit}`} failed`;
    return notTried(this.kind, name, why);
  }

  /** A failure that was known before the run is on its record, but does not keep the run from the other nodes. */
  private isQuarantined(name: string): boolean {
    return (this.members.get(name)?.quarantined ?? null) !== null;
  }

  isSettled(name: string): boolean {
    return this.settledNodes.has(name);
  }

  /** Once: a node patch that was lost says how it ended by a signal, and by its own result. */
  settle(settled: MemberSettled): void {
    if (this.isSettled(settled.node)) return;
    this.settledNodes.add(settled.node);
    this.inFlight.remove(settled.node);
    this.cursor.settled.push(settled);
    const wasKnown = settled.workflowRunId === null && this.isQuarantined(settled.node);
    if (settled.outcome === 'failed' && !wasKnown) this.cursor.failures += 1;
    this.reporter.settled(settled);
    this.show();
  }

  show(): void {
    setCurrentDetails(renderRunProgress(this.progress(), this.kind));
  }
}

function toInWork({ node, state, startedAt, workflowRunId, taskQueue }: MemberInFlight): NodeInWork {
  return { node, state, startedAt, workflowRunId, ...defined({ taskQueue }) };
}

function toLostInRun({ node, startedAt, workflowRunId }: MemberInFlight): LostInRun {
  return { node, startedAt, workflowRunId: workflowRunId ?? '' };
}
