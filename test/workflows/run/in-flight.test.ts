/**
 * Nodes in flight while one run workflow hands over to the next: the new one counts them, hears how they end, and starts none
 * of them a second time. The server suggests a fresh history very early, so every run hands over many times.
 */
import { WorkflowNotFoundError } from '@temporalio/client';
import type { NodeStatus } from '../../../src/domain/node/status';
import type { ClusterStatus } from '../../../src/domain/cluster/messages';
import { nodeWorkflowId } from '../../../src/contract/workflow-ids';
import type { Rollout, SelfManagedSpec } from '../../../src/domain/spec/types';
import { clusterSpec, rollout } from '../../support/builders';
import { nodesOf } from '../../support/members';
import { waitFor } from '../../support/wait-for';
import type { TestCluster } from '../harness';
import { Harness } from '../harness';

let harness: Harness;

beforeAll(async () => {
  harness = await Harness.start('real', null, { 'limit.historyCount.suggestContinueAsNew': 20 });
});

afterAll(() => harness.stop());

const NODES = Array.from({ length: 8 }, (_, at) => `w-${at + 1}`);

function spec(cluster: TestCluster, more: Partial<Rollout> = {}): SelfManagedSpec {
  return clusterSpec(NODES, { rollout: rollout({ concurrency: 3, ...more }) }, cluster.name);
}

function stateOf(status: ClusterStatus, name: string): NodeStatus['state'] | undefined {
  return nodesOf(status.nodes).find((one) => one.name === name)?.state;
}

/** Workflows of run 1 so far. */
async function runWorkflows(cluster: TestCluster): Promise<number> {
  const runId = await cluster.runId(1);
  return (await cluster.env.client.workflow.count(`WorkflowId = "${runId}"`)).count;
}

/** w-1 is being patched, and was handed over with it. The returned function lets it go on. */
async function handedOver(cluster: TestCluster, more: Partial<Rollout> = {}): Promise<() => void> {
  const release = cluster.nodes.hold('w-1', 'apply');
  const second = cluster.nodes.hold('w-5', 'apply');
  await cluster.apply(spec(cluster, more));
  await cluster.handle.signal('patchNow');
  await cluster.until('w-5 is being patched', (status) => stateOf(status, 'w-5') === 'patching');
  await waitFor(async () => (await runWorkflows(cluster)) > 1, { what: 'the second run workflow' });
  second();
  return release;
}

/** Between two of its workflows, there is none to terminate. */
async function terminateRun(cluster: TestCluster): Promise<void> {
  const handle = harness.env.client.workflow.getHandle(await cluster.runId(1));
  const terminate = async (): Promise<boolean> => {
    try {
      await handle.terminate('by hand');
      return true;
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return false;
      throw error;
    }
  };
  await waitFor(terminate, { what: 'a workflow of the run' });
}

function expectEachOnce(cluster: TestCluster): void {
  expect(cluster.nodes.order.toSorted()).toEqual(NODES.toSorted());
  for (const name of NODES) expect(cluster.nodes.node(name).applies).toBe(1);
}

