/** Maintenance windows that are extended, joined, moved or taken away while a run is in progress. */
import { WorkflowUpdateFailedError } from '@temporalio/client';
import type { SteeringAnswer } from '../../../src/domain/cluster/steering';
import type { TestCluster } from '../harness';
import { harnessPerTest } from '../harness-per-test';
import {
  NIGHTLY,
  explain,
  isSuspended,
  passTo,
  passUntil,
  unscheduled,
  windowSpec as spec,
  windowsOf,
  withSlowNodesOn,
} from './windowed-fleet';

const harness = harnessPerTest();

const withSlowNodes = withSlowNodesOn(harness);

function extend(cluster: TestCluster, message: object): Promise<SteeringAnswer> {
  return cluster.handle.executeUpdate('extendWindow', { args: [{ by: 'ann', ...message }] });
}

/** The sentence with which the extension is refused. */
async function refusal(cluster: TestCluster, message: object): Promise<string> {
  const failure: unknown = await extend(cluster, message).catch((one: unknown) => one);
  if (failure instanceof WorkflowUpdateFailedError) return failure.cause?.message ?? '';
  throw new Error(`not refused: ${JSON.stringify(failure)}`);
}

describe('src/domain/cluster/extend-window', () => {
  it('lets a run start nodes for longer, and refuses what extends nothing', () =>
    withSlowNodes(async (cluster) => {
      await cluster.apply(spec(cluster));
      expect(await refusal(cluster, { duration: '1h' })).toMatch(
        /^no maintenance window is open, and the next one begins at .*T02:00:00Z; `ospatch patch .* --ignore-window` starts/,
      );
      await passTo(cluster, 2, 10);
      expect(await refusal(cluster, {})).toMatch(/^send /);
      const now = new Date(await cluster.env.currentTimeMs()).toISOString();
      expect(await refusal(cluster, { until: now })).toMatch(/ends at .*T03:00:00.* anyway; allowed: a later moment$/);
      const answer = await extend(cluster, { duration: '30m' });
      expect(answer.run).toBe(1);
      expect(answer.effect).toMatch(
        /^the window of .*T02:00:00Z ends at .*T03:30:00.* instead of .*T03:00:00.*; run 1 starts nodes that are forecast to end by then$/,
      );
      expect((await passUntil(cluster, 'the window is over', isSuspended, '1 minute')).run?.done).toBe(3);
      // The next window is as long as the schedule says.
      const { lastRun } = await passUntil(cluster, 'the run has ended', ({ run }) => run === null);
      expect(lastRun).toMatchObject({ number: 1, outcome: 'succeeded', patched: 5 });
    }));

  it('lets a run go on that is suspended because no node fits into what is left', () =>
    withSlowNodes(async (cluster) => {
      await cluster.apply(spec(cluster));
      await passTo(cluster, 2, 30);
      const suspended = await passUntil(cluster, 'no node fits', isSuspended, '1 minute');
      expect(suspended.run?.done).toBe(2);
      expect((await extend(cluster, { duration: '10m' })).effect).toMatch(
        /; run 1 stays suspended: no node is forecast to end by then, and the shortest takes 2[56]m$/,
      );
      expect((await extend(cluster, { duration: '30m' })).effect).toMatch(
        /; run 1 starts nodes that are forecast to end by then$/,
      );
      await passTo(cluster, 3, 10);
      expect((await cluster.status()).run).toMatchObject({ state: 'running', done: 2 });
      expect((await passUntil(cluster, 'the window is over', isSuspended, '1 minute')).run?.done).toBe(3);
    }));

  it('moves the cutoff with the end', () =>
    withSlowNodes(async (cluster) => {
      await cluster.apply(spec(cluster, { schedule: [{ ...NIGHTLY, cutoff: '30m' }] }));
      await passTo(cluster, 2, 10);
      expect((await extend(cluster, { duration: '1h' })).effect).toMatch(/; run 1 starts nodes until .*T03:30:00/);
      // Started at 02:00, 02:25, 02:50 and 03:15; the cutoff is at 03:30.
      expect((await passUntil(cluster, 'the window is over', isSuspended, '1 minute')).run?.done).toBe(4);
    }));

  it('does not promise what a pause, a deadline or a blackout keeps the run from', () =>
    withSlowNodes(async (cluster) => {
      await cluster.apply(spec(cluster));
      await passTo(cluster, 2, 5);
      await cluster.handle.executeUpdate('pause', { args: [{ by: 'ann' }] });
      expect(await extend(cluster, { duration: '10m' })).toMatchObject({
        effect: expect.stringMatching(/; run 1 is paused by ann$/),
      });
      await cluster.handle.executeUpdate('resume', { args: [{ by: 'ann' }] });
      const now = await cluster.env.currentTimeMs();
      const [from = '', to = ''] = [1, 3].map((hours) => new Date(now + hours * 3_600_000).toISOString().slice(0, 16));
      await cluster.apply(spec(cluster, { blackouts: [{ from, to, reason: 'audit' }] }));
      await passTo(cluster, 2, 20);
      expect((await extend(cluster, { duration: '2h' })).effect).toMatch(
        /; run 1 starts no node after .*T03:0\d:.*: a blackout begins then \(audit\)$/,
      );
    }));
});

