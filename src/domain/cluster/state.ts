import type { Verification } from '../shared/verification';
import type { Admissions } from './admissions';
import { canonicalJson } from '../shared/canonical-json';
import type { ApplySpecAnswer, Canceller, Pause, RunSummary } from './messages';
import { KEPT_RUNS } from './messages';
import type { EventFact, EventLog } from './events';
import { newEventLog, recordEvent, someMembers } from './events';
import type { ErrorInfo } from '../shared/errors';
import { nodeGroupRows } from '../eks/rows';
import { isNode, memberName, transition, withStateSince } from './member';
import type { MemberSettled, MemberStatus } from './member';
import type { NodeError, NodeOutcome, NodeReading, NodeStatus } from '../node/status';
import { acknowledged, toNodeError } from '../node/status';
import type { MachineChange } from './machine-change';
import { confirmed, machineChange, newMachine, unconfirmed } from './machine-change';
import { MAX_STATUS_WARNINGS } from '../node/warning';
import { isBackInQueue } from '../run/window-end';
import { notTried, skipped, skippedBecauseRemoved } from '../run/run';
import type { LostNode, RunCursor, RunOutcome, RunPolicy, RunTrigger } from '../run/run';
import type { CalendarAhead } from '../schedule/window';
import type { Amount, ClusterSpec, NodeSpec, PatchableSpec, SelfManagedSpec } from '../spec/types';
import { newSchedule, unload } from './schedule-state';
import type { OpenWindow, ScheduleState } from './schedule-state';
import { STATE_VERSION } from './state-version';
import type { Totals } from './totals';
import { countTotal, countWork } from './totals';
import type { Notices } from './run-report';
import { noteRunReport } from './run-report';
import { diffSpecs } from '../spec/diff';
import { nodeNames, renamedNodes, trustKey } from '../spec/renamed-nodes';
import { isEks } from '../eks/node-groups';
import { defined } from '../shared/defined';

const KEPT_ANSWERS = 50;
const KEPT_FORMER_NODES = 50;

/** A request that waits for its run. `nodes: null` means all nodes. */
export interface PendingRequest extends Verification {
  /** Tells requests apart, whatever the number of their run. */
  id: string;
  /** When it was made, ISO 8601. */
  at: string;
  nodes: string[] | null;
  by: string;
  reason: string | null;
  /** Of its run, which no other run gets. Absent: the next one. */
  number?: number;
  /** ISO 8601. */
  notBefore?: string;
  deadline?: string;
  ignoreWindow?: true;
  ignoreAlerts?: true;
  concurrency?: Amount;
}

/** A request whose run was cancelled before the run started. */
export interface CancelledRequest extends PendingRequest {
  /** The number of the run, which no other run gets. */
  number: number;
  /** One sentence about the run. */
  message: string;
}

/** The history of a machine that is no longer a node of the cluster. */
export interface FormerNode {
  machineId: string;
  lastAppliedPatchTime: string;
}

/** The run in progress. `suspended` holds the cursor while no workflow works on the run. */
export interface ActiveRun extends Verification {
  number: number;
  /** Of the request that it serves. Absent: it serves none. */
  requestId?: string;
  trigger: RunTrigger;
  startedAt: string;
  by: string | null;
  reason: string | null;
  /** Names in patching order. The specs are in the cluster's spec: each is large, and one copy is enough. */
  nodes: string[];
  /** The request names these nodes. */
  explicitNodes?: boolean;
  /** The node groups have not been listed yet; `nodes` holds the requested names, or nothing. */
  nodeGroupsUnresolved?: boolean;
  /** Nodes that left the spec during the run; they stay excluded, even when a node of that name is added again. */
  removed: string[];
  policy: RunPolicy;
  /** Outcomes of the settled nodes. */
  done: Record<string, NodeOutcome>;
  state: 'running' | 'cancelling';
  /** Who cancelled the run. Absent: unknown, or not cancelled. */
  cancelledBy?: Canceller;
  suspended: RunCursor | null;
  /** Nodes are started in maintenance windows only, of which the run is suspended in between. Absent: at any time. */
  bound?: true;
  /** Somebody has asked for a run outside of windows and during blackouts. */
  ignoresWindows?: true;
  /** When the run ends at the latest, ISO 8601. Absent: there is no such moment. */
  deadline?: string;
  /** Why the run was given up, a clause about it. Absent: it was not. */
  expired?: string;
  /** Why members are left out, by name. Absent: none is. */
  skipped?: Record<string, string>;
  /** The same of members that had been started by then: they are left out as far as nothing was changed. Absent: none is. */
  withdrawn?: Record<string, string>;
  /** How often members were given another turn, by name. Absent: none was. */
  retried?: Record<string, number>;
  /** Queued runs that were cancelled together with this run, the last 19; their summaries are filed after it. */
  cancelledWith?: CancelledRequest[];
}

