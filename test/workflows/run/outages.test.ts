/** Nodes in flight whose room is taken by an outage that nobody asked the run for. */
import { nodeWorkflowId } from '../../../src/contract/workflow-ids';
import type { RunProgressPage } from '../../../src/domain/run/run';
import type { Rollout, SelfManagedSpec } from '../../../src/domain/spec/types';
import { clusterSpec, rollout } from '../../support/builders';
import { nodesOf } from '../../support/members';
import type { TestCluster } from '../harness';
import { harnessPerTest } from '../harness-per-test';
import { kubernetesPolicy } from '../simulated-kubernetes';

const harness = harnessPerTest();

const WORKERS = ['w-1', 'w-2', 'w-3', 'w-4'];
const LIMITS: Partial<Rollout> = { concurrency: 2, maxUnavailable: 2, maxFailures: 4 };

function spec(cluster: TestCluster, more: Partial<SelfManagedSpec> = {}): SelfManagedSpec {
  return { ...clusterSpec(WORKERS, { rollout: rollout(LIMITS) }, cluster.name), ...more };
}

async function progressOf(cluster: TestCluster): Promise<RunProgressPage> {
  return cluster.env.client.workflow.getHandle(await cluster.runId(1)).query('progress');
}

/** Nodes that wait in service. */
async function waiting(cluster: TestCluster): Promise<string[]> {
  const progress = await progressOf(cluster).catch(() => null);
  return (progress?.inFlight ?? []).flatMap(({ node, outageAwaitedSince }) => (outageAwaitedSince ? [node] : []));
}

async function untilWaiting(cluster: TestCluster, nodes: string[]): Promise<void> {
  for (let polls = 0; polls < 200; polls += 1) {
    const now = await waiting(cluster);
    if (String(now.toSorted()) === String(nodes)) return;
    await cluster.env.sleep('1 second');
  }
  throw new Error(`${String(nodes)} do not wait in service: ${JSON.stringify(await progressOf(cluster))}`);
}

/** Two nodes are in flight; before they go out of service, `outage` happens. */
async function withOutage(cluster: TestCluster, own: SelfManagedSpec, outage: () => void): Promise<void> {
  const release = [cluster.nodes.hold('w-1', 'preflight'), cluster.nodes.hold('w-2', 'preflight')];
  await cluster.apply(own);
  await cluster.handle.signal('patchNow');
  await cluster.untilPatching('w-2');
  // The last observation counts for a second.
  await cluster.env.sleep('1500 ms');
  outage();
  for (const one of release) one();
}

/** `w-3` and `w-4` are cordoned by somebody, and `w-1` and `w-2` wait. */
async function withoutRoom(cluster: TestCluster): Promise<void> {
  await withOutage(cluster, spec(cluster, { kubernetes: kubernetesPolicy() }), () => {
    for (const name of ['w-3', 'w-4']) cluster.kubernetes.down.add(name);
  });
  await untilWaiting(cluster, ['w-1', 'w-2']);
}

