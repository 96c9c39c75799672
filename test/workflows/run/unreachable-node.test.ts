/** A node that becomes unreachable after a run has begun to change it. */
import type { NodeStatus } from '../../../src/domain/node/status';
import type { ClusterStatus } from '../../../src/domain/cluster/messages';
import type { Patching, SelfManagedSpec } from '../../../src/domain/spec/types';
import { nodeWorkflowId } from '../../../src/contract/workflow-ids';
import { CONTINUE_ON_FAILURE, clusterSpec, rollout } from '../../support/builders';
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

const CONTINUES = { rollout: rollout(CONTINUE_ON_FAILURE) };

function untilLost(cluster: TestCluster, name: string): Promise<ClusterStatus> {
  return cluster.until(`${name} is lost`, (status) => node(status, name)?.lastError?.type === 'UnreachableAfterChange');
}

/** Pauses a run while w-1 is unreachable in its transaction. Returns the function that brings the node back. */
async function pauseWhileUnreachable(cluster: TestCluster): Promise<() => void> {
  const back = cluster.nodes.hold('w-1', 'apply');
  cluster.nodes.node('w-1').unreachableIn = 'apply';
  await cluster.apply(spec(cluster));
  await cluster.handle.signal('patchNow');
  await untilLost(cluster, 'w-1');
  await cluster.handle.executeUpdate('pause', { args: [{}] });
  await cluster.until('the run is paused', ({ run }) => run?.state === 'paused');
  return back;
}