/**
 * Everything a cluster workflow knows: one plain JSON object without Map, Set or Date, because continue-as-new carries
 * it as JSON.
 */
export interface ClusterState {
  version: typeof STATE_VERSION;
  spec: ClusterSpec;
  /** The call that created the cluster, until that call has been answered; then null. */
  createdBy: string | null;
  /** Tells clusters of the same name apart. */
  createdAt: string;
  /** Nodes, or the node groups of EKS. */
  nodes: MemberStatus[];
  /** Machines whose node left the spec, at most 50; a machine that comes back under any name keeps its history. */
  formerNodes?: FormerNode[];
  paused: Pause | null;
  /** Who requested the removal. */
  removing: string | null;
  nextRun: number;
  run: ActiveRun | null;
  request: PendingRequest | null;
  /** Requests with conditions or limits of their own, oldest first. Absent: none. */
  queue?: PendingRequest[];
  /** A run that is suspended between its windows while another one is in progress. Absent: none. */
  aside?: ActiveRun;
  schedule: ScheduleState;
  runs: RunSummary[];
  /** What has happened, and who did it. */
  events: EventLog;
  /** What is counted for metrics. Absent: nothing was yet. */
  totals?: Totals;
  /** What the targets of notifications have been told. Absent: nothing was looked at yet. */
  notices?: Notices;
  /** The messages that were let in. Absent: none was. */
  admissions?: Admissions;
  /** Answers by request id, for repeated requests. */
  answered: { id: string; answer: unknown }[];
  /** Why the cluster is inactive because of a fault in its own code. Absent: no fault. */
  loopError?: string;
  /** The last reset of the workflow. Absent: there was none, or all nodes were patched since. */
  reset?: WorkflowReset;
  /** When the facts of reboot-pending nodes were last refreshed. */
  factsRefreshedAt: string | null;
  /** Facts are refreshed at once, because machines are unconfirmed that nobody has looked at. Absent: there are none. */
  confirmMachines?: true;
  /** The last node of the refresh in progress. Absent: no refresh is in progress. */
  factsRefreshedUpTo?: string;
  /** The last window for which packages were downloaded. */
  prefetchedFor: string | null;
  /** The node up to which they were, in the download in progress. Absent: none is. */
  prefetchedUpTo?: string;
}

export interface WorkflowReset {
  /** ISO 8601. */
  at: string;
  /** Number of the last run that the state of then knows; 0: none. */
  after: number;
  /** The last one that there is in Temporal. Absent: not found out yet. */
  lastRun?: number;
}

/** `ahead`: the windows and blackouts after `now`; null when they are not computed yet. */
export function newClusterState(
  spec: ClusterSpec,
  createdBy: string | null,
  now: string,
  ahead: CalendarAhead | null = null,
): ClusterState {
  return {
    version: STATE_VERSION,
    spec,
    createdBy,
    createdAt: now,
    nodes: isSelfManaged(spec)
      ? spec.nodes.map((node) => newMachine(node, spec))
      : isEks(spec)
        ? nodeGroupRows(spec, [])
        : [],
    paused: null,
    removing: null,
    nextRun: 1,
    run: null,
    request: null,
    schedule: newSchedule(now, ahead),
    runs: [],
    events: newEventLog(now),
    answered: [],
    factsRefreshedAt: null,
    prefetchedFor: null,
  };
}

export function isPatchable(spec: ClusterSpec): spec is PatchableSpec {
  return isSelfManaged(spec) || isEks(spec);
}

