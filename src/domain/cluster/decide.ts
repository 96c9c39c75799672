import type { ActiveRun, ClusterState, PendingRequest } from './state';
import { isPatchable } from './state';
import { parseDuration } from '../shared/duration';
import { rejectionOf } from './messages';
import { isNode } from './member';
import type { MemberStatus } from './member';
import type { NodePatchPolicy, NodeRunPolicy, RunPolicy, RunTrigger, RunRestrictions } from '../run/run';
import { handsOverNodes } from '../run/run';
import { countOf, limitsOf, nodeGroupLimits } from '../run/limits';
import { orderNodes } from '../run/order';
import { stagesOf, toRunStage } from '../run/stages';
import type { NodeStatus } from '../node/status';
import { waitsForWorker } from './task-queues';
import type { EksSpec, NodeSpec, PatchableSpec, SelfManagedSpec } from '../spec/types';
import { alertGateOf, silencePolicyOf } from '../alerts/policies';
import { accessOf, isEks } from '../eks/node-groups';
import { blackoutAt, endedWindow, isLoadDue, loadDueAt, nextBeginning, windowEnd } from './schedule-state';
import type { OpenWindow, ScheduleState } from './schedule-state';
import { isWindowOpen, mayBegin } from '../schedule/window';
import {
  dueRequest,
  expiryMs,
  hasEndingWindows,
  lateRequest,
  requestTimes,
  runWindow,
  whyBetweenWindows,
  whyExpired,
  whyRequestsWait,
} from './run-window';
import type { MaintenanceWindow } from '../schedule/window';
import { HOUR_MS, MINUTE_MS } from '../shared/time-units';
import { defined } from '../shared/defined';
import { isoSecond } from '../shared/dates';

/** New machines may still be coming up when their boot patch starts. */
const BOOT_UNREACHABLE_TIMEOUT_MS = 30 * MINUTE_MS;

/** How often the facts of a reboot-pending node are refreshed, so that a manual reboot is noticed the same day. */
const REFRESH_FACTS_EVERY_MS = 6 * HOUR_MS;

/** Nodes per refresh or prefetch before continue-as-new is possible: some minutes of refresh, even when all are unreachable. */
const NODES_PER_CHILD = 200;

/** What the workflow engine knows and the state does not hold. */
export interface LoopContext {
  /** A run workflow is working on the run in progress. */
  runWorkflowRunning: boolean;
  /** Continue-as-new is due and nothing of this history is in flight. */
  continueAsNewDue: boolean;
  /** A run workflow of this history has suspended the run, so the next history resumes the run. */
  runPutDown: boolean;
  /** Something is in flight besides the run workflow, e.g. a refresh of reboot-pending nodes. */
  refreshingFacts: boolean;
  /** Packages are being downloaded for the next window. */
  prefetching: boolean;
}

export interface RunStart {
  trigger: RunTrigger;
  /** In patching order; for node groups, their names. */
  nodes: Pick<NodeSpec, 'name'>[];
  policy: RunPolicy;
  by: string | null;
  reason: string | null;
  /** The request names these nodes. */
  explicitNodes?: true;
  /** The node groups have to be listed at AWS first. */
  nodeGroupsUnresolved?: true;
  /** The window that this run fills. */
  window: PassedWindow | null;
  /** The request that this run serves; null: none. */
  request: PendingRequest | null;
  /** Nodes are started in maintenance windows only. */
  bound?: true;
}

/** A window, or the part of one that blackouts left, that is dealt with. */
export interface PassedWindow {
  /** Its start. */
  at: string;
  /** The start of the window of which it is a part; the same when it is the beginning. */
  of: string;
  /** What is recorded; null: nothing, because the window has had its run. */
  result: string | null;
  /** The window has its run. */
  served: boolean;
}

/** What a cluster does next. `message` is shown to users. */
export type Decision = { message: string } & (
  | { do: 'finish' }
  | { do: 'load-windows' }
  | { do: 'skip-window'; window: PassedWindow }
  | { do: 'close-window'; window: OpenWindow }
  | { do: 'start-run'; start: RunStart }
  | { do: 'resume-run' }
  | { do: 'abort-suspended-run' }
  | { do: 'expire-run'; why: string }
  | { do: 'expire-request'; request: PendingRequest }
  /** A suspended run makes room for another one, and comes back after it. */
  | { do: 'set-aside-run' }
  | { do: 'take-up-run' }
  /** The run that was set aside ends where it is. */
  | { do: 'expire-run-aside'; why: string }
  | { do: 'refresh-facts'; nodes: string[]; rest: number }
  | { do: 'prefetch'; window: string; nodes: string[]; rest: number }
  | { do: 'continue-as-new' }
  | { do: 'sleep'; untilMs: number | null }
);

