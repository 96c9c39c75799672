/** Stuck clusters on a real server: each is reported with its cause, soon, and without a working worker. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ClusterClient } from '../../src/client/cluster-client';
import { connect } from '../../src/client/connection';
import { nodeWorkflowId } from '../../src/contract/workflow-ids';
import { dataConverter } from '../../src/encryption/data-converter';
import { readKeyRing } from '../../src/encryption/key-ring';
import { ClusterReader } from '../../src/exporter/read-clusters';
import { clusterSpec } from '../support/builders';
import { waitFor } from '../support/wait-for';
import { workflowBundle } from '../support/workflow-bundle';
import type { TestCluster } from './harness';
import { Harness } from './harness';
import { defined } from '../../src/domain/shared/defined';

/** Well below the 15 s after which a call fails. */
const SOON_MS = 10_000;

const BROKEN = path.join(__dirname, '../support/broken-workflows');

/** For a second worker, which reaches the nodes. */
const WORKFLOWS_ONLY = { enableNonLocalActivities: false };

let harness: Harness;
let keys: string;
let otherKeys: string;
const clients: ClusterClient[] = [];

beforeAll(async () => {
  harness = await Harness.start('real');
  keys = makeKeys('one');
  otherKeys = makeKeys('two');
});

afterAll(async () => {
  for (const client of clients) await client.close();
  for (const dir of [keys, otherKeys]) rmSync(dir, { recursive: true, force: true });
  await harness.stop();
});

function makeKeys(name: string): string {
  const dir = mkdtempSync(path.join(tmpdir(), 'ospatch-keys-'));
  const key = createHash('sha256').update(name).digest('base64');
  writeFileSync(path.join(dir, `${name}.key`), `${key}\n`, { mode: 0o600 });
  return dir;
}

/** Errors about workers, with their remedies. */
async function workerErrors(client: ClusterClient): Promise<string[]> {
  const { findings } = await client.diagnoseInstallation();
  const errors = findings.filter(({ severity, check }) => severity === 'error' && check === 'worker');
  return errors.map(({ message, remedy }) => `${message}; ${remedy}`);
}

async function clientOf(cluster: TestCluster, encryptionKeys?: string): Promise<ClusterClient> {
  const client = await ClusterClient.connect({
    ...{ address: harness.address, namespace: 'default', taskQueue: cluster.name, by: 'me' },
    ...defined({ encryptionKeys }),
  });
  clients.push(client);
  return client;
}

/** What the exporter shows as stuck. */
async function stuckForTheExporter(cluster: TestCluster): Promise<string[]> {
  const own = { address: harness.address, taskQueue: cluster.name, signWith: '', deadlineMs: SOON_MS };
  const session = await connect(own);
  try {
    const reader = new ClusterReader(session);
    await reader.read();
    await reader.readDetails(Date.now());
    return (await reader.read()).clusters.filter(({ fault }) => fault === 'stuck').map(({ name }) => name);
  } finally {
    await session.client.connection.close();
  }
}

/** Runs `body` with a cluster that was applied and sleeps, without a worker. */
async function withSleeping(body: (cluster: TestCluster, client: ClusterClient) => Promise<void>): Promise<void> {
  const cluster = harness.newCluster();
  const client = await clientOf(cluster);
  await harness.withWorkerFor(cluster, async () => {
    await client.apply(clusterSpec(undefined, {}, cluster.name));
    await cluster.until('it sleeps', (status) => status.state === 'idle');
  });
  try {
    await body(cluster, client);
  } finally {
    await cluster.handle.terminate().catch(() => undefined);
  }
}

async function withBroken(
  cluster: TestCluster,
  which: string,
  body: () => Promise<void>,
  options: { enableNonLocalActivities?: boolean } = {},
): Promise<void> {
  const bundle = await workflowBundle(path.join(BROKEN, `${which}.ts`));
  await harness.withWorkerFor(cluster, body, {}, { workflowBundle: bundle, ...options });
}

