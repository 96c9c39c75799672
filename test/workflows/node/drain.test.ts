/** The actions of a node patch in Kubernetes; the Kubernetes cluster and the nodes are simulated, Temporal is real. */
import { nodeWorkflowId } from '../../../src/contract/workflow-ids';
import type { DrainReport, KubernetesPolicy } from '../../../src/domain/kubernetes/types';
import type { ClusterStatus } from '../../../src/domain/cluster/messages';
import type { NodeStatus } from '../../../src/domain/node/status';
import type { Patching, SelfManagedSpec } from '../../../src/domain/spec/types';
import { clusterSpec, nodeSpec } from '../../support/builders';
import type { TestCluster } from '../harness';
import { Harness } from '../harness';
import { kubernetesPolicy } from '../simulated-kubernetes';
import { nodePatch, nodesOf } from '../../support/members';

let harness: Harness;

beforeAll(async () => {
  harness = await Harness.start('real');
});

afterAll(() => harness.stop());

const OWNER = { cluster: 'other', node: 'w-1', run: 1, token: '0123456789abcdef' };
const WEB = {
  namespace: 'shop',
  name: 'web-1',
  why: 'the budget web allows no disruption',
  since: '2027-01-01T00:00:00Z',
};

function spec(
  cluster: TestCluster,
  kubernetes: KubernetesPolicy = kubernetesPolicy(),
  patching: Partial<Patching> = {},
): SelfManagedSpec {
  return { ...clusterSpec(['w-1'], patching, cluster.name), kubernetes };
}

async function patched(
  cluster: TestCluster,
  ...[policy, patching]: [KubernetesPolicy?, Partial<Patching>?]
): Promise<ClusterStatus> {
  await cluster.apply(spec(cluster, policy, patching));
  await cluster.handle.signal('patchNow');
  return cluster.untilIdle(1);
}

function first(status: ClusterStatus): NodeStatus | undefined {
  return nodesOf(status.nodes)[0];
}

async function untilLogged(cluster: TestCluster, line: string): Promise<void> {
  await cluster.until(line, () => cluster.nodes.log.includes(line));
}