/** Whether the cluster may do background work. */
export function isAtRest({ run, paused, removing }: ClusterState): boolean {
  return run === null && paused === null && removing === null;
}

export function isSelfManaged(spec: ClusterSpec): spec is SelfManagedSpec {
  return spec.type === 'self-managed';
}

/** Puts a new spec into force and returns the changes. Name and type of the spec must match the cluster. */
export function applySpecToState(state: ClusterState, spec: ClusterSpec, now: string): ApplySpecAnswer['changes'] {
  const changes = diffSpecs(state.spec, spec);
  if (changes.length === 0) return [];
  const before = state.spec;
  state.spec = spec;
  // A node of the same name on another machine is another node.
  const replaced = new Set<string>();
  if (isSelfManaged(before) && isSelfManaged(spec)) {
    const known = new Map(state.nodes.filter(isNode).map((node) => [node.name, node]));
    const trust = new Map(before.nodes.map((node) => [node.name, trustKey(node)]));
    const changed = machineChanges(before, spec);
    const moved = new Set([...changed].flatMap(([name, change]) => (change === 'same' ? [] : [name])));
    const renamed = renamedNodes(before, spec, moved);
    for (const [name, change] of changed) if (change === 'other' || renamed.has(name)) replaced.add(name);
    keepFormer(state, spec, { renamed: new Set(renamed.values()), replaced });
    if ([...changed.values()].includes('unconfirmed')) state.confirmMachines = true;
    state.nodes = spec.nodes.map((node) => {
      const status = known.get(node.name);
      const former = known.get(renamed.get(node.name) ?? '');
      const isKept = status !== undefined && !replaced.has(node.name);
      if (!isKept && former !== undefined) return underNewName(former, node, spec);
      if (!isKept) return newMachine(node, spec, status);
      const released = trust.get(node.name) === trustKey(node) ? status : transition(status, { kind: 'trust-changed' });
      return {
        ...(changed.get(node.name) === 'unconfirmed' ? unconfirmed(released) : released),
        role: node.role,
        bootPatch: owedNow(status, spec),
      };
    });
  }
  if (isEks(spec)) state.nodes = nodeGroupRows(spec, state.nodes);
  if (isPatchable(before) && isPatchable(spec)) {
    const present = new Set(state.nodes.map((node) => node.name));
    for (const run of [state.run, state.aside ?? null]) {
      const gone = (run?.nodes ?? []).filter((name) => !present.has(name) || replaced.has(name));
      if (run !== null) run.removed = [...new Set([...run.removed, ...gone])];
    }
    const asked = state.request?.nodes ?? null;
    if (asked?.every((name) => !present.has(name)) === true && isSelfManaged(spec)) {
      cancelRequest(state, 'all requested nodes left the cluster before the run began', now);
    }
    if (scheduleKey(before) !== scheduleKey(spec)) {
      state.schedule = newSchedule(now);
    } else if (canonicalJson([before.patching.blackouts]) !== canonicalJson([spec.patching.blackouts])) {
      state.schedule = unload(state.schedule);
    }
  }
  return changes;
}

export function startRun(
  state: ClusterState,
  run: Omit<ActiveRun, 'done' | 'removed' | 'state' | 'suspended'>,
): ActiveRun {
  const active: ActiveRun = { ...run, done: {}, removed: [], state: 'running', suspended: null };
  state.run = active;
  state.nextRun = Math.max(state.nextRun, run.number + 1);
  updateNodes(state, new Set(run.nodes), (node) => transition(node, { kind: 'queued' }));
  const { number, trigger, by, reason, verified } = run;
  const members = run.nodeGroupsUnresolved === true && run.explicitNodes !== true ? null : run.nodes.length;
  note(
    state,
    { kind: 'run-started', run: number, trigger, members, by, reason, ...defined({ verified }) },
    run.startedAt,
  );
  return active;
}

/** The run in progress, which is suspended between its windows, makes room for another one. */
export function setAsideRun(state: ClusterState): void {
  if (state.run !== null) state.aside = state.run;
  state.run = null;
}

