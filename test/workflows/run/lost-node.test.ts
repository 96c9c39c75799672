/** A node that a run has begun to change and cannot reach any more. */
import type { NodeStatus } from '../../../src/domain/node/status';
import type { ClusterStatus } from '../../../src/domain/cluster/messages';
import type { Patching, SelfManagedSpec } from '../../../src/domain/spec/types';
import { nodeWorkflowId } from '../../../src/contract/workflow-ids';
import { clusterSpec } from '../../support/builders';
import { waitFor } from '../../support/wait-for';
import type { TestCluster } from '../harness';
import { Harness } from '../harness';
import { nodesOf } from '../../support/members';

let harness: Harness;

beforeAll(async () => {
  harness = await Harness.start('real');
});

afterAll(() => harness.stop());

function spec(cluster: TestCluster, patching: Partial<Patching> = {}): SelfManagedSpec {
  return clusterSpec(undefined, patching, cluster.name);
}

function node(status: ClusterStatus, name: string): NodeStatus | undefined {
  return nodesOf(status.nodes).find((one) => one.name === name);
}

const GOES_ON = { rollout: { order: 'workers-first', onFailure: 'continue' } } as const;

function untilLost(cluster: TestCluster, name: string): Promise<ClusterStatus> {
  return cluster.until(`${name} is lost`, (status) => node(status, name)?.lastError?.type === 'UnreachableAfterChange');
}

/** Pauses a run while w-1 is lost in the middle of its transaction. Returns what brings the node back. */
async function pausedWithLost(cluster: TestCluster): Promise<() => void> {
  const back = cluster.nodes.hold('w-1', 'apply');
  cluster.nodes.node('w-1').lostIn = 'apply';
  await cluster.apply(spec(cluster));
  await cluster.handle.signal('patchNow');
  await untilLost(cluster, 'w-1');
  await cluster.handle.executeUpdate('pause', { args: [{}] });
  await cluster.until('the run is paused', ({ run }) => run?.state === 'paused');
  return back;
}