describe('src/workflows/node/drain', () => {
  it('drains a node before the change, and uncordons the rebooted, healthy node', () =>
    harness.withWorker(async (cluster) => {
      cluster.nodes.node('w-1').requiresReboot = true;
      const status = await patched(cluster);
      expect(first(status)).toMatchObject({ state: 'patched', lastError: null });
      expect(cluster.nodes.log).toEqual([
        'preflight w-1',
        'prefetch w-1',
        'drainPreview w-1',
        'cordon w-1',
        'drain w-1',
        'apply w-1',
        'verify w-1',
        'drainAgain w-1',
        'reboot w-1',
        'awaitHealthy w-1',
        'uncordon w-1',
      ]);
      expect(cluster.kubernetes.machines).toEqual(['machine-w-1/boot-0', 'machine-w-1/boot-1']);
      expect(cluster.nodes.audit[0]?.result).toMatchObject({
        drain: { nodeName: 'w-1', state: 'drained', evicted: 2, cordonedBefore: 'nobody' },
        steps: [
          { step: 'preflight' },
          { step: 'prefetch' },
          { step: 'drain' },
          { step: 'apply' },
          { step: 'verify' },
          { step: 'drain' },
          { step: 'reboot' },
          { step: 'verify' },
          { step: 'uncordon' },
        ],
      });
    }));

  it('leaves the node cordoned and alone when its transaction still runs after the timeout', () =>
    harness.withWorker(async (cluster) => {
      cluster.nodes.node('w-1').endlessTransaction = 'forever';
      const status = await patched(cluster);
      expect(first(status)).toMatchObject({
        state: 'failed',
        lastError: {
          type: 'Busy',
          message: expect.stringMatching(/has not ended on w-1 within 24h; w-1 stays cordoned; /),
          remedy: expect.stringMatching(/^see what it waits for; when it has ended, `ospatch uncordon \S+ w-1`/),
        },
      });
      expect(cluster.nodes.log.slice(-2)).toEqual(['apply w-1', 'apply w-1']);
    }));

  it.each(['apply', 'reboot'] as const)(
    'leaves the node cordoned when unreachable in its %s, and uncordons the node after the next patch',
    (step) =>
      harness.withWorker(async (cluster) => {
        const message = 'w-1 was unreachable for 1440 min after a change was begun there: no route to host';
        Object.assign(cluster.nodes.node('w-1'), {
          requiresReboot: true,
          unreachableIn: step,
          failsIn: { step, error: { type: 'UnreachableAfterChange', message, remedy: 'check that w-1 is up' } },
        });
        expect(first(await patched(cluster))).toMatchObject({
          state: 'failed',
          lastError: {
            type: 'UnreachableAfterChange',
            message: expect.stringContaining(': no route to host; its state is unknown, so w-1 stays cordoned; '),
            remedy: `check that w-1 is up; when it is back, \`ospatch uncordon ${cluster.name} w-1\` or patch it again`,
          },
        });
        expect(cluster.nodes.log).not.toContain('uncordon w-1');

        Object.assign(cluster.nodes.node('w-1'), { unreachableIn: null, failsIn: null });
        await cluster.handle.signal('patchNow');
        expect(first(await cluster.untilIdle(2))?.lastError).toBeNull();
        expect(cluster.nodes.log.at(-1)).toBe('uncordon w-1');
      }),
  );

  it('uncordons a node whose change was prevented by another job', () =>
    harness.withWorker(async (cluster) => {
      const message = 'the ospatch job feed-apply-1 has not ended on w-1 within 6h; it was not stopped';
      cluster.nodes.node('w-1').failsIn = { step: 'apply', error: { type: 'Busy', message } };
      expect(first(await patched(cluster))).toMatchObject({ state: 'failed', lastError: { type: 'Busy' } });
      expect(cluster.nodes.log.at(-1)).toBe('uncordon w-1');
    }));

  it('cordons nothing while packages cannot be downloaded, and fails after refreshing the lists once', () =>
    harness.withWorker(async (cluster) => {
      const error = { type: 'Repository', message: 'the mirror is gone' } as const;
      cluster.nodes.node('w-1').prefetchErrors = [error, error];
      expect(first(await patched(cluster))).toMatchObject({ state: 'failed', lastError: { type: 'Repository' } });
      expect(cluster.nodes.log).toEqual(['preflight w-1', 'prefetch w-1', 'preflight w-1', 'prefetch w-1']);
    }));

  it('downloads in the transaction where patching.prefetch is off', () =>
    harness.withWorker(async (cluster) => {
      expect(first(await patched(cluster, undefined, { prefetch: 'off' }))).toMatchObject({ state: 'patched' });
      expect(cluster.nodes.log.slice(0, 2)).toEqual(['preflight w-1', 'drainPreview w-1']);
    }));

  it('drains again right before the reboot, also where only a reboot is pending', () =>
    harness.withWorker(async (cluster) => {
      Object.assign(cluster.nodes.node('w-1'), { pending: [], rebootRequired: true });
      expect(first(await patched(cluster))).toMatchObject({ lastError: null });
      const { log } = cluster.nodes;
      expect(log.slice(log.indexOf('reboot w-1') - 2, log.indexOf('reboot w-1'))).toEqual([
        'drain w-1',
        'drainAgain w-1',
      ]);
    }));

  it('evicts pods that have returned once more before the reboot', () =>
    harness.withWorker(async (cluster) => {
      cluster.nodes.node('w-1').requiresReboot = true;
      cluster.kubernetes.reportAgain = { evicted: 1 };
      expect(first(await patched(cluster))).toMatchObject({ state: 'patched', lastError: null });
      expect(cluster.nodes.audit[0]?.result).toMatchObject({ drain: { state: 'drained', evicted: 3 } });
    }));

  it('does not reboot a node that somebody has uncordoned, and reports the node as patched', () =>
    harness.withWorker(async (cluster) => {
      cluster.nodes.node('w-1').requiresReboot = true;
      const message = 'w-1 was uncordoned by somebody else before it was rebooted';
      cluster.kubernetes.errors.set('drainAgain', { type: 'Policy', message });
      expect(first(await patched(cluster))).toMatchObject({
        state: 'failed',
        lastError: {
          type: 'Policy',
          message:
            'w-1 was uncordoned by somebody else before it was rebooted; 2 pods were evicted and 1 package was changed',
        },
      });
      expect(cluster.nodes.log.slice(-2)).toEqual(['drainAgain w-1', 'uncordon w-1']);
    }));

  it('does not reboot a node whose drain times out, and fails the node even under skip-node', () =>
    harness.withWorker(async (cluster) => {
      cluster.nodes.node('w-1').requiresReboot = true;
      cluster.kubernetes.reportAgain = { state: 'timed-out', evicted: 0, blocked: [WEB] };
      expect(first(await patched(cluster, kubernetesPolicy({ onDrainTimeout: 'skip-node' })))).toMatchObject({
        state: 'failed',
        lastError: { type: 'DrainTimeout' },
      });
      expect(cluster.nodes.log).not.toContain('reboot w-1');
    }));

  it('waits for the evicted workloads after the uncordon, when configured', () =>
    harness.withWorker(async (cluster) => {
      cluster.kubernetes.report = { workloads: [{ namespace: 'shop', kind: 'Deployment', name: 'web' }] };
      cluster.kubernetes.errors.set('awaitWorkloads', { type: 'Unhealthy', message: 'shop/web is not available' });
      const status = await patched(cluster, kubernetesPolicy({}, { workloadsTimeout: '1m' }));
      expect(cluster.nodes.log.slice(-3)).toEqual(['awaitHealthy w-1', 'uncordon w-1', 'awaitWorkloads w-1']);
      expect(first(status)).toMatchObject({
        state: 'failed',
        lastError: {
          type: 'Unhealthy',
          message: 'shop/web is not available; 2 pods were evicted and 1 package was changed',
        },
      });
    }));

  it('cordons no node with nothing to do, and removes the cordon of a terminated node patch', () =>
    harness.withWorker(async (cluster) => {
      cluster.nodes.node('w-1').pending = [];
      cluster.kubernetes.cordons.set('w-1', OWNER);
      expect(first(await patched(cluster))?.state).toBe('up-to-date');
      expect(cluster.nodes.log).toEqual(['preflight w-1', 'uncordon w-1']);
      expect(cluster.kubernetes.cordons.size).toBe(0);
    }));

  it('changes nothing on a node whose drain could never finish, and names the blockers', () =>
    harness.withWorker(async (cluster) => {
      cluster.kubernetes.preview = { blockers: ['the server evicts no pod that two budgets select'] };
      const status = await patched(cluster);
      expect(cluster.nodes.log).toEqual(['preflight w-1', 'prefetch w-1', 'drainPreview w-1']);
      expect(first(status)?.lastError).toEqual({
        type: 'DrainBlocked',
        message: 'w-1 cannot be drained: the server evicts no pod that two budgets select; nothing was changed',
        remedy: `\`ospatch check ${cluster.name}\` lists all blockers; remove them, then patch w-1 again`,
      });
    }));

  it('drains no node with an unknown machine id', () =>
    harness.withWorker(async (cluster) => {
      cluster.nodes.node('w-1').machineId = null;
      const status = await patched(cluster);
      expect(cluster.nodes.log).toEqual(['preflight w-1', 'prefetch w-1']);
      expect(first(status)?.lastError).toMatchObject({
        type: 'WrongNode',
        message: expect.stringContaining('reports no machine id'),
      });
    }));

  it('uses the node name in Kubernetes', () =>
    harness.withWorker(async (cluster) => {
      const nodes = [nodeSpec('w-1', { kubernetesName: 'ip-10-0-0-12' })];
      await cluster.apply({ ...spec(cluster), nodes });
      await cluster.handle.signal('patchNow');
      await cluster.untilIdle(1);
      expect(cluster.nodes.log).toContain('drain ip-10-0-0-12');
    }));

  it('uncordons a node whose packages could not be changed', () =>
    harness.withWorker(async (cluster) => {
      cluster.nodes.node('w-1').interrupted = 3;
      expect(first(await patched(cluster))?.state).toBe('failed');
      expect(cluster.nodes.log.at(-1)).toBe('uncordon w-1');
      expect(cluster.nodes.log).not.toContain('awaitHealthy w-1');
      expect(cluster.kubernetes.cordons.size).toBe(0);
    }));

  it('uncordons a node that is unhealthy after the patch, and fails the node', () =>
    harness.withWorker(async (cluster) => {
      cluster.kubernetes.errors.set('awaitHealthy', { type: 'Unhealthy', message: 'w-1 is not Ready' });
      expect(first(await patched(cluster))).toMatchObject({
        state: 'failed',
        lastError: { type: 'Unhealthy', message: 'w-1 is not Ready; 2 pods were evicted and 1 package was changed' },
      });
      expect(cluster.nodes.log.at(-1)).toBe('uncordon w-1');
    }));

  it('reports a node as left cordoned when the API server denies the uncordon', () =>
    harness.withWorker(async (cluster) => {
      cluster.kubernetes.errors.set('uncordon', { type: 'KubernetesApi', message: 'patching nodes is forbidden' });
      expect(first(await patched(cluster))).toMatchObject({
        state: 'failed',
        lastError: {
          type: 'KubernetesApi',
          message: 'w-1 is left cordoned: patching nodes is forbidden; 2 pods were evicted and 1 package was changed',
          remedy: `ospatch uncordon ${cluster.name} w-1`,
        },
      });
    }));

  describe('on a drain timeout', () => {
    const timedOut: Partial<DrainReport> = { state: 'timed-out', evicted: 1, blocked: [WEB] };

    it('fails the node with the blocking pods and budgets, uncordoned and unchanged', () =>
      harness.withWorker(async (cluster) => {
        cluster.kubernetes.report = timedOut;
        expect(first(await patched(cluster))).toMatchObject({
          state: 'failed',
          lastError: {
            type: 'DrainTimeout',
            message:
              'w-1 was not drained within 10m; still there: shop/web-1: the budget web allows no disruption; 1 pod was evicted',
          },
        });
        expect(cluster.nodes.log.slice(-2)).toEqual(['drain w-1', 'uncordon w-1']);
      }));

    it('skips the node and continues with the next one under skip-node', () =>
      harness.withWorker(async (cluster) => {
        cluster.kubernetes.report = timedOut;
        await cluster.apply({
          ...clusterSpec(['w-1', 'w-2'], {}, cluster.name),
          kubernetes: kubernetesPolicy({ onDrainTimeout: 'skip-node' }),
        });
        await cluster.handle.signal('patchNow');
        const status = await cluster.untilIdle(1);
        expect(status.lastRun).toMatchObject({ outcome: 'succeeded', failed: 0, skipped: 2, notTried: 0 });
        expect(first(status)).toMatchObject({ state: 'skipped', lastError: { type: 'DrainTimeout' } });
        expect(cluster.nodes.log.slice(-2)).toEqual(['drain w-2', 'uncordon w-2']);
      }));

    it('patches the node anyway under proceed', () =>
      harness.withWorker(async (cluster) => {
        cluster.kubernetes.report = timedOut;
        expect(first(await patched(cluster, kubernetesPolicy({ onDrainTimeout: 'proceed' })))?.state).toBe('patched');
        expect(cluster.nodes.log.slice(-2)).toEqual(['awaitHealthy w-1', 'uncordon w-1']);
        expect(nodePatch(cluster.nodes.audit[0]?.result).drain?.blocked).toEqual([WEB]);
      }));
  });

  describe('uncordons', () => {
    it('when the run is cancelled during the drain, after the drain has ended', () =>
      harness.withWorker(async (cluster) => {
        cluster.kubernetes.hold('drain');
        await cluster.apply(spec(cluster));
        await cluster.handle.signal('patchNow');
        await untilLogged(cluster, 'drain w-1');
        await cluster.handle.signal('cancelRun');
        const status = await cluster.untilIdle(1);
        expect(first(status)).toMatchObject({
          lastOutcome: 'cancelled',
          lastError: {
            message: 'the patch was cancelled while w-1 was being drained; none of its packages was changed',
          },
        });
        expect(cluster.nodes.log.slice(-2)).toEqual(['drain w-1', 'uncordon w-1']);
      }));

    it('when the run is cancelled before the reboot, which stays pending', () =>
      harness.withWorker(async (cluster) => {
        cluster.nodes.node('w-1').requiresReboot = true;
        cluster.kubernetes.hold('drainAgain');
        await cluster.apply(spec(cluster));
        await cluster.handle.signal('patchNow');
        await untilLogged(cluster, 'drainAgain w-1');
        await cluster.handle.signal('cancelRun');
        const status = await cluster.untilIdle(1);
        expect(first(status)).toMatchObject({ state: 'reboot-pending', lastError: null });
        expect(cluster.nodes.log.slice(-2)).toEqual(['drainAgain w-1', 'uncordon w-1']);
      }));

    it('when the run is cancelled before a waiting reboot was requested, and then reports no reboot', () =>
      harness.withWorker(async (cluster) => {
        Object.assign(cluster.nodes.node('w-1'), { requiresReboot: true, rebootRequested: 'no' });
        const release = cluster.nodes.hold('w-1', 'reboot');
        await cluster.apply(spec(cluster));
        await cluster.handle.signal('patchNow');
        await untilLogged(cluster, 'reboot w-1');
        await cluster.handle.signal('cancelRun');
        const status = await cluster.untilIdle(1);
        release();
        expect(first(status)).toMatchObject({ state: 'reboot-pending', lastError: null });
        expect(JSON.stringify(status)).not.toContain('was rebooting');
      }));

    it('when the run is cancelled during a reboot', () =>
      harness.withWorker(async (cluster) => {
        cluster.nodes.node('w-1').requiresReboot = true;
        const release = cluster.nodes.hold('w-1', 'reboot');
        await cluster.apply(spec(cluster));
        await cluster.handle.signal('patchNow');
        await untilLogged(cluster, 'reboot w-1');
        await cluster.handle.signal('cancelRun');
        const status = await cluster.untilIdle(1);
        release();
        expect(first(status)).toMatchObject({
          state: 'failed',
          lastError: { message: expect.stringContaining('cancelled while w-1 was rebooting') },
        });
        expect(cluster.nodes.log.at(-1)).toBe('uncordon w-1');
      }));

    it('when the node patch is terminated, once its activities have had time to end', () =>
      harness.withWorker(async (cluster) => {
        const release = cluster.kubernetes.hold('drain');
        await cluster.apply(spec(cluster));
        await cluster.handle.signal('patchNow');
        await untilLogged(cluster, 'drain w-1');
        await cluster.env.client.workflow.getHandle(nodeWorkflowId(cluster.name, 'w-1')).terminate('by hand');
        const status = await cluster.untilIdle(1);
        release();
        expect(first(status)).toMatchObject({ state: 'failed', lastError: { type: 'UnreachableAfterChange' } });
        expect(cluster.nodes.log.slice(-2)).toEqual(['drain w-1', 'uncordon w-1']);
        expect(cluster.kubernetes.cordons.size).toBe(0);
      }));

    it('when the run workflow is terminated, by the node patch that this cancels', () =>
      harness.withWorker(async (cluster) => {
        cluster.kubernetes.hold('drain');
        await cluster.apply(spec(cluster));
        await cluster.handle.signal('patchNow');
        await untilLogged(cluster, 'drain w-1');
        await cluster.env.client.workflow.getHandle(await cluster.runId(1)).terminate('by hand');
        await cluster.untilIdle(1);
        await untilLogged(cluster, 'uncordon w-1');
        expect(cluster.nodes.log).not.toContain('apply w-1');
      }));
  });
});
