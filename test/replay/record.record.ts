/**
 * Records the histories on which the replay tests run new workflow code: `npm run record-histories`.
 *
 * Run it for a release, into a folder of that release, and keep the folders of all releases: clusters live for years, and
 * each of these histories stands for one in progress somewhere during a worker upgrade.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { historyToJSON } from '@temporalio/common/lib/proto-utils';
import { version } from '../../package.json';
import { createAlertActivities } from '../../src/activities/alerts';
import { createEksActivities } from '../../src/activities/eks';
import { createNotificationActivities } from '../../src/activities/notifications';
import { PolicyFile } from '../../src/policy/policy-file';
import type { ClusterSpec, EksSpec, Patching, ScheduleEntry } from '../../src/domain/spec/types';
import { NO_RESTARTS } from '../../src/domain/spec/restart-policy';
import { RealAlertmanager } from '../support/alertmanager';
import type { Receiver } from '../support/receiver';
import { startReceiver } from '../support/receiver';
import { STOP_ON_FAILURE, clusterSpec, rollout } from '../support/builders';
import { EksServer, simulateCredentials } from '../support/eks-server';
import { waitFor } from '../support/wait-for';
import type { TestCluster } from '../workflows/harness';
import { Harness } from '../workflows/harness';
import { kubernetesPolicy } from '../workflows/simulated-kubernetes';
import { nodesOf } from '../support/members';

const OUT = path.join(__dirname, 'histories', version);

let harness: Harness;
let alertmanager: RealAlertmanager;
let receiver: Receiver;
let eks: EksServer;
let restore: () => void;

beforeAll(async () => {
  restore = simulateCredentials();
  [harness, alertmanager, receiver] = await Promise.all([
    Harness.start('real'),
    RealAlertmanager.start(),
    startReceiver(),
  ]);
});

afterAll(async () => {
  await Promise.all([harness.stop(), alertmanager.stop(), receiver.close()]);
  restore();
});

beforeEach(async () => {
  eks = await EksServer.start();
  for (const name of ['blue', 'green']) eks.addGroup(name);
});

afterEach(() => eks.stop());

function eksSpec(name: string, nodeGroups: 'all' | string[]): EksSpec {
  return {
    ...{ apiVersion: 'ospatch/v1', name, type: 'eks' },
    eks: { region: 'eu-central-1', cluster: eks.cluster, nodeGroups, force: false, endpoint: eks.endpoint },
    patching: { timeZone: 'UTC', rollout: STOP_ON_FAILURE, maxRunAge: '14d' },
  };
}

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** A cluster that knows how long its patches take, with updates pending again. */
async function patchedBefore(cluster: TestCluster, patching: Partial<Patching> = {}): Promise<void> {
  const names = ['w-1', 'w-2'];
  await cluster.apply(clusterSpec(names, patching, cluster.name));
  await cluster.handle.executeUpdate('patchNow', { args: [{ ignoreWindow: true }] });
  await cluster.untilIdle(1);
  for (const name of names) cluster.nodes.node(name).pending = ['openssl'];
}

