import type { LiveStatus } from '../../../src/client/live-status';
import type { ClusterEvent } from '../../../src/domain/cluster/event-pages';
import type { PatchRecord } from '../../../src/domain/cluster/member';
import { explainCluster } from '../../../src/domain/explain/cluster';
import type { Explanation } from '../../../src/domain/explain/explanation';
import type { Situation } from '../../../src/domain/explain/situation';
import { explainNode } from '../../../src/domain/explain/node';
import type { NodePatchResult } from '../../../src/domain/node/patch';
import type { RunHold } from '../../../src/domain/run/next-step';
import type { ClusterSpec } from '../../../src/domain/spec/types';
import { NOW, live, node, runStatus, status, summary } from '../../cli/support';
import { clusterSpec, windowAt } from '../../support/builders';

const ago = (minutes: number): string => new Date(NOW - minutes * 60_000).toISOString();
const later = (minutes: number): string => ago(-minutes);
const SCHEDULED = clusterSpec(['w-1', 'w-2', 'w-3'], {
  schedule: [{ every: 'week', day: 'sunday' }] as never,
});

interface Given {
  status?: Partial<LiveStatus>;
  nodes?: LiveStatus['nodes'];
  spec?: ClusterSpec;
  events?: Partial<ClusterEvent>[];
  record?: Partial<NodePatchResult> | null;
}

function situation({ status: more = {}, nodes = [node('w-1')], spec, events = [], record = null }: Given): Situation {
  return {
    status: status(nodes as never, more),
    spec: spec ?? clusterSpec(nodes.map(({ name }) => name)),
    events: events.map((one, at) => ({
      ...{ seq: at + 1, at: ago(60), kind: 'action', message: '', run: null, nodes: [], by: null, reason: null },
      ...one,
    })),
    record: record as PatchRecord | null,
    nowMs: NOW,
    time: (iso) => iso.slice(11, 16),
  };
}

/** A run with `hold`, of which w-1 is next and w-2 is in work. */
function running(hold: RunHold | null, more: Partial<LiveStatus> = {}): Given {
  const limits = {
    concurrency: 1,
    maxUnavailable: 1,
    oneZoneAtATime: false,
    maxFailures: 0,
    onExceeded: 'pause',
  } as const;
  const detail = {
    ...{ limits, failures: 0, inFlightCount: 1, lostCount: 0, waitingCount: 2, upcoming: ['w-1', 'w-3'] },
    ...{ hold, holdSince: ago(5), stage: 1, stages: 1 },
  };
  return {
    nodes: [node('w-1', { state: 'waiting' }), node('w-2', { state: 'patching' }), node('w-3', { state: 'waiting' })],
    status: { state: 'running', run: { ...runStatus(7), detail } as LiveStatus['run'], ...more },
  };
}

const inWork = (member: ReturnType<typeof live>): Given =>
  running({ kind: 'concurrency', limit: 1 }, { current: [member] });

function first(found: Explanation[] | null, kind: Explanation['kind']): Explanation {
  const one = found?.find((each) => each.kind === kind);
  if (one === undefined) throw new Error(`${kind} is not among ${JSON.stringify(found, null, 1)}`);
  return one;
}

type Expected = Partial<Explanation> & Pick<Explanation, 'kind'>;

const PAUSED = { at: ago(30), by: 'ann', reason: 'release freeze' };

