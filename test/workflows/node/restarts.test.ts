/** Services with replaced code after a patch: reported, restarted, or a reason to reboot, depending on the policy. */
import type { Patching, SelfManagedSpec } from '../../../src/domain/spec/types';
import { NO_RESTARTS } from '../../../src/domain/spec/restart-policy';
import { clusterSpec } from '../../support/builders';
import type { SimulatedNode, TestCluster } from '../harness';
import { harnessPerTest } from '../harness-per-test';
import { kubernetesPolicy } from '../simulated-kubernetes';

const harness = harnessPerTest();

const auto = { ...NO_RESTARTS, mode: 'auto' as const };

/** Patches one node, and returns its status and its steps. */
async function patch(
  cluster: TestCluster,
  node: Partial<SimulatedNode>,
  patching: Partial<Patching>,
  more: Pick<SelfManagedSpec, 'kubernetes'> = {},
) {
  Object.assign(cluster.nodes.node('w-1'), node);
  await cluster.apply({ ...clusterSpec(['w-1'], patching, cluster.name), ...more });
  await cluster.handle.signal('patchNow');
  const status = await cluster.untilIdle(1);
  const [seen] = status.nodes;
  const done = cluster.nodes.log.map((step) => step.replace(' w-1', ''));
  return { state: seen?.state, error: seen?.lastError, warnings: seen?.warnings, done, run: status.lastRun };
}

describe('src/workflows/node/restarts', () => {
  it('names services with replaced code without restarting them by default', () =>
    harness().withWorker(async (cluster) => {
      expect(await patch(cluster, { outdated: ['web.service'] }, {})).toMatchObject({
        state: 'restart-pending',
        run: { outcome: 'succeeded', patched: 0, restartPending: 1 },
        done: ['preflight', 'apply', 'verify'],
      });
    }));

  it('restarts services after the transaction and reads the node again', () =>
    harness().withWorker(async (cluster) => {
      expect(await patch(cluster, { outdated: ['web.service'] }, { restartServices: auto })).toMatchObject({
        state: 'patched',
        done: ['preflight', 'apply', 'verify', 'restart', 'verify'],
      });
    }));

  it('restarts services also on a node with nothing to apply', () =>
    harness().withWorker(async (cluster) => {
      const seen = await patch(cluster, { pending: [], outdated: ['web.service'] }, { restartServices: auto });
      expect(seen).toMatchObject({ state: 'up-to-date', done: ['preflight', 'restart', 'verify'] });
    }));

  it('reports why a service was not restarted, and does not retry endlessly', () =>
    harness().withWorker(async (cluster) => {
      const node = { outdated: ['db.service', 'web.service'], notRestarted: ['db.service'] };
      expect(await patch(cluster, node, { restartServices: auto })).toMatchObject({
        state: 'restart-pending',
        warnings: [{ kind: 'restart-pending', message: 'not restarted: db.service (simulated)' }],
        done: ['preflight', 'apply', 'verify', 'restart', 'verify'],
      });
    }));

  it('fails a node with a service that does not start', () =>
    harness().withWorker(async (cluster) => {
      const node = { outdated: ['web.service'], breaks: 'web.service' };
      expect(await patch(cluster, node, { restartServices: auto })).toMatchObject({
        state: 'failed',
        error: { type: 'Unhealthy', message: 'web.service did not come up; 1 package was changed' },
        done: ['preflight', 'apply', 'verify', 'restart', 'verify'],
      });
      expect((await cluster.record('w-1')).after?.outdated).toBeUndefined();
    }));

  it('reports services still on replaced code after a failed restart, not those from before', () =>
    harness().withWorker(async (cluster) => {
      const node = {
        outdated: ['app.service', 'db.service', 'web.service'],
        notRestarted: ['db.service'],
        breaks: 'web.service',
      };
      expect(await patch(cluster, node, { restartServices: auto })).toMatchObject({
        state: 'failed',
        warnings: [{ message: 'not restarted: db.service (simulated)' }],
      });
      const record = await cluster.record('w-1');
      expect(record.restarts?.restarted).toEqual(['app.service']);
      expect(record.after?.outdated?.services).toEqual(['db.service']);
    }));

  it('reports a service that is still on replaced code after its restart as ineffectively restarted', () =>
    harness().withWorker(async (cluster) => {
      const node = { outdated: ['cron.service'], stillOutdated: ['cron.service'] };
      expect(await patch(cluster, node, { restartServices: auto })).toMatchObject({
        state: 'restart-pending',
        warnings: [{ message: 'restarted, but still running replaced code: cron.service' }],
      });
    }));

  it('restarts nothing when the node is rebooted anyway', () =>
    harness().withWorker(async (cluster) => {
      const node = { outdated: ['web.service'], requiresReboot: true };
      expect(await patch(cluster, node, { restartServices: auto })).toMatchObject({
        state: 'patched',
        done: ['preflight', 'apply', 'verify', 'reboot'],
      });
    }));

  it('restarts services although the pending reboot is not allowed', () =>
    harness().withWorker(async (cluster) => {
      const node = { outdated: ['web.service'], requiresReboot: true };
      const patching = { restartServices: auto, rebootIfRequired: false };
      expect(await patch(cluster, node, patching)).toMatchObject({
        state: 'reboot-pending',
        done: ['preflight', 'apply', 'verify', 'restart', 'verify'],
      });
    }));

  it('reboots for the remaining services where the policy says so, and only where reboots are allowed', () =>
    harness().withWorker(async (cluster) => {
      const node = { outdated: ['db.service', 'web.service'], notRestarted: ['db.service'] };
      const restartServices = { ...auto, asReboot: true };
      expect(await patch(cluster, node, { restartServices })).toMatchObject({
        state: 'patched',
        done: ['preflight', 'apply', 'verify', 'restart', 'verify', 'reboot'],
      });
    }));

  it('reboots a node with nothing to apply for its services', () =>
    harness().withWorker(async (cluster) => {
      const restartServices = { ...NO_RESTARTS, asReboot: true };
      const node = { pending: [], outdated: ['web.service'] };
      expect(await patch(cluster, node, { restartServices })).toMatchObject({ done: ['preflight', 'reboot'] });
    }));

  it('stays restart-pending where the configured reboot is not allowed', () =>
    harness().withWorker(async (cluster) => {
      const restartServices = { ...NO_RESTARTS, asReboot: true };
      const patching = { restartServices, rebootIfRequired: false };
      expect(await patch(cluster, { outdated: ['web.service'] }, patching)).toMatchObject({ state: 'restart-pending' });
    }));

  it.each([
    ['drains a node with nothing to apply for its container runtime', auto, 'containerd.service', 'restart drained'],
    ['does not drain a node for another service', auto, 'web.service', 'restart'],
    ['does not drain a node for a runtime that the policy leaves alone', NO_RESTARTS, 'containerd.service', undefined],
  ])('%s', (_title, restartServices, service, restart) =>
    harness().withWorker(async (cluster) => {
      const node = { pending: [], outdated: [service] };
      const seen = await patch(cluster, node, { restartServices }, { kubernetes: kubernetesPolicy() });
      expect(seen.done.find((step) => step.startsWith('restart'))).toBe(restart);
      expect(seen.state).toBe(restart === undefined ? 'restart-pending' : 'up-to-date');
      expect(seen.done.includes('cordon')).toBe(restart === 'restart drained');
    }),
  );
});
