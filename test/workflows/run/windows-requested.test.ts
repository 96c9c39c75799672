/** Runs that are requested, or owed to new nodes, beside maintenance windows and blackouts. */
import { createEksActivities } from '../../../src/activities/eks';
import type { CancelRunAnswer, PatchNowAnswer, StatusPage } from '../../../src/domain/cluster/messages';
import type { EksSpec } from '../../../src/domain/spec/types';
import { STOP_ON_FAILURE, rollout } from '../../support/builders';
import { EksServer, simulateCredentials } from '../../support/eks-server';
import { nodesOf } from '../../support/members';
import { disagreements } from '../../support/run-records';
import type { TestCluster } from '../harness';
import { harnessPerTest } from '../harness-per-test';
import {
  NIGHTLY,
  NODES,
  count,
  explain,
  isSuspended,
  passTo,
  passUntil,
  replay,
  tryAgainAfter,
  unscheduled,
  windowSpec as spec,
  windowsOf,
  withSlowNodesOn,
} from './windowed-fleet';

const harness = harnessPerTest();

const withSlowNodes = withSlowNodesOn(harness);
const isIdle = ({ run }: StatusPage): boolean => run === null;

function patch(cluster: TestCluster, message: object): Promise<PatchNowAnswer> {
  return cluster.handle.executeUpdate('patchNow', { args: [{ by: 'ann', ...message }] });
}

function cancel(cluster: TestCluster): Promise<CancelRunAnswer> {
  return cluster.handle.executeUpdate('cancelRun', { args: [{ by: 'ann' }] });
}

async function inHours(cluster: TestCluster, hours: number): Promise<string> {
  return new Date((await cluster.env.currentTimeMs()) + hours * 3_600_000).toISOString();
}

describe('src/domain/cluster/requests: while a run is suspended', () => {
  it('sets the run aside for one that ignores windows, and takes it up again in a history of its own', () =>
    withSlowNodes(async (cluster) => {
      await cluster.apply(spec(cluster));
      await passUntil(cluster, 'the first window is over', isSuspended);
      const { runId } = await cluster.handle.describe();
      expect(await patch(cluster, { nodes: ['w-5'], ignoreWindow: true })).toMatchObject({ run: 2, started: true });
      const during = await passUntil(cluster, 'run 2 is in progress', ({ run }) => run?.number === 2, '1 minute');
      expect(during).toMatchObject({
        queued: [{ run: 1, state: 'set-aside', after: 2 }],
        run: { state: 'running', total: 1 },
      });
      const after = await passUntil(cluster, 'run 1 is back', ({ run }) => run?.number === 1, '1 minute');
      expect(after).toMatchObject({ lastRun: { number: 2, outcome: 'succeeded', patched: 1 } });
      expect(after).toMatchObject({ run: { state: 'suspended', done: 2, total: 5 } });
      expect(after.queued).toEqual([]);
      expect(count(after, 'waiting')).toBe(3);
      expect((await cluster.handle.describe()).runId).not.toBe(runId);
      const { lastRun } = await passUntil(cluster, 'run 1 has ended', isIdle);
      expect(lastRun).toMatchObject({ number: 1, outcome: 'succeeded', patched: 4, upToDate: 1 });
      expect((await windowsOf(cluster)).slice(0, 2)).toEqual(['run 1', 'continues run 1']);
      expect(NODES.map((name) => cluster.nodes.node(name).applies)).toEqual([1, 1, 1, 1, 1]);
      await replay(cluster);
    }));

  it('cancels a run that was set aside together with the one in progress', () =>
    withSlowNodes(async (cluster) => {
      await cluster.apply(spec(cluster));
      await passUntil(cluster, 'the first window is over', isSuspended);
      await patch(cluster, { nodes: ['w-5'], ignoreWindow: true });
      await passUntil(cluster, 'run 2 is in progress', ({ run }) => run?.number === 2, '1 minute');
      await cluster.env.sleep('1 minute');
      expect(await cancel(cluster)).toEqual({ run: 2, followUp: null, setAside: 1 });
      const { lastRun } = await passUntil(cluster, 'both are over', isIdle, '1 minute');
      expect(lastRun).toMatchObject({ number: 1, outcome: 'cancelled', patched: 2, cancelledBy: { by: 'ann' } });
      for (const run of [1, 2]) expect(await disagreements(cluster, run)).toEqual([]);
      await cluster.env.sleep('1 minute');
      expect(await cluster.status()).toMatchObject({ run: null, state: 'idle' });
    }));

  it('ends a run at its greatest age while it is set aside, and the other one goes on', () =>
    withSlowNodes(async (cluster) => {
      await cluster.apply(spec(cluster, { maxRunAge: '1d' }));
      await passUntil(cluster, 'the first window is over', isSuspended);
      const started = (await cluster.status()).run?.startedAt ?? '';
      const leftMs = Date.parse(started) + 86_400_000 - (await cluster.env.currentTimeMs());
      await cluster.env.sleep(leftMs - 600_000);
      await patch(cluster, { nodes: ['w-5'], ignoreWindow: true });
      const during = await passUntil(cluster, 'run 2 is in progress', ({ run }) => run?.number === 2, '1 minute');
      expect(during.queued).toMatchObject([{ run: 1, state: 'set-aside', expiresAt: expect.any(String) }]);
      const after = await passUntil(cluster, 'run 1 has expired', ({ queued }) => queued.length === 0, '1 minute');
      expect(after).toMatchObject({ run: { number: 2 }, lastRun: { number: 1, outcome: 'expired', notTried: 3 } });
      expect(count(after, 'not-tried')).toBe(2);
      const ended = await passUntil(cluster, 'run 2 has ended', ({ lastRun }) => lastRun?.number === 2, '1 minute');
      expect(ended.lastRun).toMatchObject({ outcome: 'succeeded', patched: 1 });
      expect(await disagreements(cluster, 1)).toEqual([]);
      await replay(cluster);
    }));

  it('takes over what a new spec restricts while it is set aside', () =>
    withSlowNodes(async (cluster) => {
      // Four of them are patched in the first window.
      const names = [...NODES, 'w-6'];
      await cluster.apply(spec(cluster, { rollout: rollout({ concurrency: 2 }) }, names));
      await passUntil(cluster, 'the first window is over', isSuspended);
      await patch(cluster, { nodes: ['w-1'], ignoreWindow: true });
      await passUntil(cluster, 'run 2 is in progress', ({ run }) => run?.number === 2, '1 minute');
      await cluster.apply(spec(cluster, { rollout: rollout({ concurrency: 1 }) }, names));
      await expect(cluster.handle.executeUpdate('skip', { args: [{ node: 'w-6' }] })).resolves.toEqual({
        ...{ effect: 'w-6 is left out of run 1', run: 1 },
      });
      const after = await passUntil(cluster, 'run 1 is back', ({ run }) => run?.number === 1, '1 minute');
      expect(after.run?.detail?.limits).toMatchObject({ concurrency: 1 });
    }));

  it('ends with its cluster while it is set aside', () =>
    withSlowNodes(async (cluster) => {
      await cluster.apply(spec(cluster));
      await passUntil(cluster, 'the first window is over', isSuspended);
      await patch(cluster, { nodes: ['w-5'], ignoreWindow: true });
      await passUntil(cluster, 'run 2 is in progress', ({ run }) => run?.number === 2, '1 minute');
      await cluster.handle.executeUpdate('remove', { args: [{ by: 'ann' }] });
      expect(await cluster.handle.result()).toMatchObject({ run: null, lastRun: { number: 1, outcome: 'cancelled' } });
    }));
});