const SCENARIOS: Record<string, (cluster: TestCluster) => Promise<void>> = {
  'boot-with-reboot': async (cluster) => {
    cluster.nodes.node('w-1').requiresReboot = true;
    await cluster.apply(clusterSpec(undefined, { patchOnBoot: true }, cluster.name));
    await cluster.untilIdle(1);
  },
  'failed-node-stops-run': async (cluster) => {
    cluster.nodes.node('w-1').preflightError = { type: 'AuthFailed', message: 'w-1 refused the key' };
    await cluster.apply(clusterSpec(undefined, {}, cluster.name));
    await cluster.handle.signal('patchNow');
    await cluster.untilIdle(1);
  },
  'paused-and-resumed': async (cluster) => {
    const release = cluster.nodes.hold('w-1', 'apply');
    await cluster.apply(clusterSpec(undefined, {}, cluster.name));
    await cluster.handle.signal('patchNow');
    await cluster.untilPatching('w-1');
    await cluster.handle.executeUpdate('pause', { args: [{ by: 'ann' }] });
    release();
    await cluster.until('the run is suspended', (status) => status.state === 'paused');
    await cluster.handle.signal('resume');
    await cluster.untilIdle(1);
  },
  'cancelled-in-apply': async (cluster) => {
    const release = cluster.nodes.hold('w-1', 'apply');
    await cluster.apply(clusterSpec(undefined, {}, cluster.name));
    await cluster.handle.signal('patchNow');
    await cluster.untilPatching('w-1');
    await cluster.handle.signal('cancelRun');
    await cluster.until('the run is being cancelled', (status) => status.run?.state === 'cancelling');
    release();
    await cluster.untilIdle(1);
  },
  'spec-changed-in-run': async (cluster) => {
    cluster.nodes.node('w-1').requiresReboot = true;
    const release = cluster.nodes.hold('w-1', 'apply');
    await cluster.apply(clusterSpec(undefined, {}, cluster.name));
    await cluster.handle.signal('patchNow');
    await cluster.untilPatching('w-1');
    const schedule: ScheduleEntry[] = [{ preset: 'weekly', startWithin: '1h' }];
    await cluster.apply(clusterSpec(['cp-1', 'w-1'], { rebootIfRequired: false, schedule }, cluster.name));
    release();
    await cluster.untilIdle(1);
  },
  'interrupted-and-repaired': async (cluster) => {
    cluster.nodes.node('w-1').interrupted = 1;
    await cluster.apply(clusterSpec(undefined, {}, cluster.name));
    await cluster.handle.signal('patchNow', { nodes: ['w-1'] });
    await cluster.untilIdle(1);
  },
  'drained-and-restarted': async (cluster) => {
    Object.assign(cluster.nodes.node('w-1'), { requiresReboot: true, outdated: ['web.service'] });
    const spec = clusterSpec(['w-1', 'w-2'], { restartServices: { ...NO_RESTARTS, mode: 'auto' } }, cluster.name);
    cluster.nodes.node('w-2').outdated = ['web.service'];
    await cluster.apply({ ...spec, kubernetes: kubernetesPolicy() });
    await cluster.handle.signal('patchNow');
    await cluster.untilIdle(1);
  },
  'downloaded-before-window': async (cluster) => {
    const schedule: ScheduleEntry[] = [{ preset: 'weekly', startWithin: '1h' }];
    // The next window is never further away.
    await cluster.apply(clusterSpec(['w-1', 'w-2'], { schedule, prefetch: { beforeWindow: '7d' } }, cluster.name));
    await waitFor(() => cluster.nodes.log.length === 4, { what: 'the packages of two nodes to be downloaded' });
    await cluster.until('pending packages are known', ({ nodes }) => nodesOf(nodes)[0]?.pendingUpdates === 1);
  },
  'eks-all-groups': async (cluster) => {
    await cluster.apply(eksSpec(cluster.name, 'all'));
    await cluster.handle.signal('patchNow');
    await cluster.untilIdle(1);
  },
  'eks-adopted-update': async (cluster) => {
    const [config, version] = [eks.beginForeign('blue', 'ConfigUpdate'), eks.beginForeign('green')];
    version.release = eks.latest;
    eks.hold = true;
    await cluster.apply(eksSpec(cluster.name, ['blue', 'green']));
    await cluster.handle.signal('patchNow');
    await waitFor(() => config.polls > 1, { what: 'the update of the configuration to be followed' });
    eks.end(config);
    await waitFor(() => eks.updates.length > 2, { what: 'the update of the run' });
    for (const one of eks.updates.slice(2)) eks.end(one);
    await waitFor(() => version.polls > 1, { what: 'the update of the version to be followed', timeoutMs: 60_000 });
    eks.hold = false;
    await cluster.untilIdle(1);
  },
  'eks-failed-update': async (cluster) => {
    eks.failWith = [{ errorCode: 'PodEvictionFailure', errorMessage: 'Reached max retries', resourceIds: ['ip-1'] }];
    await cluster.apply(eksSpec(cluster.name, 'all'));
    await cluster.handle.signal('patchNow');
    await cluster.untilIdle(1);
  },
  'eks-cancelled-in-update': async (cluster) => {
    eks.hold = true;
    await cluster.apply(eksSpec(cluster.name, 'all'));
    await cluster.handle.signal('patchNow');
    await waitFor(() => eks.updates.length === 1, { what: 'the update' });
    await cluster.handle.executeUpdate('cancelRun', { args: [{}] });
    eks.hold = false;
    await cluster.untilIdle(1);
  },
  'rollout-steered': async (cluster) => {
    const { nodes, handle } = cluster;
    const names = ['w-1', 'w-2', 'w-3', 'w-4'];
    nodes.node('w-1').preflightError = { type: 'AuthFailed', message: 'w-1 refused the key' };
    const limits = { concurrency: 2, maxUnavailable: 3, maxFailures: 0, onExceeded: 'pause' as const };
    const stages = [{ nodes: 2, soak: '1s' }, { nodes: '100%' }] as const;
    await cluster.apply(clusterSpec(names, { rollout: rollout({ ...limits, stages: [...stages] }) }, cluster.name));
    await handle.executeUpdate('lock', { args: [{ node: 'w-3', by: 'ann', reason: 'incident' }] });
    await handle.signal('patchNow');
    await cluster.until('the run waits for a decision', ({ run }) => run?.state === 'paused');
    nodes.node('w-1').preflightError = null;
    await handle.executeUpdate('setMaxFailures', { args: [{ maxFailures: 1 }] });
    await handle.executeUpdate('setConcurrency', { args: [{ concurrency: 1 }] });
    await cluster.untilIdle(1);
    await handle.executeUpdate('unlock', { args: [{ node: 'w-3' }] });
    nodes.node('w-2').pending = ['openssl'];
    const release = nodes.hold('w-2', 'apply');
    await handle.executeUpdate('patchNow', { args: [{ nodes: ['w-2', 'w-4'], concurrency: 1 }] });
    await cluster.untilPatching('w-2');
    await handle.executeUpdate('skip', { args: [{ node: 'w-4', reason: 'disk' }] });
    await cluster.until('the node is left out', ({ run }) => run?.done === 1);
    await handle.executeUpdate('retry', { args: [{ node: 'w-4' }] });
    release();
    await cluster.untilIdle(2);
  },
  'ended-by-deadline': async (cluster) => {
    await patchedBefore(cluster);
    const release = cluster.nodes.hold('w-1', 'apply');
    const deadline = new Date(Date.now() + 4_000).toISOString();
    await cluster.handle.executeUpdate('patchNow', { args: [{ deadline }] });
    await cluster.untilPatching('w-1');
    await cluster.env.sleep(4_000);
    release();
    await cluster.untilIdle(2);
  },
  'suspended-between-windows': async (cluster) => {
    const minute = 60_000;
    const begin = Math.ceil((Date.now() + 15_000) / minute) * minute;
    const entry = (minutes: number, duration: string): ScheduleEntry => {
      const once = new Date(begin + minutes * minute).toISOString().slice(0, 16);
      return { once, startWithin: '1m', duration, cutoff: 'forecast' };
    };
    // The second window begins half a minute after the first has ended, and has room for a patch that takes as long as that of w-1.
    await patchedBefore(cluster, { schedule: [entry(0, '1m'), entry(2, '10m')] });
    const release = cluster.nodes.hold('w-1', 'apply');
    await cluster.untilPatching('w-1');
    await cluster.handle.executeUpdate('extendWindow', { args: [{ duration: '30s' }] });
    await cluster.env.sleep(begin + 1.5 * minute - Date.now());
    release();
    await cluster.until('the run waits for the next window', ({ run }) => run?.state === 'suspended');
    await cluster.untilIdle(2);
  },
  'told-silenced-and-held-by-alerts': async (cluster) => {
    const release = cluster.nodes.hold('w-1', 'apply');
    await cluster.apply({
      ...clusterSpec(['w-1', 'w-2'], {}, cluster.name),
      notifications: [{ name: 'ops', on: ['run-started', 'run-finished'], webhook: { url: receiver.url } }],
      alerts: {
        alertmanager: { url: [alertmanager.url], startupGrace: '1s' },
        ...{ block: 'all', ignore: ['Watchdog'] },
        silence: { matchers: ['instance="{{node}}"'], lease: '10s', maxDuration: '2h', onFailure: 'continue' },
      },
    } as ClusterSpec);
    await cluster.handle.signal('patchNow');
    await cluster.untilPatching('w-1');
    await alertmanager.fire('HighLoad', { cluster: cluster.name });
    release();
    const isHeld = async (): Promise<boolean> =>
      JSON.stringify(await cluster.handle.query('events')).includes('HighLoad');
    await waitFor(isHeld, { what: 'the run to be held by the alert' });
    await alertmanager.resolve('HighLoad', { cluster: cluster.name });
    await cluster.untilIdle(1);
    await waitFor(() => receiver.received.length === 2, { what: 'the messages about the run' });
  },
  'garbage-and-refusals': async (cluster) => {
    await cluster.apply({ apiVersion: 'ospatch/v1', name: cluster.name, type: 'aks' });
    for (const garbage of [42, { nodes: 7 }, null]) await cluster.handle.signal('patchNow', garbage);
    await cluster.handle.signal('noSuchSignal');
    await cluster.until('a rejection is recorded', (status) => status.lastRejection !== null);
    await cluster.handle.executeUpdate('remove', { args: [{}] });
    await cluster.handle.result();
  },
};