describe('src/workflows/run: unreachable nodes', () => {
  it('continues with the other nodes during the wait for an unreachable one, within the failure budget', () =>
    harness.withWorker(async (cluster) => {
      const back = cluster.nodes.hold('w-1', 'apply');
      cluster.nodes.node('w-1').unreachableIn = 'apply';
      await cluster.apply(spec(cluster, CONTINUES));
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

  it('continues with the other nodes while one does not come back from its change', () =>
    harness.withWorker(async (cluster) => {
      const back = cluster.nodes.hold('w-1', 'verify');
      cluster.nodes.node('w-1').unreachableIn = 'verify';
      await cluster.apply(spec(cluster, CONTINUES));
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

  /** A run with w-1 unreachable during a new plan, after its transaction was interrupted. */
  async function unreachableInPlan(cluster: TestCluster, patching: Partial<Patching> = {}): Promise<() => void> {
    const back = cluster.nodes.hold('w-1', 'preflight');
    Object.assign(cluster.nodes.node('w-1'), { interrupted: 1, unreachableIn: 'preflight' });
    await cluster.apply(spec(cluster, patching));
    await cluster.handle.signal('patchNow');
    await untilLost(cluster, 'w-1');
    return back;
  }

  it('continues with the other nodes while one is unreachable during a new plan, and can be paused', () =>
    harness.withWorker(async (cluster) => {
      const back = await unreachableInPlan(cluster, CONTINUES);
      await cluster.until('the others are patched', (status) =>
        ['w-2', 'cp-1'].every((name) => node(status, name)?.state === 'patched'),
      );
      await cluster.handle.executeUpdate('pause', { args: [{}] });
      await cluster.until('the run is paused', ({ run }) => run?.state === 'paused');
      await cluster.handle.executeUpdate('resume', { args: [{}] });
      back();
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', patched: 3 });
    }));

  it('ends at once on cancellation while a node is unreachable during a new plan', () =>
    harness.withWorker(async (cluster) => {
      await unreachableInPlan(cluster);
      await cluster.handle.executeUpdate('cancelRun', { args: [{}] });
      const status = await cluster.untilIdle(1);
      expect(status.lastRun).toMatchObject({ outcome: 'cancelled', notTried: 2 });
      expect(node(status, 'w-1')).toMatchObject({ lastOutcome: 'cancelled' });
    }));

  it('stops waiting for the new plan of an unreachable node on release', () =>
    harness.withWorker(async (cluster) => {
      await unreachableInPlan(cluster);
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

  it('pauses at once while waiting for the node patch of another run, and waits again after the resume', () =>
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

  it('reports an endless transaction, and continues with the other nodes', () =>
    harness.withWorker(async (cluster) => {
      const ends = cluster.nodes.hold('w-1', 'apply');
      cluster.nodes.node('w-1').endlessTransaction = 'until-notice';
      await cluster.apply(spec(cluster, CONTINUES));
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

  it('starts no other node while an unreachable one exhausts the failure budget, and continues once it is back', () =>
    harness.withWorker(async (cluster) => {
      const back = cluster.nodes.hold('w-1', 'apply');
      cluster.nodes.node('w-1').unreachableIn = 'apply';
      await cluster.apply(spec(cluster));
      await cluster.handle.signal('patchNow');
      await cluster.until(
        'w-1 is unreachable',
        (status) => node(status, 'w-1')?.lastError?.type === 'UnreachableAfterChange',
      );
      // The decision after the notice comes last: any other node started by it would precede this one.
      await cluster.handle.executeUpdate('pause', { args: [{}] });
      await cluster.handle.executeUpdate('resume', { args: [{}] });
      expect(cluster.nodes.order).toEqual(['w-1']);
      back();
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', patched: 3 });
      expect(cluster.nodes.order).toEqual(['w-1', 'w-2', 'cp-1']);
    }));

  it('ends after a cancellation with an unreachable node once the transaction there has ended', () =>
    harness.withWorker(async (cluster) => {
      const back = cluster.nodes.hold('w-1', 'apply');
      cluster.nodes.node('w-1').unreachableIn = 'apply';
      await cluster.apply(spec(cluster));
      await cluster.handle.signal('patchNow');
      await cluster.until(
        'w-1 is unreachable',
        (status) => node(status, 'w-1')?.lastError?.type === 'UnreachableAfterChange',
      );
      await cluster.handle.executeUpdate('cancelRun', { args: [{}] });
      back();
      const status = await cluster.untilIdle(1);
      expect(status.lastRun).toMatchObject({ outcome: 'cancelled', notTried: 2 });
      expect(node(status, 'w-1')?.lastAppliedPatchTime).not.toBeNull();
    }));

  it('resumes at once after a pause although a node is unreachable, and counts that node once it is back', () =>
    harness.withWorker(async (cluster) => {
      const back = cluster.nodes.hold('w-1', 'apply');
      const release = cluster.nodes.hold('w-2', 'apply');
      cluster.nodes.node('w-1').unreachableIn = 'apply';
      await cluster.apply(spec(cluster, CONTINUES));
      await cluster.handle.signal('patchNow');
      await cluster.untilPatching('w-2');
      await cluster.handle.executeUpdate('pause', { args: [{}] });
      await cluster.untilRunKnowsOfPause(1);
      release();
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

  it('reports a node that became unreachable after the pause', () =>
    harness.withWorker(async (cluster) => {
      const goOn = cluster.nodes.hold('w-1', 'preflight');
      cluster.nodes.node('w-1').unreachableIn = 'apply';
      await cluster.apply(spec(cluster));
      await cluster.handle.signal('patchNow');
      await cluster.until('w-1 is in progress', () => cluster.nodes.log.includes('preflight w-1'));
      await cluster.handle.executeUpdate('pause', { args: [{}] });
      await cluster.untilRunKnowsOfPause(1);
      const back = cluster.nodes.hold('w-1', 'apply');
      goOn();
      const paused = await cluster.until('the run is paused', ({ run }) => run?.state === 'paused');
      expect(node(paused, 'w-1')).toMatchObject({ state: 'patching', lastError: { type: 'UnreachableAfterChange' } });
      back();
      await cluster.until('w-1 is patched', (status) => node(status, 'w-1')?.state === 'patched');
      expect(cluster.nodes.order).toEqual(['w-1']);
    }));

  it('hands an unreachable node over to the next run workflow when the history is large, and continues with the others', async () => {
    // Below the history of one node: each node gets a new run workflow.
    const small = await Harness.start('real', null, { 'limit.historyCount.suggestContinueAsNew': 8 });
    try {
      await small.withWorker(async (cluster) => {
        const back = cluster.nodes.hold('w-1', 'apply');
        cluster.nodes.node('w-1').unreachableIn = 'apply';
        await cluster.apply(spec(cluster, CONTINUES));
        await cluster.handle.signal('patchNow');
        await cluster.until('the others are patched', (status) =>
          ['w-2', 'cp-1'].every((name) => node(status, name)?.state === 'patched'),
        );
        expect(node(await cluster.status(), 'w-1')).toMatchObject({ state: 'patching' });
        // The cluster has continued as new in between, too.
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

  it('knows the result of an unreachable node that returns during a pause, and charges the failure budget', () =>
    harness.withWorker(async (cluster) => {
      const back = await pauseWhileUnreachable(cluster);
      cluster.nodes.node('w-1').failsIn = { step: 'apply', error: { type: 'PackageManager', message: 'no' } };
      back();
      const paused = await cluster.until('w-1 has failed', (status) => node(status, 'w-1')?.state === 'failed');
      expect(paused).toMatchObject({ state: 'paused', run: { done: 1, total: 3 } });
      await cluster.handle.executeUpdate('resume', { args: [{}] });
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'stopped', failed: 1, notTried: 2 });
    }));

  it('waits for the end of an unreachable node of an earlier run workflow when the run is cancelled', () =>
    harness.withWorker(async (cluster) => {
      const back = await pauseWhileUnreachable(cluster);
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

  it.each(['cancelRun', 'remove'])('is ended by %s during a pause, after the end of the unreachable node', (name) =>
    harness.withWorker(async (cluster) => {
      const back = cluster.nodes.hold('w-1', 'apply');
      cluster.nodes.node('w-1').unreachableIn = 'apply';
      await cluster.apply(spec(cluster, CONTINUES));
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

  it('stops waiting for a released node, and records requester and reason', () =>
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

  it('power-cycles a node once that does not come back from its reboot', () =>
    harness.withWorker(async (cluster) => {
      Object.assign(cluster.nodes.node('w-1'), { requiresReboot: true, unreachableIn: 'reboot' });
      await cluster.apply(spec(cluster, { powerCycleHook: { name: 'ipmi', after: '15m' } }));
      await cluster.handle.signal('patchNow', { nodes: ['w-1'] });
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', patched: 1 });
      expect(cluster.nodes.powerCycles).toEqual(['w-1']);
    }));

  it('never power-cycles a node that is unreachable during a package transaction', () =>
    harness.withWorker(async (cluster) => {
      Object.assign(cluster.nodes.node('w-1'), { requiresReboot: true, unreachableIn: 'apply' });
      await cluster.apply(spec(cluster, { powerCycleHook: { name: 'ipmi', after: '15m' } }));
      await cluster.handle.signal('patchNow', { nodes: ['w-1'] });
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', patched: 1 });
      expect(cluster.nodes.powerCycles).toEqual([]);
    }));
});
