/** Situations of clusters as their workflows have them, in which something does not happen: each is explained as it is. */
import type { LiveStatus } from '../../../src/client/live-status';
import type { LoopContext } from '../../../src/domain/cluster/decide';
import { decide } from '../../../src/domain/cluster/decide';
import { eventsPage } from '../../../src/domain/cluster/event-pages';
import { actOnRemove, actOnRequest, actOnSteering } from '../../../src/domain/cluster/requests';
import type { ActiveRun, ClusterState } from '../../../src/domain/cluster/state';
import {
  closeWindow,
  markStarted,
  newClusterState,
  setAsideRun,
  settleNodes,
  startRun,
} from '../../../src/domain/cluster/state';
import { consumed } from '../../../src/domain/cluster/schedule-state';
import { toStatus } from '../../../src/domain/cluster/status';
import { explainCluster } from '../../../src/domain/explain/cluster';
import type { Explanation, LiveNode } from '../../../src/domain/explain/explanation';
import { explainNode } from '../../../src/domain/explain/node';
import type { Situation } from '../../../src/domain/explain/situation';
import { quorumViolation } from '../../../src/domain/kubernetes/quorum';
import { runDetail } from '../../../src/domain/run/detail';
import type { MemberPlace, PlacedMember, RunHold, RunView } from '../../../src/domain/run/next-step';
import { nextStep } from '../../../src/domain/run/next-step';
import type { ScheduleEntry } from '../../../src/domain/spec/types';
import { live } from '../../cli/support';
import { IDLE, clusterSpec, runPolicy, settled, windowAt } from '../../support/builders';

const T0 = '2027-01-03T00:00:00Z';
const OPEN = { start: T0, end: '2027-01-03T04:00:00Z' };
const NEXT = { start: '2027-01-10T00:00:00Z', end: '2027-01-10T04:00:00Z' };
const FREEZE = { start: '2027-01-04T00:00:00Z', end: '2027-01-05T00:00:00Z', reason: 'release freeze' };
const WEEKLY: ScheduleEntry = { preset: 'weekly', startWithin: '4h', duration: '4h', cutoff: 'forecast' };
const NAMES = ['w-1', 'w-2', 'w-3'];

function cluster(more: Parameters<typeof clusterSpec>[1] = {}): ClusterState {
  return newClusterState(clusterSpec(NAMES, more), null, '2027-01-01T00:00:00.000Z');
}

/** With a window that is open, and another in a week. */
function scheduled(more: Parameters<typeof clusterSpec>[1] = {}): ClusterState {
  const state = cluster({ schedule: [WEEKLY], ...more });
  const windows = [OPEN, NEXT].map(({ start, end }) => windowAt(start, { end, startBy: end }));
  state.schedule = { ...state.schedule, next: windows, loadedAt: T0 };
  return state;
}

function running(state: ClusterState, more: Partial<ActiveRun> = {}): ActiveRun {
  return startRun(state, {
    ...{ number: state.nextRun, trigger: 'on-demand', startedAt: T0, by: 'bob', reason: null, nodes: NAMES },
    policy: runPolicy(3),
    ...more,
  });
}

/** The open window has its run. */
function beginWindow(state: ClusterState): void {
  state.schedule = consumed(state.schedule, OPEN.start, OPEN.start, Date.parse(OPEN.start));
}

/** The first run, suspended after one node; its window is behind it. */
function suspended(more: Partial<ActiveRun> = {}, patching: Parameters<typeof clusterSpec>[1] = {}): ClusterState {
  const state = scheduled(patching);
  const run = running(state, { trigger: 'schedule', bound: true, ...more });
  beginWindow(state);
  const one = settled('w-1');
  settleNodes(state, run, [one], OPEN.end);
  const endMs = Date.parse(OPEN.end);
  run.suspended = {
    ...{ settled: [one], failures: 0, holdSince: OPEN.end },
    hold: { kind: 'window', endMs, next: 'w-2', forecast: null },
  };
  return state;
}

/** What the run workflow answers for such limits. */
function held(
  state: ClusterState,
  view: Partial<RunView>,
  nowMs: number,
): { hold: RunHold | null; upcoming: string[] } {
  const { run } = state;
  if (run === null) throw new Error('no run');
  const members = run.nodes.map((name): PlacedMember => ({
    name,
    role: 'worker',
    zone: null,
    stage: 0,
    place: 'waiting',
  }));
  const whole: RunView = {
    ...{ waiting: members, inFlight: [], lost: [], stages: [{ soakMs: 0, concurrency: null }] },
    ...{ limits: run.policy.limits, rolesApart: false, openStage: 0, lastSettledMs: null, failures: 0 },
    ...{ unavailable: new Set(), window: null, forecast: () => ({ ms: 1_200_000, from: 'node' }), nowMs },
    ...view,
  };
  const step = nextStep(whole);
  return { hold: 'hold' in step ? step.hold : null, upcoming: whole.waiting.map(({ name }) => name) };
}

