/** Situations of a real cluster with simulated nodes: each is explained, and the named command changes it. */
import type { ClusterClient } from '../../../src/client/cluster-client';
import { ClusterClient as Client } from '../../../src/client/cluster-client';
import type { Explanation } from '../../../src/domain/explain/explanation';
import type { Patching, Rollout } from '../../../src/domain/spec/types';
import { runOffline } from '../../cli/offline-context';
import { clusterSpec, rollout } from '../../support/builders';
import { waitFor } from '../../support/wait-for';
import type { TestCluster } from '../harness';
import { Harness } from '../harness';

let harness: Harness;

beforeAll(async () => {
  harness = await Harness.start('real');
});

afterAll(() => harness.stop());
afterEach(() => {
  delete process.env['OSPATCH_TASK_QUEUE'];
});

const spec = (cluster: TestCluster, more: Partial<Rollout> = {}, patching: Partial<Patching> = {}) =>
  clusterSpec(['w-1', 'w-2', 'w-3'], { ...patching, rollout: rollout(more) }, cluster.name);

async function withClient<T>(cluster: TestCluster, body: (client: ClusterClient) => Promise<T>): Promise<T> {
  const { address } = harness;
  const client = await Client.connect({
    address,
    namespace: 'default',
    taskQueue: cluster.name,
    by: 'ann@host',
    deadlineMs: 5_000,
  });
  try {
    return await body(client);
  } finally {
    await client.close();
  }
}

/** The explanation of this kind, as soon as there is one. */
function explained(
  client: ClusterClient,
  { name }: TestCluster,
  node: string | undefined,
  kind: Explanation['kind'],
): Promise<Explanation> {
  return waitFor(async () => (await client.explain(name, node)).find((one) => one.kind === kind), { what: kind });
}

/** Runs a command as it is printed. */
async function carryOut(cluster: TestCluster, command: string | undefined): Promise<void> {
  const [program, ...args] = (command ?? '').split(' ');
  expect(program).toBe('ospatch');
  process.env['OSPATCH_TASK_QUEUE'] = cluster.name;
  const { code, stderr } = await runOffline([...args, '--address', harness.address, '--namespace', 'default']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
}

describe('src/client/explain', () => {
  it('names a pause, a turn that has not come, and a lock, each with what ends it', () =>
    harness.withWorker((cluster) =>
      withClient(cluster, async (client) => {
        const release = cluster.nodes.hold('w-1', 'apply');
        await cluster.apply(spec(cluster));
        expect(await explained(client, cluster, undefined, 'no-schedule')).toMatchObject({
          change: [`ospatch patch ${cluster.name}`],
        });
        await client.steer(cluster.name, 'lock', { node: 'w-3', reason: 'incident 4711' });
        await client.patch(cluster.name);
        await cluster.untilPatching('w-1');
        expect(await explained(client, cluster, 'w-2', 'turn')).toMatchObject({
          because: 'it is the next one of run 1',
        });
        const places = await explained(client, cluster, 'w-2', 'concurrency');
        expect(places.because).toBe('one node is patched at a time');
        expect(places.since).toMatch(/^\d{4}-/);
        expect(await explained(client, cluster, 'w-1', 'in-work')).toMatchObject({
          because: 'it is in its step apply',
        });
        const lock = await explained(client, cluster, 'w-3', 'locked');
        expect(lock).toMatchObject({ because: 'ann@host has locked it (incident 4711)', until: null });
        await carryOut(cluster, lock.change[0]);
        await client.pause(cluster.name, { reason: 'freeze' });
        release();
        await cluster.until('the run is suspended', ({ run }) => run?.state === 'paused');
        const pause = await explained(client, cluster, 'w-2', 'paused');
        expect(pause).toMatchObject({
          what: `${cluster.name} starts no run, and run 1 no node`,
          because: 'ann@host has paused it (freeze)',
        });
        await carryOut(cluster, pause.change[0]);
        expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ patched: 3 });
        expect(await explained(client, cluster, 'w-3', 'nothing-to-do')).toMatchObject({
          what: 'nothing is done on w-3',
        });
        await expect(client.explain(cluster.name, 'w-9')).rejects.toMatchObject({ type: 'NotFound' });
      }),
    ));

  it('names a spent budget with its commands, and since when, also after a pause in between', () =>
    harness.withWorker((cluster) =>
      withClient(cluster, async (client) => {
        cluster.nodes.node('w-1').preflightError = { type: 'Policy', message: 'w-1 is refused' };
        await cluster.apply(spec(cluster, { maxFailures: 0, onExceeded: 'pause' }));
        await client.patch(cluster.name);
        await cluster.until('the run waits', ({ state }) => state === 'waiting');
        const budget = await explained(client, cluster, undefined, 'budget');
        expect(budget).toMatchObject({ because: '1 failed, more than the 0 that may' });
        const { events } = await client.events(cluster.name);
        const suspended = events.find(({ kind }) => kind === 'run-suspended');
        expect(suspended?.message).toBe('run 1 suspended: 1 failed, more than the 0 that may');
        expect(Date.parse(budget.since ?? '')).toBeLessThanOrEqual(Date.parse(suspended?.at ?? ''));
        const failed = await explained(client, cluster, 'w-1', 'failed');
        expect(failed).toMatchObject({
          because: 'w-1 is refused; nothing was changed',
          change: [`ospatch retry ${cluster.name} w-1`],
        });
        cluster.nodes.node('w-1').preflightError = null;
        await carryOut(cluster, failed.change[0]);
        expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', patched: 3 });
      }),
    ));

  it('names a stage that soaks, and until when', () =>
    harness.withWorker((cluster) =>
      withClient(cluster, async (client) => {
        await cluster.apply(spec(cluster, { stages: [{ nodes: 1, soak: '1h' }, { nodes: '100%' }] }));
        await client.patch(cluster.name);
        const soak = await explained(client, cluster, 'w-2', 'soak');
        expect(Date.parse(soak.until ?? '') - Date.parse(soak.since ?? '')).toBeGreaterThan(3_500_000);
        // The run reports at most every 2 s.
        const event = await waitFor(
          async () => (await client.events(cluster.name)).events.find(({ limit }) => limit === 'soak'),
          { what: 'the event of the soak' },
        );
        expect(event.message).toContain('run 1 is held up: stage 1 soaks until');
        await carryOut(cluster, soak.change[0]);
        await cluster.untilIdle(1);
      }),
    ));

  it('says that a node may not be rebooted, and that a stopped worker is why nothing happens', async () => {
    const cluster = harness.newCluster();
    await withClient(cluster, async (client) => {
      await harness.withWorkerFor(cluster, async () => {
        cluster.nodes.node('w-1').requiresReboot = true;
        await cluster.apply(spec(cluster, {}, { rebootIfRequired: false }));
        await client.patch(cluster.name, { nodes: ['w-1'] });
        await cluster.untilIdle(1);
        expect(await explained(client, cluster, 'w-1', 'reboot-forbidden')).toMatchObject({
          because: 'a reboot is required, and patching.rebootIfRequired is false',
        });
        expect(await explained(client, cluster, 'w-2', 'never-checked')).toMatchObject({ change: [] });
      });
      expect(await explained(client, cluster, 'w-1', 'no-answer')).toMatchObject({
        because: expect.stringContaining('workers are busy or not running'),
        change: [expect.stringContaining('ospatch')],
      });
    });
    await cluster.handle.terminate();
  });
});