/**
 * Decides what a cluster does at `now` (epoch milliseconds). Pure: the same state, time and context always give the
 * same decision. Every decision except `sleep` changes the state once executed, so the caller repeats until `sleep`.
 */
export function decide(state: ClusterState, now: number, context: LoopContext): Decision {
  const { spec, run } = state;
  if (state.removing !== null) {
    if (run === null && state.aside !== undefined)
      return { do: 'take-up-run', message: `run ${state.aside.number} ends with its cluster` };
    if (run === null) return { do: 'finish', message: `removed by ${state.removing}` };
    if (!context.runWorkflowRunning) return endSuspended(run, 'the cluster is being removed');
    return {
      do: 'sleep',
      untilMs: null,
      message: `run ${run.number} is being cancelled before the cluster is removed`,
    };
  }
  if (!isPatchable(spec)) {
    return context.continueAsNewDue
      ? { do: 'continue-as-new', message: 'continue-as-new is due' }
      : { do: 'sleep', untilMs: null, message: rejectionOf(spec) ?? 'this cluster is not patched by ospatch' };
  }
  return decidePatchable(state, spec, now, context);
}

function decidePatchable(state: ClusterState, spec: PatchableSpec, now: number, context: LoopContext): Decision {
  const { run, schedule } = state;
  if (isLoadDue(spec, schedule, now, false)) return LOAD_WINDOWS;

  const ended = endedWindow(schedule, now);
  if (ended !== null) return { do: 'close-window', window: ended, message: `the window of ${ended.start} has ended` };

  const late = lateRequest(state, now);
  if (late !== null) return { do: 'expire-request', request: late, message: 'the deadline of a request has passed' };
  const over = runAsideOver(state, spec, now);
  if (over !== null) return over;
  const wanted = state.paused === null ? nextRunBesides(state, spec, now) : null;
  if (run === null && state.aside !== undefined && wanted === null)
    return { do: 'take-up-run', message: `run ${state.aside.number} goes on` };

  const window = schedule.next?.[0];
  const due = window !== undefined && Date.parse(window.start) <= now ? window : null;
  const passed =
    removedWindow(schedule, due, now) ?? (due === null ? null : skipWindow(state, spec, due, now, context));
  if (passed !== null) {
    // After long downtime thousands of windows may have passed, more than one history holds.
    if (context.continueAsNewDue) return { do: 'continue-as-new', message: 'continue-as-new is due' };
    return { do: 'skip-window', window: passed, message: `the window of ${passed.at} has passed` };
  }

  if (run !== null) return decideInRun(state, spec, run, now, context, wanted);
  if (state.paused !== null) return sleep(state, now, context, `paused by ${state.paused.by}`);

  if (isLoadDue(spec, schedule, now, wanted !== null || due !== null)) return LOAD_WINDOWS;
  if (wanted?.kind === 'request') return startRequested(state, spec, wanted.request);
  // What starts by itself waits until it is known that it may.
  if (due !== null && schedule.error === null && mayBegin(due, now)) {
    const delay = now - Date.parse(due.start) > MINUTE_MS ? ', late' : '';
    return startRun(state, spec, 'schedule', null, {
      window: { ...placeOf(due), result: `run ${state.nextRun}${delay}`, served: true },
      bound: due.end !== null,
      why: `the window of ${due.start} has started`,
    });
  }
  if (wanted?.kind === 'boot') {
    const entered = wanted.nodes;
    return startRun(state, spec, 'boot', entered, {
      why: `${entered.length} node${entered.length === 1 ? ' has' : 's have'} joined the cluster`,
    });
  }

  const refresh = nextRefresh(state);
  if (refresh.nodes.length > 0 && !context.refreshingFacts && refresh.atMs <= now) {
    // A refresh of thousands of nodes takes hours.
    if (context.continueAsNewDue) return { do: 'continue-as-new', message: 'continue-as-new is due' };
    return {
      ...{ do: 'refresh-facts', ...firstSlice(refresh.nodes) },
      message: `facts of ${refresh.nodes.length} node${refresh.nodes.length === 1 ? '' : 's'} are refreshed`,
    };
  }
  const beginning = nextBeginning(schedule);
  const prefetch = nextPrefetch(state, spec, beginning);
  if (beginning !== null && prefetch !== null && prefetch.atMs <= now && !context.prefetching) {
    if (context.continueAsNewDue) return { do: 'continue-as-new', message: 'continue-as-new is due' };
    const message = `packages are downloaded for the window of ${beginning.start}`;
    return { do: 'prefetch', window: beginning.start, ...firstSlice(prefetch.nodes), message };
  }
  return sleep(state, now, context, whyRequestsWait(state, spec, now) ?? whyIdle(window, due, schedule.error));
}