/** Runs `body` with a cluster whose run 1 is held at `step` of w-1, with only a worker without workflows. */
async function withRunInWork(
  step: 'preflight' | 'apply',
  body: (cluster: TestCluster, client: ClusterClient, release: () => void) => Promise<void>,
): Promise<void> {
  const cluster = harness.newCluster();
  const client = await clientOf(cluster);
  const release = cluster.nodes.hold('w-1', step);
  await harness.withSiteWorker(cluster.name, cluster, async () => {
    try {
      await harness.withWorkerFor(
        cluster,
        async () => {
          await client.apply(clusterSpec(undefined, {}, cluster.name));
          await client.patch(cluster.name);
          await waitFor(() => Promise.resolve(cluster.nodes.log.includes(`${step} w-1`)), { what: step });
        },
        {},
        WORKFLOWS_ONLY,
      );
      await body(cluster, client, release);
    } finally {
      release();
      await cluster.handle.terminate().catch(() => undefined);
    }
  });
}

/** The cause according to status, list, and both diagnoses. */
async function expectNamed(
  cluster: TestCluster,
  client: ClusterClient,
  stuck: { kind: string; message: string; remedy: string },
): Promise<void> {
  expect((await client.status(cluster.name)).stuck).toEqual(stuck);
  expect((await client.list()).find((one) => one.cluster === cluster.name)?.stuck).toEqual(stuck);
  const finding = expect.objectContaining({
    ...{ severity: 'error', check: 'cluster', message: stuck.message, remedy: stuck.remedy },
  }) as unknown;
  expect((await client.diagnoseInstallation()).findings).toContainEqual(finding);
  const spec = clusterSpec(undefined, {}, cluster.name);
  const { findings } = await client.diagnoseCluster(spec, { hasWorker: true, file: null });
  expect(findings).toContainEqual(finding);
}

async function withinSeconds(body: () => Promise<unknown>): Promise<unknown> {
  const started = Date.now();
  const answer = await body().catch((error: unknown) => error);
  expect(Date.now() - started).toBeLessThan(SOON_MS);
  return answer;
}

