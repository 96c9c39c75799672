/** Supervises the run of a cluster: starts the child workflow, sends it new restrictions, and settles its end. */
import { countGates } from '../../domain/cluster/totals';
import { CancellationScope, condition, getExternalWorkflowHandle, startChild } from '@temporalio/workflow';
import type { ChildWorkflowHandle } from '@temporalio/workflow';
import { canonicalJson } from '../../domain/shared/canonical-json';
import type { ActiveRun, ClusterState } from '../../domain/cluster/state';
import {
  finishRun,
  openIn,
  isSelfManaged,
  markLost,
  markStarted,
  note,
  noteHandOver,
  settleNodes,
  settleReport,
  unsettled,
} from '../../domain/cluster/state';
import { restrictionsFor } from '../../domain/cluster/decide';
import { noteResumed, noteSuspended } from '../../domain/cluster/run-events';
import { takeNodeGroups } from '../../domain/eks/state';
import type { ErrorInfo } from '../../domain/shared/errors';
import { priorityOf } from '../../contract/priorities';
import { WORKFLOW_TYPES, nodeWorkflowId, runWorkflowId } from '../../contract/workflow-ids';
import type { NodeError } from '../../domain/node/status';
import { toNodeError } from '../../domain/node/status';
import type { NodeRunInput, LostNode, RunCursor, RunInput, RunProgress, RunResult } from '../../domain/run/run';
import type { ClusterSpec, NodeSpec } from '../../domain/spec/types';
import type { IneffectiveReboot } from '../../domain/node/reboot';
import { forecasterOf, runForecasts } from '../../domain/run/forecast';
import { briefCursor, briefErrors } from '../../domain/run/hand-over-size';
import {
  failedUnrecorded,
  handsOverNodes,
  markHandedOverLost,
  removeSettled,
  quarantinedNodes,
  settleHandedOver,
  skippedBecauseRemoved,
  ineffectiveReboots,
} from '../../domain/run/run';
import { stagesWithout } from '../../domain/run/stages';
import type { MemberSettled } from '../../domain/cluster/member';
import { awsCancellable, cleanUp, optionsFor } from '../shared/activity-options';
import { CHILD_OPTIONS, startLockedChild, whileWanted } from '../shared/locked-child';
import { reportOf } from '../shared/endings';
import { inChunks } from '../shared/in-chunks';
import { foundBy } from '../shared/search-attributes';
import { toErrorInfo } from '../shared/failures';
import { restrictSignal } from '../../contract/messages';
import { membersOf } from '../run/members';
import { run as runWorkflow } from '../run/run';
import { LostPatches } from './lost-patches';
import { defined } from '../../domain/shared/defined';
import { timestamp } from '../shared/timestamp';

function nothingSettled(): RunCursor {
  return { settled: [], failures: 0 };
}

/** Stands for restrictions whose signal has failed. */
const UNSENT = 'unsent';

/** How soon a run workflow that could not be told is told again, in milliseconds. */
const RESTRICT_RETRY_MS = 10_000;

/**
 * A worker that takes over a run of more members than this replays thousands of events first. Within the
 * 30 seconds that other workflow tasks may take, a busy worker may never get through with that.
 */
const LARGE_RUN = 500;
const LARGE_RUN_TASK_TIMEOUT = '1 minute' as const;

export class RunSupervisor {
  private scope: CancellationScope | null = null;
  private child: ChildWorkflowHandle<typeof runWorkflow> | null = null;
  /** The restrictions that the run workflow has, as JSON. */
  private lastSent = '';
  private endedRuns = 0;
  private putDown = false;
  /** The run workflow was started only to wait for the lost nodes of a cancelled run. */
  private startedCancelled = false;
  /** Of a run that is suspended. */
  private readonly lostPatches: LostPatches;
  /** The ends that the cluster has been told of. The report of the run workflow may hand over a node patch that has ended since. */
  private ends: MemberSettled[] = [];
  private lost: LostNode[] = [];

  /** `changed` is called whenever the state has changed. */
  constructor(
    private readonly state: ClusterState,
    private readonly visibility: { readonly registered: readonly string[] },
    private readonly changed: () => void,
  ) {
    this.lostPatches = new LostPatches(state.spec.name, (run, settled) => this.noteLostEnd(run, settled));
  }

  get isRunning(): boolean {
    return this.scope !== null;
  }

  /** Whether a run workflow has put its run down in this generation of the workflow. */
  get hasPutDown(): boolean {
    return this.putDown;
  }