/** A run that has made room comes back; nodes that the other run has patched wait for their turn in this one again. */
export function takeUpRun(state: ClusterState): void {
  const { aside: run, removing } = state;
  if (run === undefined) return;
  delete state.aside;
  state.run = run;
  if (removing !== null) run.state = 'cancelling';
  const isOpen = openIn(run);
  const waiting = new Set(run.nodes.filter(isOpen));
  for (const { node } of run.suspended?.inFlight ?? []) waiting.delete(node);
  updateNodes(state, waiting, (node) => transition(node, { kind: 'queued' }));
}

/**
 * Ends the run that was set aside, because it has expired; `why`: a clause about it. Nodes of which another run has taken care
 * since, or will, stay as that run leaves them.
 */
export function expireRunAside(state: ClusterState, why: string, now: string): void {
  const { aside: run } = state;
  if (run === undefined) return;
  run.expired = why;
  const rows = new Map(state.nodes.map((row) => [row.name, row]));
  const isWanted = state.run === null ? (): boolean => false : openIn(state.run);
  const rest = run.nodes.filter((name) => run.done[name] === undefined);
  const [untouched, others] = [true, false].map((waits) =>
    rest.filter((name) => (rows.get(name)?.state === 'waiting' && !isWanted(name)) === waits),
  );
  for (const name of others ?? []) run.done[name] = 'not-tried';
  finishRun(state, run, notReached(run, untouched ?? []), 'expired', now);
}

/** Members of a run that has ended before their turn. */
function notReached({ number, policy, expired }: ActiveRun, names: readonly string[]): MemberSettled[] {
  const unit = memberName(policy.kind);
  const why =
    expired === undefined
      ? `run ${number} ended before this ${unit}`
      : `run ${number} expired before this ${unit}: ${expired}`;
  return names.map((name) => notTried(policy.kind, name, why));
}

/** The ends of all members that have none, as its workflow would settle them, of a run whose workflow has not. */
export function unsettled(run: ActiveRun): MemberSettled[] {
  const { nodes, done, removed, policy } = run;
  const gone = new Set(removed);
  const rest = nodes.filter((name) => done[name] === undefined);
  return rest.flatMap((name) => {
    if (gone.has(name)) return [skippedBecauseRemoved(policy.kind, name)];
    const skip = run.skipped?.[name] ?? run.withdrawn?.[name];
    return skip === undefined ? notReached(run, [name]) : [skipped(policy.kind, name, skip)];
  });
}

/** Records settled nodes at `now` (ISO 8601); idempotent. Nodes no longer in the spec are ignored. */
export function settleNodes(state: ClusterState, run: ActiveRun, settled: readonly MemberSettled[], now: string): void {
  const inRun = new Set(run.nodes);
  const own = settled.filter(({ node }) => inRun.has(node) && run.done[node] === undefined);
  const returned = new Set(own.filter(isBackInQueue).map(({ node }) => node));
  if (returned.size > 0) updateNodes(state, returned, (node) => transition(node, { kind: 'queued' }));
  const fresh = new Map(own.filter(({ node }) => !returned.has(node)).map((one) => [one.node, one]));
  if (fresh.size === 0) return;
  for (const { node, outcome } of fresh.values()) run.done[node] = outcome;
  noteSettled(state, run, [...fresh.values()], now);
  for (const one of fresh.values()) countSettled(state, one);
  // A node of the same name that was added again during the run is a different node, unknown to the run.
  for (const name of run.removed) fresh.delete(name);
  state.nodes = state.nodes.map((node) => {
    const one = fresh.get(node.name);
    if (one === undefined) return node;
    const machineId = one.kind === 'node' ? one.reading?.machineId : undefined;
    const settledNode = transition(onMachine(state, node, machineId), { kind: 'settled', settled: one });
    const after = recognised(state, settledNode);
    const seen = run.explicitNodes === true && isNode(after) ? acknowledged(after) : after;
    noteHostKey(state, run, node, after, now);
    return withStateSince(node, seen, now);
  });
}

/** Records the result of a run. Progress is a signal, which anybody may send: where both differ, the result wins. */
export function settleReport(
  state: ClusterState,
  run: ActiveRun,
  settled: readonly MemberSettled[],
  now: string,
): void {
  const reported = new Map(settled.map(({ node, outcome }) => [node, outcome]));
  const isTrue = ([node, outcome]: [string, NodeOutcome]): boolean => (reported.get(node) ?? outcome) === outcome;
  run.done = Object.fromEntries(Object.entries(run.done).filter(isTrue));
  settleNodes(state, run, settled, now);
}

