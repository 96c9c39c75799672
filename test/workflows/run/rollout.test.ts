/** Several nodes at the same time: limits, stages, budgets, and people who steer a run. */
import type { NodeStatus } from '../../../src/domain/node/status';
import { planRun } from '../../../src/domain/run/plan';
import type { ClusterStatus } from '../../../src/domain/cluster/messages';
import type { Patching, Rollout, SelfManagedSpec } from '../../../src/domain/spec/types';
import { clusterSpec, nodeSpec, rollout } from '../../support/builders';
import { nodesOf } from '../../support/members';
import type { TestCluster } from '../harness';
import { Harness } from '../harness';
import { kubernetesPolicy } from '../simulated-kubernetes';

let harness: Harness;

beforeAll(async () => {
  harness = await Harness.start('real');
});

afterAll(() => harness.stop());

const WORKERS = ['w-1', 'w-2', 'w-3', 'w-4'];

function spec(cluster: TestCluster, more: Partial<Rollout>, patching: Partial<Patching> = {}): SelfManagedSpec {
  return clusterSpec(WORKERS, { ...patching, rollout: rollout(more) }, cluster.name);
}

function inState(status: ClusterStatus, state: NodeStatus['state']): string[] {
  return nodesOf(status.nodes)
    .filter((one) => one.state === state)
    .map(({ name }) => name);
}

function fails(cluster: TestCluster, name: string): void {
  cluster.nodes.node(name).preflightError = { type: 'Policy', message: `${name} is refused` };
}

