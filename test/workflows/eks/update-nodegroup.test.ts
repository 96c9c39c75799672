/** Clusters of type eks: the real workflows and activities, the real AWS SDK, and a simulated EKS API. */
import { createEksActivities } from '../../../src/activities/eks';
import type { ClusterHistory } from '../../../src/domain/cluster/messages';
import type { EksPolicy } from '../../../src/domain/eks/node-groups';
import type { EksPatching, EksSpec } from '../../../src/domain/spec/types';
import { EksServer, FAULTS, simulateCredentials } from '../../support/eks-server';
import { waitFor } from '../../support/wait-for';
import type { TestCluster } from '../harness';
import { Harness } from '../harness';
import { STOP_ON_FAILURE } from '../../support/builders';

let harness: Harness;
let eks: EksServer;
let restore: () => void;

beforeAll(async () => {
  restore = simulateCredentials();
  harness = await Harness.start('real');
});

afterAll(async () => {
  await harness.stop();
  restore();
});

beforeEach(async () => {
  eks = await EksServer.start();
});

afterEach(() => eks.stop());

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

function spec(cluster: TestCluster, policy: Partial<EksPolicy> = {}, patching: Partial<EksPatching> = {}): EksSpec {
  return {
    ...{ apiVersion: 'ospatch/v1', name: cluster.name, type: 'eks' },
    eks: {
      ...{ region: 'eu-central-1', cluster: eks.cluster, nodeGroups: 'all', force: false, endpoint: eks.endpoint },
      ...policy,
    },
    patching: { timeZone: 'UTC', rollout: STOP_ON_FAILURE, maxRunAge: '14d', ...patching },
  };
}

function withCluster(body: (cluster: TestCluster) => Promise<void>, on = harness): Promise<void> {
  return on.withWorker(async (cluster) => body(cluster), createEksActivities({ log: quiet }));
}