describe('src/workflows/run: a hand-over with nodes in flight', () => {
  it('goes on with the other nodes, and hears of the end of the node that was in flight', () =>
    harness.withWorker(async (cluster) => {
      const release = await handedOver(cluster);
      const status = await cluster.until('all others are patched', (one) =>
        NODES.slice(1).every((name) => stateOf(one, name) === 'patched'),
      );
      expect(stateOf(status, 'w-1')).toBe('patching');
      expect(status.run).toMatchObject({ state: 'running', done: NODES.length - 1 });
      release();
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', patched: NODES.length });
      expectEachOnce(cluster);
    }));

  it('counts the node in flight against the concurrency', () =>
    harness.withWorker(async (cluster) => {
      const release = await handedOver(cluster, { concurrency: 2 });
      const others = NODES.slice(5).map((name) => cluster.nodes.hold(name, 'apply'));
      await cluster.until('w-6 is being patched', () => cluster.nodes.log.includes('apply w-6'));
      await cluster.handle.executeUpdate('lock', { args: [{ node: 'w-8', reason: 'a sign that the run was asked' }] });
      await cluster.untilRunKnows(1, ({ locked = {} }) => 'w-8' in locked);
      expect(cluster.nodes.log.filter((one) => one.startsWith('preflight')).at(-1)).toBe('preflight w-6');
      for (const one of [release, ...others]) one();
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', skipped: 1 });
    }));

  it('notices that the node patch was terminated by hand, and goes on', () =>
    harness.withWorker(async (cluster) => {
      const release = await handedOver(cluster, { maxFailures: 5 });
      await harness.env.client.workflow.getHandle(nodeWorkflowId(cluster.name, 'w-1')).terminate('by hand');
      const { lastRun, nodes } = await cluster.untilIdle(1);
      release();
      expect(lastRun).toMatchObject({ outcome: 'failed', failed: 1, patched: NODES.length - 1 });
      expect(nodesOf(nodes)[0]?.lastError?.message).toContain('terminated');
    }));

  it('pauses after the node in flight, and resumes with the rest', () =>
    harness.withWorker(async (cluster) => {
      const release = await handedOver(cluster);
      await cluster.handle.executeUpdate('pause', { args: [{}] });
      await cluster.untilRunKnowsOfPause(1);
      release();
      const paused = await cluster.until('the run is paused', ({ run }) => run?.state === 'paused');
      expect(stateOf(paused, 'w-1')).toBe('patched');
      await cluster.handle.executeUpdate('resume', { args: [{}] });
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', patched: NODES.length });
      expectEachOnce(cluster);
    }));

  it('cancels the node in flight with the run', () =>
    harness.withWorker(async (cluster) => {
      const release = await handedOver(cluster);
      await cluster.handle.executeUpdate('cancelRun', { args: [{}] });
      await cluster.untilCancelled('w-1');
      release();
      const { lastRun, nodes } = await cluster.untilIdle(1);
      expect(lastRun).toMatchObject({ outcome: 'cancelled' });
      expect(nodesOf(nodes)[0]?.lastAppliedPatchTime).not.toBeNull();
    }));

  it('waits for a node in flight that has left the cluster since', () =>
    harness.withWorker(async (cluster) => {
      const release = await handedOver(cluster, { concurrency: 2 });
      const without = spec(cluster, { concurrency: 2 });
      await cluster.apply({ ...without, nodes: without.nodes.slice(1) });
      const others = NODES.slice(1);
      await cluster.until('the others are patched', (one) => others.every((name) => stateOf(one, name) === 'patched'));
      const before = await runWorkflows(cluster);
      await cluster.handle.executeUpdate('pause', { args: [{}] });
      await cluster.handle.executeUpdate('resume', { args: [{}] });
      expect((await cluster.status()).run).toMatchObject({ state: 'running' });
      release();
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded' });
      expect(await runWorkflows(cluster)).toBeLessThanOrEqual(before + 2);
      expect(cluster.nodes.node('w-1').applies).toBe(1);
    }));

  it('forbids the reboot of the node in flight', () =>
    harness.withWorker(async (cluster) => {
      cluster.nodes.node('w-1').requiresReboot = true;
      const release = await handedOver(cluster);
      const strict = spec(cluster);
      await cluster.apply({ ...strict, patching: { ...strict.patching, rebootIfRequired: false } });
      await cluster.untilNodeSignalled('w-1', 'forbidReboots');
      release();
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', rebootPending: 1 });
      expect(cluster.nodes.node('w-1').reboots).toBe(0);
    }));

  it('ends the node in flight with a run workflow that is terminated by hand', () =>
    harness.withWorker(async (cluster) => {
      const release = await handedOver(cluster);
      await terminateRun(cluster);
      await cluster.untilCancelled('w-1');
      release();
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'failed' });
    }));

  it('goes on after a pause without a worker', async () => {
    const cluster = harness.newCluster();
    let release = (): void => undefined;
    await harness.withWorkerFor(cluster, async () => {
      release = await handedOver(cluster);
      await cluster.until('all others are patched', (one) =>
        NODES.slice(1).every((name) => stateOf(one, name) === 'patched'),
      );
      release();
    });
    await harness.withWorkerFor(cluster, async () => {
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', patched: NODES.length });
    });
    expectEachOnce(cluster);
    await cluster.handle.terminate();
  });
});
