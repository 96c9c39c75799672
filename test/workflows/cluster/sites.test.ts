/** Nodes in a separate network, whose workers poll a task queue of their own; Temporal is real, nodes are simulated. */
import { isDeepStrictEqual } from 'node:util';
import { ClusterClient } from '../../../src/client/cluster-client';
import { protocolInterceptor, supportedProtocols } from '../../../src/activities/protocol';
import { PROTOCOL, PROTOCOL_SINCE } from '../../../src/contract/protocol';
import type { EksSpec, SelfManagedSpec } from '../../../src/domain/spec/types';
import { STOP_ON_FAILURE, clusterSpec, nodeSpec } from '../../support/builders';
import { waitFor } from '../../support/wait-for';
import type { TestCluster } from '../harness';
import { Harness } from '../harness';
import { kubernetesPolicy } from '../simulated-kubernetes';

let harness: Harness;
let client: ClusterClient | null = null;

beforeAll(async () => {
  harness = await Harness.start('real');
});

afterEach(async () => {
  await client?.close();
  client = null;
});
afterAll(() => harness.stop());

function siteOf(cluster: TestCluster): string {
  return `${cluster.name}.site-b`;
}

/** w-1 is at the site, w-2 is not. */
function spec(cluster: TestCluster): SelfManagedSpec {
  const nodes = [nodeSpec('w-1', { taskQueue: siteOf(cluster) }), nodeSpec('w-2')];
  return { ...clusterSpec([], {}, cluster.name), nodes, kubernetes: kubernetesPolicy() };
}

async function connect(cluster: TestCluster): Promise<ClusterClient> {
  client = await ClusterClient.connect({
    address: harness.address,
    namespace: 'default',
    taskQueue: cluster.name,
    deadlineMs: 60_000,
  });
  return client;
}