describe('src/client: stuck clusters', () => {
  it("reports a failure of the cluster's code on every query and request", () =>
    withSleeping((cluster, client) =>
      withBroken(cluster, 'throwing', async () => {
        await cluster.handle.signal('patchNow');
        const stuck = {
          type: 'Stuck',
          details: { kind: 'failing' },
          message: expect.stringContaining('the code of this version is broken') as string,
          remedy: expect.stringContaining(`ospatch recover ${cluster.name}`) as string,
        };
        expect(await withinSeconds(() => client.status(cluster.name))).toMatchObject(stuck);
        expect(await withinSeconds(() => client.pause(cluster.name))).toMatchObject(stuck);
        expect(await withinSeconds(() => client.spec(cluster.name))).toMatchObject(stuck);
        const found = (await client.list()).find((one) => one.cluster === cluster.name);
        expect(found).toMatchObject({ looked: true, stuck: { kind: 'failing' } });
        expect(await stuckForTheExporter(cluster)).toContain(cluster.name);
        const installation = await client.diagnoseInstallation();
        expect(installation.findings).toContainEqual(
          expect.objectContaining({ severity: 'error', check: 'cluster', message: found?.stuck?.message }),
        );
        const { findings } = await client.diagnoseCluster(clusterSpec(undefined, {}, cluster.name), {
          hasWorker: true,
          file: null,
        });
        expect(findings).toContainEqual(expect.objectContaining({ severity: 'error', message: found?.stuck?.message }));
      }),
    ));

  it('reports a history that does not match the code of the workers, asleep and awake', () =>
    withSleeping((cluster, client) =>
      withBroken(cluster, 'diverging', async () => {
        const stuck = { type: 'Stuck', details: { kind: 'nondeterminism' } };
        // The server notices no problem of a sleeping workflow before a query.
        expect(await withinSeconds(() => client.status(cluster.name))).toMatchObject(stuck);
        expect(await withinSeconds(() => client.patch(cluster.name))).toMatchObject({
          ...stuck,
          message: expect.stringContaining('Nondeterminism') as string,
        });
        await waitFor(
          async () =>
            (await client.list()).find((one) => one.cluster === cluster.name)?.stuck?.kind === 'nondeterminism',
          { what: 'the cluster in the list, as stuck' },
        );
      }),
    ));

  it('reports a run whose own code fails, with a remedy that ends the run', () =>
    withRunInWork('apply', async (cluster, client, release) => {
      await withBroken(
        cluster,
        'throwing-run',
        async () => {
          release();
          const stuck = {
            kind: 'failing',
            message: expect.stringMatching(/^run 1 of cluster .*: the run of this version is broken$/) as string,
            remedy: expect.stringContaining(`--workflow-id ${await cluster.runId(1)}`) as string,
          };
          await waitFor(async () => (await client.status(cluster.name)).stuck !== undefined, {
            what: 'the failed workflow task',
          });
          await expectNamed(cluster, client, stuck);
          // The cluster itself continues, and accepts requests.
          expect((await client.health(cluster.name)).state).toBe('running');
          expect(await client.pause(cluster.name)).toMatchObject({ paused: true });
          await cluster.env.client.workflow.getHandle(await cluster.runId(1)).terminate('the remedy');
          const status = await cluster.untilIdle(1);
          expect(status.lastRun).toMatchObject({ number: 1, outcome: 'failed' });
          expect(await client.status(cluster.name)).not.toHaveProperty('stuck');
        },
        WORKFLOWS_ONLY,
      );
    }));

  it('reports a step of a node patch that was paused in Temporal, and continues when unpaused', () =>
    withRunInWork('preflight', async (cluster, client, release) => {
      const execution = { workflowId: nodeWorkflowId(cluster.name, 'w-1') };
      const { workflowService } = cluster.env.client;
      const { pendingActivities } = await workflowService.describeWorkflowExecution({
        ...{ namespace: 'default', execution },
      });
      const id = pendingActivities?.[0]?.activityId ?? '';
      const one = { namespace: 'default', execution, id };
      await harness.withWorkerFor(
        cluster,
        async () => {
          await workflowService.pauseActivity({ ...one, identity: 'eve', reason: 'a look' });
          const remedy = `temporal activity unpause --workflow-id ${execution.workflowId} --activity-id ${id}`;
          const message = expect.stringMatching(
            /^the patch of w-1 .* activity preflight is paused .* by eve/,
          ) as string;
          await expectNamed(cluster, client, { kind: 'paused-on-server', message, remedy });
          await workflowService.unpauseActivity(one);
          release();
          expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded' });
        },
        {},
        WORKFLOWS_ONLY,
      );
    }));

  /** Starts a foreign workflow that no worker runs. */
  async function takeId(workflowId: string): Promise<void> {
    await harness.env.client.workflow.start('reports', { workflowId, taskQueue: 'of-somebody-else' });
  }

  it('names a foreign workflow under the id of a node patch, and continues once it is terminated as the remedy says', async () => {
    const cluster = harness.newCluster();
    const client = await clientOf(cluster);
    await harness.withWorkerFor(cluster, async () => {
      const workflowId = nodeWorkflowId(cluster.name, 'w-1');
      await takeId(workflowId);
      await client.apply(clusterSpec(undefined, {}, cluster.name));
      await client.patch(cluster.name);
      const named = async (): Promise<boolean> => (await client.list()).some(({ stuck }) => stuck?.kind === 'id-taken');
      await waitFor(named, { what: 'the wait for it' });
      await expectNamed(cluster, client, {
        kind: 'id-taken',
        message: `the patch of w-1 of cluster ${cluster.name} cannot begin, because a workflow of the type reports, which is none of ospatch, runs under its id ${workflowId}`,
        remedy: `\`temporal workflow terminate --workflow-id ${workflowId}\` ends that workflow and frees the id`,
      });
      const heldBy = 'a workflow of the type reports';
      expect((await client.status(cluster.name)).current).toMatchObject([{ node: 'w-1', state: 'waiting', heldBy }]);
      await harness.env.client.workflow.getHandle(workflowId).terminate('as told');
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', patched: 3 });
    });
    await cluster.handle.terminate();
  });

  it('names a foreign workflow under the id of the cluster, which can be applied once that is terminated', async () => {
    const cluster = harness.newCluster();
    const client = await clientOf(cluster);
    await takeId(cluster.handle.workflowId);
    await harness.withWorkerFor(cluster, async () => {
      const stuck = { type: 'Stuck', details: { kind: 'id-taken' } };
      expect(await withinSeconds(() => client.status(cluster.name))).toMatchObject(stuck);
      expect(await withinSeconds(() => client.apply(clusterSpec(undefined, {}, cluster.name)))).toMatchObject(stuck);
      await cluster.handle.terminate('as told');
      expect(await client.apply(clusterSpec(undefined, {}, cluster.name))).toMatchObject({ result: 'created' });
    });
    await cluster.handle.terminate();
  });

  it('names the key that the workers lack', async () => {
    const cluster = harness.newCluster();
    const client = await clientOf(cluster, keys);
    clients.pop();
    const options = { dataConverter: dataConverter(null, 'passthrough') };
    const work = async (): Promise<void> => {
      // Open calls do not keep a program alive either.
      const applied = await withinSeconds(async () => {
        try {
          return await client.apply(clusterSpec(undefined, {}, cluster.name));
        } finally {
          await client.close();
        }
      });
      expect(applied).toMatchObject({
        type: 'Stuck',
        details: { kind: 'missing-key' },
        remedy: expect.stringContaining('OSPATCH_ENCRYPTION_KEYS') as string,
      });
    };
    await harness.withWorkerFor(cluster, work, {}, options);
    await cluster.handle.terminate();
  });

  it('reports that workers and command have different encryption keys, without a cluster', async () => {
    const cluster = harness.newCluster();
    const [encrypted, plain] = [await clientOf(cluster, keys), await clientOf(cluster)];
    await harness.withWorkerFor(cluster, async () => {
      await waitFor(() => plain.hasWorker(), { what: 'its poll' });
      expect(await workerErrors(plain)).toEqual([]);
      expect(await workerErrors(encrypted)).toEqual([
        expect.stringMatching(/encrypts with the key one:\w+, and the worker \S+ does not have that key; give workers/),
      ]);
    });
    const { code } = await workflowBundle();
    const options = {
      dataConverter: dataConverter(readKeyRing(otherKeys), 'passthrough'),
      workflowBundle: { code: `globalThis.ospatchEncryptsFailures=true;${code}` },
    };
    const work = async (): Promise<void> => {
      expect(await workerErrors(plain)).toEqual([
        expect.stringMatching(
          /answers with the key two:\w+, which this command does not have; .* OSPATCH_ENCRYPTION_KEYS/,
        ),
      ]);
      expect(await workerErrors(encrypted)).toEqual([
        expect.stringMatching(/key one:\w+, and .* does not have that key and encrypts with the key two:/),
      ]);
      // The failure message is encrypted too.
      expect(await withinSeconds(() => encrypted.apply(clusterSpec(undefined, {}, cluster.name)))).toMatchObject({
        type: 'Stuck',
        details: { kind: 'missing-key' },
        message: expect.stringMatching(/key two:\w+; the workflow was started with the key one:/) as string,
      });
    };
    await harness.withWorkerFor(cluster, work, {}, options);
    await cluster.handle.terminate();
  });

  it('reports workers of a version that is not current, and the remedy gives them work', async () => {
    const cluster = harness.newCluster();
    const client = await clientOf(cluster);
    const { code } = await workflowBundle();
    const [deploymentName, buildId] = [cluster.name, 'b-1'];
    const options = {
      workflowBundle: { code: `globalThis.ospatchIsVersioned=true;${code}` },
      workerDeploymentOptions: {
        version: { deploymentName, buildId },
        useWorkerVersioning: true,
        defaultVersioningBehavior: 'PINNED',
      } as const,
    };
    const work = async (): Promise<void> => {
      await waitFor(() => client.hasWorker(), { what: 'its poll' });
      expect(await workerErrors(client)).toEqual([
        expect.stringContaining(
          `no version is current; temporal worker deployment set-current-version --deployment-name ${deploymentName} --build-id ${buildId} --namespace default --address ${harness.address}`,
        ),
      ]);
      const spec = clusterSpec(undefined, {}, cluster.name);
      expect(await withinSeconds(() => client.apply(spec))).toMatchObject({
        type: 'NoWorker',
        message: expect.stringContaining(buildId),
      });
      await cluster.env.client.workflowService.setWorkerDeploymentCurrentVersion({
        ...{ namespace: 'default', deploymentName, buildId },
      });
      expect(await workerErrors(client)).toEqual([]);
      expect(await client.apply(spec)).toMatchObject({ result: 'created' });
    };
    await harness.withWorkerFor(cluster, work, {}, options);
    await cluster.handle.terminate();
  });

  it('reports a start argument that the workers cannot read, and refuses to recover from it', async () => {
    const cluster = harness.newCluster();
    const client = await clientOf(cluster);
    const payload = { metadata: { encoding: Buffer.from('binary/of-tomorrow') }, data: Buffer.from('x') };
    await cluster.env.client.workflowService.startWorkflowExecution({
      ...{ namespace: 'default', requestId: cluster.name, workflowId: cluster.handle.workflowId },
      ...{ workflowType: { name: 'cluster' }, taskQueue: { name: cluster.name }, input: { payloads: [payload] } },
    });
    await harness.withWorkerFor(cluster, async () => {
      expect(await withinSeconds(() => client.status(cluster.name))).toMatchObject({
        type: 'Stuck',
        details: { kind: 'unreadable-start' },
        message: expect.stringContaining('binary/of-tomorrow') as string,
      });
      expect(await withinSeconds(() => client.recover(cluster.name, { waitMs: 0 }))).toMatchObject({
        type: 'Stuck',
        message: expect.stringContaining('cannot be read here') as string,
        remedy: expect.stringContaining('--from FILE') as string,
      });
    });
    // A workflow beyond recovery is not ended either.
    expect((await cluster.handle.describe()).status.name).toBe('RUNNING');
    await cluster.handle.terminate();
    // It is not recoverable after its end either.
    expect(await client.health(cluster.name)).toMatchObject({
      ...{ state: 'stuck' },
      stuck: { kind: 'ended', neverBegan: true, remedy: expect.not.stringContaining('recover') as string },
    });
    expect(await client.clearEnded(cluster.name)).toMatchObject({ finishing: 0 });
  });

  it('reports how a workflow ended without a removal, and omits a removed one', () =>
    withSleeping(async (cluster, client) => {
      await cluster.handle.terminate('disk of the old site');
      const stuck = {
        type: 'Stuck',
        details: { kind: 'ended' },
        message: expect.stringMatching(/was terminated in Temporal at \d{4}-.*: disk of the old site$/) as string,
      };
      expect(await withinSeconds(() => client.status(cluster.name))).toMatchObject(stuck);
      const listed = (): Promise<unknown> =>
        client.list().then((all) => all.find((one) => one.cluster === cluster.name) ?? null);
      await waitFor(async () => ((await listed()) as { state: string } | null)?.state === 'ended', {
        what: 'the end of the workflow',
      });
      await harness.withWorkerFor(cluster, async () => {
        expect(await withinSeconds(() => client.patch(cluster.name))).toMatchObject(stuck);
        const spec = clusterSpec(undefined, {}, cluster.name);
        // A new cluster would know nothing of its nodes, which must not happen silently.
        expect(await withinSeconds(() => client.apply(spec))).toMatchObject(stuck);
        expect(await client.apply(spec, {}, { discardHistory: true })).toMatchObject({ result: 'created' });
        await waitFor(async () => ((await listed()) as { state: string } | null)?.state !== 'ended', {
          what: 'the cluster again',
        });
        await client.remove(cluster.name);
        await client.untilRemoved(cluster.name);
      });
      expect(await client.status(cluster.name).catch((error: unknown) => error)).toMatchObject({ type: 'NotFound' });
      await waitFor(async () => (await listed()) === null, { what: 'the cluster to leave the list' });
    }));

  it('deletes the remains of a cluster in Temporal whose workflow has ended, and of no other', () =>
    withSleeping(async (cluster, client) => {
      expect(await withinSeconds(() => client.clearEnded(cluster.name))).toMatchObject({ type: 'Refused' });
      await cluster.handle.terminate('the site is closed');
      expect(await withinSeconds(() => client.clearEnded(cluster.name))).toMatchObject({ finishing: 0 });
      // The server deletes a freshly closed workflow about 20 s later.
      await waitFor(async () => (await client.health(cluster.name)).state === 'absent', {
        ...{ what: 'the deletion', timeoutMs: 180_000 },
      });
      await waitFor(async () => (await client.list()).every((one) => one.cluster !== cluster.name), {
        what: 'the cluster to leave the list',
      });
      expect(await withinSeconds(() => client.clearEnded(cluster.name))).toMatchObject({ type: 'NotFound' });
    }));
});
