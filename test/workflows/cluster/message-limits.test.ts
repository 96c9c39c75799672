/** The server limits updates and signals per execution: a cluster that is flooded while a node is patched loses nothing. */
import { ClusterClient } from '../../../src/client/cluster-client';
import { clusterSpec } from '../../support/builders';
import { waitFor } from '../../support/wait-for';
import type { TestCluster } from '../harness';
import { Harness } from '../harness';

/** The defaults of the server are 2,000 and 10,000. */
const UPDATES = 20;
const SIGNALS = 60;

let harness: Harness;

beforeAll(async () => {
  harness = await Harness.start('real', null, {
    'history.maxTotalUpdates': UPDATES,
    'history.maximumSignalsPerExecution': SIGNALS,
  });
});

afterAll(() => harness.stop());

async function inWork(cluster: TestCluster): Promise<() => void> {
  await cluster.apply(clusterSpec(undefined, {}, cluster.name));
  const release = cluster.nodes.hold('w-1', 'apply');
  await cluster.handle.signal('patchNow');
  await cluster.until('w-1 is in work', () => cluster.nodes.log.includes('apply w-1'));
  return release;
}

describe('src/workflows/cluster: a flood of messages', () => {
  it('takes more updates than one history may have, while a node is patched', () =>
    harness.withWorker(async (cluster) => {
      const release = await inWork(cluster);
      const client = await ClusterClient.connect({ address: harness.address, taskQueue: cluster.name });
      try {
        const flood = async (): Promise<unknown> => {
          for (let sent = 0; sent <= UPDATES; sent += 1) await client.resume(cluster.name);
          return null;
        };
        // The run hands over with its node in flight, so that the cluster gets a fresh history in time.
        expect(await flood()).toBeNull();
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

  it('completes its run after more signals than the server accepts', () =>
    harness.withWorker(async (cluster) => {
      const release = await inWork(cluster);
      const flood = async (): Promise<void> => {
        for (let sent = 0; sent <= SIGNALS; sent += 1) await cluster.handle.signal('resume', { by: `loop ${sent}` });
      };
      const refused = await flood().catch((error: unknown) => (error as Error).cause);
      release();
      expect(refused).toMatchObject({ details: expect.stringContaining('limit for signal') as string });
      const status = await cluster.untilIdle(1);
      expect(status.lastRun).toMatchObject({ outcome: 'succeeded', patched: 3 });
      expect(cluster.nodes.order).toEqual(['w-1', 'w-2', 'cp-1']);
      await waitFor(
        () =>
          cluster.handle.signal('resume').then(
            () => true,
            () => false,
          ),
        { what: 'a fresh history' },
      );
    }));
});