describe('src/domain/cluster/requests: with conditions', () => {
  it('starts a run at the time before which it was not to start', () =>
    withSlowNodes(async (cluster) => {
      await cluster.apply(unscheduled(spec(cluster)));
      const notBefore = await inHours(cluster, 5);
      expect(await patch(cluster, { nodes: ['w-1'], notBefore })).toMatchObject({ run: 1, started: false });
      expect(await explain(cluster)).toContain(
        `run 1 is queued: requested by ann, waits for ${notBefore}, before which it was not to start, since `,
      );
      await cluster.env.sleep('290 minutes');
      expect(await cluster.status()).toMatchObject({ run: null, queued: [{ run: 1, by: 'ann', notBefore }] });
      const { lastRun } = await passUntil(cluster, 'run 1 has ended', ({ lastRun: one }) => one !== null, '1 minute');
      expect(lastRun).toMatchObject({ number: 1, outcome: 'succeeded', patched: 1 });
      expect(Math.abs(Date.parse(lastRun?.startedAt ?? '') - Date.parse(notBefore))).toBeLessThan(60_000);
    }));

  it('starts a run in the first window after that time', () =>
    withSlowNodes(async (cluster) => {
      await cluster.apply(spec(cluster));
      await passTo(cluster, 1, 0);
      await patch(cluster, { nodes: ['w-1'], notBefore: await inHours(cluster, 5) });
      const { run } = await passUntil(cluster, 'run 1 is in progress', (one) => one.run?.number === 1);
      expect(run?.startedAt).toMatch(/T02:/);
      const now = await cluster.env.currentTimeMs();
      expect(now - Date.parse(run?.startedAt ?? '')).toBeLessThan(3_600_000);
    }));

  it('ends a run at its deadline as expired, after the node in work', () =>
    withSlowNodes(async (cluster) => {
      await cluster.apply(spec(cluster));
      await passTo(cluster, 12, 0);
      const deadline = await inHours(cluster, 1);
      await patch(cluster, { ignoreWindow: true, deadline });
      const { lastRun } = await passUntil(cluster, 'the run is over', (one) => (one.lastRun?.number ?? 0) >= 1);
      expect(lastRun).toMatchObject({ outcome: 'expired', patched: 2, notTried: 3 });
      const { nodes } = await cluster.status();
      expect(nodesOf(nodes)[4]?.lastError?.message).toBe(
        `run ${lastRun?.number} expired before this node: its deadline of ${deadline} has passed`,
      );
    }));

  it('ends a request whose deadline passes before its window as expired', () =>
    withSlowNodes(async (cluster) => {
      await cluster.apply(spec(cluster));
      await passTo(cluster, 12, 0);
      const deadline = await inHours(cluster, 2);
      const answer = await patch(cluster, { deadline });
      expect(answer).toMatchObject({ started: false, waitsFor: expect.stringContaining('the maintenance window of') });
      const { lastRun } = await passUntil(cluster, 'it has expired', (one) => (one.lastRun?.number ?? 0) >= answer.run);
      expect(lastRun).toMatchObject({ number: answer.run, outcome: 'expired', patched: 0, notTried: 5 });
      expect(lastRun?.error?.message).toBe(`run ${answer.run} could not start before its deadline of ${deadline}`);
    }));
});

