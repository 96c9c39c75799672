import { canonicalJson } from '../shared/canonical-json';
import type { AcceptedRequest, ApplySpecAnswer, Pause, Rejection, RunSummary, WindowRecord } from './messages';
import type { ErrorInfo } from '../shared/errors';
import { nodeGroupRows } from '../eks/rows';
import { isNode, transition } from './member';
import type { MemberSettled, MemberStatus } from './member';
import type { NodeError, NodeOutcome, NodeReading, NodeStatus } from '../node/status';
import { newNodeStatus, toNodeError } from '../node/status';
import { MAX_STATUS_WARNINGS } from '../node/warning';
import type { LostNode, RunCursor, RunOutcome, RunPolicy, RunTrigger } from '../run/run';
import type { ClusterSpec, NodeSpec, PatchableSpec, SelfManagedSpec } from '../spec/types';
import { STATE_VERSION } from './state-version';
import { diffSpecs } from '../spec/diff';
import { isEks } from '../eks/node-groups';
import { defined } from '../shared/defined';

const KEPT_RUNS = 20;
const KEPT_WINDOWS = 20;
const KEPT_ANSWERS = 50;
const KEPT_REQUESTS = 20;
const KEPT_FORMER_NODES = 50;

/** A request that waits for its run. `nodes: null` means all nodes. */
export interface PendingRequest {
  nodes: string[] | null;
  by: string;
  reason: string | null;
}

/** A request whose run came to nothing before it began. */
export interface CancelledRequest extends PendingRequest {
  /** The number of the run, which no other gets. */
  number: number;
  /** One sentence about the run. */
  message: string;
}

/** What is kept of a machine that no node of the cluster is any more. */
export interface FormerNode {
  machineId: string;
  lastAppliedPatchTime: string;
}

/** The run in progress. `suspended` holds the cursor while no workflow works on it. */
export interface ActiveRun {
  number: number;
  trigger: RunTrigger;
  startedAt: string;
  by: string | null;
  reason: string | null;
  /** Names in patching order. The specs are the cluster's own: each is large, and one copy of them is enough. */
  nodes: string[];
  /** Somebody named these nodes in the request. */
  explicitNodes?: boolean;
  /** The node groups are still to be asked for; `nodes` holds what was named, or nothing. */
  nodeGroupsUnresolved?: boolean;
  /** Nodes that left the spec during the run; they stay out of it, also when a node of that name comes back. */
  removed: string[];
  policy: RunPolicy;
  /** How the nodes that have settled did. */
  done: Record<string, NodeOutcome>;
  state: 'running' | 'cancelling';
  /** Who wants the run to end. Absent: nobody said. */
  cancelledBy?: { by: string; reason: string | null };
  suspended: RunCursor | null;
  /** Runs that were to follow this one and came to nothing, the last 19; they are filed after it. */
  cancelledWith?: CancelledRequest[];
}

/**
 * Everything a cluster workflow knows: one plain JSON object that goes through continue-as-new as it is, so it holds no
 * Map, Set or Date.
 */
export interface ClusterState {
  version: typeof STATE_VERSION;
  spec: ClusterSpec;
  /** The call that created the cluster, until it has been answered; null after that. */
  createdBy: string | null;
  /** A cluster of the same name that was created again is another one. */
  createdAt: string;
  /** Nodes, or the node groups of EKS. */
  nodes: MemberStatus[];
  /** Machines whose node left the spec, at most 50; one that comes back under any name keeps its history. */
  formerNodes?: FormerNode[];
  paused: Pause | null;
  /** Who asked for the removal. */
  removing: string | null;
  nextRun: number;
  run: ActiveRun | null;
  request: PendingRequest | null;
  schedule: ScheduleState;
  runs: RunSummary[];
  windows: WindowRecord[];
  lastRejection: Rejection | null;
  /** What was asked for and done, the last 20. */
  requests: AcceptedRequest[];
  /** Answers already given, by request id. */
  answered: { id: string; answer: unknown }[];
  /** Why the cluster does nothing for now, when its own code is at fault. Absent: it is not. */
  loopError?: string;
  /** When the facts of reboot-pending nodes were last read again. */
  factsRefreshedAt: string | null;
  /** The node up to which they were read in the refresh in progress. Absent: none is. */
  factsRefreshedUpTo?: string;
  /** The window for which packages were downloaded last. */
  prefetchedFor: string | null;
}

export interface ScheduleState {
  /** Only windows after this moment count: when the schedule last changed, then the last window dealt with. */
  after: string;
  /** Upcoming window starts, ISO 8601 with the zone's offset; null = not computed yet. */
  next: string[] | null;
  error: string | null;
  /** When to try again after an error. */
  retryAt: string | null;
}