const CLUSTERS: [situation: string, given: Given, expected: Expected][] = [
  [
    'paused',
    { status: { state: 'paused', paused: PAUSED } },
    {
      ...{ kind: 'paused', what: 'demo starts no run', because: 'ann has paused it (release freeze)', since: ago(30) },
      change: ['ospatch resume demo'],
    },
  ],
  [
    'paused again for another reason: since the first pause',
    { status: { state: 'paused', paused: { ...PAUSED, since: ago(90) } } },
    { kind: 'paused', since: ago(90) },
  ],
  [
    'without a schedule',
    {},
    {
      ...{ kind: 'no-schedule', what: 'demo patches nothing now' },
      ...{ because: 'no run is requested, and its spec has no schedule', until: null, change: ['ospatch patch demo'] },
    },
  ],
  [
    'before its next window',
    { spec: SCHEDULED, status: { nextWindow: windowAt(later(60)) } },
    { kind: 'next-window', because: 'no run is requested, and no window is open', until: later(60) },
  ],
  [
    'in a window that has had its run',
    { spec: SCHEDULED, status: { nextWindow: windowAt(ago(10)) } },
    { kind: 'next-window', because: 'its window of 11:50 has had its run', until: null },
  ],
  [
    'with a schedule that has ended',
    { spec: SCHEDULED },
    { kind: 'no-schedule', because: 'its schedule has no further window' },
  ],
  [
    'after a missed window',
    {
      spec: SCHEDULED,
      status: { nextWindow: windowAt(later(60)) },
      events: [{ kind: 'window', message: `window of ${ago(120)}: missed (paused)`, at: ago(120) }],
    },
    { kind: 'window-missed', what: 'the window of 10:00 had no run', because: 'missed (paused)', since: ago(120) },
  ],
  [
    'with a schedule that cannot be computed',
    {
      spec: SCHEDULED,
      status: { scheduleError: 'the file holidays.ics does not exist' },
      events: [{ kind: 'windows-unknown', at: ago(5), from: ago(300), times: 5 }],
    },
    { kind: 'schedule-error', because: 'the file holidays.ics does not exist', since: ago(300) },
  ],
  [
    'being removed',
    {
      status: { state: 'removing' },
      events: [{ request: 'remove', by: 'bob', reason: 'decommissioned', at: ago(3) }],
    },
    { kind: 'removing', because: 'it is being removed by bob (decommissioned)', since: ago(3) },
  ],
  [
    'of another provider',
    {
      spec: { apiVersion: 'ospatch/v1', name: 'demo', type: 'gke' } as ClusterSpec,
      status: { state: 'not-patchable' },
    },
    { kind: 'not-patchable', because: expect.stringContaining('Google patches its nodes') as never },
  ],
  [
    'stuck',
    { status: { stuck: { kind: 'no-worker', message: 'no worker polls ospatch', remedy: 'ospatch worker' } } },
    { kind: 'stuck', because: 'no worker polls ospatch', change: ['ospatch worker'] },
  ],
  [
    'reset in Temporal',
    { status: { reset: 'the workflow of the cluster was reset' } },
    { kind: 'reset', change: ['ospatch resume demo', 'ospatch patch demo'] },
  ],
  [
    'with a boot patch that failed',
    { nodes: [node('w-1', { bootPatch: 'failed', state: 'failed' })] },
    { kind: 'boot-patch-failed', what: 'demo is not ready', change: ['ospatch patch demo --nodes w-1'] },
  ],
  [
    'whose last request was refused',
    { status: { lastRejection: { request: 'patchNow', by: 'ann', at: ago(1), message: 'no such node: w-9' } } },
    {
      kind: 'rejected',
      what: 'the request patch of ann was not carried out',
      because: 'no such node: w-9',
      since: ago(1),
    },
  ],
  [
    'with a request that waits for the run in progress',
    {
      ...running(null, {
        queued: [
          {
            ...{ run: 8, requestId: 'r', state: 'queued', by: 'bob', reason: null, nodes: null },
            ...{ requestedAt: ago(2), after: 7 },
          },
        ],
      }),
    },
    {
      ...{ kind: 'queued', what: 'run 8 has not begun', because: 'requested by bob; run 7 has to end first' },
      ...{ since: ago(2), change: ['ospatch cancel demo'] },
    },
  ],
  [
    'in a run that is cancelled',
    {
      ...running(null, { current: [live('w-2', { step: 'apply' })] }),
      ...{ events: [{ request: 'cancelRun', run: 7, by: 'ann', at: ago(2) }] },
      status: {
        ...running(null, { current: [live('w-2', { step: 'apply' })] }).status,
        run: { ...runStatus(7), state: 'cancelling' } as LiveStatus['run'],
      },
    },
    { kind: 'cancelling', because: 'ann has cancelled it, and ends when w-2 has ended', since: ago(2) },
  ],
];