/** Records nodes whose patch has begun; those that have settled are ignored. */
export function markStarted(state: ClusterState, run: ActiveRun, nodes: readonly string[], now: string): void {
  const started = nodes.filter(openIn(run));
  if (started.length === 0) return;
  updateNodes(state, new Set(started), (status) => transition(status, { kind: 'started' }));
  note(state, { kind: 'nodes', run: run.number, started: someMembers(started) }, now);
}

/** Records nodes that have been unreachable after a change for long; they are still in progress. */
export function markLost(state: ClusterState, run: ActiveRun, lost: readonly LostNode[], now: string): void {
  const isOpen = openIn(run);
  const known = new Map(lost.filter(({ node }) => isOpen(node)).map((one) => [one.node, one.message]));
  for (const [node, message] of known) note(state, { kind: 'unreachable', run: run.number, node, message }, now);
  updateNodes(state, new Set(known.keys()), (status) => {
    const error: NodeError = { type: 'UnreachableAfterChange', message: known.get(status.name) ?? '' };
    return transition(status, { kind: 'lost', error });
  });
}

/** Nodes that a run workflow had taken but not started go back to the queue; what it hands over has been started. */
export function noteHandOver(state: ClusterState, run: ActiveRun, { inFlight = [] }: RunCursor): void {
  const begun = new Set(inFlight.map(({ node }) => node));
  const isOpen = openIn(run);
  state.nodes = state.nodes.map((node) => {
    if (!isOpen(node.name)) return node;
    if (begun.has(node.name)) return node.state === 'patching' ? node : transition(node, { kind: 'started' });
    return node.state === 'patching' ? transition(node, { kind: 'queued' }) : node;
  });
}

/** Tells of which nodes the run may still report. */
export function openIn({ nodes, removed, done }: ActiveRun): (node: string) => boolean {
  const inRun = new Set(nodes);
  for (const name of removed) inRun.delete(name);
  return (node) => inRun.has(node) && done[node] === undefined;
}

/**
 * Ends the run in progress, or the one that was set aside, and files its summary. All its nodes have settled. `error`: why the run did not start or
 * continue.
 */
export function finishRun(
  state: ClusterState,
  run: ActiveRun,
  settled: readonly MemberSettled[],
  outcome: RunOutcome,
  endedAt: string,
  error: ErrorInfo | null = null,
): void {
  settleNodes(state, run, settled, endedAt);
  const ends = Object.values(run.done);
  const count = (...outcomes: NodeOutcome[]): number => ends.filter((one) => outcomes.includes(one)).length;
  const summary: RunSummary = {
    number: run.number,
    ...defined({ requestId: run.requestId }),
    trigger: run.trigger,
    outcome,
    by: run.by,
    ...defined({ verified: run.verified }),
    reason: run.reason,
    startedAt: run.startedAt,
    endedAt,
    total: run.nodes.length,
    patched: count('patched'),
    upToDate: count('up-to-date'),
    restartPending: count('restart-pending'),
    rebootPending: count('reboot-pending'),
    failed: count('failed'),
    skipped: count('skipped'),
    cancelled: count('cancelled'),
    notTried: count('not-tried'),
    ...defined({
      cancelledBy: run.cancelledBy === undefined || outcome !== 'cancelled' ? undefined : run.cancelledBy,
      error: error === null ? undefined : toNodeError(error),
    }),
  };
  noteEnded(state, summary);
  noteRunReport(state, run, summary);
  const cancelled = (run.cancelledWith ?? []).map((one) => summaryOfCancelled(state, one, endedAt));
  state.runs = [...state.runs, summary, ...cancelled].slice(-KEPT_RUNS);
  if (state.aside === run) delete state.aside;
  else state.run = null;
  // What is shown of each node is known again.
  const isLater = run.number > (state.reset?.lastRun ?? run.number);
  if (isLater && state.nodes.every(({ name }) => wasTried(run.done[name]))) delete state.reset;
}