/** How many windows ahead are computed at a time. */
export const WINDOWS_AHEAD = 5;

/** `windows`: after `now`; null, when they are not computed yet. */
export function newClusterState(
  spec: ClusterSpec,
  createdBy: string | null,
  now: string,
  windows: string[] | null = null,
): ClusterState {
  return {
    version: STATE_VERSION,
    spec,
    createdBy,
    createdAt: now,
    nodes: isSelfManaged(spec)
      ? spec.nodes.map((node) => enter(node, spec))
      : isEks(spec)
        ? nodeGroupRows(spec, [])
        : [],
    paused: null,
    removing: null,
    nextRun: 1,
    run: null,
    request: null,
    schedule: { after: now, next: windows, error: null, retryAt: null },
    runs: [],
    windows: [],
    lastRejection: null,
    requests: [],
    answered: [],
    factsRefreshedAt: null,
    prefetchedFor: null,
  };
}

export function isPatchable(spec: ClusterSpec): spec is PatchableSpec {
  return isSelfManaged(spec) || isEks(spec);
}

/** Whether nothing keeps the cluster from work in its background. */
export function isAtRest({ run, paused, removing }: ClusterState): boolean {
  return run === null && paused === null && removing === null;
}

export function isSelfManaged(spec: ClusterSpec): spec is SelfManagedSpec {
  return spec.type === 'self-managed';
}