interface Asked {
  now?: string;
  node?: string;
  current?: LiveNode[];
  /** How the run workflow sees the run. */
  view?: Partial<RunView>;
  stuck?: LiveStatus['stuck'];
}

/** What the cluster does once it has noted which windows have closed. */
function doing(state: ClusterState, now: number, context: LoopContext): string {
  for (;;) {
    const decision = decide(state, now, context);
    if (decision.do !== 'close-window') return decision.message;
    closeWindow(state, decision.window, new Date(now).toISOString());
  }
}

function explained(state: ClusterState, { now = T0, node, current = [], view, stuck }: Asked = {}): Explanation[] {
  const nowMs = Date.parse(now);
  const status = toStatus(state);
  const { run } = status;
  const context = { ...IDLE, runWorkflowRunning: state.run !== null && state.run.suspended === null };
  if (run !== null && view !== undefined) {
    const { hold, upcoming } = held(state, view, nowMs);
    const limits = state.run?.policy.limits ?? runPolicy(1).limits;
    const places = { waiting: upcoming.map((name) => ({ name })), inFlight: [], lost: [] };
    run.detail = runDetail(places, {
      ...{
        limits,
        failures: 0,
        hold,
        holdSince: now,
        openStage: 0,
        stages: [{ soakMs: 0 }],
        windowEnd: null,
      },
    });
  }
  const situation: Situation = {
    status: {
      ...{ ...status, explanation: doing(state, nowMs, context), current },
      ...(stuck === undefined ? {} : { stuck }),
    },
    ...{ spec: state.spec, events: eventsPage(state, { limit: 200 }).events, record: null, nowMs },
    time: (iso) => iso.slice(0, 16),
  };
  return node === undefined ? explainCluster(situation) : (explainNode(situation, node) ?? []);
}

const member = (name: string, place: MemberPlace, more: Partial<PlacedMember> = {}): PlacedMember => ({
  ...{ name, role: 'worker', zone: null, stage: 0, place },
  ...more,
});

type Expected = Partial<Explanation> & Pick<Explanation, 'kind'>;