/** A run that was set aside has nothing in flight, so its end needs no run workflow, and no turn of its own. */
function runAsideOver({ aside }: ClusterState, spec: PatchableSpec, now: number): Decision | null {
  if (aside === undefined || aside.state === 'cancelling') return null;
  const expiry = whyExpired(spec, aside, now, false);
  if (!('why' in expiry)) return null;
  return { do: 'expire-run-aside', why: expiry.why, message: `run ${aside.number} has expired: ${expiry.why}` };
}

const LOAD_WINDOWS = { do: 'load-windows', message: 'the next windows are computed' } as const;

/** A blackout left nothing of a window that would have started before `due`. */
function removedWindow({ removed }: ScheduleState, due: MaintenanceWindow | null, now: number): PassedWindow | null {
  const [first] = removed;
  if (first === undefined || Date.parse(first.start) > now) return null;
  if (due !== null && Date.parse(due.start) < Date.parse(first.start)) return null;
  return { at: first.start, of: first.start, result: `missed (blackout: ${first.reason})`, served: false };
}

function placeOf({ start, partOf }: MaintenanceWindow): Pick<PassedWindow, 'at' | 'of'> {
  return { at: start, of: partOf ?? start };
}

/** The run that starts when no other is in progress, whatever the window. */
function nextRunBesides(
  state: ClusterState,
  spec: PatchableSpec,
  now: number,
): { kind: 'request'; request: PendingRequest } | { kind: 'boot'; nodes: string[] } | null {
  const request = dueRequest(state, spec, now);
  if (request !== null) return { kind: 'request', request };
  if (blackoutAt(state, now) !== null) return null;
  const nodes = state.nodes.filter((node) => isNode(node) && node.bootPatch === 'pending').map(({ name }) => name);
  return nodes.length === 0 ? null : { kind: 'boot', nodes };
}

function startRequested(state: ClusterState, spec: PatchableSpec, request: PendingRequest): Decision {
  const { nodes, by, reason, ignoreWindow, ignoreAlerts, concurrency } = request;
  const bound = ignoreWindow !== true && hasEndingWindows(spec);
  const decision = startRun(state, spec, 'on-demand', nodes, { by, reason, request, bound, why: `requested by ${by}` });
  if (decision.do === 'start-run' && ignoreAlerts === true) delete decision.start.policy.alertGate;
  if (decision.do === 'start-run' && concurrency !== undefined) {
    const { limits } = decision.start.policy;
    limits.concurrency = countOf(concurrency, decision.start.nodes.length);
  }
  return decision;
}

function whyIdle(
  window: MaintenanceWindow | undefined,
  due: MaintenanceWindow | null,
  scheduleError: string | null,
): string {
  if (due !== null && scheduleError !== null) return `the window of ${due.start} cannot begin: ${scheduleError}`;
  if (window !== undefined) return 'no run starts before the next window';
  return scheduleError === null
    ? 'no run starts before one is requested'
    : 'no run starts by schedule, because the next windows are not known';
}

