/** Prepared answers of a server: clusters `fleet-N` of N nodes in the middle of run 7, and `demo` of three nodes at rest. */
import type { ClusterClient } from '../../../src/client/cluster-client';
import type { ClusterListItem } from '../../../src/client/cluster-list';
import { clusterDiagnosis } from '../../../src/client/doctor';
import type { LiveStatus } from '../../../src/client/live-status';
import type { ClusterEvent } from '../../../src/domain/cluster/event-pages';
import { explanation } from '../../../src/domain/explain/explanation';
import { ok, problem, warning } from '../../../src/domain/inspection/finding';
import { worstOf } from '../../../src/domain/shared/severity';
import type { Finding } from '../../../src/domain/inspection/finding';
import type { MemberSettled } from '../../../src/domain/cluster/member';
import { OspatchError } from '../../../src/domain/shared/errors';
import { clusterSpec } from '../../support/builders';
import { fleet } from '../render/fleet';
import { planOf } from '../render/fleet-plan';
import { NOW, fakeClient, live, node, runStatus, status, summary } from '../support';

const at = (minutes: number): string => new Date(NOW + minutes * 60_000).toISOString();

const patched = {
  ...{ lastAppliedPatchTime: at(-70_000), patchedVersion: 'Debian GNU/Linux 12.15', kernel: '6.1.0-44-amd64' },
  ...{ pendingUpdates: 0, rebootRequired: false, lastCheckedTime: at(-600) },
};
const noSpace = {
  type: 'DiskFull',
  message: 'w-2 has 12 MiB free on /var; at least 300 MiB are needed',
  remedy: 'free space on /var, then run: ospatch patch demo --nodes w-2',
} as const;
const atRest = [
  node('w-1', { ...patched, state: 'up-to-date' }),
  node('w-2', { ...patched, state: 'failed', lastError: noSpace, pendingUpdates: 4 }),
  node('w-3', { ...patched, state: 'reboot-pending', rebootRequired: true }),
];

function item(cluster: string, more: Partial<ClusterListItem>): ClusterListItem {
  return {
    ...{ cluster, type: 'self-managed', state: 'idle', ready: true, nextWindow: at(7_200) },
    ...{ lastOutcome: 'succeeded', lastRunAt: at(-3_600), inRun: false },
    ...{
      failedNodes: 0,
      rebootPending: 0,
      problems: [],
      createdAt: at(-90_000),
      sites: [],
      sitesWithoutWorker: [],
      stuck: null,
      looked: true,
    },
    ...more,
  };
}

function event(seq: number, message: string, more: Partial<ClusterEvent> = {}): ClusterEvent {
  return {
    ...{ seq, at: at(seq - 100), kind: 'action', message, run: null, nodes: [], by: null, reason: null },
    ...{ request: 'pause', ...more },
  };
}

const EVENTS = [
  event(1, 'run 7 started (schedule) with 60 nodes', { kind: 'run-started', run: 7 }),
  event(2, 'pause: no run and no node is started until a resume', {
    by: 'ann@bastion',
    reason: 'release freeze until the new checkout is live',
  }),
  event(3, 'patch rejected 3 times: the cluster is paused', { kind: 'rejected', by: 'ci@runner-17', from: at(-99) }),
  event(4, 'resume: runs and nodes are started again', { by: 'ann@bastion', request: 'resume' }),
  event(5, 'run 7: worker-008 failed', { kind: 'nodes', run: 7, nodes: ['worker-008'] }),
];

function finding(name: string, ...findings: Finding[]) {
  return { node: name, verdict: worstOf(findings), os: null, pending: null, findings };
}