describe('workflows/run', () => {
  it('goes on with the other nodes while a lost one is waited for, where the failure budget allows it', () =>
    harness.withWorker(async (cluster) => {
      const back = cluster.nodes.hold('w-1', 'apply');
      cluster.nodes.node('w-1').lostIn = 'apply';
      await cluster.apply(spec(cluster, { rollout: { order: 'workers-first', onFailure: 'continue' } }));
      await cluster.handle.signal('patchNow');
      const meanwhile = await cluster.until('the others are patched', (status) =>
        ['w-2', 'cp-1'].every((name) => node(status, name)?.state === 'patched'),
      );
      expect(node(meanwhile, 'w-1')).toMatchObject({
        state: 'patching',
        lastError: {
          type: 'UnreachableAfterChange',
          message: expect.stringContaining('w-1 has been unreachable for 30 min'),
        },
      });
      back();
      const status = await cluster.untilIdle(1);
      expect(status.lastRun).toMatchObject({ outcome: 'succeeded', patched: 3 });
      expect(node(status, 'w-1')).toMatchObject({ state: 'patched', lastError: null });
    }));

  it('goes on with the other nodes while one is waited for that has not come back from its change', () =>
    harness.withWorker(async (cluster) => {
      const back = cluster.nodes.hold('w-1', 'verify');
      cluster.nodes.node('w-1').lostIn = 'verify';
      await cluster.apply(spec(cluster, GOES_ON));
      await cluster.handle.signal('patchNow');
      const meanwhile = await cluster.until('the others are patched', (status) =>
        ['w-2', 'cp-1'].every((name) => node(status, name)?.state === 'patched'),
      );
      expect(node(meanwhile, 'w-1')).toMatchObject({
        state: 'patching',
        lastError: { message: expect.stringContaining('w-1 has been unreachable for 30 min after a change') },
      });
      back();
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', patched: 3 });
    }));

  /** A run whose w-1 is lost while the plan is made anew, after its transaction was interrupted. */
  async function lostInPlan(cluster: TestCluster, patching: Partial<Patching> = {}): Promise<() => void> {
    const back = cluster.nodes.hold('w-1', 'preflight');
    Object.assign(cluster.nodes.node('w-1'), { interrupted: 1, lostIn: 'preflight' });
    await cluster.apply(spec(cluster, patching));
    await cluster.handle.signal('patchNow');
    await untilLost(cluster, 'w-1');
    return back;
  }

  it('goes on with the other nodes while one is lost whose plan is made anew, and is paused without that', () =>
    harness.withWorker(async (cluster) => {
      const back = await lostInPlan(cluster, GOES_ON);
      await cluster.until('the others are patched', (status) =>
        ['w-2', 'cp-1'].every((name) => node(status, name)?.state === 'patched'),
      );
      await cluster.handle.executeUpdate('pause', { args: [{}] });
      await cluster.until('the run is paused', ({ run }) => run?.state === 'paused');
      await cluster.handle.executeUpdate('resume', { args: [{}] });
      back();
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', patched: 3 });
    }));

  it('ends at once when it is cancelled while a node is lost whose plan is made anew', () =>
    harness.withWorker(async (cluster) => {
      await lostInPlan(cluster);
      await cluster.handle.executeUpdate('cancelRun', { args: [{}] });
      const status = await cluster.untilIdle(1);
      expect(status.lastRun).toMatchObject({ outcome: 'cancelled', notTried: 2 });
      expect(node(status, 'w-1')).toMatchObject({ lastOutcome: 'cancelled' });
    }));

  it('waits no longer for the new plan of a lost node that somebody releases', () =>
    harness.withWorker(async (cluster) => {
      await lostInPlan(cluster);
      const patch = harness.env.client.workflow.getHandle(nodeWorkflowId(cluster.name, 'w-1'));
      expect(await patch.executeUpdate('release', { args: [{ by: 'alice' }] })).toEqual({ step: 'preflight' });
      expect(node(await cluster.untilIdle(1), 'w-1')).toMatchObject({
        state: 'failed',
        lastError: {
          type: 'UnreachableAfterChange',
          message: expect.stringContaining('alice ended the wait') as string,
        },
      });
    }));

  it('is paused at once while it waits for the node patch of another run, and waits for that again when it goes on', () =>
    harness.withWorker(async (cluster) => {
      const release = cluster.nodes.hold('w-1', 'apply');
      await cluster.apply(spec(cluster));
      await cluster.handle.signal('patchNow', { nodes: ['w-1'] });
      await cluster.until('w-1 is applied', () => cluster.nodes.log.includes('apply w-1'));
      await harness.env.client.workflow.getHandle(await cluster.runId(1)).terminate('by hand');
      await cluster.untilIdle(1);
      await cluster.handle.signal('patchNow', { nodes: ['w-1'] });
      await cluster.until('run 2 waits', (status) => node(status, 'w-1')?.state === 'patching');
      await cluster.handle.executeUpdate('pause', { args: [{}] });
      const paused = await cluster.until('run 2 is paused', ({ run }) => run?.state === 'paused');
      expect(paused).toMatchObject({ state: 'paused', run: { number: 2, done: 0 } });
      expect(node(paused, 'w-1')?.state).toBe('waiting');
      await cluster.handle.executeUpdate('resume', { args: [{}] });
      await cluster.until('run 2 waits again', ({ run }) => run?.state === 'running');
      release();
      expect((await cluster.untilIdle(2)).lastRun).toMatchObject({ number: 2, outcome: 'succeeded' });
    }));

  it('tells of a transaction that does not end, and goes on with the other nodes', () =>
    harness.withWorker(async (cluster) => {
      const ends = cluster.nodes.hold('w-1', 'apply');
      cluster.nodes.node('w-1').endless = 'told';
      await cluster.apply(spec(cluster, { rollout: { order: 'workers-first', onFailure: 'continue' } }));
      await cluster.handle.signal('patchNow');
      const meanwhile = await cluster.until('the others are patched', (status) =>
        ['w-2', 'cp-1'].every((name) => node(status, name)?.state === 'patched'),
      );
      expect(node(meanwhile, 'w-1')).toMatchObject({
        state: 'patching',
        lastError: {
          message: `the ospatch job has not ended on w-1 within 6h; it is followed for 24 h, or until \`ospatch release ${cluster.name} w-1\``,
        },
      });
      ends();
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', patched: 3 });
    }));

  it('touches no other node while a lost one spends the failure budget, and goes on by itself when it is back', () =>
    harness.withWorker(async (cluster) => {
      const back = cluster.nodes.hold('w-1', 'apply');
      cluster.nodes.node('w-1').lostIn = 'apply';
      await cluster.apply(spec(cluster));
      await cluster.handle.signal('patchNow');
      await cluster.until('w-1 is lost', (status) => node(status, 'w-1')?.lastError?.type === 'UnreachableAfterChange');
      // A decision that comes after the notice: had it started another node, that would have been first.
      await cluster.handle.executeUpdate('pause', { args: [{}] });
      await cluster.handle.executeUpdate('resume', { args: [{}] });
      expect(cluster.nodes.order).toEqual(['w-1']);
      back();
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', patched: 3 });
      expect(cluster.nodes.order).toEqual(['w-1', 'w-2', 'cp-1']);
    }));

  it('ends when it is cancelled while a node is lost, after the transaction there has been followed to its end', () =>
    harness.withWorker(async (cluster) => {
      const back = cluster.nodes.hold('w-1', 'apply');
      cluster.nodes.node('w-1').lostIn = 'apply';
      await cluster.apply(spec(cluster));
      await cluster.handle.signal('patchNow');
      await cluster.until('w-1 is lost', (status) => node(status, 'w-1')?.lastError?.type === 'UnreachableAfterChange');
      await cluster.handle.executeUpdate('cancelRun', { args: [{}] });
      back();
      const status = await cluster.untilIdle(1);
      expect(status.lastRun).toMatchObject({ outcome: 'cancelled', notTried: 2 });
      expect(node(status, 'w-1')?.lastAppliedPatchTime).not.toBeNull();
    }));

  it('goes on at once after a pause although a node is lost, and counts that node when it is back', () =>
    harness.withWorker(async (cluster) => {
      const back = cluster.nodes.hold('w-1', 'apply');
      const inWork = cluster.nodes.hold('w-2', 'apply');
      cluster.nodes.node('w-1').lostIn = 'apply';
      await cluster.apply(spec(cluster, GOES_ON));
      await cluster.handle.signal('patchNow');
      await cluster.until('w-2 is in work', (status) => node(status, 'w-2')?.state === 'patching');
      await cluster.handle.executeUpdate('pause', { args: [{}] });
      await cluster.untilRunTold(1, 'restrict');
      inWork();
      const paused = await cluster.until('the run is paused', ({ run }) => run?.state === 'paused');
      expect(paused).toMatchObject({ state: 'paused', run: { done: 1, lost: [{ node: 'w-1' }] } });
      expect(node(paused, 'w-1')).toMatchObject({ state: 'patching', lastError: { type: 'UnreachableAfterChange' } });
      await cluster.handle.executeUpdate('resume', { args: [{}] });
      await cluster.until('cp-1 is patched', (status) => node(status, 'cp-1')?.state === 'patched');
      cluster.nodes.node('w-1').failsIn = { step: 'apply', error: { type: 'PackageManager', message: 'no' } };
      back();
      const status = await cluster.untilIdle(1);
      expect(status.lastRun).toMatchObject({ outcome: 'failed', patched: 2, failed: 1, notTried: 0 });
      expect(cluster.nodes.order).toEqual(['w-1', 'w-2', 'cp-1']);
      expect((await cluster.record('w-1')).run).toBe(1);
    }));

  it('says that a node is lost which became so after the run had been paused', () =>
    harness.withWorker(async (cluster) => {
      const goOn = cluster.nodes.hold('w-1', 'preflight');
      cluster.nodes.node('w-1').lostIn = 'apply';
      await cluster.apply(spec(cluster));
      await cluster.handle.signal('patchNow');
      await cluster.until('w-1 is in work', () => cluster.nodes.log.includes('preflight w-1'));
      await cluster.handle.executeUpdate('pause', { args: [{}] });
      await cluster.untilRunTold(1, 'restrict');
      const back = cluster.nodes.hold('w-1', 'apply');
      goOn();
      const paused = await cluster.until('the run is paused', ({ run }) => run?.state === 'paused');
      expect(node(paused, 'w-1')).toMatchObject({ state: 'patching', lastError: { type: 'UnreachableAfterChange' } });
      back();
      await cluster.until('w-1 is patched', (status) => node(status, 'w-1')?.state === 'patched');
      expect(cluster.nodes.order).toEqual(['w-1']);
    }));

  it('leaves a lost node to the next run workflow when the history of one is large, and goes on with the others', async () => {
    // Less than a node needs: after each node a new run workflow begins.
    const small = await Harness.start('real', null, { 'limit.historyCount.suggestContinueAsNew': 8 });
    try {
      await small.withWorker(async (cluster) => {
        const back = cluster.nodes.hold('w-1', 'apply');
        cluster.nodes.node('w-1').lostIn = 'apply';
        await cluster.apply(spec(cluster, GOES_ON));
        await cluster.handle.signal('patchNow');
        await cluster.until('the others are patched', (status) =>
          ['w-2', 'cp-1'].every((name) => node(status, name)?.state === 'patched'),
        );
        expect(node(await cluster.status(), 'w-1')).toMatchObject({ state: 'patching' });
        // The cluster has begun a fresh history in between, too.
        const { workflow } = cluster.env.client;
        const ofRun = `WorkflowId = "${await cluster.runId(1)}"`;
        await waitFor(async () => (await workflow.count(ofRun)).count > 1, { what: 'two run workflows' });
        back();
        expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', patched: 3 });
        expect(cluster.nodes.order).toEqual(['w-1', 'w-2', 'cp-1']);
      });
    } finally {
      await small.stop();
    }
  });

  it('knows how a lost node did that comes back while the run is paused, and spends the failure budget on it', () =>
    harness.withWorker(async (cluster) => {
      const back = await pausedWithLost(cluster);
      cluster.nodes.node('w-1').failsIn = { step: 'apply', error: { type: 'PackageManager', message: 'no' } };
      back();
      const paused = await cluster.until('w-1 has failed', (status) => node(status, 'w-1')?.state === 'failed');
      expect(paused).toMatchObject({ state: 'paused', run: { done: 1, total: 3 } });
      await cluster.handle.executeUpdate('resume', { args: [{}] });
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'stopped', failed: 1, notTried: 2 });
    }));

  it('waits for a lost node of an earlier run workflow to come to its end when the run is cancelled', () =>
    harness.withWorker(async (cluster) => {
      const back = await pausedWithLost(cluster);
      await cluster.handle.executeUpdate('resume', { args: [{}] });
      await cluster.until('the next run workflow has begun', ({ run }) => run?.state === 'running');
      expect(await cluster.runWorkflows(1)).toBe(2);
      await cluster.handle.executeUpdate('cancelRun', { args: [{}] });
      await cluster.untilCancelled('w-1');
      back();
      const status = await cluster.untilIdle(1);
      expect(status.lastRun).toMatchObject({ outcome: 'cancelled', failed: 0, notTried: 2 });
      expect(node(status, 'w-1')?.lastAppliedPatchTime).not.toBeNull();
    }));

  it.each(['cancelRun', 'remove'])(
    'is ended by %s while it is paused, after the lost node has come to its end',
    (name) =>
      harness.withWorker(async (cluster) => {
        const back = cluster.nodes.hold('w-1', 'apply');
        cluster.nodes.node('w-1').lostIn = 'apply';
        await cluster.apply(spec(cluster, GOES_ON));
        await cluster.handle.signal('patchNow', { nodes: ['w-1', 'w-2'] });
        await untilLost(cluster, 'w-1');
        await cluster.handle.executeUpdate('pause', { args: [{}] });
        await cluster.until('the run is paused', ({ run }) => run?.state === 'paused');
        await cluster.handle.executeUpdate(name, { args: [{}] });
        await cluster.untilCancelled('w-1');
        back();
        const ended = name === 'remove' ? await cluster.handle.result() : await cluster.untilIdle(1);
        expect(ended).toMatchObject({ run: null, lastRun: { outcome: 'cancelled' } });
        expect((await cluster.record('w-1')).changes).toHaveLength(1);
      }),
  );

  it('waits no longer for a node that somebody releases, and says who and why', () =>
    harness.withWorker(async (cluster) => {
      const ends = cluster.nodes.hold('w-1', 'apply');
      await cluster.apply(spec(cluster));
      await cluster.handle.signal('patchNow', { nodes: ['w-1'] });
      await cluster.until('w-1 is applied', () => cluster.nodes.log.includes('apply w-1'));
      const patch = harness.env.client.workflow.getHandle(nodeWorkflowId(cluster.name, 'w-1'));
      const message = { by: 'alice', reason: 'disk is dead' };
      await expect(patch.executeUpdate('release', { args: [{ force: true }] })).rejects.toThrow();
      expect(await patch.executeUpdate('release', { args: [message] })).toEqual({ step: 'apply' });
      const status = await cluster.untilIdle(1);
      expect(node(status, 'w-1')).toMatchObject({
        state: 'failed',
        lastError: {
          type: 'UnreachableAfterChange',
          message:
            'w-1 is no longer waited for: alice ended the wait in its step apply (disk is dead); what the package transaction has changed is not known yet',
        },
      });
      ends();
    }));

  it('has the power of a node cut once when it does not come back from its reboot', () =>
    harness.withWorker(async (cluster) => {
      Object.assign(cluster.nodes.node('w-1'), { asksForReboot: true, lostIn: 'reboot' });
      await cluster.apply(spec(cluster, { powerCycleHook: { name: 'ipmi', after: '15m' } }));
      await cluster.handle.signal('patchNow', { nodes: ['w-1'] });
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', patched: 1 });
      expect(cluster.nodes.powerCycles).toEqual(['w-1']);
    }));

  it('never has the power cut of a node that is lost in the middle of a package transaction', () =>
    harness.withWorker(async (cluster) => {
      Object.assign(cluster.nodes.node('w-1'), { asksForReboot: true, lostIn: 'apply' });
      await cluster.apply(spec(cluster, { powerCycleHook: { name: 'ipmi', after: '15m' } }));
      await cluster.handle.signal('patchNow', { nodes: ['w-1'] });
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', patched: 1 });
      expect(cluster.nodes.powerCycles).toEqual([]);
    }));
});
