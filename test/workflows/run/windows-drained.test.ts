/** What becomes of a node that is drained when its maintenance window ends. */
import type { DrainInput } from '../../../src/contract/activities/kubernetes';
import type { PreflightInput } from '../../../src/contract/activities/node';
import type { OnWindowEnd, SelfManagedSpec } from '../../../src/domain/spec/types';
import type { TestCluster } from '../harness';
import { harnessPerTest } from '../harness-per-test';
import { kubernetesPolicy } from '../simulated-kubernetes';
import { NIGHTLY, count, isSuspended, passTo, passUntil, tryAgainAfter, windowSpec, windowsOf } from './windowed-fleet';

const harness = harnessPerTest();

describe('src/workflows/node/window: a node that is drained when its window ends', () => {
  it('returns to service with back-out, waits, and is patched in the next window', () =>
    withSlowDrain('back-out', '30 minutes', async (cluster) => {
      await passTo(cluster, 2, 45);
      expect([...cluster.kubernetes.cordons.keys()]).toEqual(['w-1']);
      const suspended = await passUntil(cluster, 'the window is over', isSuspended, '1 minute');
      expect(new Date(await cluster.env.currentTimeMs()).toISOString()).toMatch(/T03:0[0-5]/);
      expect(suspended.run).toMatchObject({ number: 1, done: 0, total: 2 });
      expect(count(suspended, 'waiting')).toBe(2);
      expect(cluster.kubernetes.cordons.size).toBe(0);
      expect(cluster.nodes.log).toEqual(['preflight w-1', 'drainPreview w-1', 'cordon w-1', 'uncordon w-1']);
      expect(await cluster.record('w-1')).toMatchObject({ outcome: 'not-tried', error: { type: 'WindowOver' } });
      const { lastRun } = await passUntil(cluster, 'the run has ended', ({ run }) => run === null);
      expect(lastRun).toMatchObject({ number: 1, outcome: 'succeeded', patched: 2 });
      expect(await windowsOf(cluster)).toEqual(['run 1', 'continues run 1']);
      expect(['w-1', 'w-2'].map((name) => cluster.nodes.node(name).applies)).toEqual([1, 1]);
      expect(cluster.kubernetes.cordons.size).toBe(0);
    }));

  it('is patched with finish-node, and no other node is started', () =>
    withSlowDrain('finish-node', '30 minutes', async (cluster) => {
      const suspended = await passUntil(cluster, 'the window is over', isSuspended, '1 minute');
      expect(new Date(await cluster.env.currentTimeMs()).toISOString()).toMatch(/T03:1/);
      expect(suspended.run).toMatchObject({ number: 1, done: 1, total: 2 });
      expect(cluster.nodes.log).not.toContain('preflight w-2');
      expect([cluster.nodes.node('w-1').applies, cluster.kubernetes.cordons.size]).toEqual([1, 0]);
      // By now a node is forecast to take longer than the window.
      await cluster.apply(specWith('finish-node', '3h', cluster));
      const { lastRun } = await passUntil(cluster, 'the run has ended', ({ run }) => run === null);
      expect(lastRun).toMatchObject({ number: 1, outcome: 'succeeded', patched: 2 });
    }));

  it('returns to service with finish-node as well when its drain lasts for more than half an hour longer', () =>
    withSlowDrain('finish-node', '1 hour', async (cluster) => {
      await passTo(cluster, 3, 15);
      expect([...cluster.kubernetes.cordons.keys()]).toEqual(['w-1']);
      const suspended = await passUntil(cluster, 'the window is over', isSuspended, '1 minute');
      expect(new Date(await cluster.env.currentTimeMs()).toISOString()).toMatch(/T03:3[0-5]/);
      expect(count(suspended, 'waiting')).toBe(2);
      expect([cluster.nodes.node('w-1').applies, cluster.kubernetes.cordons.size]).toEqual([0, 0]);
    }));

  function specWith(onWindowEnd: OnWindowEnd, duration: string, cluster: TestCluster): SelfManagedSpec {
    const schedule = [{ ...NIGHTLY, duration }];
    return {
      ...windowSpec(cluster, { onWindowEnd, prefetch: 'off', schedule }, ['w-1', 'w-2']),
      kubernetes: kubernetesPolicy(),
    };
  }

  /** The first node is ready for its drain 40 minutes after the window has begun. */
  async function withSlowDrain(
    onWindowEnd: OnWindowEnd,
    drainTakes: '30 minutes' | '1 hour',
    body: (cluster: TestCluster) => Promise<void>,
  ): Promise<void> {
    const cluster = harness().newCluster();
    const { preflight, drain } = cluster.activities();
    const isFirst = new Set(['preflight', 'drain']);
    const slow = {
      preflight: (input: PreflightInput) => {
        if (isFirst.has('preflight')) tryAgainAfter('10 minutes', 4);
        isFirst.delete('preflight');
        return preflight(input);
      },
      drain: (input: DrainInput) => {
        if (isFirst.delete('drain')) tryAgainAfter(drainTakes, 1);
        return drain(input);
      },
    };
    try {
      await harness().withWorkerFor(
        cluster,
        async () => {
          await cluster.apply(specWith(onWindowEnd, '1h', cluster));
          await passUntil(cluster, 'the run has begun', ({ run }) => run !== null);
          await body(cluster);
        },
        slow,
      );
    } finally {
      await cluster.handle.terminate().catch(() => undefined);
    }
  }
});