describe('src/domain/cluster/decide: blackouts and windows', () => {
  it('patches a node that joins during a blackout after its end, and says so', () =>
    withSlowNodes(async (cluster) => {
      const now = await cluster.env.currentTimeMs();
      const [from = '', to = ''] = [1, 5].map((hours) => new Date(now + hours * 3_600_000).toISOString().slice(0, 16));
      const patching = { patchOnBoot: true, blackouts: [{ from, to, reason: 'audit' }] };
      const of = (names: string[]) => unscheduled(spec(cluster, patching, names));
      await cluster.apply(of(['w-1']));
      await passUntil(
        cluster,
        'the first node is patched',
        ({ run, lastRun }) => run === null && lastRun !== null,
        '1 minute',
      );
      await cluster.env.sleep('2 hours');
      await cluster.apply(of(['w-1', 'w-2']));
      await cluster.env.sleep('1 hour');
      expect(await cluster.status()).toMatchObject({ run: null, lastRun: { number: 1 } });
      expect(await explain(cluster)).toMatch(
        /^the boot patch of w-\d has not begun: 1 node that has joined the cluster waits for the end of a blackout until .* \(audit\)$/,
      );
      const { lastRun } = await passUntil(cluster, 'it is patched', (one) => one.lastRun?.number === 2);
      expect(lastRun).toMatchObject({ trigger: 'boot', total: 1, patched: 1 });
      expect(Date.parse(lastRun?.startedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(`${to}:00Z`));
      expect(cluster.nodes.node('w-2').applies).toBe(1);
    }));

  it('starts no node group after the end of the window, and goes on with the next one in the next window', async () => {
    const restore = simulateCredentials();
    const eks = await EksServer.start();
    try {
      for (const name of ['blue', 'green', 'red']) eks.addGroup(name);
      const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
      const real = createEksActivities({ log: quiet });
      const slow: typeof real = {
        ...real,
        followNodegroupUpdate: (input) => {
          tryAgainAfter('25 minutes', 3);
          return real.followNodegroupUpdate(input);
        },
      };
      await harness().withWorker(async (cluster) => {
        const own: EksSpec = {
          ...{ apiVersion: 'ospatch/v1', name: cluster.name, type: 'eks' },
          eks: {
            ...{ region: 'eu-central-1', cluster: eks.cluster, nodeGroups: 'all' },
            ...{ force: false, endpoint: eks.endpoint },
          },
          patching: {
            timeZone: 'UTC',
            rollout: STOP_ON_FAILURE,
            maxRunAge: '14d',
            schedule: [{ ...NIGHTLY, cutoff: '30m' }],
          },
        };
        await cluster.apply(own);
        const suspended = await passUntil(cluster, 'the first window is over', isSuspended);
        expect(suspended.run).toMatchObject({ number: 1, done: 1, total: 3 });
        expect(eks.count('UpdateNodegroupVersion')).toBe(1);
        const { lastRun } = await passUntil(cluster, 'the run has ended', isIdle);
        expect(lastRun).toMatchObject({ number: 1, outcome: 'succeeded', patched: 3 });
        expect((await windowsOf(cluster)).slice(0, 3)).toEqual(['run 1', 'continues run 1', 'continues run 1']);
        expect(eks.count('UpdateNodegroupVersion')).toBe(3);
      }, slow);
    } finally {
      await eks.stop();
      restore();
    }
  });
});