function wasTried(outcome: NodeOutcome | undefined): boolean {
  return outcome !== undefined && outcome !== 'not-tried' && outcome !== 'cancelled';
}

/**
 * Cancels all requests that wait, files a summary of each and returns their run numbers, which stay reserved.
 */
export function cancelRequests(state: ClusterState, message: string, now: string): number[] {
  const all = [...(state.request === null ? [] : [state.request]), ...(state.queue ?? [])];
  return all.flatMap((request) => cancelRequest(state, message, now, request) ?? []);
}

/**
 * Cancels a request, files a summary and returns its run number, which stays reserved. Null: there is none.
 */
export function cancelRequest(
  state: ClusterState,
  message: string,
  now: string,
  request: PendingRequest | null = state.request,
): number | null {
  if (request === null) return null;
  const one: CancelledRequest = { ...request, number: request.number ?? state.nextRun, message };
  takeRequest(state, request);
  state.nextRun = Math.max(state.nextRun, one.number + 1);
  const { run } = state;
  if (run === null) state.runs = [...state.runs, summaryOfCancelled(state, one, now)].slice(-KEPT_RUNS);
  // The run itself is filed too, and KEPT_RUNS summaries are kept in total.
  else run.cancelledWith = [...(run.cancelledWith ?? []), one].slice(1 - KEPT_RUNS);
  return one.number;
}

/** Ends a request whose deadline has passed before its run could start. */
export function expireRequest(state: ClusterState, request: PendingRequest, now: string): void {
  const number = request.number ?? state.nextRun;
  const message = `run ${number} could not start before its deadline of ${request.deadline ?? now}`;
  takeRequest(state, request);
  state.nextRun = Math.max(state.nextRun, number + 1);
  const summary = summaryOfCancelled(state, { ...request, number, message }, now, 'expired');
  state.runs = [...state.runs, summary].slice(-KEPT_RUNS);
}

/** The request waits no more. */
export function takeRequest(state: ClusterState, request: PendingRequest): void {
  if (state.request === request) state.request = null;
  const queue = (state.queue ?? []).filter((one) => one !== request);
  if (queue.length === 0) delete state.queue;
  else state.queue = queue;
}

/** Clients that wait for a run get a summary even when the run never started. */
function summaryOfCancelled(
  state: ClusterState,
  { id, number, nodes, by, verified, reason, message }: CancelledRequest,
  at: string,
  outcome: 'cancelled' | 'expired' = 'cancelled',
): RunSummary {
  const total = nodes?.length ?? state.nodes.length;
  const summary: RunSummary = {
    ...{ number, requestId: id, trigger: 'on-demand', outcome, by, reason, startedAt: at, endedAt: at, total },
    ...{ patched: 0, upToDate: 0, restartPending: 0, rebootPending: 0, failed: 0, skipped: 0, cancelled: 0 },
    notTried: total,
    ...defined({ verified }),
    error: toNodeError({
      type: outcome === 'cancelled' ? 'Cancelled' : 'NotTried',
      message,
      remedy: `ospatch patch ${state.spec.name}`,
    }),
  };
  noteEnded(state, summary);
  return summary;
}

/** `now`: ISO 8601; `at`: the start of the window. */
export function recordWindow(state: ClusterState, at: string, result: string, now: string): void {
  // A window within a blackout is left out on purpose.
  if (result.startsWith('missed') && !result.startsWith('missed (blackout')) countTotal(state, 'windowsMissed', []);
  note(state, { kind: 'window', window: at, result }, now);
}

/** The window has ended: no node is started in it any more. */
export function closeWindow(state: ClusterState, window: OpenWindow, now: string): void {
  state.schedule = { ...state.schedule, open: { ...window, closed: true } };
  const of = window.partOf ?? window.start;
  const rest = state.schedule.next?.find(({ partOf }) => partOf === of);
  note(state, { kind: 'window-closed', window: of, ...defined({ opensAgain: rest?.start }) }, now);
}

/** Records an event at `now` (ISO 8601). */
export function note(state: ClusterState, fact: EventFact, now: string): void {
  recordEvent(state.events, fact, now);
}

