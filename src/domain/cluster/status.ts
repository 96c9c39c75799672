import { defined } from '../shared/defined';
import { plainText } from '../shared/text';
import type { ActiveRun, ClusterState, PendingRequest } from './state';
import { isNode } from './member';
import { nextBeginning } from './schedule-state';
import { resetMessage } from './reset';
import { isPatchable, isSelfManaged } from './state';
import { handsOverNodes } from '../run/run';
import { waitsForDecision } from './decide';
import { expiryMs } from './run-window';
import { isoSecond } from '../shared/dates';
import { runDetail } from '../run/detail';
import type { MemberPlace } from '../run/next-step';
import type { RunCursor, RunDetail } from '../run/run';
import type { StoredEvent } from './events';
import { eventsOf, lastEvent } from './events';
import type {
  AcceptedRequest,
  ClusterHistory,
  ClusterPhase,
  ClusterStatus,
  QueuedRun,
  Rejection,
  RunStatus,
} from './messages';

const MAX_LOST_SHOWN = 100;
const MAX_REASON = 120;

/** The state of the cluster with all nodes. */
export function toStatus(state: ClusterState): ClusterStatus {
  return { ...toSummary(state), nodes: state.nodes };
}

/** The state of the cluster without nodes. */
export function toSummary(state: ClusterState): Omit<ClusterStatus, 'nodes'> {
  const { spec } = state;
  return {
    cluster: spec.name,
    createdAt: state.createdAt,
    type: spec.type,
    state: clusterPhase(state),
    ready: isReady(state),
    paused: state.paused,
    timeZone: isPatchable(spec) ? spec.patching.timeZone : null,
    // A run that waits for a window goes on in a part of one too.
    nextWindow: state.run === null ? nextBeginning(state.schedule) : (state.schedule.next?.[0] ?? null),
    blackouts: state.schedule.blackouts,
    scheduleError: state.schedule.error,
    loopError: state.loopError ?? null,
    reset: resetMessage(state),
    run: runStatus(state),
    queued: queuedRuns(state),
    lastRun: state.runs.at(-1) ?? null,
    lastRejection: lastRejection(state),
  };
}

/** Whether the boot patch of no node is pending or failed. */
export function isReady({ nodes }: ClusterState): boolean {
  return nodes.filter(isNode).every(({ bootPatch }) => bootPatch !== 'pending' && bootPatch !== 'failed');
}

/** The answer of the `history` query: windows and requests are views of the events. */
export function toHistory({ createdAt, runs, events }: ClusterState): ClusterHistory {
  return {
    createdAt,
    runs,
    windows: eventsOf(events, 'windows').flatMap((event) =>
      event.kind === 'window' ? [{ at: event.window, result: event.result }] : [],
    ),
    requests: eventsOf(events, 'actions').flatMap((event) =>
      event.kind === 'action' ? [toAcceptedRequest(event)] : [],
    ),
  };
}

function toAcceptedRequest(event: Extract<StoredEvent, { kind: 'action' }>): AcceptedRequest {
  const { at, request, by, verified, reason, result, node } = event;
  return {
    at: new Date(at).toISOString(),
    request,
    ...defined({ node }),
    by,
    ...defined({ verified }),
    reason,
    result,
  };
}

function lastRejection({ events }: ClusterState): Rejection | null {
  const event = lastEvent(events, ['rejected']);
  if (event === undefined) return null;
  const { at, by, verified, request, message } = event;
  return { at: new Date(at).toISOString(), by, ...defined({ verified }), request, message };
}

export function clusterPhase(state: ClusterState): ClusterPhase {
  if (state.removing !== null) return 'removing';
  if (!isPatchable(state.spec)) return 'not-patchable';
  if (state.run !== null && isUnderWay(state, state.run)) return 'running';
  if (state.paused !== null) return 'paused';
  const suspended = state.run?.suspended ?? null;
  if (suspended !== null && isBetweenWindows(suspended)) return 'waiting';
  return state.run !== null && waitsForDecision(state, state.run) !== null ? 'waiting' : 'idle';
}

function runStatus(state: ClusterState): RunStatus | null {
  const { run } = state;
  if (run === null) return null;
  return {
    number: run.number,
    ...defined({ requestId: run.requestId }),
    trigger: run.trigger,
    state: runState(state, run),
    startedAt: run.startedAt,
    done: Object.keys(run.done).length,
    total: run.nodes.length,
    ...defined({ bound: run.bound, deadline: run.deadline, expiresAt: expiresAt(state, run) }),
    ...lostOf(state, run),
    ...defined({ detail: run.suspended === null ? undefined : detailOf(run, run.suspended) }),
  };
}

