/** Runs in maintenance windows that end: suspended in between, extended, expired, cancelled and removed. */
import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { EventsPage } from '../../../src/domain/cluster/event-pages';
import { rollout } from '../../support/builders';
import { nodesOf } from '../../support/members';
import type { TestCluster } from '../harness';
import { harnessPerTest } from '../harness-per-test';
import {
  NIGHTLY,
  NODES,
  count,
  isSuspended,
  passUntil,
  replay,
  slowly,
  windowsOf,
  windowSpec as spec,
  withSlowNodesOn,
} from './windowed-fleet';

const harness = harnessPerTest();

const withSlowNodes = withSlowNodesOn(harness);

describe('src/workflows/run: in windows that end', () => {
  it('goes on in the next windows under its number, with its place, as its history says', async () => {
    const cluster = harness().newCluster();
    try {
      await harness().withWorkerFor(
        cluster,
        async () => {
          await cluster.apply(spec(cluster));
          const first = await passUntil(cluster, 'the first window is over', isSuspended);
          expect(first).toMatchObject({ state: 'waiting', run: { number: 1, done: 2, total: 5 } });
          expect(await cluster.handle.query('explain')).toMatch(
            /^run 1 is suspended after 2 of 5: .*; the run goes on at .*T02:00:00Z and is forecast to need 1h1\dm, longer than the window of 1h, since .*, until .*T02:00:00Z$/,
          );
          await passUntil(cluster, 'the second window is over', (one) => isSuspended(one) && one.run?.done === 4);
          const { lastRun } = await passUntil(cluster, 'the run has ended', ({ run }) => run === null);
          expect(lastRun).toMatchObject({ number: 1, outcome: 'succeeded', patched: 5 });
          expect((await windowsOf(cluster)).slice(0, 3)).toEqual(['run 1', 'continues run 1', 'continues run 1']);
          expect(await closedWindows(cluster)).toEqual((await startedWindows(cluster)).slice(0, 2));
          expect(NODES.map((name) => cluster.nodes.node(name).applies)).toEqual([1, 1, 1, 1, 1]);
          const { nodes } = await cluster.status();
          expect(
            nodesOf(nodes).map(({ recentPatchSeconds = [] }) => Math.round((recentPatchSeconds[0] ?? 0) / 60)),
          ).toEqual(NODES.map(() => 25));
          await replay(cluster);
        },
        slowly(cluster),
      );
    } finally {
      await cluster.handle.terminate().catch(() => undefined);
    }
  });

  it('gives up a run that is older than its greatest age, and starts a new one in the next window', () =>
    withSlowNodes(async (cluster) => {
      const schedule = [{ ...NIGHTLY, cron: '0 2 * * SUN' }];
      await cluster.apply(spec(cluster, { schedule, maxRunAge: '3d' }));
      await passUntil(cluster, 'the first window is over', isSuspended, '6 hours');
      const { lastRun } = await passUntil(cluster, 'the run is over', ({ run }) => run === null, '6 hours');
      expect(lastRun).toMatchObject({ number: 1, outcome: 'expired', patched: 2, notTried: 3 });
      const { nodes } = await cluster.status();
      expect(nodesOf(nodes)[4]?.lastError?.message).toBe(
        'run 1 expired before this node: it was started 3d ago (patching.maxRunAge)',
      );
      const next = await passUntil(cluster, 'the next window is over', isSuspended, '6 hours');
      expect(next.run).toMatchObject({ number: 2 });
    }));

  it('is cancelled, skipped, retried and paused while it is suspended', () =>
    withSlowNodes(async (cluster) => {
      await cluster.apply(spec(cluster));
      await passUntil(cluster, 'the first window is over', isSuspended);
      await cluster.handle.executeUpdate('skip', { args: [{ node: 'w-5' }] });
      await cluster.handle.executeUpdate('pause', { args: [{ by: 'ann' }] });
      // A window passes while the cluster is paused.
      await cluster.env.sleep('25 hours');
      expect((await cluster.status()).run).toMatchObject({ state: 'paused', done: 2 });
      await cluster.handle.executeUpdate('resume', { args: [{}] });
      const { lastRun } = await passUntil(cluster, 'the run is over', ({ run }) => run === null);
      expect(lastRun).toMatchObject({ number: 1, outcome: 'succeeded', patched: 4, skipped: 1 });
      expect((await windowsOf(cluster)).slice(0, 3)).toEqual(['run 1', 'missed (paused)', 'continues run 1']);
    }));

  it('ends when it is cancelled or its cluster is removed while it is suspended', () =>
    withSlowNodes(async (cluster) => {
      await cluster.apply(spec(cluster));
      await passUntil(cluster, 'the first window is over', isSuspended);
      await cluster.handle.executeUpdate('cancelRun', { args: [{ by: 'ann' }] });
      const { lastRun } = await cluster.untilIdle(1);
      expect(lastRun).toMatchObject({ outcome: 'cancelled', patched: 2, notTried: 3 });
      await passUntil(cluster, 'the second window is over', isSuspended);
      await cluster.handle.executeUpdate('remove', { args: [{ by: 'ann' }] });
      await cluster.handle.result();
    }));

  it('goes on at once as far as a node that is skipped or removed was the last', () =>
    withSlowNodes(async (cluster) => {
      await cluster.apply(spec(cluster, {}, ['w-1', 'w-2', 'w-3']));
      await passUntil(cluster, 'the first window is over', isSuspended);
      await cluster.apply(spec(cluster, {}, ['w-1', 'w-2']));
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', patched: 2, skipped: 1 });
    }));

  it('takes over what a new spec restricts, and nothing else', () =>
    withSlowNodes(async (cluster) => {
      await cluster.apply(spec(cluster, { rollout: rollout({ concurrency: 2 }) }));
      const first = await passUntil(cluster, 'the first window is over', isSuspended);
      expect(first.run?.done).toBe(4);
      await cluster.apply(spec(cluster, { rollout: rollout({ concurrency: 5, maxFailures: 3 }) }));
      expect((await cluster.status()).run?.detail?.limits).toMatchObject({ concurrency: 2, maxFailures: 0 });
      await cluster.apply(spec(cluster, { rollout: rollout({ concurrency: 1 }) }));
      expect(await cluster.status()).toMatchObject({
        ...{ state: 'waiting', run: { state: 'suspended', detail: { limits: { concurrency: 1, maxFailures: 0 } } } },
        explanation: expect.stringMatching(/^run 1 is suspended after 4 of 5: its window ended at /),
      });
    }));

  it('leaves a node that waits when the window ends for the next one', () =>
    harness().withWorker(
      async (cluster) => {
        await cluster.apply(spec(cluster, {}, ['w-1']));
        const suspended = await passUntil(cluster, 'the window is over', isSuspended);
        expect(count(suspended, 'waiting')).toBe(1);
        expect(cluster.nodes.node('w-1').applies).toBe(0);
        const { lastRun } = await passUntil(cluster, 'the run is over', ({ run }) => run === null);
        expect(lastRun).toMatchObject({ number: 1, outcome: 'succeeded', patched: 1 });
        expect(cluster.nodes.node('w-1').applies).toBe(1);
      },
      { preflight: waitingPreflight() },
    ));

  async function messages(cluster: TestCluster): Promise<string[]> {
    const { events } = await cluster.handle.query<EventsPage>('events');
    return events.map(({ message }) => message);
  }

  async function closedWindows(cluster: TestCluster): Promise<string[]> {
    return (await messages(cluster)).flatMap((one) => /^window of (\S+) closed$/.exec(one)?.[1] ?? []);
  }

  async function startedWindows(cluster: TestCluster): Promise<string[]> {
    return (await messages(cluster)).flatMap((one) => /^window of (\S+): /.exec(one)?.[1] ?? []);
  }

  /** The first preflight of the node waits for two hours, for a lock of another program. */
  function waitingPreflight(): (input: never) => Promise<unknown> {
    const { preflight } = harness().newCluster().activities();
    let begun: string | undefined;
    return (input) => {
      const { workflowExecution, attempt } = Context.current().info;
      begun ??= workflowExecution?.runId;
      if (begun === workflowExecution?.runId && attempt < 3)
        throw ApplicationFailure.create({ message: 'waiting for a lock', nextRetryDelay: '65 minutes' });
      return preflight(input);
    };
  }
});