function countSettled(state: ClusterState, settled: MemberSettled): void {
  if (settled.kind === 'node' && settled.work !== undefined) countWork(state, settled.work);
}

function noteSettled(state: ClusterState, { number }: ActiveRun, ends: readonly MemberSettled[], now: string): void {
  const outcomes = [...new Set(ends.map(({ outcome }) => outcome))];
  const settled = Object.fromEntries(
    outcomes.map((outcome) => [
      outcome,
      someMembers(ends.filter((one) => one.outcome === outcome).map(({ node }) => node)),
    ]),
  );
  const failure = ends.find(({ outcome, error }) => outcome === 'failed' && error !== null)?.error?.message;
  note(state, { kind: 'nodes', run: number, settled, ...defined({ failure }) }, now);
}

function noteHostKey(
  state: ClusterState,
  { number }: ActiveRun,
  before: MemberStatus,
  after: MemberStatus,
  now: string,
): void {
  if (!isNode(before) || !isNode(after)) return;
  const [was, is] = [before.quarantine, after.quarantine];
  if (is?.message === was?.message) return;
  const { name: node } = after;
  const message =
    is === undefined ? `${node} shows a trusted host key again, after: ${was?.message ?? ''}` : is.message;
  note(state, { kind: 'host-key', run: number, node, message }, now);
}

function noteEnded(state: ClusterState, summary: RunSummary): void {
  const { number, outcome, endedAt, cancelledBy, error } = summary;
  countTotal(state, 'runs', [summary.trigger, outcome]);
  const counts: [NodeOutcome, number][] = [
    ['patched', summary.patched],
    ['up-to-date', summary.upToDate],
    ['restart-pending', summary.restartPending],
    ['reboot-pending', summary.rebootPending],
    ['failed', summary.failed],
    ['skipped', summary.skipped],
    ['cancelled', summary.cancelled],
    ['not-tried', summary.notTried],
  ];
  note(
    state,
    {
      ...{ kind: 'run-ended', run: number, outcome },
      counts: Object.fromEntries(counts.filter(([, count]) => count > 0)),
      ...defined({
        by: cancelledBy?.by,
        verified: cancelledBy?.verified,
        reason: cancelledBy?.reason ?? undefined,
        error: error?.message,
      }),
    },
    endedAt,
  );
}

/** The recorded answer to this request id; undefined when the id is new. */
export function answerFor(state: ClusterState, requestId: string | undefined): unknown {
  return requestId === undefined ? undefined : state.answered.find((entry) => entry.id === requestId)?.answer;
}

export function remember(state: ClusterState, requestId: string | undefined, answer: unknown): void {
  if (requestId === undefined) return;
  state.answered = [...state.answered, { id: requestId, answer }].slice(-KEPT_ANSWERS);
}

/** Records a reading taken outside a run. */
export function readNode(state: ClusterState, name: string, reading: NodeReading): void {
  updateNodes(state, new Set([name]), (node) =>
    withStateSince(node, recognised(state, read(state, node, reading)), reading.at),
  );
}

function read(state: ClusterState, node: MemberStatus, reading: NodeReading): MemberStatus {
  return transition(onMachine(state, node, reading.machineId), { kind: 'read', reading });
}

/** Records the progress of a facts refresh; `rest` nodes are left. */
export function noteRefresh(state: ClusterState, upTo: string, rest: number, now: string): void {
  if (rest > 0) {
    state.factsRefreshedUpTo = upTo;
    return;
  }
  delete state.factsRefreshedUpTo;
  delete state.confirmMachines;
  state.factsRefreshedAt = now;
}

/** Records the progress of the prefetch for `window`; `rest` nodes remain. */
export function noteNodesPrefetched(state: ClusterState, window: string, upTo: string | undefined, rest: number): void {
  state.prefetchedFor = window;
  if (rest > 0 && upTo !== undefined) state.prefetchedUpTo = upTo;
  else delete state.prefetchedUpTo;
}