  /** Runs that have ended in this generation of the workflow. */
  get ended(): number {
    return this.endedRuns;
  }

  /**
   * Takes in what is told of a run in progress: by its run workflow, or by a node patch that has found its run workflow over, whose
   * report may come later than this.
   */
  noteProgress(run: ActiveRun, { settled, started, lost = [], held, gates }: RunProgress): void {
    const now = timestamp();
    settleNodes(this.state, run, settled, now);
    if (run.suspended !== null) {
      settleHandedOver(run.suspended, settled);
      markHandedOverLost(run.suspended, lost);
    } else {
      this.ends.push(...settled);
      this.lost.push(...lost);
    }
    markStarted(this.state, run, started, now);
    markLost(this.state, run, lost, now);
    countGates(this.state, gates);
    if (held !== undefined) note(this.state, { kind: 'limit', run: run.number, ...held }, now);
    this.changed();
  }

  /** While a run is suspended, hears of the node patches that it has left, however they end. */
  watchLost(): void {
    const { run, spec } = this.state;
    if (run === null || run.suspended === null || this.scope !== null) return;
    this.lostPatches.watch(run, (name) => {
      const nodes = isSelfManaged(spec) ? spec.nodes.filter((one) => one.name === name) : [];
      return membersOf(this.inputOf(run, nodes, { resumeFrom: null, restrictions: {} })).find(
        (one) => one.name === name,
      );
    });
  }

  private noteLostEnd(run: ActiveRun, settled: MemberSettled): void {
    if (this.state.run !== run || run.suspended === null) return;
    const isKnown = run.suspended.inFlight?.some(({ node }) => node === settled.node) !== true;
    if (isKnown) return;
    settleNodes(this.state, run, [settled], timestamp());
    settleHandedOver(run.suspended, [settled]);
    this.changed();
  }

  /** Starts the run workflow of `run`, or goes on with it where it was suspended. */
  start(run: ActiveRun): void {
    const { spec } = this.state;
    const scope = new CancellationScope();
    const cursor = this.withoutRemoved(run);
    noteResumed(this.state, run, timestamp());
    run.suspended = null;
    this.lostPatches.stop();
    this.scope = scope;
    this.ends = [];
    this.lost = [];
    this.startedCancelled = run.state === 'cancelling';
    // Frozen for the whole run, however long it waits for its turn.
    const specs = new Map(isSelfManaged(spec) ? spec.nodes.map((node) => [node.name, node]) : []);
    const nodes = run.nodes.flatMap((name) => specs.get(name) ?? []);
    const resumeFrom = cursor === null ? null : briefCursor(cursor);
    const members = run.policy.kind === 'node' ? nodes.map(({ name }) => name) : run.nodes;
    const forecasts = runForecasts(members, forecasterOf(this.state.nodes));
    const workflowId = runWorkflowId(spec.name, this.state.createdAt, run.number);
    const start = (): Promise<ChildWorkflowHandle<typeof runWorkflow>> => {
      const restrictions = restrictionsFor(this.state, run, Date.now());
      this.lastSent = canonicalJson(restrictions);
      return startChild(runWorkflow, {
        ...CHILD_OPTIONS,
        workflowId,
        ...foundBy(spec.name, this.visibility.registered),
        ...defined({ workflowTaskTimeout: members.length > LARGE_RUN ? LARGE_RUN_TASK_TIMEOUT : undefined }),
        staticSummary: `run ${run.number} of ${spec.name} (${run.trigger})`,
        args: [this.inputOf(run, nodes, { resumeFrom, restrictions, forecasts })],
      });
    };
    // A run that only waits for its beginning is paused at once, and one that is cancelled ends by its scope; nodes that are being
    // patched are waited for.
    const isAwaited = cursor !== null && handsOverNodes(cursor);
    const isLate = (): boolean => run.deadline !== undefined && Date.parse(run.deadline) <= Date.now();
    const shouldStart = (): boolean =>
      isAwaited || (this.state.paused === null && !isLate()) || run.state === 'cancelling';
    const work = async (): Promise<RunResult> => {
      const isListed = run.nodeGroupsUnresolved !== true || (await this.listNodeGroups(run, shouldStart));
      const child = isListed ? await startLockedChild(workflowId, start, { shouldStart }) : null;
      if (child === null) return { end: 'suspended', outcome: 'succeeded', cursor: cursor ?? nothingSettled() };
      this.child = child;
      this.changed();
      return child.result();
    };
    void scope.run(work).then(
      (report) => this.workflowEnded(run, report),
      (failure: unknown) => {
        const report = reportOf(failure);
        if (report === null) return this.workflowFailed(run, failure);
        this.workflowEnded(run, report);
      },
    );
  }

