/** The server limits the updates of an execution: what a cluster that is flooded while a node is patched answers. */
import { ClusterClient } from '../../../src/client/cluster-client';
import { clusterSpec } from '../../support/builders';
import type { TestCluster } from '../harness';
import { Harness } from '../harness';

/** The default of the server is 2,000. */
const UPDATES = 20;

let harness: Harness;

beforeAll(async () => {
  harness = await Harness.start('real', null, { 'history.maxTotalUpdates': UPDATES });
});

afterAll(() => harness.stop());

async function inWork(cluster: TestCluster): Promise<() => void> {
  await cluster.apply(clusterSpec(undefined, {}, cluster.name));
  const release = cluster.nodes.hold('w-1', 'apply');
  await cluster.handle.signal('patchNow');
  await cluster.until('w-1 is in work', () => cluster.nodes.log.includes('apply w-1'));
  return release;
}

describe('src/workflows/cluster: a flood of updates', () => {
  it('rejects an update with a signal as the remedy, and accepts updates again after the node in work', () =>
    harness.withWorker(async (cluster) => {
      const release = await inWork(cluster);
      const client = await ClusterClient.connect({ address: harness.address, taskQueue: cluster.name });
      try {
        const flood = async (): Promise<unknown> => {
          for (let sent = 0; sent <= UPDATES; sent += 1) await client.resume(cluster.name);
          return null;
        };
        expect(await flood().catch((error: unknown) => error)).toMatchObject({
          type: 'Refused',
          message: `cluster ${cluster.name} has taken as many requests as Temporal allows while one node is patched`,
          remedy: expect.stringContaining(`--workflow-id cluster/${cluster.name} --name pause`) as string,
        });
        await cluster.handle.signal('pause', { by: 'ann' });
        await cluster.until('it is paused', ({ paused }) => paused?.by === 'ann');
        await cluster.handle.signal('resume');
        release();
        // After w-1, in the same run, from a fresh history.
        await cluster.until('w-2 is patched', ({ nodes }) => nodes[2]?.state === 'patched');
        await client.resume(cluster.name);
        expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', patched: 3 });
      } finally {
        await client.close();
      }
    }));
});
