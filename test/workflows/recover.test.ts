/** Clusters restarted without the worker that wedged them, on a real server. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ClusterBackup, Recovered } from '../../src/client/cluster-client';
import { ClusterClient } from '../../src/client/cluster-client';
import type { ClusterHistory } from '../../src/domain/cluster/messages';
import type { Patching } from '../../src/domain/spec/types';
import { runOffline } from '../cli/offline-context';
import { clusterSpec, windowAt } from '../support/builders';
import { nodesOf } from '../support/members';
import { waitFor } from '../support/wait-for';
import { workflowBundle } from '../support/workflow-bundle';
import type { TestCluster } from './harness';
import { Harness } from './harness';
import { defined } from '../../src/domain/shared/defined';

let harness: Harness;
let broken: { code: string };
let dir: string;
const clients: ClusterClient[] = [];
/** A held node of a failed test would keep its worker from ending. */
const held: (() => void)[] = [];

beforeAll(async () => {
  harness = await Harness.start('real');
  broken = await workflowBundle(path.join(__dirname, '../support/broken-workflows/throwing.ts'));
  dir = mkdtempSync(path.join(tmpdir(), 'ospatch-recover-'));
});

afterAll(async () => {
  for (const client of clients) await client.close();
  rmSync(dir, { recursive: true, force: true });
  await harness.stop();
});

async function clientOf(cluster: TestCluster): Promise<ClusterClient> {
  const { address } = harness;
  const client = await ClusterClient.connect({ address, namespace: 'default', taskQueue: cluster.name, by: 'me' });
  clients.push(client);
  return client;
}

/** Runs `body` while a worker reaches the nodes, which stays when the worker of the workflows is replaced. */
async function withNodes(body: (cluster: TestCluster, client: ClusterClient) => Promise<void>): Promise<void> {
  const cluster = harness.newCluster();
  const client = await clientOf(cluster);
  await harness.withSiteWorker(cluster.name, cluster, async () => {
    try {
      await body(cluster, client);
    } finally {
      for (const release of held.splice(0)) release();
      await cluster.handle.terminate().catch(() => undefined);
    }
  });
}

function withCode(cluster: TestCluster, body: () => Promise<void>, workflowBundle?: { code: string }): Promise<void> {
  const code = defined({ workflowBundle });
  return harness.withWorkerFor(cluster, body, {}, { ...code, enableNonLocalActivities: false });
}

async function apply(cluster: TestCluster, client: ClusterClient, patching: Partial<Patching> = {}): Promise<void> {
  await client.apply(clusterSpec(undefined, patching, cluster.name));
}

function untilStuck(cluster: TestCluster, client: ClusterClient): Promise<unknown> {
  return waitFor(async () => (await client.health(cluster.name)).state === 'stuck', { what: 'a failed workflow task' });
}

function cli(...args: string[]): ReturnType<typeof runOffline> {
  return runOffline([...args, '--address', harness.address, '--namespace', 'default']);
}

/** A cluster whose run 1 is patching w-1 when its code begins to fail. Returns the function that releases w-1. */
async function wedgeInRun(cluster: TestCluster, client: ClusterClient): Promise<() => void> {
  const release = cluster.nodes.hold('w-1', 'apply');
  held.push(release);
  await withCode(cluster, async () => {
    await apply(cluster, client);
    await client.patch(cluster.name, { reason: 'CVE' });
    await cluster.untilPatching('w-1');
  });
  return release;
}

