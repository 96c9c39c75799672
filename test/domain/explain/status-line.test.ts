import { windowAt } from '../../support/builders';
import { newNodeGroupStatus } from '../../../src/domain/eks/status';
import { describeStatus, statusLines } from '../../../src/domain/explain/status-line';
import type { LineSeverity } from '../../../src/domain/shared/severity';
import { worstOf } from '../../../src/domain/shared/severity';
import type { StatusSubject } from '../../../src/domain/explain/status-line';
import type { QueuedRun } from '../../../src/domain/cluster/messages';
import type { RunDetail } from '../../../src/domain/run/run';
import { NOW, live, node, runStatus, status, summary } from '../../cli/support';

const SINCE = '2026-11-22T10:00:00.000Z';
const AT = 'since 2026-11-22T10:00:00Z';

const refused = { type: 'Unreachable', message: 'w-2 does not answer', remedy: 'start w-2' } as const;
const changed = {
  type: 'HostKeyMismatch',
  message: 'the host key has changed',
  remedy: 'ospatch enroll -f FILE',
} as const;
const policy = { type: 'Policy', message: 'w-2 runs Kubernetes and the cluster has no drain' } as const;

const fine = node('w-1', { state: 'up-to-date' });
const failed = node('w-2', { state: 'failed', lastOutcome: 'failed', lastError: refused, stateSince: SINCE });
const request: QueuedRun = {
  ...{ run: 8, requestId: 'r8', state: 'queued', by: 'ann', reason: 'CVE', nodes: null, requestedAt: SINCE },
  after: 7,
};

function detail(more: Partial<RunDetail>): RunDetail {
  return {
    limits: { concurrency: 1, maxUnavailable: null, oneZoneAtATime: false, maxFailures: 1, onExceeded: 'pause' },
    ...{ failures: 0, inFlightCount: 0, lostCount: 0, waitingCount: 0, upcoming: [], hold: null },
    ...{ stage: 1, stages: 1, soakMs: 0, windowEnd: null },
    ...more,
  };
}

