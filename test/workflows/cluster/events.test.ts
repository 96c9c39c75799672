/** What a cluster keeps of what has happened, over runs, pauses and fresh histories. */
import { hostname } from 'node:os';
import { ClusterClient } from '../../../src/client/cluster-client';
import { EventFeed } from '../../../src/client/event-feed';
import type { ClusterEvent } from '../../../src/domain/cluster/event-pages';
import { releaseUpdate } from '../../../src/contract/messages';
import { nodeWorkflowId } from '../../../src/contract/workflow-ids';
import { clusterSpec } from '../../support/builders';
import type { TestCluster } from '../harness';
import { Harness } from '../harness';

let harness: Harness;

beforeAll(async () => {
  harness = await Harness.start('real');
});

afterAll(() => harness.stop());

async function withClient<T>(cluster: TestCluster, body: (client: ClusterClient) => Promise<T>): Promise<T> {
  const { address } = harness;
  const client = await ClusterClient.connect({
    address,
    namespace: 'default',
    taskQueue: cluster.name,
    by: 'ann@host',
  });
  try {
    return await body(client);
  } finally {
    await client.close();
  }
}

const sentences = (events: readonly ClusterEvent[]): string[] =>
  events.map(({ message, by, reason }) => [message, by, reason].filter(Boolean).join(' | '));

describe('src/workflows/cluster: events', () => {
  it('keeps what happened and who did it, over continue-as-new, and a reader misses and repeats nothing', () =>
    harness.withWorker((cluster) =>
      withClient(cluster, async (client) => {
        await cluster.apply(clusterSpec(['w-1', 'w-2'], {}, cluster.name));
        const feed = new EventFeed((request) => client.events(cluster.name, request));
        const followed: ClusterEvent[] = [];
        const follow = async (): Promise<void> => {
          for (const item of await feed.next()) if ('event' in item) followed.push(item.event);
        };
        await follow();
        const release = cluster.nodes.hold('w-1', 'apply');
        await client.patch(cluster.name, { reason: 'CVE-1' });
        await cluster.untilPatching('w-1');
        await client.pause(cluster.name, { reason: 'freeze' });
        await follow();
        release();
        await cluster.until('the run is paused', ({ run }) => run?.state === 'paused');
        await follow();
        await cluster.handle.signal('patchNow');
        await client.resume(cluster.name, { reason: 'over' });
        await cluster.untilIdle(1);
        await follow();
        // After a run, the cluster continues as new.
        await client.steer(cluster.name, 'lock', { node: 'w-2', reason: 'incident 4711' });
        await follow();
        const { events, life } = await client.events(cluster.name);
        const told = sentences(events);
        for (const sentence of [
          `apply: cluster created | ${process.pid}@${hostname()}`,
          'patch: run 1 | ann@host | CVE-1',
          'run 1 started (on-demand) with 2 nodes | ann@host | CVE-1',
          'pause: no run and no node is started until a resume | ann@host | freeze',
          'run 1 suspended: paused by ann@host (freeze)',
          'resume: runs and nodes are started again | ann@host | over',
          'run 1 resumed: 1 of 2 done',
          'run 1 succeeded: 2 patched',
          'lock: no run patches w-2 until it is unlocked | ann@host | incident 4711',
        ])
          expect(told).toContain(sentence);
        expect(told).toContainEqual(
          expect.stringMatching(/^patch rejected: the cluster is paused by ann@host .*\| \d+@/),
        );
        expect(followed).toEqual(events);
        const { createdAt } = await cluster.status();
        expect(life).toBe(createdAt);
        const history = await client.history(cluster.name);
        expect(history.requests.map(({ request, by }) => [request, by])).toEqual([
          ['applySpec', `${process.pid}@${hostname()}`],
          ...['patchNow', 'pause', 'resume', 'lock'].map((request) => [request, 'ann@host']),
        ]);
      }),
    ));

  it('keeps who has released which node, although the request goes to the node patch', () =>
    harness.withWorker(async (cluster) => {
      const ends = cluster.nodes.hold('w-1', 'apply');
      cluster.nodes.node('w-1').endlessTransaction = 'forever';
      await cluster.apply(clusterSpec(['w-1'], {}, cluster.name));
      await cluster.handle.signal('patchNow');
      await cluster.until(
        'the node is applied',
        () => cluster.nodes.log.filter((step) => step === 'apply w-1').length > 1,
      );
      const patch = harness.env.client.workflow.getHandle(nodeWorkflowId(cluster.name, 'w-1'));
      await patch.executeUpdate(releaseUpdate, { args: [{ by: 'ann', reason: 'dpkg hangs' }] });
      ends();
      await cluster.untilIdle(1);
      await withClient(cluster, async (client) => {
        const { events } = await client.events(cluster.name);
        expect(events.find(({ request }) => request === 'release')).toMatchObject({
          ...{ by: 'ann', reason: 'dpkg hangs', run: 1, nodes: ['w-1'] },
          message: 'release: the wait for w-1 in its step apply was ended',
        });
      });
    }));
});