function queuedRuns(state: ClusterState): QueuedRun[] {
  const { run, request, queue = [], aside, nextRun } = state;
  // Between its windows, the run in progress makes room.
  const after = run === null || (run.suspended !== null && isBetweenWindows(run.suspended)) ? null : run.number;
  const requests = [...(request === null ? [] : [request]), ...queue];
  return [
    ...requests.map((one) => ({ ...toQueued(one, one.number ?? nextRun), state: 'queued' as const, after })),
    ...(aside === undefined ? [] : [setAside(state, aside, after)]),
    ...(run?.cancelledWith ?? []).map((one) => ({
      ...toQueued(one, one.number),
      ...{ state: 'cancelled' as const, after, message: one.message },
    })),
  ];
}

function toQueued(request: PendingRequest, run: number): Omit<QueuedRun, 'state' | 'after'> {
  const { id, at, nodes, by, verified, reason, notBefore, deadline, ignoreWindow, ignoreAlerts } = request;
  return {
    ...{ run, requestId: id, by, reason: shortened(reason), nodes: nodes?.length ?? null, requestedAt: at },
    ...defined({ verified, notBefore, deadline, ignoreWindow, ignoreAlerts }),
  };
}

function setAside(state: ClusterState, run: ActiveRun, after: number | null): QueuedRun {
  const { number, requestId, by, reason, nodes, startedAt, deadline } = run;
  const isCancelled = run.state === 'cancelling';
  const message = 'cancelled while it was set aside; the nodes that it had not changed stay as they are';
  return {
    ...{ run: number, ...(isCancelled ? { state: 'cancelled' as const, message } : { state: 'set-aside' as const }) },
    ...{ by, reason: shortened(reason), nodes: nodes.length },
    ...{ requestedAt: startedAt, after },
    ...defined({ requestId, deadline, expiresAt: expiresAt(state, run) }),
  };
}

/** Of a run that is suspended or set aside. Undefined: it does not expire. */
function expiresAt({ spec }: ClusterState, run: ActiveRun): string | undefined {
  if (!isPatchable(spec) || run.state !== 'running' || run.suspended === null) return undefined;
  const atMs = expiryMs(spec, run, run.suspended.hold?.kind === 'budget');
  return atMs === null ? undefined : isoSecond(atMs);
}

function runState(state: ClusterState, run: ActiveRun): RunStatus['state'] {
  if (run.state === 'cancelling') return 'cancelling';
  if (isUnderWay(state, run) || run.suspended === null) return 'running';
  return state.paused === null && isBetweenWindows(run.suspended) ? 'suspended' : 'paused';
}

function isBetweenWindows({ hold }: RunCursor): boolean {
  return hold?.kind === 'window';
}

/** A status has room for many of them. */
function shortened(reason: string | null): string | null {
  return reason === null ? null : plainText(reason, MAX_REASON);
}

/** A run in progress knows more of itself than its cluster does. */
function detailOf({ nodes, removed, done, policy }: ActiveRun, cursor: RunCursor): RunDetail {
  const open = new Map(
    (cursor.inFlight ?? []).map((one) => [one.node, one.lost === true ? 'lost' : 'in-flight'] as const),
  );
  const gone = new Set(removed);
  const placeOf = (name: string): MemberPlace =>
    done[name] !== undefined || gone.has(name) ? 'settled' : (open.get(name) ?? 'waiting');
  const all = nodes.map((name) => ({ name, place: placeOf(name) }));
  const at = (wanted: MemberPlace): typeof all => all.filter(({ place }) => place === wanted);
  return runDetail(
    { waiting: at('waiting'), inFlight: at('in-flight'), lost: at('lost') },
    {
      ...{ limits: policy.limits, failures: cursor.failures, hold: cursor.hold ?? null },
      ...defined({ holdSince: cursor.holdSince }),
      ...{ openStage: cursor.openStage ?? 0, stages: policy.kind === 'node' ? policy.stages : [{ soakMs: 0 }] },
      // A suspended run waits for a window, or for somebody.
      windowEnd: null,
    },
  );
}

/** For a decision, or for the next window. */
function waits({ hold }: RunCursor): boolean {
  return hold?.kind === 'budget' || hold?.kind === 'window';
}

/** Also while one run workflow hands over to the next, which is a matter of a second. */
function isUnderWay({ paused }: ClusterState, { suspended }: ActiveRun): boolean {
  return suspended === null || handsOverNodes(suspended) || (paused === null && !waits(suspended));
}

/** Node patches of a paused run that continue because their nodes are unreachable after a change. */
function lostOf({ spec }: ClusterState, { policy, suspended }: ActiveRun): Pick<RunStatus, 'lost'> {
  const lost = (suspended?.inFlight ?? []).filter((one) => one.lost).slice(0, MAX_LOST_SHOWN);
  if (lost.length === 0) return {};
  const queues = new Map(isSelfManaged(spec) ? spec.nodes.map((node) => [node.name, node.taskQueue]) : []);
  return {
    lost: lost.map(({ node, startedAt, workflowRunId }) => {
      const taskQueue = queues.get(node) ?? policy.taskQueue;
      return { node, startedAt, workflowRunId, state: 'patching', ...defined({ taskQueue }) };
    }),
  };
}