/** What is said of each status, whole. */
const TABLE: [string, StatusSubject, LineSeverity, string][] = [
  [
    'all nodes are up to date and a window comes',
    status([fine], { nextWindow: windowAt('2026-11-29T00:00:00Z') }),
    'ok',
    'the node of demo is up to date: the next window opens at 2026-11-29T00:00:00Z',
  ],
  [
    'all nodes are up to date without a schedule',
    status([fine, node('w-2', { state: 'patched' })]),
    'ok',
    'all 2 nodes are up to date: nothing starts before a run is requested; next: ospatch patch demo',
  ],
  [
    'nodes have warnings',
    status([{ ...fine, warnings: [{ kind: 'end-of-life', message: 'x', remedy: null }] }]),
    'ok',
    'the node of demo is up to date: nothing starts before a run is requested; 1 node has warnings; next: ospatch patch demo',
  ],
  [
    'the cluster is new',
    status([node('w-1'), node('w-2')], { nextWindow: windowAt('2026-11-29T00:00:00Z') }),
    'ok',
    'demo has had no run yet: the next window opens at 2026-11-29T00:00:00Z; next: ospatch patch demo',
  ],
  [
    'one node was added',
    status([fine, node('w-2')], { lastRun: summary(1) }),
    'ok',
    '1 of 2 nodes has had no run yet: nothing starts before a run is requested; next: ospatch patch demo',
  ],
  [
    'a node failed',
    status([fine, failed], { lastRun: summary(7) }),
    'error',
    `w-2 failed: w-2 does not answer, ${AT}; next: start w-2`,
  ],
  [
    'nodes failed for different reasons',
    status([failed, node('w-3', { state: 'failed', lastError: policy })]),
    'error',
    'w-2, w-3 failed: for different reasons; next: ospatch explain demo w-2',
  ],
  [
    'a run was stopped',
    status([failed, node('w-3', { state: 'not-tried', stateSince: SINCE })], {
      lastRun: summary(7, { outcome: 'stopped', patched: 0, failed: 1, notTried: 1, endedAt: SINCE }),
    }),
    'error',
    `run 7 was stopped: 1 failed and 1 not tried of 2 nodes, ${AT}; next: ospatch history demo --run 7; also: w-2 failed; w-3 was not tried`,
  ],
  [
    'a run could not start',
    status([fine], {
      lastRun: summary(7, {
        outcome: 'failed',
        error: { type: 'NotFound', message: 'AWS has no such cluster' },
        endedAt: SINCE,
      }),
    }),
    'error',
    `run 7 failed: AWS has no such cluster, ${AT}; next: ospatch history demo --run 7`,
  ],
  [
    'a run was cancelled',
    status([node('w-3', { state: 'not-tried', stateSince: SINCE })], {
      lastRun: summary(7, {
        ...{ outcome: 'cancelled', patched: 0, notTried: 2, endedAt: SINCE },
        cancelledBy: { by: 'bob', reason: 'wrong day' },
      }),
    }),
    'warning',
    `run 7 was cancelled: by bob (wrong day), 0 failed and 2 not tried of 2 nodes, ${AT}; next: ospatch history demo --run 7; also: w-3 was not tried`,
  ],
  [
    'a node is quarantined',
    status([fine, { ...failed, quarantine: changed }]),
    'error',
    `w-2 is quarantined: the host key has changed, ${AT}; next: ospatch enroll -f FILE`,
  ],
  [
    'a node is locked',
    status([fine, { ...fine, name: 'w-2', lock: { at: SINCE, by: 'ann', reason: 'incident', until: null } }]),
    'warning',
    `w-2 is locked: by ann (incident), ${AT}; next: ospatch unlock demo w-2`,
  ],
  [
    'a node may be another machine',
    status([{ ...fine, machineUnconfirmed: true }]),
    'warning',
    'w-1 may be another machine: its address or host key has changed, and nobody has looked yet; next: ospatch patch demo --nodes w-1',
  ],
  [
    'a lock is over',
    status([{ ...fine, lock: { at: SINCE, by: 'ann', reason: 'incident', until: SINCE } }]),
    'ok',
    'the node of demo is up to date: nothing starts before a run is requested; next: ospatch patch demo',
  ],
  [
    'a node was left out by a policy',
    status([node('w-2', { state: 'skipped', lastError: policy, stateSince: SINCE })]),
    'warning',
    `w-2 was left out: w-2 runs Kubernetes and the cluster has no drain, ${AT}; next: ospatch explain demo w-2`,
  ],
  [
    'a reboot is pending',
    status([fine, node('w-2', { state: 'reboot-pending', stateSince: SINCE })], { lastRun: summary(7) }),
    'warning',
    `w-2 needs a reboot: its updates are installed and take effect with a reboot, ${AT}; next: reboot w-2 by hand`,
  ],
  [
    'a restart is pending',
    status([node('w-2', { state: 'restart-pending', stateSince: SINCE })]),
    'warning',
    `w-2 runs outdated code: services still run code that was replaced, ${AT}; next: ospatch explain demo w-2`,
  ],
  [
    'a boot patch is owed and something keeps it',
    status([node('w-2', { bootPatch: 'pending' })], {
      ready: false,
      explanation: '1 node waits for the end of a blackout',
    }),
    'warning',
    'the boot patch of w-2 has not begun: 1 node waits for the end of a blackout',
  ],
  [
    'a boot patch failed',
    status([node('w-2', { bootPatch: 'failed', state: 'skipped' })], { ready: false }),
    'warning',
    'the boot patch of w-2 was not done: a boot patch is not repeated by itself; next: ospatch patch demo --nodes w-2',
  ],
  [
    'the cluster is paused',
    status([fine], {
      ...{ state: 'paused', nextWindow: windowAt('2026-11-29T00:00:00Z') },
      paused: { at: SINCE, by: 'ann', reason: 'freeze' },
    }),
    'warning',
    `demo is paused: by ann (freeze); its window of 2026-11-29T00:00:00Z is missed unless resumed, ${AT}; next: ospatch resume demo`,
  ],
  [
    'the cluster is paused, with a failed node and a boot patch that is owed',
    status([failed, node('w-3', { bootPatch: 'pending' })], {
      ...{ state: 'paused', ready: false },
      paused: { at: SINCE, by: 'ann', reason: null },
    }),
    'error',
    `demo is paused: by ann, ${AT}; next: ospatch resume demo; also: w-2 failed; the boot patch of w-3 has not begun`,
  ],
  [
    'run 1 is in progress',
    status([node('w-1', { state: 'patching' })], { state: 'running', run: runStatus(1, { startedAt: SINCE }) }),
    'active',
    `run 1 (on-demand) is in progress: 0 of 2 nodes done, ${AT}; next: ospatch status demo --watch`,
  ],
  [
    'a run with failures is held up',
    status([{ ...failed, lastError: null }, node('w-1', { state: 'waiting' })], {
      state: 'running',
      run: runStatus(7, {
        ...{ startedAt: SINCE, done: 1 },
        detail: detail({ failures: 1, hold: { kind: 'soak', stage: 0, untilMs: NOW } }),
      }),
    }),
    'error',
    `run 7 (on-demand) is in progress: 1 of 2 nodes done, 1 failed; stage 1 soaks until 2026-11-23T12:00:00Z, ${AT}; next: ospatch status demo --watch; also: w-2 failed`,
  ],
  [
    'a run waits for a decision',
    status([failed, node('w-1', { state: 'waiting' })], {
      state: 'waiting',
      run: runStatus(7, {
        state: 'paused',
        detail: detail({ failures: 2, hold: { kind: 'budget', failures: 2, limit: 1 }, holdSince: SINCE }),
      }),
    }),
    'error',
    `run 7 waits for a decision: 2 failed, more than the 1 that may (w-2), ${AT}; next: ospatch retry demo w-2; also: w-2 failed`,
  ],
  [
    'the failed node of a run was given another turn while the cluster is paused',
    status([node('w-2', { state: 'waiting' }), node('w-1', { state: 'waiting' })], {
      ...{ state: 'paused', paused: { at: SINCE, by: 'ann', reason: null } },
      run: runStatus(7, {
        state: 'paused',
        detail: detail({ failures: 0, hold: { kind: 'budget', failures: 2, limit: 1 }, holdSince: SINCE }),
      }),
    }),
    'warning',
    `demo is paused, and run 7 with it: by ann, ${AT}; next: ospatch resume demo`,
  ],
  [
    'a node cannot be reached after a change',
    {
      ...status(
        [node('w-2', { state: 'patching', lastError: { type: 'UnreachableAfterChange', message: 'no route' } })],
        {
          ...{ state: 'running', run: runStatus(7, { startedAt: SINCE }) },
          current: [live('w-2', { waitingSince: SINCE })],
        },
      ),
    },
    'error',
    `w-2 cannot be reached after a change: no route, ${AT}; next: ospatch release demo w-2; also: run 7 (on-demand) is in progress`,
  ],
  [
    'a run is between two windows',
    status([fine], {
      ...{
        state: 'waiting',
        explanation: 'run 7 is suspended after 0 of 2: its window ended',
        nextWindow: windowAt('2026-11-29T00:00:00Z'),
      },
      run: runStatus(7, { state: 'suspended', detail: detail({ holdSince: SINCE }) }),
    }),
    'active',
    `run 7 is suspended after 0 of 2: its window ended, ${AT}, until 2026-11-29T00:00:00Z`,
  ],
  [
    'a run is being cancelled, and its follow-up was cancelled with it',
    status([fine], {
      run: runStatus(7, { state: 'cancelling' }),
      queued: [{ ...request, state: 'cancelled', message: 'cancelled by bob' }],
    }),
    'active',
    'run 7 is being cancelled: 0 of 2 nodes done; next: ospatch status demo --watch',
  ],
  [
    'a request waits for the run in progress',
    status([fine], { run: runStatus(7, { startedAt: SINCE }), queued: [request] }),
    'active',
    `run 7 (on-demand) is in progress: 0 of 2 nodes done, ${AT}; next: ospatch status demo --watch; also: run 8 is queued`,
  ],
  [
    'a request waits for its window',
    status([fine], {
      explanation: 'run 8, requested by ann, waits for the window',
      queued: [{ ...request, after: null }],
    }),
    'active',
    `run 8 is queued: requested by ann, waits for the window, ${AT}; next: ospatch cancel demo`,
  ],
  [
    'the windows are not known',
    status([fine], { scheduleError: 'no such zone' }),
    'error',
    'demo starts no run by schedule: no such zone; next: ospatch get demo, correct patching.schedule, then ospatch apply -f FILE',
  ],
  [
    'the cluster is stuck',
    { ...status([fine]), stuck: { message: 'the workflow fails', remedy: 'ospatch recover demo' } },
    'error',
    'demo is stuck: the workflow fails; next: ospatch recover demo',
  ],
  [
    'the cluster was reset',
    status([fine], { reset: 'runs after 3 are missing' }),
    'error',
    'the status of demo is not up to date: runs after 3 are missing; next: ospatch resume demo',
  ],
  [
    'the cluster is being removed',
    status([failed], { state: 'removing', explanation: 'run 7 is being cancelled first' }),
    'active',
    'demo is being removed: run 7 is being cancelled first',
  ],
  [
    'the cluster is of a kind that is not patched',
    status([], { state: 'not-patchable', type: 'aks', explanation: 'Azure patches its nodes' }),
    'ok',
    'demo is not patched: Azure patches its nodes',
  ],
  [
    'a node group failed',
    {
      ...status([]),
      type: 'eks',
      nodes: [{ ...newNodeGroupStatus('blue'), state: 'failed', lastError: { type: 'Aws', message: 'no capacity' } }],
    },
    'error',
    'blue failed: no capacity; next: ospatch explain demo blue',
  ],
];

describe('src/domain/explain/status-line', () => {
  test.each(TABLE)('when %s', (_, subject, severity, text) => {
    const lines = statusLines(subject, NOW);
    expect(describeStatus(lines)).toBe(text);
    expect(worstOf(lines)).toBe(severity);
  });

  test('never calls a cluster fine while a node is in a state that needs somebody', () => {
    for (const state of ['failed', 'not-tried', 'reboot-pending', 'restart-pending'] as const) {
      for (const lastRun of [null, summary(7)]) {
        expect(worstOf(statusLines(status([fine, node('w-2', { state })], { lastRun }), NOW))).toMatch(/error|warning/);
      }
    }
  });
});