function decideInRun(
  state: ClusterState,
  spec: PatchableSpec,
  run: ActiveRun,
  now: number,
  context: LoopContext,
  wanted: ReturnType<typeof nextRunBesides>,
): Decision {
  if (context.runWorkflowRunning) {
    return { do: 'sleep', untilMs: scheduleWakeUp(state, now), message: `run ${run.number} ${doing(run)}` };
  }
  if (run.state === 'cancelling') return endSuspended(run, `run ${run.number} was cancelled`);
  const expiry = whyExpired(spec, run, now, waitsForDecision(state, run) !== null);
  // Also of a paused cluster: a moment that somebody has named passes whether or not anything is allowed to start.
  if (run.suspended !== null && !handsOverNodes(run.suspended) && 'why' in expiry) {
    const message = `run ${run.number} has expired: ${expiry.why}`;
    return { do: 'expire-run', why: expiry.why, message };
  }
  if (context.continueAsNewDue && context.runPutDown) {
    return { do: 'continue-as-new', message: 'continue-as-new is due' };
  }
  // A run is paused once the nodes that are being patched are over.
  if (run.suspended !== null && handsOverNodes(run.suspended))
    return { do: 'resume-run', message: `run ${run.number} waits for the nodes that are being patched` };
  const waiting = waitsForDecision(state, run);
  if (state.paused === null && waiting !== null) return sleep(state, now, context, waiting, expiresAt(expiry));
  const between = state.paused === null ? whyBetweenWindows(state, run, now) : null;
  const mayMakeRoom = (run.suspended?.inFlight ?? []).length === 0 && state.aside === undefined;
  if (between !== null && wanted !== null && mayMakeRoom)
    return { do: 'set-aside-run', message: `run ${run.number} is suspended, and another run starts` };
  if (between !== null) return sleep(state, now, context, between, expiresAt(expiry));
  if (state.paused === null) return { do: 'resume-run', message: `run ${run.number} continues` };
  const until = expiresAt(expiry);
  const end = until === null ? '' : `, and expires at ${isoSecond(until)}`;
  return sleep(state, now, context, `run ${run.number} is paused by ${state.paused.by}${end}`, until);
}

function expiresAt(expiry: ReturnType<typeof whyExpired>): number | null {
  return 'atMs' in expiry ? expiry.atMs : null;
}

/** Why a run that has suspended itself cannot go on before somebody decides; null: it can. */
export function waitsForDecision(
  { spec }: Pick<ClusterState, 'spec'>,
  { number, policy, suspended }: ActiveRun,
): string | null {
  if (suspended?.hold?.kind !== 'budget') return null;
  const { maxFailures } = policy.limits;
  const { failures } = suspended;
  if (failures <= maxFailures) return null;
  const steer = ['retry', 'skip'].map((verb) => `\`ospatch ${verb} ${spec.name} NODE\``);
  const more = [...steer, `\`ospatch set-max-failures ${spec.name} N\``, `\`ospatch cancel ${spec.name}\``];
  return `run ${number} waits for a decision: ${failures} failed, more than the ${maxFailures} that may; ${more.join(', ')}`;
}

/**
 * The run workflow ends the run itself: it waits for nodes in flight, starts no other, and its result says what became of every
 * member. Of node groups that were never listed there is nothing to say.
 */
function endSuspended({ nodeGroupsUnresolved }: ActiveRun, message: string): Decision {
  return nodeGroupsUnresolved === true ? { do: 'abort-suspended-run', message } : { do: 'resume-run', message };
}

function doing({ nodeGroupsUnresolved, state, policy }: ActiveRun): string {
  if (state === 'cancelling' && policy.kind === 'node-group') {
    return 'is being cancelled; an update already started at AWS cannot be stopped, so the run waits for its end';
  }
  const through = policy.taskQueue === undefined ? '' : `, through ${waitsForWorker(policy.taskQueue)}`;
  return nodeGroupsUnresolved === true ? `lists the node groups at AWS${through}` : 'is in progress';
}

/** The window that gets no run of its own; null when it can still be used. */
function skipWindow(
  state: ClusterState,
  spec: PatchableSpec,
  window: MaintenanceWindow,
  now: number,
  context: LoopContext,
): PassedWindow | null {
  const { served } = state.schedule;
  const place = placeOf(window);
  const hadRun = served !== null && Date.parse(served) === Date.parse(place.of);
  // A run that the blackout has interrupted takes this part of its window by itself.
  if (hadRun) return { ...place, result: null, served: true };
  const result = whySkipped(state, spec, window, now, context);
  return result === null ? null : { ...place, result, served: /^(covered|continues)/.test(result) };
}