describe('replay/record', () => {
  it.each(Object.entries(SCENARIOS))('records %s', (scenario, play) =>
    harness.withWorker(
      async (cluster) => {
        await play(cluster);
        const folder = path.join(OUT, scenario);
        rmSync(folder, { recursive: true, force: true });
        mkdirSync(folder, { recursive: true });
        const written = await fetchAll(cluster);
        for (const [at, { name, json }] of written.entries()) {
          writeFileSync(path.join(folder, `${String(at + 1).padStart(2, '0')}-${name}.json`), json);
        }
        expect(written.length).toBeGreaterThanOrEqual(1);
      },
      {
        ...createEksActivities({ log: quiet }),
        ...createAlertActivities({ secretDir: null, log: quiet }),
        ...createNotificationActivities({
          ...{ notificationsFile: null, secretDir: '/nonexistent', notifyDir: null, policy: new PolicyFile(null) },
          log: quiet as never,
        }),
      },
    ),
  );
});

/** All histories of one cluster, oldest first. */
async function fetchAll(cluster: TestCluster): Promise<{ name: string; json: string }[]> {
  const { client } = cluster.env;
  // Visibility is eventually consistent.
  await cluster.env.sleep(1_000);
  const found: { name: string; json: string; started: number }[] = [];
  for await (const one of client.workflow.list({ query: `WorkflowId STARTS_WITH "cluster/${cluster.name}"` })) {
    const history = await client.workflow.getHandle(one.workflowId, one.runId).fetchHistory();
    const what = one.workflowId.split('/').slice(2).join('-');
    const name = what === '' ? one.type : `${one.type}-${what}`;
    found.push({ name, json: scrub(historyToJSON(history)), started: one.startTime.getTime() });
  }
  return found.sort((a, b) => a.started - b.started);
}

/** Replay needs neither the identity nor the place of the recording. */
function scrub(json: string): string {
  const keep = JSON.parse(json, (key, value: unknown) =>
    key === 'stackTrace' || key === 'identity' ? undefined : value,
  ) as unknown;
  return `${JSON.stringify(keep, null, 1)}\n`;
}