describe('recovery of a cluster whose code fails during a run', () => {
  it('finishes the node in progress once, knows its result, keeps a pause, and lists what is lost', () =>
    withNodes(async (cluster, client) => {
      const release = await wedgeInRun(cluster, client);
      let done: Recovered | null = null;
      await withCode(
        cluster,
        async () => {
          await cluster.handle.signal('pause', { by: 'night shift', reason: 'freeze' });
          await cluster.handle.signal('patchNow', { nodes: ['w-2'], by: 'someone' });
          await untilStuck(cluster, client);
          // A signal that arrives during a workflow task is in the history once the task has ended.
          const plan = await waitFor(
            async () => {
              const seen = await client.planRecovery(cluster.name);
              return seen.lost.length > 0 && seen;
            },
            { what: 'the request that would be lost' },
          );
          expect(plan).toMatchObject({
            health: { state: 'stuck', stuck: { kind: 'failing' } },
            nodes: 3,
            kept: [{ name: 'pause', by: 'night shift', reason: 'freeze' }],
            lost: [{ name: 'patchNow', by: 'someone', nodes: ['w-2'] }],
            run: { number: 1, nodesInWork: ['w-1'] },
          });
          const recovering = client.recover(cluster.name, { waitMs: 60_000 });
          await cluster.untilCancelled('w-1');
          release();
          done = await recovering;
        },
        broken,
      );
      expect(done).toMatchObject({ runEnded: true, run: { number: 1 }, lost: [{ name: 'patchNow' }] });
      await withCode(cluster, async () => {
        const status = await cluster.status();
        expect(status).toMatchObject({
          run: null,
          paused: { by: 'night shift', reason: 'freeze' },
          lastRun: { number: 1, outcome: 'cancelled', failed: 0, notTried: 2, by: 'me', reason: 'CVE' },
        });
        // Its packages were applied completely; whether the node patch noticed the end of the run before that is a race.
        expect(status.nodes.map(({ lastAppliedPatchTime }) => lastAppliedPatchTime !== null)).toEqual([
          false,
          true,
          false,
        ]);
        await client.resume(cluster.name);
        await client.patch(cluster.name);
        expect((await cluster.untilIdle(2)).lastRun).toMatchObject({ number: 2, outcome: 'succeeded' });
      });
      expect(['cp-1', 'w-1', 'w-2'].map((name) => cluster.nodes.node(name).applies)).toEqual([1, 1, 1]);
    }));

  it('limits its wait, reports the result of the node as unknown, and works on the next node only', () =>
    withNodes(async (cluster, client) => {
      const release = await wedgeInRun(cluster, client);
      await withCode(
        cluster,
        async () => {
          await cluster.handle.signal('pause');
          await untilStuck(cluster, client);
          const { code, stdout, stderr } = await cli('recover', cluster.name, '--yes', '--wait', '1s');
          expect({ code, stdout }).toEqual({ code: 0, stdout: `${cluster.name} recovered\n` });
          expect(stderr).toContain('the code of this version is broken');
          expect(stderr).toContain('run 1 is in progress and ends with it: w-1 is finished, no other node is started');
          expect(stderr).toContain('run 1 is still ending');
        },
        broken,
      );
      await withCode(cluster, async () => {
        const status = await cluster.status();
        expect(status.nodes[1]).toMatchObject({
          state: 'failed',
          lastError: { message: expect.stringContaining('recovered while run 1 worked on w-1') as string },
        });
        await client.resume(cluster.name);
        await client.patch(cluster.name, { nodes: ['w-1'] });
        await cluster.until('run 2 is in progress', ({ run }) => run?.number === 2);
        expect(cluster.nodes.node('w-1').applies).toBe(0);
        release();
        expect((await cluster.untilIdle(2)).lastRun).toMatchObject({ number: 2, outcome: 'succeeded' });
      });
      expect(cluster.nodes.node('w-1').applies).toBe(1);
    }));
});