describe('src/workflows: sites', () => {
  it('reaches a node by the workers of its task queue only, in SSH and in Kubernetes', () =>
    harness.withWorker(async (cluster) => {
      const site = harness.newCluster();
      await harness.withSiteWorker(siteOf(cluster), site, async () => {
        await cluster.apply({
          ...spec(cluster),
          taskQueue: 'nobody-polls-this',
          nodes: [...spec(cluster).nodes.slice(0, 1), nodeSpec('w-2', { taskQueue: cluster.name })],
        });
        await cluster.handle.signal('patchNow');
        const status = await cluster.untilIdle(1);
        expect(status.lastRun).toMatchObject({ outcome: 'succeeded', patched: 2 });
      });
      const steps = [
        'preflight',
        'prefetch',
        'drainPreview',
        'cordon',
        'drain',
        'apply',
        'verify',
        'awaitHealthy',
        'uncordon',
      ];
      expect(site.nodes.log).toEqual(steps.map((step) => `${step} w-1`));
      expect(cluster.nodes.log).toEqual(steps.map((step) => `${step} w-2`));
    }));

  it('shows a node as waiting for a worker of its task queue, not as failed, and continues with the first worker', () =>
    harness.withWorker(async (cluster) => {
      await cluster.apply(spec(cluster));
      const own = await connect(cluster);
      await own.patch(cluster.name);
      const seen = await waitFor(
        async () => {
          const status = await own.status(cluster.name);
          return status.current.some(({ waitingFor }) => waitingFor !== null) ? status : null;
        },
        { what: 'the node to wait' },
      );
      expect(seen.current).toMatchObject([
        {
          node: 'w-1',
          step: 'preflight',
          waitingFor: `a worker of task queue ${siteOf(cluster)}`,
          waitingSince: expect.stringMatching(/^20.*Z$/) as string,
          lastFailure: null,
        },
      ]);
      expect(seen.nodes[0]).toMatchObject({ state: 'patching', lastError: null });
      await harness.withSiteWorker(siteOf(cluster), harness.newCluster(), async () => {
        expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', patched: 2 });
      });
    }));

  it('sends no work to an outdated worker, reports its version, and continues after its upgrade', () =>
    harness.withWorker(async (cluster) => {
      await cluster.apply(spec(cluster));
      const own = await connect(cluster);
      const taskQueue = siteOf(cluster);
      const site = harness.newCluster();
      const old = { version: '0.0.9', oldest: 0, newest: PROTOCOL - 1 };
      await harness.withSiteWorker(
        taskQueue,
        site,
        async () => {
          await own.patch(cluster.name);
          const [waiting] = await waitFor(
            async () => {
              const { current } = await own.status(cluster.name);
              return current.some(({ waitingFor }) => waitingFor !== null) && current;
            },
            { what: 'the node to wait' },
          );
          const needed = `protocol ${PROTOCOL} (ospatch ${PROTOCOL_SINCE} or newer)`;
          expect(waiting).toMatchObject({
            ...{ node: 'w-1', step: 'preflight' },
            waitingFor: `a worker of task queue ${taskQueue} that supports ${needed}`,
            lastFailure: `the worker at the task queue ${taskQueue} runs ospatch 0.0.9, which supports protocol ${old.newest}; the activity preflight needs ${needed}`,
          });
          expect(await own.check(cluster.name)).toMatchObject([
            { node: 'w-1', error: { type: 'WorkerProtocol' } },
            { node: 'w-2', error: null },
          ]);
        },
        [protocolInterceptor(old)],
      );
      expect(site.nodes.log).toEqual([]);
      const current = [protocolInterceptor(supportedProtocols('0.1.0'))];
      const ended = async () => {
        expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', patched: 2 });
      };
      await harness.withSiteWorker(taskQueue, site, ended, current);
      expect(site.nodes.log[0]).toBe('preflight w-1');
    }));

  it('lists the clusters whose nodes wait for a worker of their site, by task queue', () =>
    harness.withWorker(async (cluster) => {
      await cluster.apply(spec(cluster));
      const own = await connect(cluster);
      const listed = (wanted: object) =>
        waitFor(
          async () => {
            const found = (await own.list()).find((one) => one.cluster === cluster.name);
            return found !== undefined && isDeepStrictEqual({ ...found, ...wanted }, found);
          },
          { what: `the list to say ${JSON.stringify(wanted)}` },
        );
      const sites = [siteOf(cluster)];
      await listed({ sites, sitesWithoutWorker: sites });
      await harness.withSiteWorker(siteOf(cluster), harness.newCluster(), () =>
        listed({ sites, sitesWithoutWorker: [] }).then(() => undefined),
      );
      await cluster.apply({ ...spec(cluster), nodes: [nodeSpec('w-2')] });
      await listed({ sites: [], sitesWithoutWorker: [] });
    }));

  it('answers check, logs and uncordon of such a node in time, and the check of the others too', () =>
    harness.withWorker(async (cluster) => {
      await cluster.apply(spec(cluster));
      const own = await connect(cluster);
      const error = {
        type: 'NoWorker',
        message: `w-1 is waiting for a worker of task queue ${siteOf(cluster)}: no worker started the task in time`,
        remedy: `run \`ospatch worker --task-queue ${siteOf(cluster)}\` where w-1 can be reached`,
      };
      const [checks, ...refusals] = await Promise.all([
        own.check(cluster.name),
        own.nodeLog(cluster.name, 'w-1').catch((one: unknown) => one),
        own.uncordon(cluster.name, 'w-1').catch((one: unknown) => one),
      ]);
      expect(checks).toMatchObject([
        { node: 'w-1', error },
        { node: 'w-2', error: null, drain: { ok: true, preview: { evict: 2 } } },
      ]);
      for (const refusal of refusals) expect(refusal).toMatchObject(error);
    }));

  it('names the task queue without a worker in a diagnosis', () =>
    harness.withWorker(async (cluster) => {
      const own = await connect(cluster);
      const { findings, nodes } = await own.diagnoseCluster(spec(cluster), { hasWorker: true, file: null });
      expect(findings).toContainEqual({
        severity: 'error',
        check: 'worker',
        message: `no worker polls the task queue ${siteOf(cluster)}, so the nodes that name it wait for one`,
        remedy: `run \`ospatch worker --task-queue ${siteOf(cluster)}\` where they can be reached`,
      });
      expect(nodes.map(({ node, verdict }) => [node, verdict])).toEqual([
        ['w-1', 'error'],
        ['w-2', 'ok'],
      ]);
    }));

  it('answers the check of an EKS cluster without a worker at its site, shows the wait of its run, and diagnoses the cluster', () =>
    harness.withWorker(async (cluster) => {
      const taskQueue = siteOf(cluster);
      const eks = { region: 'eu-central-1', cluster: 'Prod_1', nodeGroups: 'all', force: false } as const;
      const patching = { timeZone: 'UTC', rollout: STOP_ON_FAILURE, maxRunAge: '14d' } as const;
      const header = { apiVersion: 'ospatch/v1', name: cluster.name, type: 'eks' } as const;
      const eksSpec: EksSpec = { ...header, taskQueue, eks, patching };
      await cluster.apply(eksSpec);
      const own = await connect(cluster);
      await own.patch(cluster.name);
      const shown = waitFor(
        async () => {
          const { current } = await own.status(cluster.name);
          return current.some(({ waitingFor }) => waitingFor !== null) ? current : null;
        },
        { what: 'the run to wait' },
      );
      expect(await shown).toMatchObject([
        { node: 'all node groups', step: 'preflight', waitingFor: `a worker of task queue ${taskQueue}` },
      ]);
      expect(await own.check(cluster.name)).toMatchObject({
        error: {
          type: 'NoWorker',
          message: `EKS cluster Prod_1 is waiting for a worker of task queue ${taskQueue}: no worker started the task in time`,
        },
      });
      const { findings } = await own.diagnoseCluster(eksSpec, { hasWorker: true, file: null });
      expect(findings[0]).toMatchObject({
        severity: 'error',
        message: `no worker polls the task queue ${taskQueue}, so no node group is updated, and runs wait for a worker`,
      });
    }));

  it('removes a stale cordon on request, and refuses while a run patches the node', () =>
    harness.withWorker(async (cluster) => {
      await cluster.apply({ ...spec(cluster), nodes: [nodeSpec('w-2')] });
      const own = await connect(cluster);
      cluster.kubernetes.cordons.set('w-2', { cluster: cluster.name, node: 'w-2', run: 3, token: 'a'.repeat(16) });
      const found = await own.diagnoseCluster(await own.spec(cluster.name), { hasWorker: true, file: null });
      expect(found.findings).toContainEqual(
        expect.objectContaining({
          severity: 'warning',
          check: 'drain',
          remedy: `ospatch uncordon ${cluster.name} w-2`,
        }),
      );
      expect(await own.uncordon(cluster.name, 'w-2', { reason: 'drained by mistake' })).toBe(true);
      expect(await own.uncordon(cluster.name, 'w-2')).toBe(false);
      const uncordons = (await own.history(cluster.name)).requests.filter(({ request }) => request === 'uncordon');
      expect(uncordons.map(({ node, reason, result }) => [node, reason, result])).toEqual([
        ['w-2', 'drained by mistake', 'w-2 was uncordoned'],
        ['w-2', null, 'w-2 had no cordon of ospatch'],
      ]);
      const release = cluster.nodes.hold('w-2', 'preflight');
      await own.patch(cluster.name);
      await waitFor(() => cluster.nodes.log.includes('preflight w-2'), { what: 'the preflight' });
      await expect(own.uncordon(cluster.name, 'w-2')).rejects.toMatchObject({ type: 'Refused' });
      release();
      await cluster.untilIdle(1);
    }));
});