const HOLDS: [RunHold, Partial<Explanation>][] = [
  [
    { kind: 'concurrency', limit: 3 },
    { because: 'all 3 places are taken (concurrency 3)', change: ['ospatch set-concurrency demo N'] },
  ],
  [{ kind: 'in-flight', members: ['w-2'] }, { change: ['ospatch explain demo w-2'] }],
  [
    { kind: 'max-unavailable', limit: 2, unavailable: ['w-8', 'w-9'] },
    { because: '2 nodes are unavailable (w-8, w-9), and no more than 2 may be' },
  ],
  [{ kind: 'unobserved' }, { change: ['ospatch doctor demo'] }],
  [{ kind: 'control-plane', member: 'cp-1' }, { change: ['ospatch explain demo cp-1'] }],
  [
    { kind: 'zone', zone: 'a', members: ['w-2'] },
    { because: 'one zone is patched at a time, and in zone a w-2 has not ended' },
  ],
  [{ kind: 'role', role: 'worker', members: ['w-2'] }, { change: ['ospatch explain demo w-2'] }],
  [
    { kind: 'stage', stage: 0, members: ['w-2'] },
    { because: 'stage 1 ends before the next one begins, and w-2 has not ended' },
  ],
  [
    { kind: 'soak', stage: 0, untilMs: NOW + 3_600_000 },
    { because: 'stage 1 soaks until 13:00', until: later(60) },
  ],
  [
    { kind: 'lost', members: ['w-2'], failures: 0, limit: 0 },
    { change: ['ospatch release demo w-2', 'ospatch set-max-failures demo N'] },
  ],
  [
    { kind: 'budget', failures: 2, limit: 1 },
    {
      because: '2 failed, more than the 1 that may',
      change: [
        ...[
          'ospatch retry demo NODE',
          'ospatch skip demo NODE',
          'ospatch set-max-failures demo N',
          'ospatch cancel demo',
        ],
      ],
    },
  ],
  [
    { kind: 'window', endMs: NOW + 600_000, next: 'w-1', forecast: { ms: 1_200_000, from: 'guess' } },
    { because: 'w-1 is forecast to take 20m, which is a guess, and the window ends at 12:10' },
  ],
];

const CHANGED = { type: 'UnreachableAfterChange', message: 'w-2 has been unreachable for 30 min' } as const;