describe('src/workflows/run: several nodes at the same time', () => {
  it('patches as many as its concurrency allows, and takes the next one as soon as a place is free', () =>
    harness.withWorker(async (cluster) => {
      const release = WORKERS.map((name) => cluster.nodes.hold(name, 'apply'));
      await cluster.apply(spec(cluster, { concurrency: '50%' }));
      await cluster.handle.signal('patchNow');
      const first = await cluster.until('two are being patched', (status) => inState(status, 'patching').length === 2);
      expect(inState(first, 'patching')).toEqual(['w-1', 'w-2']);
      const { run } = await cluster.client.status(cluster.name);
      expect(run?.detail).toMatchObject({
        limits: { concurrency: 2, maxFailures: 0 },
        ...{ failures: 0, inFlightCount: 2, lostCount: 0, waitingCount: 2, upcoming: ['w-3', 'w-4'] },
        ...{ hold: { kind: 'concurrency', limit: 2 }, stage: 1, stages: 1 },
      });
      release[1]?.();
      const next = await cluster.until('the third has begun', (status) => inState(status, 'patching').includes('w-3'));
      expect(inState(next, 'patching')).toEqual(['w-1', 'w-3']);
      for (const one of release) one();
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', patched: 4 });
    }));

  it.each<[Rollout['order'], string[]]>([
    ['workers-first', ['w-4', 'w-2', 'w-3', 'w-1', 'cp-1']],
    [
      ['w-3', 'cp-1'],
      ['w-3', 'cp-1', 'w-4', 'w-2', 'w-1'],
    ],
  ])('takes its nodes in the order that a plan has shown, with order: %j', (order, expected) =>
    harness.withWorker(async (cluster) => {
      const zones: Record<string, string> = { 'w-2': 'a', 'w-4': 'a', 'w-3': 'b', 'w-1': 'b' };
      const nodes = ['w-1', 'cp-1', 'w-2', 'w-3', 'w-4'].map((name) =>
        nodeSpec(name, zones[name] === undefined ? {} : { zone: zones[name] }),
      );
      const own = { ...spec(cluster, { order }), nodes };
      await cluster.apply(own);
      await cluster.handle.executeUpdate('patchNow', { args: [{ nodes: ['w-1', 'w-2'] }] });
      await cluster.untilIdle(1);
      const rows = nodesOf((await cluster.status()).nodes);
      const nothing = {
        names: null,
        inspections: new Map(),
        windows: [],
        unavailable: new Set<string>(),
        blockers: [],
        nowMs: Date.now(),
      };
      const planned = planRun({ ...nothing, spec: own, rows }).nodes.map(({ node }) => node);
      const before = cluster.nodes.order.length;
      await cluster.handle.executeUpdate('patchNow', { args: [{}] });
      await cluster.untilIdle(2);
      expect(cluster.nodes.order.slice(before)).toEqual(planned);
      expect(planned).toEqual(expected);
    }),
  );

  it('takes control planes one at a time, after the workers', () =>
    harness.withWorker(async (cluster) => {
      const planes = ['cp-1', 'cp-2', 'cp-3'];
      const own = spec(cluster, { concurrency: 10 });
      const release = cluster.nodes.hold('cp-1', 'apply');
      await cluster.apply({ ...own, nodes: [...planes, 'w-1'].map((name) => nodeSpec(name)) });
      await cluster.handle.signal('patchNow');
      const status = await cluster.until('the first is being patched', (one) =>
        inState(one, 'patching').includes('cp-1'),
      );
      expect(inState(status, 'patched')).toEqual(['w-1']);
      expect(inState(status, 'waiting')).toEqual(['cp-2', 'cp-3']);
      release();
      await cluster.untilIdle(1);
      expect(cluster.nodes.order.filter((name) => name.startsWith('cp'))).toEqual(planes);
    }));

  it('counts nodes that are down although the run has not touched them, and goes on when they are back', () =>
    harness.withWorker(async (cluster) => {
      cluster.nodes.node('w-4').isDown = true;
      const release = WORKERS.map((name) => cluster.nodes.hold(name, 'apply'));
      await cluster.apply(spec(cluster, { concurrency: 4, maxUnavailable: 2 }));
      await cluster.handle.executeUpdate('patchNow', { args: [{ nodes: ['w-1', 'w-2', 'w-3'] }] });
      const status = await cluster.until('one is being patched', (one) => inState(one, 'patching').length > 0);
      expect(inState(status, 'patching')).toEqual(['w-1']);
      cluster.nodes.node('w-4').isDown = false;
      await cluster.until('a second one is being patched', (one) => inState(one, 'patching').length === 2);
      for (const one of release) one();
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', patched: 3 });
    }));

  it('is planned with the nodes that are out of service, those included that it would not touch', () =>
    harness.withWorker(async (cluster) => {
      cluster.nodes.node('w-4').isDown = true;
      await cluster.apply(spec(cluster, { concurrency: 4, maxUnavailable: 2 }));
      const planned = await cluster.client.plan(cluster.name, { nodes: ['w-1', 'w-2', 'w-3'] });
      expect(planned).toMatchObject({ unavailable: ['w-4'], hold: null });
      if (!('nodes' in planned)) throw new Error('a plan of node groups');
      expect(new Set(planned.nodes.map(({ startsAt }) => startsAt)).size).toBe(3);
      expect(cluster.nodes.order).toEqual([]);
    }));

  it('counts nodes of Kubernetes that are not ready, under their names there', () =>
    harness.withWorker(async (cluster) => {
      const own = spec(cluster, { concurrency: 4, maxUnavailable: 1 });
      const nodes = own.nodes.map((node) => ({ ...node, kubernetesName: `k-${node.name}` }));
      cluster.kubernetes.down.add('k-w-4');
      await cluster.apply({ ...own, kubernetes: kubernetesPolicy(), nodes });
      await cluster.handle.signal('patchNow');
      // The node that is out of service already takes no further one out of service.
      await cluster.until('the node that is down was patched', (one) => inState(one, 'patched').includes('w-4'));
      cluster.kubernetes.down.clear();
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', patched: 4 });
    }));

  it('waits after a stage for its soak, and takes the canary by its labels', () =>
    harness.withWorker(async (cluster) => {
      const stages = [{ nodes: { selector: 'canary=yes' }, soak: '5s' }, { nodes: '100%' }] as const;
      const own = spec(cluster, { concurrency: 4, stages: [...stages] });
      const nodes = own.nodes.map((node) => (node.name === 'w-3' ? { ...node, labels: { canary: 'yes' } } : node));
      await cluster.apply({ ...own, nodes });
      await cluster.handle.signal('patchNow');
      const soaking = await cluster.until('the canary is patched', (one) => inState(one, 'patched').length === 1);
      expect(inState(soaking, 'patched')).toEqual(['w-3']);
      const before = Date.parse(nodesOf(soaking.nodes)[2]?.lastCheckedTime ?? '');
      const { lastRun, nodes: rows } = await cluster.untilIdle(1);
      expect(lastRun).toMatchObject({ outcome: 'succeeded', patched: 4 });
      const others = nodesOf(rows).filter(({ name }) => name !== 'w-3');
      for (const { lastCheckedTime } of others)
        expect(Date.parse(lastCheckedTime ?? '') - before).toBeGreaterThanOrEqual(5_000);
    }));

  it('waits for a decision when more have failed than may, and goes on with the node that is retried', () =>
    harness.withWorker(async (cluster) => {
      fails(cluster, 'w-1');
      await cluster.apply(spec(cluster, { maxFailures: 0, onExceeded: 'pause' }));
      await cluster.handle.signal('patchNow');
      const waiting = await cluster.until('the run waits', ({ run }) => run?.state === 'paused');
      expect(inState(waiting, 'failed')).toEqual(['w-1']);
      expect(await cluster.handle.query('explain')).toMatch(/^run 1 waits for a decision: 1 failed, more than the 0/);
      cluster.nodes.node('w-1').preflightError = null;
      await cluster.handle.executeUpdate('retry', { args: [{ node: 'w-1' }] });
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', patched: 4, failed: 0 });
    }));

  it('retries a node while others are being patched, skips one that waits, and obeys new limits', () =>
    harness.withWorker(async (cluster) => {
      fails(cluster, 'w-1');
      const release = cluster.nodes.hold('w-2', 'apply');
      await cluster.apply(spec(cluster, { maxFailures: 4 }));
      await cluster.handle.signal('patchNow');
      await cluster.until('the second is being patched', (one) => inState(one, 'patching').includes('w-2'));
      cluster.nodes.node('w-1').preflightError = null;
      const held = cluster.nodes.hold('w-1', 'apply');
      await cluster.handle.executeUpdate('skip', { args: [{ node: 'w-3', reason: 'disk' }] });
      await cluster.handle.executeUpdate('retry', { args: [{ node: 'w-1' }] });
      await cluster.handle.executeUpdate('setConcurrency', { args: [{ concurrency: 2 }] });
      await cluster.until('the first has its second turn', (one) => inState(one, 'patching').includes('w-1'));
      held();
      release();
      const { lastRun, nodes } = await cluster.untilIdle(1);
      expect(lastRun).toMatchObject({ outcome: 'succeeded', patched: 3, skipped: 1, failed: 0 });
      expect(nodesOf(nodes)[2]?.lastError?.message).toMatch(/skipped by .*: disk$/);
    }));

  it('leaves a locked node alone until its lock ends', () =>
    harness.withWorker(async (cluster) => {
      await cluster.apply(spec(cluster, { concurrency: 4 }));
      await cluster.handle.executeUpdate('lock', { args: [{ node: 'w-2', by: 'ann', reason: 'incident' }] });
      const until = new Date(Date.now() + 3_600_000).toISOString();
      await cluster.handle.executeUpdate('lock', { args: [{ node: 'w-3', by: 'ann', reason: 'disk', until }] });
      const brief = new Date(Date.now() + 5_000).toISOString();
      await cluster.handle.executeUpdate('lock', { args: [{ node: 'w-4', by: 'ann', reason: 'call', until: brief }] });
      await cluster.env.sleep('6 seconds');
      await cluster.handle.signal('patchNow');
      const { lastRun, nodes } = await cluster.untilIdle(1);
      expect(lastRun).toMatchObject({ outcome: 'succeeded', patched: 2, skipped: 2 });
      expect(nodesOf(nodes).flatMap(({ name, state }) => (state === 'patched' ? [name] : []))).toEqual(['w-1', 'w-4']);
      expect(nodesOf(nodes)[1]).toMatchObject({
        lock: { by: 'ann' },
        lastError: { message: 'locked by ann: incident' },
      });
      await cluster.handle.executeUpdate('unlock', { args: [{ node: 'w-2' }] });
      await cluster.handle.signal('patchNow');
      const after = await cluster.untilIdle(2);
      expect(nodesOf(after.nodes)[1]).toMatchObject({ state: 'patched' });
    }));
});