const SITUATIONS: [name: string, found: () => Explanation[], expected: Expected][] = [
  [
    '1 a node waits for another zone',
    () => {
      const state = cluster();
      const run = running(state);
      run.policy.limits = { ...run.policy.limits, concurrency: 2, oneZoneAtATime: true };
      const view = {
        waiting: [member('w-2', 'waiting', { zone: 'b' })],
        inFlight: [member('w-1', 'in-flight', { zone: 'a' })],
      };
      return explained(state, { node: 'w-2', view });
    },
    {
      ...{ kind: 'zone', because: 'one zone is patched at a time, and in zone a w-1 has not ended', since: T0 },
      change: ['ospatch explain demo w-1'],
    },
  ],
  [
    '2 a node that the run does not touch is NotReady, and uses up maxUnavailable',
    () => {
      const state = cluster();
      const run = running(state, { nodes: ['w-1', 'w-2'] });
      run.policy.limits = { ...run.policy.limits, maxUnavailable: 1 };
      return explained(state, { node: 'w-1', view: { unavailable: new Set(['w-3']) } });
    },
    {
      ...{ kind: 'max-unavailable', because: '1 node is unavailable (w-3), and no more than 1 may be', since: T0 },
      change: ['`ospatch check demo` shows what is wrong with them'],
    },
  ],
  [
    '3 the same for a node that was started and waits in service',
    () => {
      const state = cluster();
      const run = running(state, { nodes: ['w-1', 'w-2'] });
      run.policy.limits = { ...run.policy.limits, maxUnavailable: 1 };
      markStarted(state, run, ['w-1'], T0);
      const current = [live('w-1', { waitingFor: 'other nodes to come back (maxUnavailable)', waitingSince: T0 })];
      return explained(state, { node: 'w-1', current, view: { unavailable: new Set(['w-3']) } });
    },
    {
      ...{ kind: 'others-unavailable', because: '1 node is unavailable (w-3), and no more than 1 may be', since: T0 },
      change: [
        '`ospatch check demo` shows what is wrong with the others',
        'ospatch skip demo w-1',
        'ospatch cancel demo',
      ],
    },
  ],
  [
    '4 a control plane that etcd cannot do without',
    () => {
      const state = cluster();
      markStarted(state, running(state), ['w-1'], T0);
      const etcd = NAMES.map((nodeName) => ({ nodeName, ready: nodeName !== 'w-2', inWork: false }));
      const why = quorumViolation('w-1', { etcd, apiServers: [], nodes: [], failing: [] }) ?? '';
      const current = [
        live('w-1', {
          step: 'drain',
          waitingFor: `the control plane: ${why}`,
          waitingSince: T0,
          waitingUntil: OPEN.end,
        }),
      ];
      return explained(state, { node: 'w-1', current });
    },
    {
      ...{ kind: 'quorum', what: 'w-1 is not taken out of service', since: T0, until: OPEN.end },
      because: 'etcd needs 2 of its 2 other members, and only 1 are available (w-2 is not ready)',
      change: ['kubectl get nodes -l node-role.kubernetes.io/control-plane shows the others', 'ospatch cancel demo'],
    },
  ],
  [
    '5 a request during a blackout',
    () => {
      const state = cluster();
      state.schedule = { ...state.schedule, blackouts: [FREEZE], loadedAt: T0 };
      actOnRequest(state, 'patchNow', { by: 'ann' }, FREEZE.start);
      return explained(state, { now: FREEZE.start });
    },
    {
      ...{ kind: 'queued', what: 'run 1 has not begun', since: FREEZE.start, until: FREEZE.end },
      because: 'requested by ann; a blackout is in force until 2027-01-05T00:00 (release freeze)',
      change: ['ospatch patch demo --ignore-window', 'ospatch cancel demo'],
    },
  ],
  [
    '6 the boot patch of a node during a blackout',
    () => {
      const state = cluster({ patchOnBoot: true });
      state.schedule = { ...state.schedule, blackouts: [FREEZE], loadedAt: T0 };
      return explained(state, { now: FREEZE.start, node: 'w-1' });
    },
    {
      ...{ kind: 'boot-patch-pending', what: 'the boot patch of w-1 has not begun', until: FREEZE.end },
      because: 'a blackout is in force until 2027-01-05T00:00 (release freeze)',
      change: ['ospatch patch demo --ignore-window'],
    },
  ],
  [
    '7 a run of a request that a blackout has suspended',
    () => {
      const state = suspended({ bound: undefined as never, trigger: 'on-demand' });
      delete state.run?.bound;
      state.schedule = { ...state.schedule, blackouts: [FREEZE] };
      return explained(state, { now: '2027-01-04T06:00:00Z' });
    },
    {
      ...{ kind: 'window', what: 'run 1 starts no further node', until: FREEZE.end },
      because: expect.stringContaining(
        'a blackout is in force until 2027-01-05T00:00:00Z (release freeze); the run goes on at 2027-01-05T00:00:00Z',
      ) as never,
      change: ['ospatch patch demo --ignore-window', 'ospatch cancel demo'],
    },
  ],
  [
    '8 what is left of the window is too short for the next node',
    () => {
      const state = scheduled();
      running(state, { bound: true });
      beginWindow(state);
      const window = { endMs: Date.parse(OPEN.end), cutoffMs: null };
      const inFlight = [member('w-1', 'in-flight')];
      const waiting = [member('w-2', 'waiting')];
      const run = state.run as ActiveRun;
      run.policy.limits = { ...run.policy.limits, concurrency: 2 };
      return explained(state, { now: '2027-01-03T03:50:00Z', node: 'w-2', view: { window, waiting, inFlight } });
    },
    {
      ...{ kind: 'window', because: 'w-2 is forecast to take 20m, and the window ends at 2027-01-03T04:00' },
      ...{ until: NEXT.start, change: ['ospatch extend-window demo 1h', 'ospatch cancel demo'] },
    },
  ],
  [
    '9 the same before a blackout, which nobody can put off',
    () => {
      const state = scheduled();
      state.schedule = { ...state.schedule, blackouts: [FREEZE] };
      const run = running(state);
      run.policy.limits = { ...run.policy.limits, concurrency: 2 };
      const window = { endMs: Date.parse(FREEZE.start), cutoffMs: null, by: 'blackout' } as const;
      const waiting = [member('w-2', 'waiting')];
      return explained(state, {
        ...{ now: '2027-01-03T23:50:00Z', node: 'w-2' },
        view: { window, waiting, inFlight: [member('w-1', 'in-flight')] },
      });
    },
    {
      ...{ kind: 'window', because: 'w-2 is forecast to take 20m, and a blackout begins at 2027-01-04T00:00' },
      ...{ until: FREEZE.end, change: ['ospatch patch demo --ignore-window', 'ospatch cancel demo'] },
    },
  ],
  [
    '10 the same before the deadline of the run',
    () => {
      const state = cluster();
      const run = running(state, { deadline: OPEN.end });
      run.policy.limits = { ...run.policy.limits, concurrency: 2 };
      const window = { endMs: Date.parse(OPEN.end), cutoffMs: null, by: 'deadline' } as const;
      const waiting = [member('w-2', 'waiting')];
      return explained(state, {
        ...{ now: '2027-01-03T03:50:00Z', node: 'w-2' },
        view: { window, waiting, inFlight: [member('w-1', 'in-flight')] },
      });
    },
    {
      ...{ kind: 'window', because: 'w-2 is forecast to take 20m, and the deadline of the run is 2027-01-03T04:00' },
      ...{ until: null, change: ['ospatch patch demo', 'ospatch cancel demo'] },
    },
  ],
  [
    '11 a node is locked while its run is in progress',
    () => {
      const state = cluster();
      running(state);
      actOnSteering(state, 'lock', { node: 'w-2', by: 'ann', reason: 'incident 4711', until: NEXT.start }, T0);
      return explained(state, { node: 'w-2' });
    },
    {
      ...{ kind: 'locked', because: 'ann has locked it (incident 4711)', since: T0, until: NEXT.start },
      change: ['ospatch unlock demo w-2'],
    },
  ],
  [
    '12 a run that somebody has paused',
    () => {
      const state = suspended();
      actOnRequest(state, 'pause', { by: 'ann', reason: 'incident' }, OPEN.end);
      return explained(state, { now: '2027-01-03T05:00:00Z', node: 'w-2' });
    },
    {
      ...{ kind: 'paused', what: 'demo starts no run, and run 1 no node', because: 'ann has paused it (incident)' },
      ...{ since: OPEN.end, change: ['ospatch resume demo'] },
    },
  ],
  [
    '13 a run that has spent its failure budget',
    () => {
      const state = suspended();
      const run = state.run as ActiveRun;
      run.suspended = {
        ...{ settled: [], failures: 2, holdSince: OPEN.end },
        hold: { kind: 'budget', failures: 2, limit: 1 },
      };
      run.policy.limits = { ...run.policy.limits, maxFailures: 1, onExceeded: 'pause' };
      return explained(state, { now: '2027-01-03T05:00:00Z', node: 'w-2' });
    },
    {
      ...{ kind: 'budget', because: '2 failed, more than the 1 that may', since: OPEN.end, until: null },
      change: [
        'ospatch retry demo NODE',
        'ospatch skip demo NODE',
        'ospatch set-max-failures demo N',
        'ospatch cancel demo',
      ],
    },
  ],
  [
    '14 a stage that soaks',
    () => {
      const state = cluster();
      running(state);
      const stages = [
        { soakMs: 3_600_000, concurrency: null },
        { soakMs: 0, concurrency: null },
      ];
      const waiting = [member('w-2', 'waiting', { stage: 1 }), member('w-3', 'waiting', { stage: 1 })];
      return explained(state, { node: 'w-2', view: { stages, waiting, lastSettledMs: Date.parse(T0) } });
    },
    {
      ...{ kind: 'soak', because: 'stage 1 soaks until 2027-01-03T01:00', until: '2027-01-03T01:00:00.000Z' },
      change: ['ospatch cancel demo'],
    },
  ],
  [
    '15 a request that is not to start before a moment',
    () => {
      const state = cluster();
      actOnRequest(state, 'patchNow', { by: 'ann', notBefore: NEXT.start, deadline: NEXT.end }, T0);
      return explained(state);
    },
    {
      ...{ kind: 'queued', what: 'run 1 has not begun', since: T0, until: NEXT.start },
      because: 'requested by ann; it was not to start before 2027-01-10T00:00; it expires at 2027-01-10T04:00',
      change: ['ospatch cancel demo'],
    },
  ],
  [
    '16 a request that waits for the next window',
    () => {
      const state = scheduled();
      state.schedule = { ...state.schedule, next: state.schedule.next?.slice(1) ?? null };
      actOnRequest(state, 'patchNow', { by: 'ann' }, OPEN.end);
      return explained(state, { now: OPEN.end });
    },
    {
      ...{ kind: 'queued', because: 'requested by ann; it waits for the maintenance window of 2027-01-10T00:00' },
      ...{ until: NEXT.start, change: ['ospatch patch demo --ignore-window', 'ospatch cancel demo'] },
    },
  ],
  [
    '17 a run between two windows',
    () => explained(suspended(), { now: '2027-01-04T00:00:00Z', node: 'w-2' }),
    {
      ...{ kind: 'window', what: 'run 1 starts no further node', since: OPEN.end, until: NEXT.start },
      because: expect.stringMatching(
        /^it is suspended after 1 of 3: its window ended at 2027-01-03T04:00:00Z; the run goes on at 2027-01-10T00:00:00Z/,
      ) as never,
    },
  ],
  [
    '18 a run that expires before the next window opens',
    () => explained(suspended({}, { maxRunAge: '3d' }), { now: '2027-01-04T00:00:00Z' }),
    {
      ...{ kind: 'window', until: '2027-01-06T00:00:00Z' },
      because: expect.stringContaining(
        'the run expires at 2027-01-06T00:00:00Z, 3d after its start (patching.maxRunAge), no later than the next window',
      ) as never,
    },
  ],
  [
    '19 a run that is set aside for another one',
    () => {
      const state = suspended();
      setAsideRun(state);
      running(state, { number: 2, nodes: ['w-3'] });
      return explained(state, { now: '2027-01-04T00:00:00Z' });
    },
    {
      ...{ kind: 'queued', what: 'run 1 is set aside', until: null },
      because: 'started by bob; run 2 has to end first; it expires at 2027-01-17T00:00',
    },
  ],
  [
    '20 a node of a run that is set aside',
    () => {
      const state = suspended();
      setAsideRun(state);
      running(state, { number: 2, nodes: ['w-3'] });
      return explained(state, { now: '2027-01-04T00:00:00Z', node: 'w-2', view: {} });
    },
    {
      ...{ kind: 'turn', because: 'it waits for its turn in run 1, which is set aside for run 2' },
      change: ['`ospatch skip demo w-2` leaves it out'],
    },
  ],
  [
    '21 no worker polls the task queue of the cluster',
    () => {
      const stuck = { kind: 'no-worker', message: 'no worker polls ospatch', remedy: 'ospatch worker' } as const;
      return explained(cluster(), { stuck });
    },
    { kind: 'stuck', because: 'no worker polls ospatch', change: ['ospatch worker'] },
  ],
  [
    '22 no worker polls the task queue of a site',
    () => {
      const state = cluster();
      markStarted(state, running(state), ['w-1'], T0);
      const current = [live('w-1', { waitingFor: 'a worker of task queue site-b', waitingSince: T0 })];
      return explained(state, { node: 'w-1', current });
    },
    {
      ...{ kind: 'no-worker', because: 'it waits for a worker of task queue site-b', since: T0 },
      change: ['ospatch worker --task-queue site-b', 'ospatch skip demo w-1', 'ospatch cancel demo'],
    },
  ],
  [
    '23 the cluster is being removed',
    () => {
      const state = cluster();
      running(state);
      actOnRemove(state, { by: 'ann', reason: 'decommissioned' }, NEXT.start);
      return explained(state);
    },
    { kind: 'removing', because: 'it is being removed by ann (decommissioned)', since: '2027-01-10T00:00:00.000Z' },
  ],
  [
    '24 a request of a paused cluster',
    () => {
      const state = cluster();
      actOnRequest(state, 'patchNow', { by: 'bob', notBefore: NEXT.start }, T0);
      actOnRequest(state, 'pause', { by: 'ann' }, T0);
      return explained(state);
    },
    { kind: 'queued', because: 'requested by bob; ann has paused demo', since: T0, until: null },
  ],
];

describe('src/domain/explain: in prepared situations', () => {
  it.each(SITUATIONS)('%s', (_, found, expected) => {
    const all = found();
    const one = all.find(({ kind, what }) => kind === expected.kind && what === (expected.what ?? what));
    expect(one ?? all).toMatchObject(expected);
  });

  it('never leaves a member that waits without a reason', () => {
    const state = suspended();
    for (const node of NAMES) expect(explained(state, { now: '2027-01-04T00:00:00Z', node }).length).toBeGreaterThan(0);
    setAsideRun(state);
    for (const node of NAMES) expect(explained(state, { now: '2027-01-04T00:00:00Z', node }).length).toBeGreaterThan(0);
  });
});
