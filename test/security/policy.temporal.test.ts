/** A worker with a policy, through whole runs: what is denied is not reached, and a node comes back into service. */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { authoriseBy } from '../../src/activities/authorise';
import { guardActivities } from '../../src/activities/guard';
import type { AllActivities } from '../../src/activities/input/types';
import { createPolicyActivities } from '../../src/activities/policy';
import { nodeWorkflowId } from '../../src/contract/workflow-ids';
import { ClusterClient } from '../../src/client/cluster-client';
import { DEFAULT_DRAIN } from '../../src/domain/kubernetes/types';
import { PolicyFile } from '../../src/policy/policy-file';
import { clusterSpec } from '../support/builders';
import { waitFor } from '../support/wait-for';
import type { TestCluster } from '../workflows/harness';
import { Harness } from '../workflows/harness';

describe('a run through a worker with a policy', () => {
  let harness: Harness;
  let dir: string;

  beforeAll(async () => {
    dir = mkdtempSync(join(homedir(), '.ospatch-policy-test-'));
    harness = await Harness.start('real');
  });
  afterAll(async () => {
    await harness.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  function write(cluster: TestCluster, rule: object): void {
    const login = { hosts: ['**', '0.0.0.0/0'], ports: [22], users: ['*'], identities: ['*'] };
    const rules = [{ name: 'site', clusters: [cluster.name], taskQueues: [cluster.name], ...login, ...rule }];
    writeFileSync(join(dir, 'new'), JSON.stringify({ version: 1, rules }), { mode: 0o600 });
    renameSync(join(dir, 'new'), join(dir, 'policy.yaml'));
  }

  async function withWorker(body: (cluster: TestCluster) => Promise<void>): Promise<void> {
    const cluster = harness.newCluster();
    const policy = new PolicyFile(join(dir, 'policy.yaml'));
    const simulated = { ...cluster.activities(), ...createPolicyActivities(policy) } as AllActivities;
    const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
    try {
      await harness.withWorkerFor(
        cluster,
        () => body(cluster),
        guardActivities(simulated, { authorise: authoriseBy(policy, { askAgainMs: 200 }), log }),
      );
    } finally {
      await cluster.handle.terminate().catch(() => undefined);
    }
  }

  it('does not reach a denied node, says why in its status, and in a diagnosis', () =>
    withWorker(async (cluster) => {
      const spec = clusterSpec(['w-1', 'w-2'], {}, cluster.name);
      const { host } = spec.nodes[0] ?? { host: '' };
      write(cluster, { hosts: [host] });
      await cluster.apply({
        ...spec,
        patching: { ...spec.patching, rollout: { ...spec.patching.rollout, maxFailures: '100%' } },
      });
      await cluster.handle.signal('patchNow', { by: 'ann' });
      const status = await cluster.untilIdle(1);
      expect(status.lastRun).toMatchObject({ patched: 1, failed: 1 });
      expect(status.nodes.find(({ name }) => name === 'w-2')).toMatchObject({
        state: 'failed',
        lastError: { type: 'Denied', message: expect.stringContaining('its rule site does not allow host') },
      });
      expect(cluster.nodes.log.filter((step) => step.endsWith('w-2'))).toEqual([]);
      const session = { client: harness.env.client, keyIds: [], address: '127.0.0.1:1', namespace: 'default' };
      const client = ClusterClient.of({ ...session, deadlineMs: 15_000, taskQueue: cluster.name }, 'ann');
      const { findings } = await client.diagnoseCluster(spec, { hasWorker: true, file: null });
      expect(findings).toContainEqual(
        expect.objectContaining({
          severity: 'error',
          check: 'policy',
          message: expect.stringMatching(
            /^the policy of the workers of \S+ \(digest \w+, 1 rule\) denies w-2: host \S+ \(hosts\)$/,
          ),
        }),
      );
    }));

  it('uncordons a node that the policy has denied in the meantime, once it is allowed again', () =>
    withWorker(async (cluster) => {
      const kubeconfigs = [{ file: 'prod.yaml' }];
      write(cluster, { kubeconfigs });
      const kubernetes = { kubeconfig: 'prod.yaml', drain: DEFAULT_DRAIN, health: { readyTimeout: '10m' } };
      const spec = clusterSpec(['w-1'], {}, cluster.name);
      await cluster.apply({ ...spec, kubernetes });
      const release = cluster.nodes.hold('w-1', 'apply');
      await cluster.handle.signal('patchNow', { by: 'ann' });
      await waitFor(() => cluster.nodes.log.includes('apply w-1'), { what: 'the change' });
      write(cluster, {});
      release();
      const node = () => harness.env.client.workflow.getHandle(nodeWorkflowId(cluster.name, 'w-1'));
      const waiting = async () => (await node().describe()).raw.pendingActivities?.[0]?.lastFailure?.message;
      await waitFor(async () => /to allow the uncordon/.test((await waiting()) ?? ''), { what: 'the wait' });
      expect([...cluster.kubernetes.cordons.keys()]).toEqual(['w-1']);
      // A person at a terminal gets the answer at once.
      await expect(cluster.client.uncordon(cluster.name, 'w-1')).rejects.toMatchObject({
        type: expect.stringMatching(/Denied|Refused/),
      });
      write(cluster, { kubeconfigs });
      await cluster.untilIdle(1);
      expect(cluster.kubernetes.cordons.size).toBe(0);
    }));
});