function whySkipped(
  state: ClusterState,
  spec: PatchableSpec,
  window: MaintenanceWindow,
  now: number,
  context: LoopContext,
): string | null {
  const { run, paused, schedule } = state;
  const isUsable = mayBegin(window, now);
  // Somebody may resume the cluster in time.
  if (paused !== null) return window.end !== null && isUsable ? null : 'missed (paused)';
  const waits = run !== null && waitsForDecision(state, run) !== null;
  // A run of some nodes does not replace the window of the others, which waits until that run has ended.
  if (run?.state === 'running' && !waits && coversAllNodes(run, spec)) {
    const isEarlier = Date.parse(run.startedAt) < Date.parse(window.start);
    if (run.bound !== true || !isEarlier) return `covered by run ${run.number}`;
    // One that has expired is ended first.
    const goesOn = context.runWorkflowRunning || !('why' in whyExpired(spec, run, now, false));
    if (goesOn && isWindowOpen(window, now)) return `continues run ${run.number}`;
  }
  if (isUsable) return null;
  if (wasUnknown(schedule, window)) return 'missed (its blackouts were not known)';
  if (run === null || (run.suspended !== null && !waits)) return 'missed (no worker was running in time)';
  return waits ? `missed (run ${run.number} waits for a decision)` : `missed (run ${run.number} took too long)`;
}

/** Whether windows could not begin at some time in which this one could have begun. */
function wasUnknown({ unknown }: ScheduleState, { start, end, cutoff, startBy }: MaintenanceWindow): boolean {
  const last = startBy ?? cutoff ?? end;
  if (unknown === undefined || last === null) return false;
  return Date.parse(unknown.from) <= Date.parse(last) && Date.parse(start) <= Date.parse(unknown.to ?? last);
}

function coversAllNodes(run: ActiveRun, spec: PatchableSpec): boolean {
  const names = new Set(run.nodes);
  if (!isEks(spec)) return spec.nodes.every((node) => names.has(node.name));
  const { nodeGroups } = spec.eks;
  return nodeGroups === 'all' ? run.explicitNodes !== true : nodeGroups.every((name) => names.has(name));
}

function startRun(
  state: ClusterState,
  spec: PatchableSpec,
  trigger: RunTrigger,
  names: string[] | null,
  more: {
    by?: string;
    reason?: string | null;
    window?: RunStart['window'];
    request?: PendingRequest;
    bound?: boolean;
    why: string;
  },
): Decision {
  return {
    do: 'start-run',
    message: more.why,
    start: {
      trigger,
      ...(isEks(spec) ? nodeGroupWork(spec, names) : runOfNodes(state, spec, names, trigger)),
      by: more.by ?? null,
      reason: more.reason ?? null,
      ...defined({ explicitNodes: trigger === 'on-demand' && names !== null ? (true as const) : undefined }),
      window: more.window ?? null,
      request: more.request ?? null,
      ...defined({ bound: more.bound === true ? (true as const) : undefined }),
    },
  };
}

/** The nodes that a run takes, in order, and how. `names`: only these; null: all. */
export function runOfNodes(
  state: Pick<ClusterState, 'nodes'>,
  spec: SelfManagedSpec,
  names: string[] | null,
  trigger: RunTrigger,
): { nodes: RunStart['nodes']; policy: NodeRunPolicy } {
  const wanted = names === null ? spec.nodes : spec.nodes.filter((node) => names.includes(node.name));
  const { rollout } = spec.patching;
  const lastPatched = new Map(state.nodes.map(({ name, lastAppliedPatchTime }) => [name, lastAppliedPatchTime]));
  const stages = stagesOf(orderNodes(wanted, rollout.order, lastPatched), rollout.stages);
  return {
    nodes: stages.flatMap(({ nodes }) => nodes.map((name) => ({ name }))),
    policy: {
      ...policyFor(spec, trigger),
      limits: limitsOf(rollout, wanted.length, spec.nodes.length),
      ...defined({ alertGate: alertGateOf(spec) }),
      rolesApart: typeof rollout.order === 'string',
      stages: stages.map(toRunStage),
    },
  };
}

function nodeGroupWork(
  spec: EksSpec,
  names: string[] | null,
): Pick<RunStart, 'nodes' | 'policy' | 'nodeGroupsUnresolved'> {
  const { taskQueue } = spec;
  const { nodeGroups, force, launchTemplates = false } = spec.eks;
  const isNamed = nodeGroups !== 'all' || names !== null;
  const wanted = nodeGroups === 'all' ? (names ?? []) : nodeGroups.filter((name) => names?.includes(name) ?? true);
  return {
    nodes: wanted.map((name) => ({ name })),
    ...defined({ nodeGroupsUnresolved: nodeGroups === 'all' ? (true as const) : undefined }),
    policy: {
      kind: 'node-group',
      ...nodeGroupLimits(spec.patching.rollout, wanted.length),
      ...defined({ taskQueue, alertGate: alertGateOf(spec) }),
      access: accessOf(spec.eks),
      force,
      ...defined({ launchTemplates: launchTemplates || undefined }),
      skipRefused: !isNamed,
    },
  };
}