  private inputOf(
    run: ActiveRun,
    nodes: NodeSpec[],
    more: Pick<RunInput, 'resumeFrom' | 'restrictions' | 'forecasts'>,
  ): RunInput {
    const input = {
      cluster: this.state.spec.name,
      run: run.number,
      trigger: run.trigger,
      startedAt: run.startedAt,
      ...more,
      searchAttributes: [...this.visibility.registered],
    };
    const { policy } = run;
    if (policy.kind === 'node-group') {
      return { ...input, nodes: run.nodes.map((name) => ({ name })), policy: { ...policy } };
    }
    const { spec } = this.state;
    const there = new Set(nodes.map(({ name }) => name));
    return {
      ...input,
      nodes,
      policy: { ...policy, stages: stagesWithout(policy.stages, run.nodes, (name) => there.has(name)) },
      ...othersOf(spec, run),
      ...this.quarantined(run),
      ...this.ineffective(run),
    };
  }

  /** Asks AWS for the node groups of a run that is about all of them. False: the answer is not wanted any more. */
  private async listNodeGroups(run: ActiveRun, isWanted: () => boolean): Promise<boolean> {
    if (run.policy.kind !== 'node-group') return true;
    const { access } = run.policy;
    const listed = await whileWanted(isWanted, () =>
      awsCancellable.listNodegroups.executeWithOptions(
        {
          ...optionsFor({ name: `EKS cluster ${access.cluster}` }, run.policy, 'its node groups'),
          // The cluster has no trigger; the run, which has not begun, has one.
          priority: { priorityKey: priorityOf('listNodegroups', WORKFLOW_TYPES.run, run.trigger) },
        },
        [{ access }],
      ),
    );
    if (listed === null) return false;
    const error = takeNodeGroups(this.state, run, listed);
    if (error !== null) throw new CannotBegin(error);
    this.changed();
    return true;
  }

  private quarantined(run: ActiveRun): { quarantined?: Record<string, NodeError> } {
    if (run.explicitNodes === true) return {};
    const names = new Set(run.nodes);
    const quarantined = quarantinedNodes(this.state.nodes.filter(({ name }) => names.has(name)));
    return defined({ quarantined: Object.keys(quarantined).length === 0 ? undefined : briefErrors(quarantined) });
  }

  private ineffective(run: ActiveRun): { ineffectiveReboots?: Record<string, IneffectiveReboot> } {
    const names = new Set(run.nodes);
    const ineffective = ineffectiveReboots(this.state.nodes.filter(({ name }) => names.has(name)));
    return defined({ ineffectiveReboots: Object.keys(ineffective).length === 0 ? undefined : ineffective });
  }

  /** The cursor a run workflow starts from. Nodes that left the spec before their turn have settled. */
  private withoutRemoved(run: ActiveRun): RunCursor | null {
    if (run.removed.length === 0) return run.suspended;
    const { settled, inFlight = [], ...place } = run.suspended ?? nothingSettled();
    const known = new Set([...settled, ...inFlight].map(({ node }) => node));
    const gone = run.removed.filter((name) => !known.has(name));
    return {
      ...place,
      settled: [...settled, ...gone.map((name) => skippedBecauseRemoved(run.policy.kind, name))],
      inFlight,
    };
  }

  private workflowEnded(run: ActiveRun, report: RunResult): void {
    this.workflowIsOver();
    const { cursor } = report;
    const again = Object.entries(run.retried ?? {}).filter(([name, times]) => times > (cursor.retried?.[name] ?? 0));
    // A request that the run workflow did not hear of any more is for the next one.
    for (const [name] of again) removeSettled(cursor, name);
    if (report.end === 'suspended' || again.length > 0) {
      cursor.retried = { ...run.retried };
      settleReport(this.state, run, cursor.settled, timestamp());
      const started = new Map((cursor.inFlight ?? []).map(({ node, workflowRunId }) => [node, workflowRunId]));
      // A node that was given another turn has ended before, too.
      settleHandedOver(
        cursor,
        this.ends.filter(({ node, workflowRunId }) => started.get(node) === workflowRunId),
      );
      markHandedOverLost(cursor, this.lost);
      noteHandOver(this.state, run, cursor);
      run.suspended = cursor;
      noteSuspended(this.state, run, timestamp());
      this.putDown = true;
    } else {
      this.end(run, report.cursor, report.outcome);
    }
  }

