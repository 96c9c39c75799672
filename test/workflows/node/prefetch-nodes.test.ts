/** The prefetch of packages before a window; nodes are simulated, time is skipped. */
import { clusterSpec } from '../../support/builders';
import { Harness } from '../harness';
import { nodesOf } from '../../support/members';

let harness: Harness;

beforeAll(async () => {
  harness = await Harness.start();
});
afterAll(() => harness.stop());

const SCHEDULE = { preset: 'weekly', startWithin: '1h' } as const;

describe('src/workflows/node/prefetch-nodes', () => {
  it('downloads on all nodes before the window, reports failures, and leaves the patch to the window', () =>
    harness.withWorker(async (cluster) => {
      cluster.nodes.node('w-2').prefetchErrors = [{ type: 'Repository', message: 'the mirror is gone' }];
      const patching = { prefetch: { beforeWindow: '6h' }, schedule: SCHEDULE };
      await cluster.apply(clusterSpec(['w-1', 'w-2'], patching, cluster.name));
      const { nextWindow } = await cluster.status();
      const untilPrefetch = Date.parse(nextWindow ?? '') - 5 * 3_600_000 - (await cluster.env.currentTimeMs());
      await cluster.env.sleep(untilPrefetch);
      expect(cluster.nodes.log.toSorted()).toEqual(['prefetch w-1', 'prefetch w-2', 'preflight w-1', 'preflight w-2']);
      const { nodes, nextWindow: stillNext } = await cluster.status();
      expect(stillNext).toBe(nextWindow);
      expect(nodes.map(({ warnings }) => warnings.map(({ kind }) => kind))).toEqual([[], ['prefetch-failed']]);
      expect(nodes[1]?.warnings[0]?.message).toContain('the mirror is gone');
      await cluster.env.sleep('6 hours');
      expect(await cluster.untilIdle(1)).toMatchObject({ lastRun: { trigger: 'schedule', outcome: 'succeeded' } });
      expect((await cluster.status()).nodes.flatMap(({ warnings }) => warnings)).toEqual([]);
    }));

  it('keeps the facts of the nodes: services with replaced code stay named', () =>
    harness.withWorker(async (cluster) => {
      Object.assign(cluster.nodes.node('w-1'), { pending: [], outdated: ['web.service'] });
      const patching = { prefetch: { beforeWindow: '7d' }, schedule: SCHEDULE };
      await cluster.apply(clusterSpec(['w-1'], patching, cluster.name));
      await cluster.until('the facts of w-1 are refreshed', ({ nodes }) => nodesOf(nodes)[0]?.pendingUpdates === 0);
      expect(cluster.nodes.log).not.toContain('prefetch w-1');
      expect((await cluster.status()).nodes[0]).toMatchObject({ restartRequired: true });
      await cluster.handle.signal('patchNow');
      await cluster.untilIdle(1);
      expect((await cluster.status()).nodes[0]).toMatchObject({ state: 'restart-pending', restartRequired: true });
    }));
});