/** How each node is patched in a run of this trigger. */
export function policyFor(spec: SelfManagedSpec, trigger: RunTrigger): NodePatchPolicy {
  const { patching, kubernetes, taskQueue } = spec;
  const configured = parseDuration(patching.unreachableTimeout);
  return {
    kind: 'node',
    rebootIfRequired: patching.rebootIfRequired,
    ...defined({
      rebootCommand: patching.rebootCommand,
      powerCycle:
        patching.powerCycleHook === undefined
          ? undefined
          : { hook: patching.powerCycleHook.name, afterMs: parseDuration(patching.powerCycleHook.after) },
      ignoredOwners: patching.rebootOwners?.ignore,
      restartServices: patching.restartServices,
    }),
    withoutDrain: patching.withoutDrain,
    prefetch: patching.prefetch !== 'off',
    unreachableTimeoutMs: trigger === 'boot' ? Math.max(configured, BOOT_UNREACHABLE_TIMEOUT_MS) : configured,
    ...defined({
      lockTimeoutMs: patching.lockTimeout === undefined ? undefined : parseDuration(patching.lockTimeout),
      packages: patching.packages,
      kubernetes,
      silence: silencePolicyOf(spec),
      taskQueue,
    }),
  };
}

function firstSlice(names: string[]): { nodes: string[]; rest: number } {
  const nodes = names.slice(0, NODES_PER_CHILD);
  return { nodes, rest: names.length - nodes.length };
}

/** Nodes that prefetch packages for `window`, and from when on; null when prefetch is off or already done. */
function nextPrefetch(
  state: ClusterState,
  spec: PatchableSpec,
  window: MaintenanceWindow | null,
): { nodes: string[]; atMs: number } | null {
  if (isEks(spec) || window === null) return null;
  const { prefetch } = spec.patching;
  const isBegun = state.prefetchedFor === window.start;
  if (typeof prefetch === 'string' || (isBegun && state.prefetchedUpTo === undefined)) return null;
  // When the last prefetched node has left the spec, prefetch starts over.
  const nodes =
    (isBegun ? namesAfter(state, state.prefetchedUpTo, mayBeConnectedTo) : null) ??
    namesOf(state.nodes, mayBeConnectedTo);
  return nodes.length === 0 ? null : { nodes, atMs: Date.parse(window.start) - parseDuration(prefetch.beforeWindow) };
}

/** The nodes whose facts need a refresh, and when the refresh is due. */
function nextRefresh(state: ClusterState): { nodes: string[]; atMs: number } {
  const rest = namesAfter(state, state.factsRefreshedUpTo, isToBeRead) ?? [];
  if (rest.length > 0) return { nodes: rest, atMs: 0 };
  return { nodes: namesOf(state.nodes, isToBeRead), atMs: state.confirmMachines === true ? 0 : refreshFactsAt(state) };
}

/** Null when no node has the name `upTo`. */
function namesAfter(
  { nodes }: ClusterState,
  upTo: string | undefined,
  isWanted: (node: MemberStatus) => boolean,
): string[] | null {
  const place = nodes.findIndex(({ name }) => name === upTo);
  return place < 0 ? null : namesOf(nodes.slice(place + 1), isWanted);
}

function namesOf(nodes: readonly MemberStatus[], isWanted: (node: MemberStatus) => boolean): string[] {
  return nodes.filter(isWanted).map(({ name }) => name);
}

function refreshFactsAt(state: ClusterState): number {
  const lastRunEnd = state.runs.at(-1)?.endedAt;
  const last = Math.max(
    state.factsRefreshedAt === null ? 0 : Date.parse(state.factsRefreshedAt),
    lastRunEnd === undefined ? 0 : Date.parse(lastRunEnd),
  );
  return last + REFRESH_FACTS_EVERY_MS;
}

/** Nodes on which a manual reboot or restart is expected, and those that may be other machines now. */
function isToBeRead(node: MemberStatus): boolean {
  if (!mayBeConnectedTo(node)) return false;
  return node.rebootRequired === true || node.restartRequired === true || node.machineUnconfirmed === true;
}