describe('recovery of a cluster whose workflow is gone', () => {
  it('continues with its history, and with the spec applied last', () =>
    withNodes(async (cluster, client) => {
      await withCode(cluster, async () => {
        await apply(cluster, client);
        await client.patch(cluster.name);
        await cluster.untilIdle(1);
        await cluster.until('the cluster has continued as new', () => true);
        await apply(cluster, client, { rebootIfRequired: false });
      });
      const before = await client.planRecovery(cluster.name);
      expect(before.health.state).toBe('running');
      expect(await cli('recover', cluster.name, '--yes')).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('no problem with it is known') as string,
      });
      await cluster.handle.terminate('by hand');
      const preview = await cli('recover', cluster.name);
      expect(preview).toMatchObject({
        code: 2,
        stderr: expect.stringContaining(`was terminated in Temporal`) as string,
      });
      const { code, stdout } = await cli('recover', cluster.name, '--yes', '-o', 'json');
      expect(code).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ recovered: true, lost: [], kept: [{ name: 'applySpec' }], run: null });
      await withCode(cluster, async () => {
        const status = await cluster.status();
        expect(status.nodes.map(({ state }) => state)).toEqual(['patched', 'patched', 'patched']);
        expect(await client.spec(cluster.name)).toMatchObject({ patching: { rebootIfRequired: false } });
        await client.patch(cluster.name);
        await cluster.untilIdle(2);
        const { runs } = await cluster.handle.query<ClusterHistory>('history');
        expect(runs.map(({ number, outcome }) => [number, outcome])).toEqual([
          [1, 'succeeded'],
          [2, 'succeeded'],
        ]);
        expect(await client.list()).toContainEqual(expect.objectContaining({ cluster: cluster.name, stuck: null }));
      });
    }));

  it('keeps requests from before a reset of the cluster, which the server has redelivered', () =>
    withNodes(async (cluster, client) => {
      await withCode(cluster, async () => {
        await apply(cluster, client);
        await apply(cluster, client, { rebootIfRequired: false });
        await client.pause(cluster.name, { reason: 'freeze' });
        for (const name of ['lock', 'unlock'] as const)
          await client.steer(cluster.name, name, { node: 'w-1', reason: 'disk' });
        const { runId } = await cluster.handle.describe();
        const { events } = await cluster.handle.fetchHistory();
        const first = events?.find((event) => event.workflowTaskCompletedEventAttributes)?.eventId;
        await cluster.env.client.workflowService.resetWorkflowExecution({
          ...{ namespace: 'default', workflowExecution: { workflowId: cluster.handle.workflowId, runId } },
          ...{ reason: 'by hand', requestId: 'reset', ...(first ? { workflowTaskFinishEventId: first } : {}) },
        });
        await cluster.until('the cluster is paused and the node locked again', ({ paused, nodes }) => {
          return paused !== null && nodesOf(nodes).some(({ lock }) => lock !== undefined);
        });
        // What protects a node is carried out again, what exposes one is not.
        expect(nodesOf((await cluster.status()).nodes).map(({ lock }) => lock !== undefined)).toEqual([
          false,
          true,
          false,
        ]);
        // The last message is refused a moment later.
        await waitFor(
          async () => {
            const { kept } = await client.planRecovery(cluster.name);
            return kept.map(({ name }) => name).join() === 'applySpec,pause,lock';
          },
          { what: 'all but the unlock to be kept' },
        );
        await client.recover(cluster.name, { waitMs: 1_000 });
        expect((await client.status(cluster.name)).paused).toMatchObject({ reason: 'freeze' });
        expect(await client.spec(cluster.name)).toMatchObject({ patching: { rebootIfRequired: false } });
      });
    }));

  it('reads a history that is larger than a message of gRPC by default', async () => {
    const cluster = harness.newCluster();
    const client = await clientOf(cluster);
    const { workflow } = cluster.env.client;
    const { workflowId } = cluster.handle;
    await workflow.start('cluster', {
      workflowId,
      taskQueue: cluster.name,
      args: [{ spec: clusterSpec(undefined, {}, cluster.name) }],
    });
    // Not to be compressed.
    const reason = randomBytes(1_000_000).toString('base64');
    for (let sent = 0; sent < 5; sent += 1) await cluster.handle.signal('patchNow', { reason });
    expect((await client.planRecovery(cluster.name)).lost).toHaveLength(5);
    await cluster.handle.terminate();
  });

  it('starts from a backup taken without a worker, in complete private files', () =>
    withNodes(async (cluster, client) => {
      await withCode(cluster, async () => {
        await apply(cluster, client, { schedule: [{ preset: 'weekly', startWithin: '1h' }] });
        await client.patch(cluster.name);
        await cluster.untilIdle(1);
      });
      const file = path.join(dir, 'backups', `${cluster.name}.json`);
      // Temporal's list is eventually consistent.
      await waitFor(
        async () => {
          const { code } = await cli('backup', path.join(dir, 'backups'));
          return code === 0 && readdirSync(path.join(dir, 'backups')).includes(path.basename(file));
        },
        { what: 'the backup' },
      );
      expect(statSync(file).mode & 0o777).toBe(0o600);
      expect(readdirSync(path.join(dir, 'backups')).filter((name) => name.endsWith('.tmp'))).toEqual([]);
      await withCode(cluster, async () => {
        await client.remove(cluster.name);
        await client.untilRemoved(cluster.name);
      });
      const backup = JSON.parse(readFileSync(file, 'utf8')) as ClusterBackup;
      // A week ago: events since then are unknown, so no window since then is recorded as missed or repeated.
      const old = { ...backup, takenAt: '2026-01-01T00:00:00.000Z' };
      const week = {
        ...backup.state.schedule,
        after: '2026-01-01T00:00:00.000Z',
        next: [windowAt('2026-01-04T00:00:00Z')],
      };
      writeFileSync(file, JSON.stringify({ ...old, state: { ...backup.state, schedule: week } }));
      expect(await cli('recover', cluster.name, '--from', file, '--yes')).toMatchObject({ code: 0 });
      await withCode(cluster, async () => {
        const status = await cluster.until('the window is known', ({ nextWindow }) => nextWindow !== null);
        expect(status.nodes.map(({ state }) => state)).toEqual(['patched', 'patched', 'patched']);
        expect(status).toMatchObject({ run: null, lastRun: { number: 1 } });
        expect(Date.parse(status.nextWindow?.start ?? '')).toBeGreaterThan(Date.now());
        expect((await cluster.handle.query<ClusterHistory>('history')).windows).toEqual([]);
      });
      expect(await cli('recover', 'other', '--from', file, '--yes')).toMatchObject({ code: 2 });
    }));
});