export function preparedClient(): ClusterClient {
  let paused: LiveStatus['paused'] = null;
  let patchOfDemo: 'none' | 'running' | 'ended' = 'none';
  const statusOf = (cluster: string): LiveStatus => {
    const [, count] = /^fleet-(\d+)$/.exec(cluster) ?? [];
    const nextWindow = { start: at(7_200), end: at(7_440), index: 0 } as never;
    if (count !== undefined) {
      const { run, ...rest } = fleet(Number(count), { cluster, paused, nextWindow });
      return { ...rest, run: run === null ? null : { ...run, requestId: 'prepared' } };
    }
    if (cluster !== 'demo')
      throw new OspatchError({
        type: 'NotFound',
        message: `there is no cluster ${cluster}`,
        remedy: 'list the names with: ospatch list',
      });
    const lastRun = summary(6, { total: 3, patched: 1, failed: 1, rebootPending: 1, outcome: 'failed' });
    if (patchOfDemo === 'none') return status(atRest, { nextWindow, lastRun });
    const nodes = atRest.map((one) => ({ ...one, state: 'patched' as const, lastError: null }));
    if (patchOfDemo === 'ended')
      return status(nodes, { nextWindow, lastRun: summary(7, { total: 3, patched: 3, requestId: 'prepared' }) });
    return status([{ ...node('w-1'), state: 'patching' }, ...nodes.slice(1)], {
      ...{ nextWindow, lastRun, state: 'running' },
      run: runStatus(7, { done: 2, total: 3, requestId: 'prepared' }),
      current: [live('w-1', { step: 'apply', done: 3, total: 12 })],
    });
  };
  return fakeClient({
    status: (cluster: string) => Promise.resolve().then(() => statusOf(cluster)),
    statusAmongClusters: (cluster: string) => Promise.resolve().then(() => statusOf(cluster)),
    pause: (_cluster: string, { reason = null }: { reason?: string | null }) => {
      paused = { at: at(0), by: 'ann@bastion', reason };
      return Promise.resolve({ paused: true, changed: true, pause: paused });
    },
    resume: () => {
      paused = null;
      return Promise.resolve({ paused: false, changed: true, pause: null });
    },
    steer: (cluster: string, _name: string, { node: name }: { node: string }) =>
      Promise.reject(
        new OspatchError({
          type: 'Refused',
          message: `${name} is in work, and run 7 cannot give it another turn`,
          remedy: `wait for its end, or cancel the run: ospatch cancel ${cluster}`,
        }),
      ),
    patch: (cluster: string) => {
      if (cluster === 'demo') patchOfDemo = 'running';
      return Promise.resolve({ run: 7, requestId: 'prepared', started: true, after: null });
    },
    awaitRunEnd: (cluster: string): Promise<MemberSettled[] | null> => {
      if (cluster !== 'demo') return new Promise(() => undefined);
      return new Promise((resolve) => {
        setTimeout(() => {
          patchOfDemo = 'ended';
          resolve([]);
        }, 300);
      });
    },
    nodeLog: () =>
      Promise.resolve({
        log: 'Reading package lists...\nSetting up libc6:amd64 (2.36-9+deb12u14) ...\n',
        truncated: false,
      }),
    explain: (_cluster: string, name?: string) =>
      Promise.resolve([
        explanation('locked', `no run patches ${name ?? 'any node'}`, 'ann@bastion has locked it (incident 4711)', {
          ...{ since: at(-120), until: at(1_320) },
          change: [`ospatch unlock demo ${name ?? 'NODE'}`],
        }),
      ]),
    events: () =>
      Promise.resolve({
        ...{ cluster: 'fleet-60', createdAt: at(-200), life: at(-200), lifeFrom: 1, droppedUpTo: 0 },
        ...{ events: EVENTS, next: null, last: EVENTS.length },
      }),
    missingWorker: () => Promise.resolve(null),
    list: () =>
      Promise.resolve([
        item('prod-eu', {}),
        item('prod-us-east-with-a-long-name', { state: 'running', nextWindow: null }),
        item('edge', {
          failedNodes: 3,
          lastOutcome: 'failed',
          problems: ['3 failed', 'no worker at site-b'],
          sites: ['site-b'],
          sitesWithoutWorker: ['site-b'],
        }),
        item('eks-prod', { type: 'eks', ready: false, failedNodes: null, lastOutcome: null }),
      ]),
    plan: (cluster: string) => Promise.resolve({ ...planOf(Number(/\d+/.exec(cluster)?.[0] ?? 3)), cluster }),
    spec: () => Promise.resolve(clusterSpec()),
    diagnoseInstallation: () =>
      Promise.resolve({
        findings: [
          ok('temporal', 'the Temporal server answers'),
          ok('worker', '1 worker polls the task queue ospatch'),
        ],
        hasWorker: true,
      }),
    diagnoseCluster: () =>
      Promise.resolve(
        clusterDiagnosis(
          'demo',
          [ok('cluster', 'the spec in force is that of the file')],
          [
            finding('w-1', ok('ready', '4 updates pending')),
            finding(
              'w-2',
              problem('sudo', 'sudo asks ospatch for a password', 'install the sudoers file: ospatch sudoers'),
            ),
            finding('w-3', warning('units', '1 unit has failed: nginx.service', 'see: systemctl status nginx.service')),
          ],
        ),
      ),
  });
}