describe('src/domain/cluster/run-window', () => {
  it('goes on through two windows that overlap', () =>
    withSlowNodes(async (cluster) => {
      const later = { ...NIGHTLY, cron: '30 2 * * *', duration: '2h' };
      await cluster.apply(spec(cluster, { schedule: [NIGHTLY, later] }));
      await passTo(cluster, 3, 50);
      expect((await cluster.status()).run).toMatchObject({ state: 'running', done: 4 });
      const { lastRun } = await passUntil(cluster, 'the run has ended', ({ run }) => run === null, '1 minute');
      expect(lastRun).toMatchObject({ number: 1, outcome: 'succeeded', patched: 5 });
      expect(new Date(await cluster.env.currentTimeMs()).toISOString()).toMatch(/T04:0/);
    }));

  it('is not ended by a shorter window inside of a longer one', () =>
    withSlowNodes(async (cluster) => {
      // Twice in the long one, so the windows are not joined.
      const short = { ...NIGHTLY, cron: '15 2-4 * * *', duration: '10m', startWithin: '10m' };
      await cluster.apply(spec(cluster, { schedule: [{ ...NIGHTLY, duration: '3h' }, short] }));
      await passTo(cluster, 3, 50);
      expect((await cluster.status()).run).toMatchObject({ state: 'running', done: 4 });
      const { lastRun } = await passUntil(cluster, 'the run has ended', ({ run }) => run === null, '1 minute');
      expect(lastRun).toMatchObject({ number: 1, outcome: 'succeeded', patched: 5 });
    }));

  it('stays suspended without a schedule, says so, and goes on in a window of the next one', () =>
    withSlowNodes(async (cluster) => {
      await cluster.apply(spec(cluster));
      await passUntil(cluster, 'the window is over', isSuspended);
      await cluster.apply(unscheduled(spec(cluster)));
      expect(await explain(cluster)).toMatch(
        /^run 1 is suspended after 2 of 5: .*; the spec has no schedule any more, so nothing says when the run goes on; `ospatch cancel t-\w+` ends it, and it expires at .*Z; next: ospatch cancel t-\w+$/,
      );
      expect(await cluster.status()).toMatchObject({ state: 'waiting', run: { state: 'suspended' } });
      await cluster.env.sleep('2 days');
      expect(await cluster.status()).toMatchObject({ nextWindow: null, run: { state: 'suspended', done: 2 } });
      await cluster.apply(spec(cluster, { schedule: [{ ...NIGHTLY, duration: '2h' }] }));
      const { lastRun } = await passUntil(cluster, 'the run has ended', ({ run }) => run === null);
      expect(lastRun).toMatchObject({ number: 1, outcome: 'succeeded', patched: 5 });
    }));

  it('expires without a schedule at its greatest age', () =>
    withSlowNodes(async (cluster) => {
      await cluster.apply(spec(cluster, { maxRunAge: '3d' }));
      await passUntil(cluster, 'the window is over', isSuspended);
      await cluster.apply(unscheduled(spec(cluster, { maxRunAge: '3d' })));
      const { lastRun } = await passUntil(cluster, 'the run is over', ({ run }) => run === null, '6 hours');
      expect(lastRun).toMatchObject({ number: 1, outcome: 'expired', patched: 2, notTried: 3 });
    }));

  it('keeps its window when blackouts change in the middle of it', () =>
    withSlowNodes(async (cluster) => {
      await cluster.apply(spec(cluster));
      await passTo(cluster, 2, 10);
      const day = new Date((await cluster.env.currentTimeMs()) + 5 * 24 * 3_600_000).toISOString().slice(0, 10);
      const from = `${day}T00:00`;
      const to = `${day}T12:00`;
      await cluster.apply(spec(cluster, { blackouts: [{ from, to, reason: 'audit' }] }));
      await passTo(cluster, 2, 40);
      expect((await cluster.status()).run).toMatchObject({ state: 'running', done: 1 });
      const suspended = await passUntil(cluster, 'the window is over', isSuspended, '1 minute');
      expect(suspended.run?.done).toBe(2);
      expect(cluster.nodes.log.filter((one) => one === 'preflight w-2')).toHaveLength(1);
      await passTo(cluster, 2, 45);
      expect(await windowsOf(cluster)).toEqual(['run 1', 'continues run 1']);
    }));

  it('is interrupted by a blackout that is added in the middle of its window, and goes on after it', () =>
    withSlowNodes(async (cluster) => {
      const patching = { schedule: [{ ...NIGHTLY, duration: '4h' }] };
      await cluster.apply(spec(cluster, patching));
      await passTo(cluster, 2, 10);
      const day = new Date(await cluster.env.currentTimeMs()).toISOString().slice(0, 10);
      const blackouts = [{ from: `${day}T03:00`, to: `${day}T03:30`, reason: 'audit' }];
      await cluster.apply(spec(cluster, { ...patching, blackouts }));
      await passTo(cluster, 2, 15);
      expect(await refusal(cluster, { duration: '1h' })).toMatch(
        /^the window is interrupted by a blackout at .*T03:00:00.*, and goes on after it$/,
      );
      await passTo(cluster, 3, 10);
      expect(await cluster.status()).toMatchObject({ state: 'waiting', run: { state: 'suspended', done: 2 } });
      expect(await explain(cluster)).toMatch(
        /^run 1 is suspended after 2 of 5: a blackout is in force until .*T03:30:00Z \(audit\); the run goes on at .*T03:30/,
      );
      const { lastRun } = await passUntil(cluster, 'the run has ended', ({ run }) => run === null, '1 minute');
      expect(lastRun).toMatchObject({ number: 1, outcome: 'succeeded', patched: 5 });
      expect(new Date(await cluster.env.currentTimeMs()).toISOString()).toMatch(/T04:[45]/);
      expect(await windowsOf(cluster)).toEqual(['run 1']);
    }));

  it('leaves its window when the schedule changes, says so, and goes on in the next one', () =>
    withSlowNodes(async (cluster) => {
      await cluster.apply(spec(cluster));
      await passTo(cluster, 2, 10);
      await cluster.apply(spec(cluster, { schedule: [{ ...NIGHTLY, cron: '0 5 * * *' }] }));
      const suspended = await passUntil(cluster, 'the run is suspended', isSuspended, '1 minute');
      // The node whose packages were being changed is finished.
      expect(suspended.run?.done).toBe(1);
      expect(await explain(cluster)).toMatch(
        /^run 1 is suspended after 1 of 5: its window is no longer part of the schedule; the run goes on at .*T05:00:00Z/,
      );
      await passUntil(cluster, 'the next window is over', (one) => isSuspended(one) && one.run?.done === 3);
      expect(new Date(await cluster.env.currentTimeMs()).toISOString()).toMatch(/T05:|T06:/);
    }));
});