  /** Somebody terminated the run workflow, or it was cancelled before it began: its nodes are settled from what is known. */
  private async workflowFailed(run: ActiveRun, failure: unknown): Promise<void> {
    if (this.child !== null) await this.cancelNodePatches(run);
    this.workflowIsOver();
    const error = failure instanceof CannotBegin ? failure.info : toErrorInfo(failure, `run ${run.number}`);
    const settled = this.state.nodes
      .filter((node) => node.state === 'patching')
      .map(({ name }) => failedUnrecorded(run.policy.kind, name, toNodeError(error)));
    const isCancelled = error.type === 'Cancelled';
    this.end(run, { settled, failures: 0 }, isCancelled ? 'cancelled' : 'failed', isCancelled ? null : error);
  }

  /** Node patches outlive their run workflow, for the next one to adopt; of one that was terminated there is none. */
  private async cancelNodePatches(run: ActiveRun): Promise<void> {
    const cluster = this.state.spec.name;
    const isOpen = openIn(run);
    const inWork = this.state.nodes.filter(({ name, state }) => state === 'patching' && isOpen(name));
    // One that has ended needs no cancellation.
    await inChunks(inWork, ({ name }) =>
      getExternalWorkflowHandle(nodeWorkflowId(cluster, name))
        .cancel()
        .catch(() => undefined),
    );
    const workflowId = runWorkflowId(cluster, this.state.createdAt, run.number);
    // What the cluster had not heard of yet. Without an answer it goes on to its end, and the next run waits for it.
    await cleanUp.cancelChildren
      .executeWithOptions({ summary: `cancel node patches left by run ${run.number}` }, [workflowId])
      .catch(() => undefined);
  }

  private workflowIsOver(): void {
    this.child = null;
    this.scope = null;
    this.changed();
  }

  /** Nodes that are neither in `cursor` nor done were skipped or not tried. */
  private end(run: ActiveRun, cursor: RunCursor, outcome: RunResult['outcome'], error: ErrorInfo | null = null): void {
    settleReport(this.state, run, cursor.settled, timestamp());
    finishRun(this.state, run, unsettled(run), run.expired === undefined ? outcome : 'expired', timestamp(), error);
    this.endedRuns += 1;
    this.changed();
  }

  /**
   * Brings the run workflow in line with the state: cancel, pause, removed nodes, reboots no longer allowed. `handOver`: the
   * history of the cluster is about to be full, after which the server takes no message, so the run workflow ends
   * after the node in work, and the next one goes on from a fresh history.
   */
  async syncRestrictions(handOver: boolean): Promise<void> {
    const { run } = this.state;
    if (run === null || this.scope === null) return;
    if (run.state === 'cancelling') {
      if (!this.startedCancelled && !this.scope.consideredCancelled) this.scope.cancel();
      return;
    }
    const { child } = this;
    if (child === null) return;
    const asked = restrictionsFor(this.state, run, Date.now());
    const restrictions = handOver ? { ...asked, handOver: true } : asked;
    const key = canonicalJson(restrictions);
    if (key === this.lastSent) return;
    this.lastSent = key;
    try {
      await child.signal(restrictSignal, restrictions);
    } catch {
      // A run workflow that has just ended needs no restriction; one that goes on gets it again.
      void condition(() => this.child !== child, RESTRICT_RETRY_MS, {
        summary: 'send the limits to the run again',
      }).then((ended) => {
        if (ended || this.lastSent !== key) return;
        this.lastSent = UNSENT;
        this.changed();
      });
    }
  }

  /** Gives up a run that is suspended; `why`: a clause about the run. */
  expire(run: ActiveRun, why: string): void {
    run.expired = why;
    // Its run workflow ends it.
    run.state = 'cancelling';
    this.changed();
  }

  /** Ends a run that is suspended and has no members yet. */
  drop(run: ActiveRun): void {
    this.end(run, run.suspended ?? nothingSettled(), 'cancelled');
  }
}

/** Why a run ends before its workflow has begun. */
class CannotBegin extends Error {
  constructor(readonly info: ErrorInfo) {
    super(info.message);
  }
}

/** The nodes of the cluster that the run does not patch, where they count. */
function othersOf(spec: ClusterSpec, { nodes, policy }: ActiveRun): Pick<NodeRunInput, 'others'> {
  if (!isSelfManaged(spec) || policy.limits.maxUnavailable === null) return {};
  const patched = new Set(nodes);
  const others = spec.nodes.filter(({ name }) => !patched.has(name));
  return defined({ others: others.length === 0 ? undefined : others });
}
