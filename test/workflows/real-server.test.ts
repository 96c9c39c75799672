/** Behaviour of the real server that the time-skipping one does not have. */
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import type { WorkflowFailedError } from '@temporalio/client';
import { ClusterClient } from '../../src/client/cluster-client';
import { clusterWorkflowId, nodeWorkflowId } from '../../src/contract/workflow-ids';
import type { ClusterHistory } from '../../src/domain/cluster/messages';
import type { Patching, SelfManagedSpec } from '../../src/domain/spec/types';
import { clusterSpec } from '../support/builders';
import { waitFor } from '../support/wait-for';
import type { TestCluster } from './harness';
import { Harness } from './harness';
import { nodePatch } from '../support/members';

let harness: Harness;

beforeAll(async () => {
  harness = await Harness.start('real');
});

afterAll(() => harness.stop());

function spec(cluster: TestCluster, patching: Partial<Patching> = {}): SelfManagedSpec {
  return clusterSpec(undefined, patching, cluster.name);
}

describe('src/workflows/cluster/cluster on a real server', () => {
  it('records the nodes of a run workflow that was terminated, and survives', () =>
    harness.withWorker(async (cluster) => {
      const release = cluster.nodes.hold('w-1', 'apply');
      await cluster.apply(spec(cluster));
      await cluster.handle.signal('patchNow');
      await cluster.untilPatching('w-1');
      await cluster.env.client.workflow.getHandle(await cluster.runId(1)).terminate('by hand');
      const status = await cluster.untilIdle(1);
      expect(status.lastRun).toMatchObject({
        ...{ outcome: 'failed', failed: 1, notTried: 2 },
        error: { message: expect.stringContaining('run 1 was terminated in Temporal') },
      });
      // The orphaned node patch still locks the node: the next run waits instead of working beside it.
      await cluster.handle.signal('patchNow', { nodes: ['w-1'] });
      await cluster.until('run 2 is in progress', (one) => one.run?.number === 2);
      release();
      expect((await cluster.untilIdle(2)).lastRun).toMatchObject({ outcome: 'succeeded' });
      expect(cluster.nodes.node('w-1').applies).toBe(1);
    }));

  it('ends a failed node patch and a failed run as failed workflows with the reason, and keeps their records', () =>
    harness.withWorker(async (cluster) => {
      const error = { type: 'DiskFull', message: 'w-2 has no room in /var', remedy: 'make room' } as const;
      cluster.nodes.node('w-2').failsIn = { step: 'apply', error };
      await cluster.apply(spec(cluster));
      await cluster.handle.signal('patchNow');
      const status = await cluster.untilIdle(1);
      expect(status.lastRun).toMatchObject({ outcome: 'stopped', patched: 1, failed: 1, notTried: 1 });
      const { workflow } = cluster.env.client;
      const endOf = async (id: string): Promise<[string, string]> => {
        const handle = workflow.getHandle(id);
        const failure: unknown = await handle.result().then(
          () => null,
          ({ cause }: WorkflowFailedError) => cause?.message,
        );
        return [(await handle.describe()).status.name, String(failure)];
      };
      const sentence =
        'w-2 has no room in /var; what the package transaction has changed is not known yet; fix: make room.';
      expect(await endOf(nodeWorkflowId(cluster.name, 'w-1'))).toEqual(['COMPLETED', 'null']);
      expect(await endOf(nodeWorkflowId(cluster.name, 'w-2'))).toEqual(['FAILED', sentence]);
      expect(await endOf(await cluster.runId(1))).toEqual([
        'FAILED',
        `run 1 of ${cluster.name}: 1 of 3 nodes failed, 1 not tried, first ${sentence}`,
      ]);
      const client = await ClusterClient.connect({ address: harness.address, taskQueue: cluster.name });
      const { nodes } = await client.run(cluster.name, 1);
      await client.close();
      expect(
        nodes.map(({ settled, record }) => [
          settled.node,
          settled.outcome,
          record === null ? null : nodePatch(record).changes.length,
        ]),
      ).toEqual([
        ['w-1', 'patched', 1],
        ['w-2', 'failed', 0],
        ['cp-1', 'not-tried', null],
      ]);
    }));

  it('loses nothing when no worker runs for a while during a run', async () => {
    const cluster = harness.newCluster();
    await harness.withWorkerFor(cluster, async () => {
      await cluster.apply(spec(cluster));
      await cluster.handle.signal('patchNow');
      await cluster.until('the run is in progress', (status) => status.run !== null);
    });
    await cluster.env.sleep('3 seconds');
    await cluster.handle.signal('patchNow', { nodes: ['w-1'] });
    await harness.withWorkerFor(cluster, async () => {
      const status = await cluster.untilIdle(2);
      expect(status.nodes.map((node) => node.state)).toEqual(['patched', 'up-to-date', 'patched']);
      expect((await cluster.handle.query<ClusterHistory>('history')).runs.map((run) => run.outcome)).toEqual([
        'succeeded',
        'succeeded',
      ]);
    });
    expect(['cp-1', 'w-1', 'w-2'].map((name) => cluster.nodes.node(name).applies)).toEqual([1, 1, 1]);
  });

  it('repeats nothing after a reset, gives no run number twice and says what its status lacks', () =>
    harness.withWorker(async (cluster) => {
      const client = await ClusterClient.connect({ address: harness.address, taskQueue: cluster.name });
      await cluster.apply(spec(cluster));
      const { runId } = await cluster.handle.describe();
      for (const number of [1, 2]) {
        await client.patch(cluster.name);
        await cluster.untilIdle(number);
      }
      const { workflow, workflowService } = cluster.env.client;
      // Of the first history, which run 1 has ended: it does not know run 2.
      const { events } = await workflow.getHandle(cluster.handle.workflowId, runId).fetchHistory();
      const last = events?.findLast((event) => event.workflowTaskCompletedEventAttributes)?.eventId;
      await workflowService.resetWorkflowExecution({
        ...{ namespace: 'default', workflowExecution: { workflowId: cluster.handle.workflowId, runId } },
        ...{ reason: 'by hand', requestId: 'reset', ...(last ? { workflowTaskFinishEventId: last } : {}) },
      });
      const status = await cluster.until('the reset is known', (one) => one.reset?.includes('run 2') === true);
      expect(status).toMatchObject({ state: 'paused', run: null, lastRun: { number: 1 } });
      expect(status.lastRejection).toBeNull();
      await client.resume(cluster.name);
      expect(await client.patch(cluster.name)).toMatchObject({ run: 3 });
      expect(await cluster.untilIdle(3)).toMatchObject({ reset: null, lastRun: { number: 3, outcome: 'succeeded' } });
      await client.close();
    }));

  it('stops waiting for a node at once when the run is cancelled before any change', () =>
    harness.withWorker(async (cluster) => {
      const release = cluster.nodes.hold('w-1', 'preflight');
      await cluster.apply(spec(cluster));
      await cluster.handle.signal('patchNow');
      await cluster.untilPatching('w-1');
      await cluster.handle.signal('cancelRun');
      const status = await cluster.untilIdle(1);
      release();
      expect(status.nodes[1]).toMatchObject({ state: 'not-tried', lastOutcome: 'cancelled' });
      expect(cluster.nodes.node('w-1').applies).toBe(0);
    }));

  it('can be found by state and next window where the search attributes are registered', () =>
    harness.withWorker(async (cluster) => {
      await cluster.apply(spec(cluster, { schedule: [{ preset: 'weekly', startWithin: '1h' }] }));
      await cluster.until('the window is known', (status) => status.nextWindow !== null);
      const query = `PatchCluster = "${cluster.name}" AND PatchState = "idle" AND PatchNextWindow > "2020-01-01T00:00:00Z"`;
      const found = await waitFor(
        async () => {
          const ids: string[] = [];
          for await (const { workflowId } of cluster.env.client.workflow.list({ query })) ids.push(workflowId);
          return ids.length > 0 && ids;
        },
        { what: 'the cluster in the list' },
      );
      expect(found).toEqual([clusterWorkflowId(cluster.name)]);
    }));

  it('can be found by failure, down to the node patch', () =>
    harness.withWorker(async (cluster) => {
      cluster.nodes.node('w-2').preflightError = { type: 'AuthFailed', message: 'no' };
      cluster.nodes.node('w-1').requiresReboot = true;
      await cluster.apply(spec(cluster, { rebootIfRequired: false }));
      await cluster.handle.signal('patchNow');
      await cluster.untilIdle(1);
      const of = `PatchCluster = "${cluster.name}"`;
      const found = async (query: string): Promise<string[]> =>
        waitFor(
          async () => {
            const ids: string[] = [];
            for await (const { workflowId } of cluster.env.client.workflow.list({ query: `${of} AND ${query}` }))
              ids.push(workflowId);
            return ids.length > 0 && ids;
          },
          { what: query },
        );
      const run = await cluster.runId(1);
      expect(await found('PatchOutcome = "failed"')).toEqual([nodeWorkflowId(cluster.name, 'w-2')]);
      expect(await found('WorkflowType = "patchNode" AND PatchOutcome = "reboot-pending"')).toEqual([
        nodeWorkflowId(cluster.name, 'w-1'),
      ]);
      const counted = 'PatchOutcome = "stopped" AND PatchFailedNodes = 1 AND PatchRebootPending = 1';
      expect(await found(`WorkflowType = "run" AND ${counted}`)).toEqual([run]);
      expect(await found(`WorkflowType = "cluster" AND ExecutionStatus = "Running" AND ${counted}`)).toEqual([
        cluster.handle.workflowId,
      ]);
      const client = await ClusterClient.connect({ address: harness.address, taskQueue: cluster.name });
      const item = (await client.list()).find((one) => one.cluster === cluster.name);
      await client.close();
      expect(item).toMatchObject({ failedNodes: 1, lastOutcome: 'stopped' });
    }));

  it('starts a new history after each run and keeps its whole state', () =>
    harness.withWorker(async (cluster) => {
      await cluster.apply(spec(cluster));
      const first = (await cluster.handle.describe()).runId;
      await cluster.handle.signal('patchNow');
      const status = await cluster.untilIdle(1);
      await cluster.until('the cluster has continued as new', () => true);
      const second = (await cluster.env.client.workflow.getHandle(cluster.handle.workflowId).describe()).runId;
      expect(second).not.toBe(first);
      expect((await cluster.status()).nodes).toEqual(status.nodes);
    }));

  it('cannot be started twice under one name', () =>
    harness.withWorker(async (cluster) => {
      await cluster.apply(spec(cluster));
      const again = cluster.env.client.workflow.start('cluster', {
        workflowId: clusterWorkflowId(cluster.name),
        taskQueue: cluster.name,
        args: [{ spec: spec(cluster) }],
      });
      await expect(again).rejects.toThrow(WorkflowExecutionAlreadyStartedError);
    }));

  it('fails at once, with the reason, when started by hand with an invalid spec', () =>
    harness.withWorker(async (cluster) => {
      for (const args of [[], [null], [{ spec: { name: cluster.name } }]]) {
        const handle = await cluster.env.client.workflow.start('cluster', {
          workflowId: clusterWorkflowId(cluster.name),
          taskQueue: cluster.name,
          args,
        });
        await expect(handle.result()).rejects.toMatchObject({ cause: { type: 'InvalidSpec' } });
      }
    }));
});