const NODES: [situation: string, given: Given, asked: string, expected: Expected][] = [
  [
    'whose turn has not come',
    running({ kind: 'concurrency', limit: 1 }),
    'w-3',
    {
      ...{ kind: 'turn', what: 'w-3 is not patched yet', because: 'w-1 comes first in run 7' },
      change: ['`ospatch skip demo w-3` leaves it out'],
    },
  ],
  [
    'that comes next',
    running({ kind: 'soak', stage: 0, untilMs: NOW }),
    'w-1',
    { kind: 'turn', because: 'it is the next one of run 7' },
  ],
  ['that is held up with its run', running({ kind: 'unobserved' }), 'w-1', { kind: 'unobserved', since: ago(5) }],
  [
    'whose run is paused',
    running(null, { state: 'paused', paused: PAUSED }),
    'w-1',
    { kind: 'paused', what: 'demo starts no run, and run 7 no node', change: ['ospatch resume demo'] },
  ],
  [
    'in work without a wait',
    inWork(live('w-2', { step: 'apply', done: 3, total: 12 })),
    'w-2',
    { kind: 'in-work', because: 'it is in its step apply (3 of 12 packages)' },
  ],
  [
    'among more in work than are read one by one',
    {
      ...running(null),
      record: {
        kind: 'node',
        run: 7,
        startedAt: ago(4),
        endedAt: '',
        steps: [{ step: 'prefetch' }],
        keptBack: [],
      } as never,
    },
    'w-2',
    { kind: 'in-work', because: 'it is in its step prefetch', since: ago(4) },
  ],
  [
    'on which an earlier run still works',
    inWork(live('w-2', { state: 'waiting', heldBy: 'run 6' })),
    'w-2',
    { kind: 'other-run', because: 'run 6 works on this node' },
  ],
  [
    'whose site has no worker',
    inWork(live('w-2', { step: 'preflight', waitingFor: 'a worker of task queue site-b', waitingSince: ago(4) })),
    'w-2',
    {
      ...{ kind: 'no-worker', since: ago(4) },
      change: ['ospatch worker --task-queue site-b', 'ospatch skip demo w-2', 'ospatch cancel demo'],
    },
  ],
  [
    'with a lock on its packages',
    inWork(
      live('w-2', {
        ...{ step: 'preflight', waitingFor: 'package lock held by apt-get (pid 812)' },
        ...{ waitingSince: ago(4), waitingUntil: later(116) },
      }),
    ),
    'w-2',
    {
      ...{ kind: 'package-lock', what: 'w-2 does not get past its step preflight' },
      ...{ because: 'it waits for package lock held by apt-get (pid 812)', since: ago(4), until: later(116) },
      change: ['end that program on w-2', 'ospatch skip demo w-2', 'ospatch cancel demo'],
    },
  ],
  [
    'that a pod budget keeps from being drained',
    inWork(
      live('w-2', {
        ...{ step: 'drain', waitingFor: 'shop/web-1', done: 1, total: 4, waitingUntil: later(5) },
        blocked: [
          {
            ...{ namespace: 'shop', name: 'web-1', since: ago(9) },
            why: 'the budget web of namespace shop allows no disruption (2 of 2 needed are healthy)',
          },
        ],
      }),
    ),
    'w-2',
    {
      kind: 'pods',
      because:
        'pod shop/web-1 is still there: the budget web of namespace shop allows no disruption (2 of 2 needed are healthy)',
      ...{ since: ago(9), until: later(5), change: ['kubectl -n shop describe poddisruptionbudget web'] },
    },
  ],
  [
    'that does not come back from its reboot',
    inWork(live('w-2', { step: 'reboot', waitingFor: 'the node to come back', waitingSince: ago(12) })),
    'w-2',
    { kind: 'unreachable', since: ago(12), change: ['ospatch release demo w-2'] },
  ],
  [
    'that does not answer before anything was changed',
    inWork(
      live('w-2', { step: 'preflight', waitingFor: 'the node to answer: connection refused', waitingUntil: later(3) }),
    ),
    'w-2',
    { kind: 'unreachable', until: later(3), change: ['ospatch skip demo w-2', 'ospatch cancel demo'] },
  ],
  [
    'that is lost while its run is suspended',
    {
      nodes: [node('w-2', { state: 'patching', lastError: CHANGED })],
      status: { state: 'paused', paused: PAUSED, run: { ...runStatus(7), state: 'paused' } as LiveStatus['run'] },
    },
    'w-2',
    { kind: 'unreachable', because: CHANGED.message, change: ['ospatch release demo w-2'] },
  ],
  [
    'that would take one node too many out of service',
    inWork(live('w-2', { waitingFor: 'other nodes to come back (maxUnavailable)', waitingSince: ago(2) })),
    'w-2',
    { kind: 'others-unavailable', what: 'w-2 is not taken out of service', since: ago(2) },
  ],
  [
    'whose step is repeated',
    inWork(live('w-2', { step: 'verify', attempt: 4, lastFailure: 'connection reset' })),
    'w-2',
    { kind: 'retrying', because: 'attempt 4 of its step verify follows one that failed: connection reset' },
  ],
  [
    'that is locked',
    { nodes: [node('w-1', { lock: { at: ago(60), by: 'ann', reason: 'incident 4711', until: later(60) } })] },
    'w-1',
    {
      ...{ kind: 'locked', what: 'no run patches w-1', because: 'ann has locked it (incident 4711)' },
      ...{ since: ago(60), until: later(60), change: ['ospatch unlock demo w-1'] },
    },
  ],
  [
    'in quarantine',
    {
      nodes: [
        node('w-1', {
          ...{ state: 'failed', lastCheckedTime: ago(600) },
          quarantine: { type: 'HostKeyMismatch', message: 'the host key of w-1 has changed', remedy: 'ospatch enroll' },
        }),
      ],
    },
    'w-1',
    {
      ...{ kind: 'quarantined', because: 'it is quarantined: the host key of w-1 has changed' },
      change: ['ospatch enroll', 'ospatch patch demo --nodes w-1'],
    },
  ],
  [
    'that failed',
    {
      nodes: [
        node('w-1', {
          ...{ state: 'failed', lastOutcome: 'failed' },
          lastError: { type: 'DiskFull', message: 'w-1 has 12 MiB free on /var', remedy: 'free some space on w-1' },
        }),
      ],
      record: { kind: 'node', outcome: 'failed', startedAt: ago(90), endedAt: ago(80), keptBack: [] },
    },
    'w-1',
    {
      ...{ kind: 'failed', because: 'w-1 has 12 MiB free on /var', since: ago(80) },
      change: ['free some space on w-1', 'ospatch patch demo --nodes w-1'],
    },
  ],
  [
    'that failed in the run in progress',
    {
      ...running({ kind: 'budget', failures: 1, limit: 0 }),
      nodes: [node('w-1', { state: 'failed', lastOutcome: 'failed', lastError: { type: 'Internal', message: 'no' } })],
      record: { kind: 'node', run: 7, outcome: 'failed', startedAt: ago(9), endedAt: ago(8), keptBack: [] },
    },
    'w-1',
    { kind: 'failed', change: ['ospatch retry demo w-1'] },
  ],
  [
    'that was left out',
    {
      nodes: [
        node('w-1', {
          ...{ state: 'skipped', lastOutcome: 'skipped' },
          lastError: { type: 'NotTried', message: 'skipped by ann: disk' },
        }),
      ],
    },
    'w-1',
    { kind: 'skipped', because: 'skipped by ann: disk' },
  ],
  [
    'that may not be rebooted',
    {
      nodes: [
        node('w-1', {
          state: 'reboot-pending',
          rebootRequired: true,
          lastOutcome: 'reboot-pending',
          lastCheckedTime: ago(20),
        }),
      ],
      spec: clusterSpec(['w-1'], { rebootIfRequired: false }),
      record: { kind: 'node', outcome: 'reboot-pending', startedAt: ago(90), endedAt: ago(80), keptBack: [] },
    },
    'w-1',
    {
      ...{ kind: 'reboot-forbidden', because: 'a reboot is required, and patching.rebootIfRequired is false' },
      ...{ what: 'w-1 is not rebooted', since: ago(80) },
    },
  ],
  [
    'whose last reboot changed nothing',
    {
      nodes: [
        node('w-1', {
          ...{ state: 'patched', rebootRequired: false },
          ineffectiveReboot: { bootId: 'b', reasons: ['package linux-image'], stamp: null },
        }),
      ],
    },
    'w-1',
    { kind: 'reboot-ineffective', because: expect.stringContaining('(package linux-image)') as never },
  ],
  [
    'on outdated code',
    { nodes: [node('w-1', { state: 'restart-pending', restartRequired: true, lastCheckedTime: ago(20) })] },
    'w-1',
    {
      ...{ kind: 'restart-pending', what: 'w-1 runs outdated code' },
      change: ['set patching.restartServices, then ospatch patch demo --nodes w-1'],
    },
  ],
  [
    'that is left cordoned',
    {
      nodes: [
        node('w-1', {
          ...{ state: 'failed', lastOutcome: 'failed' },
          lastError: { type: 'KubernetesApi', message: 'w-1 is left cordoned: the API server does not answer' },
        }),
      ],
    },
    'w-1',
    { kind: 'cordoned', what: 'w-1 is still cordoned', change: ['ospatch uncordon demo w-1'] },
  ],
  [
    'that somebody else has cordoned',
    {
      record: {
        ...{ kind: 'node', startedAt: ago(90), endedAt: ago(80), keptBack: [] },
        drain: { nodeName: 'kube-1', cordonedBefore: 'others', state: 'drained', evicted: 0, blocked: [] },
      },
    },
    'w-1',
    { kind: 'cordoned', change: ['kubectl uncordon kube-1'] },
  ],
  [
    'with packages on hold',
    {
      record: {
        ...{ kind: 'node', startedAt: ago(90), endedAt: ago(80) },
        keptBack: [
          { name: 'docker-ce', reason: 'held' },
          { name: 'openssl', reason: 'phased' },
        ],
      },
    },
    'w-1',
    {
      kind: 'kept-back',
      what: 'w-1 does not get the newest docker-ce',
      because: 'they are held on the node, as of 10:30',
      since: null,
    },
  ],
  [
    'with a boot patch that has not begun',
    { nodes: [node('w-1', { bootPatch: 'pending' })], status: { paused: PAUSED, state: 'paused' } },
    'w-1',
    { kind: 'boot-patch-pending', because: 'it begins once demo, which ann has paused, is resumed' },
  ],
  [
    'with pending updates between two windows',
    {
      ...{ spec: SCHEDULED, status: { nextWindow: windowAt(later(60)) } },
      nodes: [node('w-1', { state: 'patched', pendingUpdates: 4, lastCheckedTime: ago(20) })],
    },
    'w-1',
    {
      kind: 'pending',
      because: '4 updates were pending at 11:40',
      since: null,
      change: ['ospatch patch demo --nodes w-1'],
    },
  ],
  [
    'that the run in progress does not patch',
    {
      ...running({ kind: 'concurrency', limit: 1 }),
      nodes: [node('w-1', { state: 'patched', lastOutcome: 'patched', lastCheckedTime: ago(20) })],
    },
    'w-1',
    {
      ...{ kind: 'not-in-run', because: 'run 7 is in progress, and w-1 is not one of its nodes' },
      change: ['ospatch patch demo --nodes w-1 patches it after that run'],
    },
  ],
  [
    'of which it is not known since when it waits for a reboot',
    {
      nodes: [node('w-1', { state: 'reboot-pending', rebootRequired: true, lastCheckedTime: ago(20) })],
      spec: clusterSpec(['w-1'], { rebootIfRequired: false }),
    },
    'w-1',
    { kind: 'reboot-forbidden', since: null },
  ],
  ['that was added and never read', {}, 'w-1', { kind: 'never-checked', because: 'no run has read this node yet' }],
  [
    'with nothing to do',
    {
      nodes: [
        node('w-1', { state: 'up-to-date', pendingUpdates: 0, lastCheckedTime: ago(20), lastOutcome: 'up-to-date' }),
      ],
    },
    'w-1',
    { kind: 'nothing-to-do', because: 'nothing was pending at 11:40', change: [] },
  ],
];