describe('src/workflows/eks/update-nodegroup', () => {
  it('updates every node group, one after the other, and records the release before and after', () =>
    withCluster(async (cluster) => {
      for (const name of ['green', 'blue', 'Red_1']) eks.addGroup(name);
      expect(await cluster.apply(spec(cluster))).toMatchObject({ result: 'created', notice: null });
      expect(await cluster.status()).toMatchObject({ state: 'idle', ready: true, nodes: [] });
      await cluster.handle.executeUpdate('patchNow', { args: [{ by: 'ann' }] });
      const status = await cluster.untilIdle(1);
      expect(status.lastRun).toMatchObject({ outcome: 'succeeded', trigger: 'on-demand', total: 3, patched: 3 });
      expect(status.nodes.map(({ name }) => name)).toEqual(['Red_1', 'blue', 'green']);
      expect(status.nodes[1]).toMatchObject({
        state: 'patched',
        patchedVersion: eks.latest,
        lastAppliedPatchTime: expect.any(String),
        ...{ kind: 'node-group', kubernetesVersion: '1.31', releaseBefore: '1.31.3-20250103', health: [] },
      });
      const asked = eks.calls.filter(({ action }) => action === 'UpdateNodegroupVersion');
      expect(asked.map(({ group }) => group)).toEqual(['Red_1', 'blue', 'green']);
      expect(asked.every(({ body }) => body['version'] === '1.31' && !('releaseVersion' in body))).toBe(true);
      expect(cluster.nodes.audit).toHaveLength(3);

      // Without a newer release: up-to-date, and the previous release stays on record.
      await cluster.handle.signal('patchNow', { nodes: ['blue'] });
      const again = await cluster.untilIdle(2);
      expect(again.lastRun).toMatchObject({ total: 1, upToDate: 1 });
      expect(again.nodes[1]).toMatchObject({
        state: 'up-to-date',
        lastAppliedPatchTime: status.nodes[1]?.lastAppliedPatchTime,
        releaseBefore: '1.31.3-20250103',
      });
    }));

  it('adds new node groups and drops deleted ones at the start of a run', () =>
    withCluster(async (cluster) => {
      eks.addGroup('blue');
      eks.addGroup('old');
      await cluster.apply(spec(cluster));
      await cluster.handle.signal('patchNow');
      await cluster.untilIdle(1);
      eks.groups.delete('old');
      eks.addGroup('young');
      await cluster.handle.signal('patchNow');
      const status = await cluster.untilIdle(2);
      expect(status.nodes.map(({ name, state }) => [name, state])).toEqual([
        ['blue', 'up-to-date'],
        ['young', 'patched'],
      ]);
    }));

  it('runs by its schedule', async () => {
    const skipping = await Harness.start('time-skipping');
    try {
      await withCluster(async (cluster) => {
        eks.addGroup('blue');
        await cluster.apply(spec(cluster, {}, { schedule: [{ preset: 'weekly', startWithin: '1h' }] }));
        await cluster.until('the window is known', ({ nextWindow }) => nextWindow !== null);
        await cluster.env.sleep('7 days');
        expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ trigger: 'schedule', patched: 1 });
      }, skipping);
    } finally {
      await skipping.stop();
    }
  });

  it('skips a group that must not be updated, and fails a named one', () =>
    withCluster(async (cluster) => {
      eks.addGroup('custom', { amiType: 'CUSTOM', launchTemplate: { name: 'lt-own', id: 'lt-1', version: '3' } });
      eks.addGroup('green');
      await cluster.apply(spec(cluster));
      await cluster.handle.signal('patchNow');
      const status = await cluster.untilIdle(1);
      expect(status.lastRun).toMatchObject({ outcome: 'succeeded', patched: 1, skipped: 1 });
      expect(status.nodes[0]).toMatchObject({
        state: 'skipped',
        lastError: { type: 'Policy', message: expect.stringContaining('custom AMI of its launch template lt-own') },
      });
      await cluster.handle.signal('patchNow', { nodes: ['custom'] });
      expect((await cluster.untilIdle(2)).lastRun).toMatchObject({ outcome: 'failed', failed: 1 });
      expect(eks.count('UpdateNodegroupVersion')).toBe(1);
    }));

  it('updates a group with a launch template only where the spec says so', () =>
    withCluster(async (cluster) => {
      eks.addGroup('blue', { launchTemplate: { name: 'eksctl-blue', id: 'lt-1', version: '1' } });
      await cluster.apply(spec(cluster));
      await cluster.handle.signal('patchNow');
      expect((await cluster.untilIdle(1)).nodes[0]).toMatchObject({
        state: 'skipped',
        lastError: { message: expect.stringContaining('launch template eksctl-blue') },
      });
      await cluster.apply(spec(cluster, { launchTemplates: true }));
      await cluster.handle.signal('patchNow');
      expect((await cluster.untilIdle(2)).lastRun).toMatchObject({ outcome: 'succeeded', patched: 1 });
    }));

  it('rejects a node group outside of the spec at once, and one unknown to AWS at the start of the run', () =>
    withCluster(async (cluster) => {
      eks.addGroup('blue');
      await cluster.apply(spec(cluster, { nodeGroups: ['blue'] }));
      expect((await cluster.status()).nodes).toMatchObject([{ name: 'blue', state: 'unknown' }]);
      await expect(cluster.handle.executeUpdate('patchNow', { args: [{ nodes: ['pink'] }] })).rejects.toMatchObject({
        cause: { message: 'no such node group: pink; the node groups are blue' },
      });
      await cluster.apply(spec(cluster));
      await cluster.handle.executeUpdate('patchNow', { args: [{ nodes: ['pink'] }] });
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({
        outcome: 'failed',
        total: 1,
        error: { message: 'the EKS cluster has no node group pink; its node groups are blue' },
      });
    }));

  it('ends a run that cannot list the node groups with the reason, and the next run succeeds', () =>
    withCluster(async (cluster) => {
      eks.addGroup('blue');
      await cluster.apply(spec(cluster));
      eks.fault = FAULTS.expired;
      await cluster.handle.signal('patchNow');
      const status = await cluster.untilIdle(1);
      expect(status.lastRun).toMatchObject({ outcome: 'failed', total: 0, error: { type: 'Aws' } });
      expect(status.lastRun?.error?.message).toContain('does not accept the credentials');
      eks.fault = null;
      await cluster.handle.signal('patchNow');
      expect((await cluster.untilIdle(2)).lastRun).toMatchObject({ outcome: 'succeeded', patched: 1 });
    }));

  it('reports a failed update with the message of AWS, and stops before the next group', () =>
    withCluster(async (cluster) => {
      eks.addGroup('blue');
      eks.addGroup('green');
      eks.failWith = [
        {
          errorCode: 'PodEvictionFailure',
          errorMessage: 'Reached max retries while trying to evict pods from nodes in node group blue',
          resourceIds: ['ip-10-0-1-7.ec2.internal'],
        },
      ];
      await cluster.apply(spec(cluster));
      await cluster.handle.signal('patchNow');
      const status = await cluster.untilIdle(1);
      expect(status.lastRun).toMatchObject({ outcome: 'stopped', failed: 1, notTried: 1 });
      expect(status.nodes[0]).toMatchObject({
        state: 'failed',
        lastAppliedPatchTime: null,
        patchedVersion: '1.31.3-20250103',
        lastError: {
          type: 'Aws',
          message:
            'AWS ended the update of node group blue as Failed: PodEvictionFailure: Reached max retries while trying to evict pods from nodes in node group blue (ip-10-0-1-7.ec2.internal)',
          remedy: expect.stringContaining('eks.force'),
        },
      });
      expect(status.nodes[1]?.lastError?.message).toBe('the run stopped before this node group because blue failed');
    }));

  it('adopts a version update of another caller, and finds nothing left to do afterwards', () =>
    withCluster(async (cluster) => {
      eks.addGroup('blue');
      const foreign = eks.beginForeign('blue', 'VersionUpdate', eks.latest);
      eks.hold = true;
      await cluster.apply(spec(cluster));
      await cluster.handle.signal('patchNow');
      await waitFor(() => foreign.polls > 1, { what: 'the adopted update in the status' });
      eks.hold = false;
      const status = await cluster.untilIdle(1);
      expect(status.nodes[0]).toMatchObject({ state: 'patched', patchedVersion: eks.latest });
      expect(eks.updates).toEqual([foreign]);
      expect(await cluster.groupRecord('blue')).toMatchObject({ updateId: foreign.id, adopted: true });
    }));

  it.each([null, '1.31.4-20250203'])(
    'replaces no node twice after an adopted update, with %s published as the newest release',
    (published) =>
      withCluster(async (cluster) => {
        Object.assign(eks, { published, replacesForNothing: true });
        eks.addGroup('blue');
        const foreign = eks.beginForeign('blue', 'VersionUpdate', eks.latest);
        eks.hold = true;
        await cluster.apply(spec(cluster));
        await cluster.handle.signal('patchNow');
        await waitFor(() => foreign.polls > 1, { what: 'the adopted update in the status' });
        eks.hold = false;
        expect((await cluster.untilIdle(1)).nodes[0]).toMatchObject({ state: 'patched', patchedVersion: eks.latest });
        expect(eks.updates).toEqual([foreign]);
      }),
  );

  it('continues to the newest release when the adopted update had an older target', () =>
    withCluster(async (cluster) => {
      eks.published = eks.latest;
      eks.addGroup('blue');
      eks.beginForeign('blue', 'VersionUpdate', '1.31.3-20250115');
      await cluster.apply(spec(cluster));
      await cluster.handle.signal('patchNow');
      expect((await cluster.untilIdle(1)).nodes[0]).toMatchObject({ state: 'patched', patchedVersion: eks.latest });
      expect(eks.updates).toHaveLength(2);
    }));

  it('reports a group as up-to-date whose update AWS accepts without a new release', () =>
    withCluster(async (cluster) => {
      eks.replacesForNothing = true;
      eks.addGroup('blue', { releaseVersion: eks.latest });
      await cluster.apply(spec(cluster));
      await cluster.handle.signal('patchNow');
      expect((await cluster.untilIdle(1)).nodes[0]).toMatchObject({ state: 'up-to-date', lastAppliedPatchTime: null });
    }));

  it('waits for an update of another type and then begins its own', () =>
    withCluster(async (cluster) => {
      eks.addGroup('blue');
      const foreign = eks.beginForeign('blue', 'ConfigUpdate');
      eks.hold = true;
      await cluster.apply(spec(cluster));
      await cluster.handle.signal('patchNow');
      await waitFor(() => foreign.polls > 1, { what: 'the adopted update in the status' });
      eks.hold = false;
      expect((await cluster.untilIdle(1)).nodes[0]).toMatchObject({ state: 'patched' });
      expect(eks.updates.map(({ type }) => type)).toEqual(['ConfigUpdate', 'VersionUpdate']);
    }));

  it('waits for the running update when the run is cancelled, and starts no other', () =>
    withCluster(async (cluster) => {
      eks.addGroup('blue');
      eks.addGroup('green');
      eks.hold = true;
      await cluster.apply(spec(cluster));
      await cluster.handle.signal('patchNow');
      await waitFor(() => eks.updates.length === 1, { what: 'the update' });
      await cluster.handle.executeUpdate('cancelRun', { args: [{}] });
      const polls = eks.count('DescribeUpdate');
      await waitFor(() => eks.count('DescribeUpdate') > polls + 1, {
        what: 'polls after the cancel',
        timeoutMs: 90_000,
      });
      expect((await cluster.status()).run).toMatchObject({ state: 'cancelling' });
      expect(await cluster.handle.query('explain')).toMatch(
        /^run 1 is being cancelled: \d of 2 node groups done; an update already started at AWS cannot be stopped, so the run waits for its end; next: /,
      );
      eks.hold = false;
      const status = await cluster.untilIdle(1);
      expect(status.lastRun).toMatchObject({ outcome: 'cancelled', patched: 1, notTried: 1 });
      expect(status.nodes.map(({ state }) => state)).toEqual(['patched', 'not-tried']);
      expect(eks.updates).toHaveLength(1);
    }));

  it('pauses between two node groups and continues with the next one', () =>
    withCluster(async (cluster) => {
      eks.addGroup('blue');
      eks.addGroup('green');
      eks.hold = true;
      await cluster.apply(spec(cluster));
      await cluster.handle.signal('patchNow');
      await waitFor(() => eks.updates.length === 1, { what: 'the update' });
      await cluster.handle.executeUpdate('pause', { args: [{ by: 'ann' }] });
      eks.hold = false;
      await cluster.until('the run is paused', ({ run }) => run?.state === 'paused');
      expect(eks.updates).toHaveLength(1);
      eks.addGroup('late');
      await cluster.handle.executeUpdate('resume', { args: [{}] });
      const status = await cluster.untilIdle(1);
      expect(status.lastRun).toMatchObject({ outcome: 'succeeded', total: 2, patched: 2 });
    }));

  it('begins no second update when the worker dies before recording the first', () =>
    harness.withWorker(
      async (cluster) => {
        eks.addGroup('blue');
        await cluster.apply(spec(cluster));
        await cluster.handle.signal('patchNow');
        expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', patched: 1 });
        expect(eks.count('UpdateNodegroupVersion')).toBe(2);
        expect(eks.updates).toHaveLength(1);
      },
      { ...createEksActivities({ log: quiet }), beginNodegroupUpdate: losingFirstAnswer() },
    ));

  it('continues with a spec without node group updates, and rejects patching', () =>
    withCluster(async (cluster) => {
      const listed = { apiVersion: 'ospatch/v1', name: cluster.name, type: 'eks' } as const;
      expect(await cluster.apply(listed)).toMatchObject({ notice: expect.stringContaining('eks.region') });
      await cluster.handle.signal('patchNow');
      const status = await cluster.until('the rejection is recorded', ({ lastRejection }) => lastRejection !== null);
      expect(status.state).toBe('not-patchable');
      eks.addGroup('blue');
      await cluster.apply(spec(cluster));
      await cluster.handle.signal('patchNow');
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ patched: 1 });
    }));

  it('calls AWS from the workers of its task queue only, and shows the wait for one until then', () =>
    harness.withWorker(async (cluster) => {
      eks.addGroup('blue');
      const taskQueue = `${cluster.name}.site-b`;
      await cluster.apply({ ...spec(cluster), taskQueue });
      await cluster.handle.signal('patchNow');
      await cluster.until('the run has begun', ({ run }) => run !== null);
      expect(await cluster.handle.query('explain')).toContain(
        `in progress: run 1 lists the node groups at AWS, through a worker of task queue ${taskQueue}, since `,
      );
      await harness.withSiteWorker(taskQueue, createEksActivities({ log: quiet }), async () => {
        expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', patched: 1 });
      });
    }));

  it('keeps history and windows like every cluster', () =>
    withCluster(async (cluster) => {
      eks.addGroup('blue');
      await cluster.apply(spec(cluster));
      await cluster.handle.executeUpdate('patchNow', { args: [{ by: 'ann', reason: 'CVE' }] });
      await cluster.untilIdle(1);
      const history = await cluster.handle.query<ClusterHistory>('history');
      expect(history.runs).toMatchObject([{ number: 1, by: 'ann', reason: 'CVE', patched: 1 }]);
    }));
});

/** Loses the first answer, like a worker that dies with the answer. */
function losingFirstAnswer(): ReturnType<typeof createEksActivities>['beginNodegroupUpdate'] {
  const real = createEksActivities({ log: quiet }).beginNodegroupUpdate;
  let calls = 0;
  return async (input) => {
    const begun = await real(input);
    calls += 1;
    if (calls === 1) throw new Error('the worker is gone');
    return begun;
  };
}