/** Nobody logs in to quarantined nodes outside of a run, which reads their host keys first. */
function mayBeConnectedTo(node: MemberStatus): node is NodeStatus {
  return isNode(node) && node.quarantine === undefined;
}

/** When the schedule, a blackout or a request has something to decide; null: never. */
function scheduleWakeUp(state: ClusterState, now: number): number | null {
  const { schedule } = state;
  const due = schedule.next?.[0];
  const starts = [due, schedule.removed[0]].flatMap((one) => one?.start ?? []);
  const times = [
    ...starts.map((start) => Date.parse(start)),
    loadDueAt(schedule) ?? 0,
    windowEnd(schedule) ?? 0,
    ...(due === undefined ? [] : usableUntil(due)),
    ...schedule.blackouts.slice(0, 2).flatMap(({ start, end }) => [Date.parse(start), Date.parse(end)]),
    ...requestTimes(state),
    ...asideTimes(state),
    // The run may still wait for its beginning, e.g. for a worker.
    ...(state.run?.deadline === undefined ? [] : [Date.parse(state.run.deadline)]),
  ];
  const later = times.filter((at) => at > now);
  return later.length === 0 ? null : Math.min(...later);
}

/** When the run that was set aside expires. */
function asideTimes({ spec, aside }: ClusterState): number[] {
  const atMs = aside === undefined || !isPatchable(spec) ? null : expiryMs(spec, aside);
  return atMs === null ? [] : [atMs];
}

/** When a window that waits for its run cannot be used any more. One without an end is looked at when that run has ended. */
function usableUntil({ end, cutoff, startBy }: MaintenanceWindow): number[] {
  if (end === null) return [];
  const last = [end, cutoff].flatMap((one) => (one === null ? [] : [Date.parse(one)]));
  if (startBy !== undefined) last.push(Date.parse(startBy) + 1);
  return [Math.min(...last)];
}

function sleep(
  state: ClusterState,
  now: number,
  context: LoopContext,
  message: string,
  alsoAtMs: number | null = null,
): Decision {
  if (context.continueAsNewDue) return { do: 'continue-as-new', message: 'continue-as-new is due' };
  const wakeUps: number[] = alsoAtMs === null ? [] : [alsoAtMs];
  const scheduled = scheduleWakeUp(state, now);
  if (scheduled !== null) wakeUps.push(scheduled);
  const waiting = state.run === null && state.paused === null;
  const refresh = nextRefresh(state);
  if (waiting && !context.refreshingFacts && refresh.nodes.length > 0) wakeUps.push(refresh.atMs);
  const prefetch =
    waiting && isPatchable(state.spec) ? nextPrefetch(state, state.spec, nextBeginning(state.schedule)) : null;
  if (prefetch !== null && !context.prefetching) wakeUps.push(prefetch.atMs);
  return { do: 'sleep', untilMs: wakeUps.length === 0 ? null : Math.min(...wakeUps), message };
}

function locksOf({ nodes }: ClusterState, run: ActiveRun): RunRestrictions['locked'] {
  const inRun = new Set(run.nodes);
  const locks = nodes.flatMap((row) =>
    isNode(row) && row.lock !== undefined && inRun.has(row.name) ? [[row.name, row.lock] as const] : [],
  );
  if (locks.length === 0) return undefined;
  return Object.fromEntries(
    locks.map(([name, { by, reason, until }]) => {
      const end = until === null ? '' : ` until ${until}`;
      const why = `locked by ${by}${end}${reason === null ? '' : `: ${reason}`}`;
      return [name, { why, untilMs: until === null ? null : Date.parse(until) }];
    }),
  );
}

/** What a run in progress may no longer do, and the limits that somebody has changed. */
export function restrictionsFor(state: ClusterState, run: ActiveRun, now: number): RunRestrictions {
  return {
    // Nodes of a node group are replaced, so there is no reboot to forbid.
    rebootsForbidden: run.policy.kind === 'node' && !run.policy.rebootIfRequired,
    removedNodes: run.removed,
    paused: state.paused !== null,
    limits: run.policy.limits,
    window: runWindow(state, run, now),
    ...defined({
      expired: run.expired,
      skipped: run.skipped,
      withdrawn: run.withdrawn,
      retried: run.retried,
      locked: locksOf(state, run),
    }),
    ...defined({ cancelled: run.state === 'cancelling' ? (true as const) : undefined }),
  };
}