/** Puts a new spec into force at once and says what changed. The spec's name and type must be the cluster's own. */
export function applySpecToState(state: ClusterState, spec: ClusterSpec, now: string): ApplySpecAnswer['changes'] {
  const changes = diffSpecs(state.spec, spec);
  if (changes.length === 0) return [];
  const before = state.spec;
  state.spec = spec;
  if (isSelfManaged(before) && isSelfManaged(spec)) {
    const known = new Map(state.nodes.filter(isNode).map((node) => [node.name, node]));
    const trust = new Map(before.nodes.map((node) => [node.name, trustKey(node)]));
    const renamed = renamedNodes(before, spec);
    keepFormer(state, spec, new Set(renamed.values()));
    state.nodes = spec.nodes.map((node) => {
      const status = known.get(node.name);
      const former = known.get(renamed.get(node.name) ?? '');
      if (status === undefined && former !== undefined) return underNewName(former, node, spec);
      return status === undefined
        ? enter(node, spec)
        : {
            ...(trust.get(node.name) === trustKey(node) ? status : transition(status, { kind: 'trust-changed' })),
            role: node.role,
            bootPatch: owedNow(status, spec),
          };
    });
  }
  if (isEks(spec)) state.nodes = nodeGroupRows(spec, state.nodes);
  if (isPatchable(before) && isPatchable(spec)) {
    const present = new Set(state.nodes.map((node) => node.name));
    const gone = (state.run?.nodes ?? []).filter((name) => !present.has(name));
    if (state.run !== null) state.run.removed = [...new Set([...state.run.removed, ...gone])];
    const asked = state.request?.nodes ?? null;
    if (asked?.every((name) => !present.has(name)) === true && isSelfManaged(spec)) {
      cancelRequest(state, 'all requested nodes left the cluster before the run began', now);
    }
    if (scheduleKey(before) !== scheduleKey(spec)) {
      state.schedule = { after: now, next: null, error: null, retryAt: null };
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
  state.nextRun = run.number + 1;
  updateNodes(state, new Set(run.nodes), (node) => transition(node, { kind: 'queued' }));
  return active;
}

/** Records nodes that settled; told twice, it changes nothing the second time. Nodes no longer in the spec are ignored. */
export function settleNodes(state: ClusterState, run: ActiveRun, settled: readonly MemberSettled[]): void {
  const inRun = new Set(run.nodes);
  const fresh = new Map(
    settled.filter(({ node }) => inRun.has(node) && run.done[node] === undefined).map((one) => [one.node, one]),
  );
  if (fresh.size === 0) return;
  for (const { node, outcome } of fresh.values()) run.done[node] = outcome;
  // A node of the same name that came back during the run is another one, and the run knows nothing about it.
  for (const name of run.removed) fresh.delete(name);
  state.nodes = state.nodes.map((node) => {
    const one = fresh.get(node.name);
    return one === undefined ? node : recognised(state, transition(node, { kind: 'settled', settled: one }));
  });
}

/** Takes what a run answers. Progress is a signal, which anybody may send: where the two differ the answer counts. */
export function settleReport(state: ClusterState, run: ActiveRun, settled: readonly MemberSettled[]): void {
  const reported = new Map(settled.map(({ node, outcome }) => [node, outcome]));
  const isTrue = ([node, outcome]: [string, NodeOutcome]): boolean => (reported.get(node) ?? outcome) === outcome;
  run.done = Object.fromEntries(Object.entries(run.done).filter(isTrue));
  settleNodes(state, run, settled);
}

export function markStarted(state: ClusterState, node: string): void {
  updateNodes(state, new Set([node]), (status) => transition(status, { kind: 'started' }));
}

/** Keeps what is told of nodes that have been unreachable for long; they are still in work. */
export function markLost(state: ClusterState, run: ActiveRun, lost: readonly LostNode[]): void {
  const known = new Map(lost.filter(({ node }) => isInWork(run, node)).map((one) => [one.node, one.message]));
  updateNodes(state, new Set(known.keys()), (status) => {
    const error: NodeError = { type: 'UnreachableAfterChange', message: known.get(status.name) ?? '' };
    return transition(status, { kind: 'lost', error });
  });
}

/** Nodes that a run workflow had taken and not begun wait for the next one. */
export function queueUnstarted(state: ClusterState, run: ActiveRun, { lost = [] }: RunCursor): void {
  const begun = new Set(lost.map(({ node }) => node));
  const names = state.nodes
    .filter(({ name, state: now }) => now === 'patching' && isInWork(run, name) && !begun.has(name))
    .map(({ name }) => name);
  updateNodes(state, new Set(names), (node) => transition(node, { kind: 'queued' }));
}

/** Whether the run may still say something about this node. */
export function isInWork(run: ActiveRun, node: string): boolean {
  return run.nodes.includes(node) && !run.removed.includes(node) && run.done[node] === undefined;
}

/** Ends the run in progress and files its summary. Every node of it has settled by then. `error`: why it did not begin, or not go on. */
export function finishRun(
  state: ClusterState,
  run: ActiveRun,
  settled: readonly MemberSettled[],
  outcome: RunOutcome,
  endedAt: string,
  error: ErrorInfo | null = null,
): void {
  settleNodes(state, run, settled);
  const ends = Object.values(run.done);
  const count = (...outcomes: NodeOutcome[]): number => ends.filter((one) => outcomes.includes(one)).length;
  const summary: RunSummary = {
    number: run.number,
    trigger: run.trigger,
    outcome,
    by: run.by,
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
  const cancelled = (run.cancelledWith ?? []).map((one) => summaryOfCancelled(state, one, endedAt));
  state.runs = [...state.runs, summary, ...cancelled].slice(-KEPT_RUNS);
  state.run = null;
}

/** Takes the request that waits away and files what became of its run, whose number no other gets. Null: there is none. */
export function cancelRequest(state: ClusterState, message: string, now: string): number | null {
  const { request, run } = state;
  if (request === null) return null;
  const one: CancelledRequest = { ...request, number: state.nextRun, message };
  state.request = null;
  state.nextRun += 1;
  if (run === null) state.runs = [...state.runs, summaryOfCancelled(state, one, now)].slice(-KEPT_RUNS);
  // The run itself is filed too, and no more than these are kept.
  else run.cancelledWith = [...(run.cancelledWith ?? []), one].slice(1 - KEPT_RUNS);
  return one.number;
}

/** Whoever waits for a run hears how it ended, also when it never began. */
function summaryOfCancelled(
  state: ClusterState,
  { number, nodes, by, reason, message }: CancelledRequest,
  at: string,
): RunSummary {
  const total = nodes?.length ?? state.nodes.length;
  return {
    ...{ number, trigger: 'on-demand', outcome: 'cancelled', by, reason, startedAt: at, endedAt: at, total },
    ...{ patched: 0, upToDate: 0, restartPending: 0, rebootPending: 0, failed: 0, skipped: 0, cancelled: 0 },
    notTried: total,
    error: toNodeError({
      type: 'Cancelled',
      message,
      remedy: `ospatch patch ${state.spec.name}`,
    }),
  };
}

export function recordWindow(state: ClusterState, at: string, result: string): void {
  state.windows = [...state.windows, { at, result }].slice(-KEPT_WINDOWS);
}

export function recordRefusal(state: ClusterState, refusal: Rejection): void {
  state.lastRejection = refusal;
}

export function recordRequest(state: ClusterState, request: AcceptedRequest): void {
  state.requests = [...state.requests, request].slice(-KEPT_REQUESTS);
}

/** The answer that was given to this request id before; undefined when it is new. */
export function answerFor(state: ClusterState, requestId: string | undefined): unknown {
  return requestId === undefined ? undefined : state.answered.find((entry) => entry.id === requestId)?.answer;
}

export function remember(state: ClusterState, requestId: string | undefined, answer: unknown): void {
  if (requestId === undefined) return;
  state.answered = [...state.answered, { id: requestId, answer }].slice(-KEPT_ANSWERS);
}

/** Takes in what was read from a node outside a run. */
export function readNode(state: ClusterState, name: string, reading: NodeReading): void {
  updateNodes(state, new Set([name]), (node) => recognised(state, transition(node, { kind: 'read', reading })));
}

/** Keeps how far the look at nodes that wait for a reboot has come; `rest` nodes are left of it. */
export function noteRefresh(state: ClusterState, upTo: string, rest: number, now: string): void {
  if (rest > 0) {
    state.factsRefreshedUpTo = upTo;
    return;
  }
  delete state.factsRefreshedUpTo;
  state.factsRefreshedAt = now;
}

/** Takes in how the download before `window` went on one node. */
export function notePrefetched(
  state: ClusterState,
  window: string,
  { node: name, reading, error }: { node: string; reading: NodeReading | null; error: string | null },
): void {
  const message = `the packages for the window of ${window} were not downloaded: ${error ?? ''}`;
  const warning = { kind: 'prefetch-failed', message, remedy: null } as const;
  updateNodes(state, new Set([name]), (node) => {
    const read = reading === null ? node : transition(node, { kind: 'read', reading });
    if (error === null) return read;
    const others = read.warnings.filter(({ kind }) => kind !== 'prefetch-failed');
    return { ...read, warnings: [warning, ...others].slice(0, MAX_STATUS_WARNINGS) };
  });
}

/** A boot patch that has not begun is called off together with `patchOnBoot`. */
function owedNow(status: NodeStatus, spec: SelfManagedSpec): NodeStatus['bootPatch'] {
  return status.bootPatch === 'pending' && !spec.patching.patchOnBoot ? 'not-required' : status.bootPatch;
}

function enter(node: NodeSpec, spec: SelfManagedSpec): NodeStatus {
  return newNodeStatus(node.name, node.role, spec.patching.patchOnBoot ? 'pending' : 'not-required');
}

/** By its new name the old one of each node that left the spec while the same machine came in, told by how it is reached and trusted. */
function renamedNodes(before: SelfManagedSpec, after: SelfManagedSpec): Map<string, string> {
  const names = { before: namesOf(before), after: namesOf(after) };
  const gone = new Map(
    before.nodes.filter(({ name }) => !names.after.has(name)).map((node) => [trustKey(node), node.name]),
  );
  return new Map(
    after.nodes
      .filter(({ name }) => !names.before.has(name))
      .flatMap((node) => {
        const old = gone.get(trustKey(node));
        return old === undefined ? [] : [[node.name, old] as const];
      }),
  );
}

function namesOf({ nodes }: SelfManagedSpec): Set<string> {
  return new Set(nodes.map(({ name }) => name));
}

/** A run in progress knows the old name, and leaves the node alone from now on. */
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

function keepFormer(state: ClusterState, after: SelfManagedSpec, renamed: ReadonlySet<string>): void {
  const names = namesOf(after);
  const gone = state.nodes
    .filter(isNode)
    .flatMap(({ name, machineId, lastAppliedPatchTime }) =>
      names.has(name) || renamed.has(name) || machineId === undefined || lastAppliedPatchTime === null
        ? []
        : [{ machineId, lastAppliedPatchTime }],
    );
  if (gone.length > 0) state.formerNodes = [...(state.formerNodes ?? []), ...gone].slice(-KEPT_FORMER_NODES);
}

/** A node without a history whose machine has one takes that over. */
function recognised(state: ClusterState, node: MemberStatus): MemberStatus {
  if (!isNode(node) || node.lastAppliedPatchTime !== null || node.machineId === undefined) return node;
  const former = (state.formerNodes ?? []).findLast(({ machineId }) => machineId === node.machineId);
  return former === undefined ? node : { ...node, lastAppliedPatchTime: former.lastAppliedPatchTime };
}

/** What decides whom ospatch takes for this node: its address, its way there and the keys that are trusted on it. */
function trustKey({ host, hostKeys, ssh }: NodeSpec): string {
  return canonicalJson({ host, port: ssh.port, hostKeys, jump: ssh.jump ?? [], transport: ssh.transport ?? null });
}

function scheduleKey(spec: PatchableSpec): string {
  return canonicalJson({ schedule: spec.patching.schedule ?? null, timeZone: spec.patching.timeZone });
}

function updateNodes(
  state: ClusterState,
  names: ReadonlySet<string>,
  change: (node: MemberStatus) => MemberStatus,
): void {
  state.nodes = state.nodes.map((node) => (names.has(node.name) ? change(node) : node));
}