describe('src/domain/explain', () => {
  it.each(CLUSTERS)('explains a cluster %s', (_, given, expected) => {
    expect(first(explainCluster(situation(given)), expected.kind)).toMatchObject(expected);
  });

  it.each(HOLDS)('explains a run that is held by %j', (hold, expected) => {
    const found = first(explainCluster(situation(running(hold))), hold.kind);
    expect(found).toMatchObject({ what: 'run 7 starts no further node', since: ago(5), ...expected });
    expect(found.change).not.toEqual([]);
  });

  it.each(NODES)('explains a node %s', (_, given, asked, expected) => {
    const found = first(explainNode(situation(given), asked), expected.kind);
    expect(found).toMatchObject({ ...expected, change: expected.change ?? found.change });
  });

  it('names what is wrong before what is next', () => {
    const given = {
      ...{ spec: SCHEDULED, status: { nextWindow: windowAt(later(60)) } },
      nodes: [
        node('w-1', {
          lock: { at: ago(9), by: 'ann', reason: 'x', until: null },
          pendingUpdates: 1,
          lastCheckedTime: ago(9),
        }),
      ],
    };
    expect(explainNode(situation(given), 'w-1')?.map(({ kind }) => kind)).toEqual(['locked', 'pending', 'next-window']);
  });

  it('does not mention a lock that has ended, nor a window that a later run has made good', () => {
    const lock = { at: ago(90), by: 'ann', reason: null, until: ago(1) };
    expect(explainNode(situation({ nodes: [node('w-1', { lock })] }), 'w-1')).not.toContainEqual(
      expect.objectContaining({ kind: 'locked' }),
    );
    const events = [{ kind: 'window' as const, message: `window of ${ago(120)}: missed (paused)`, at: ago(120) }];
    const given = { events, status: { lastRun: summary(3, { startedAt: ago(10), endedAt: ago(5) }) } };
    expect(explainCluster(situation(given))).not.toContainEqual(expect.objectContaining({ kind: 'window-missed' }));
  });

  it('explains a run between two windows, and what does not wait for the next one', () => {
    const given = running({ kind: 'window', endMs: NOW - 60_000, next: 'w-1', forecast: null });
    const { run } = given.status ?? {};
    const suspended = { ...run, state: 'suspended' } as LiveStatus['run'];
    const state = { ...given.status, run: suspended, nextWindow: windowAt(later(600)) };
    const open = first(explainCluster(situation(given)), 'window');
    expect(open.change[0]).toBe('ospatch extend-window demo 1h');
    const between = first(explainCluster(situation({ ...given, status: state })), 'window');
    expect(between).toMatchObject({ until: later(600), since: ago(5) });
    expect(between.change).toEqual(['ospatch patch demo --ignore-window', 'ospatch cancel demo']);
  });

  it('knows no node of another name, and says so of a run that nothing holds up', () => {
    expect(explainNode(situation({}), 'w-9')).toBeNull();
    const [only] = explainCluster(situation(running(null, { explanation: 'run 7 is in progress' })));
    expect(only).toMatchObject({ what: 'nothing holds demo up', because: 'run 7 is in progress' });
  });
});