describe('src/workflows/run: outages that a run did not plan', () => {
  it('cordons only as many nodes as there is room for right before the cordon', () =>
    harness().withWorker(async (cluster) => {
      const drained = cluster.kubernetes.hold('drain');
      await withOutage(cluster, spec(cluster, { kubernetes: kubernetesPolicy() }), () =>
        cluster.kubernetes.down.add('w-4'),
      );
      await cluster.until('one of the two has been cordoned', () => cluster.kubernetes.cordons.size > 0);
      const [cordoned] = cluster.kubernetes.cordons.keys();
      await untilWaiting(cluster, [cordoned === 'w-1' ? 'w-2' : 'w-1']);
      expect([...cluster.kubernetes.cordons.keys()]).toHaveLength(1);
      expect((await progressOf(cluster)).hold).toMatchObject({ kind: 'max-unavailable', limit: 2 });
      drained();
      cluster.kubernetes.down.clear();
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', patched: 4 });
      expect(cluster.kubernetes.cordons.size).toBe(0);
      expect(await cluster.record(cordoned === 'w-1' ? 'w-2' : 'w-1')).toMatchObject({ waitedMs: expect.any(Number) });
    }));

  it('changes nothing on a node of a plain fleet while too many others are down', () =>
    harness().withWorker(async (cluster) => {
      await withOutage(cluster, spec(cluster), () => {
        for (const name of ['w-3', 'w-4']) cluster.nodes.node(name).isDown = true;
      });
      await untilWaiting(cluster, ['w-1', 'w-2']);
      const applied = (): string[] => cluster.nodes.log.filter((step) => step.startsWith('apply'));
      expect(applied()).toEqual([]);
      cluster.nodes.node('w-3').isDown = false;
      await cluster.until('one has its room', () => applied().length > 0);
      cluster.nodes.node('w-4').isDown = false;
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', patched: 4 });
    }));

  it('does not wait with a node that is out of service already', () =>
    harness().withWorker(async (cluster) => {
      await withOutage(cluster, spec(cluster, { kubernetes: kubernetesPolicy() }), () => {
        for (const name of ['w-1', 'w-3', 'w-4']) cluster.kubernetes.down.add(name);
      });
      await untilWaiting(cluster, ['w-2']);
      await cluster.until('w-1 is drained', () => cluster.nodes.log.includes('drain w-1'));
      cluster.kubernetes.down.clear();
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', patched: 4 });
    }));

  it('ends the wait of a cancelled run, with every node untouched', () =>
    harness().withWorker(async (cluster) => {
      await withoutRoom(cluster);
      await cluster.handle.signal('cancelRun');
      const { nodes, lastRun } = await cluster.untilIdle(1);
      expect(lastRun).toMatchObject({ outcome: 'cancelled' });
      expect(nodesOf(nodes)[0]).toMatchObject({
        lastError: { message: expect.stringMatching(/waited, in service, for/) },
      });
      expect(cluster.nodes.log).not.toContain('cordon w-1');
    }));

  it('gives the places of waiting nodes up at a pause, and takes the nodes again afterwards', () =>
    harness().withWorker(async (cluster) => {
      await withoutRoom(cluster);
      await cluster.handle.signal('pause');
      const paused = await cluster.until('the run is put down', ({ run }) => run?.state === 'paused');
      expect(nodesOf(paused.nodes).map(({ state }) => state)).toEqual(['waiting', 'waiting', 'waiting', 'waiting']);
      cluster.kubernetes.down.clear();
      await cluster.handle.signal('resume');
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', patched: 4 });
    }));

  it('leaves a node out that waits in service, or is only being looked at, as soon as somebody skips it', () =>
    harness().withWorker(async (cluster) => {
      await withoutRoom(cluster);
      const held = cluster.nodes.hold('w-3', 'preflight');
      const skip = (node: string) =>
        cluster.handle.executeUpdate('skip', { args: [{ node, by: 'ann', reason: 'disk' }] });
      await skip('w-1');
      cluster.kubernetes.down.clear();
      await cluster.untilPatching('w-3');
      expect(await skip('w-3')).toMatchObject({ effect: expect.stringContaining('w-3 is left out of run 1, unless') });
      const { nodes, lastRun } = await cluster.untilIdle(1);
      held();
      expect(lastRun).toMatchObject({ outcome: 'succeeded', patched: 2, skipped: 2 });
      expect(nodesOf(nodes).map(({ state }) => state)).toEqual(['skipped', 'patched', 'skipped', 'patched']);
      expect(nodesOf(nodes)[0]?.lastError?.message).toBe('skipped by ann: disk');
      expect(await cluster.record('w-3')).toMatchObject({
        ...{ outcome: 'not-tried', error: { message: 'w-3 was left out: skipped by ann: disk; nothing was changed' } },
      });
      expect(cluster.nodes.log.filter((step) => /^(cordon|apply).* w-[13]$/.test(step))).toEqual([]);
    }));

  it('ends the wait of one node on release', () =>
    harness().withWorker(async (cluster) => {
      await withoutRoom(cluster);
      const patch = cluster.env.client.workflow.getHandle(nodeWorkflowId(cluster.name, 'w-1'));
      expect(await patch.executeUpdate('release', { args: [{ by: 'ann' }] })).toEqual({ step: 'drain' });
      cluster.kubernetes.down.clear();
      const { nodes } = await cluster.untilIdle(1);
      expect(nodesOf(nodes)[0]).toMatchObject({
        state: 'failed',
        lastError: { message: expect.stringMatching(/^w-1 was not taken out of service.*ann ended the wait/) },
      });
    }));
});