/** Records the result of the prefetch for `window` on one node. */
export function notePrefetched(
  state: ClusterState,
  window: string,
  { node: name, reading, error }: { node: string; reading: NodeReading | null; error: string | null },
): void {
  const message = `the packages for the window of ${window} were not downloaded: ${error ?? ''}`;
  const warning = { kind: 'prefetch-failed', message, remedy: null } as const;
  updateNodes(state, new Set([name]), (node) => {
    const now = reading === null ? node : withStateSince(node, read(state, node, reading), reading.at);
    if (error === null) return now;
    const others = now.warnings.filter(({ kind }) => kind !== 'prefetch-failed');
    return { ...now, warnings: [warning, ...others].slice(0, MAX_STATUS_WARNINGS) };
  });
}

/** A pending boot patch is cancelled when `patchOnBoot` is turned off. */
function owedNow(status: NodeStatus, spec: SelfManagedSpec): NodeStatus['bootPatch'] {
  return status.bootPatch === 'pending' && !spec.patching.patchOnBoot ? 'not-required' : status.bootPatch;
}

/** By name, of the nodes that both specs have. */
function machineChanges(before: SelfManagedSpec, after: SelfManagedSpec): Map<string, MachineChange> {
  const old = new Map(before.nodes.map((node) => [node.name, node]));
  return new Map(
    after.nodes.flatMap((node) => {
      const known = old.get(node.name);
      return known === undefined ? [] : [[node.name, machineChange(known, node, { before, after })] as const];
    }),
  );
}

/** A run in progress knows the old name, and no longer contacts the node. */
function underNewName(former: NodeStatus, { name, role }: NodeSpec, spec: SelfManagedSpec): NodeStatus {
  const inWork = former.state === 'waiting' || former.state === 'patching';
  return {
    ...former,
    name,
    role,
    state: inWork ? 'unknown' : former.state,
    bootPatch: owedNow(former, spec),
  };
}

function keepFormer(
  state: ClusterState,
  after: SelfManagedSpec,
  { renamed, replaced }: { renamed: ReadonlySet<string>; replaced: ReadonlySet<string> },
): void {
  const names = nodeNames(after);
  rememberMachines(
    state,
    state.nodes.filter(isNode).filter(({ name }) => !renamed.has(name) && (!names.has(name) || replaced.has(name))),
  );
}

function rememberMachines(state: ClusterState, nodes: readonly NodeStatus[]): void {
  const gone = nodes.flatMap(({ machineId, lastAppliedPatchTime }) =>
    machineId === undefined || lastAppliedPatchTime === null ? [] : [{ machineId, lastAppliedPatchTime }],
  );
  if (gone.length > 0) state.formerNodes = [...(state.formerNodes ?? []), ...gone].slice(-KEPT_FORMER_NODES);
}

/** The node as it was before this reading, or a new one when the reading is of another machine. */
function onMachine(state: ClusterState, node: MemberStatus, machineId: string | undefined): MemberStatus {
  if (!isNode(node) || node.machineUnconfirmed !== true || machineId === undefined) return node;
  if (machineId === node.machineId || !isSelfManaged(state.spec)) return confirmed(node);
  rememberMachines(state, [node]);
  return { ...newMachine(node, state.spec, node), state: node.state === 'patching' ? 'patching' : 'unknown' };
}

/** Copies of one disk share a machine id, which then says nothing. */
function isCopied({ nodes }: ClusterState, { name, machineId }: NodeStatus): boolean {
  return nodes.some((one) => isNode(one) && one.name !== name && one.machineId === machineId);
}

/** A node without history whose machine has one takes that history over. */
function recognised(state: ClusterState, node: MemberStatus): MemberStatus {
  if (!isNode(node) || node.lastAppliedPatchTime !== null || node.machineId === undefined) return node;
  if (isCopied(state, node)) return node;
  const former = (state.formerNodes ?? []).findLast(({ machineId }) => machineId === node.machineId);
  return former === undefined ? node : { ...node, lastAppliedPatchTime: former.lastAppliedPatchTime };
}

function scheduleKey(spec: PatchableSpec): string {
  return canonicalJson({ schedule: spec.patching.schedule ?? null, timeZone: spec.patching.timeZone });
}

function updateNodes(
  state: ClusterState,
  names: ReadonlySet<string>,
  change: (node: MemberStatus) => MemberStatus,
): void {
  if (names.size === 0) return;
  state.nodes = state.nodes.map((node) => (names.has(node.name) ? change(node) : node));
}
