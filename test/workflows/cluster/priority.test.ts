/** The order of queued steps; Temporal is real and supports priorities, nodes are simulated. */
import { Worker } from '@temporalio/worker';
import { ClusterClient } from '../../../src/client/cluster-client';
import { nodeWorkflowId } from '../../../src/contract/workflow-ids';
import type { SelfManagedSpec } from '../../../src/domain/spec/types';
import { clusterSpec, nodeSpec } from '../../support/builders';
import { waitFor } from '../../support/wait-for';
import type { TestCluster } from '../harness';
import { Harness } from '../harness';
import { kubernetesPolicy } from '../simulated-kubernetes';

/** Off by default in servers before 1.31; with one partition the order of a task queue is strict. */
const WITH_PRIORITIES = {
  'matching.useNewMatcher': true,
  'matching.numTaskqueueReadPartitions': 1,
  'matching.numTaskqueueWritePartitions': 1,
};

/** Temporal's type of a task queue. */
const ACTIVITIES = 2;

const QUEUED = 5;

let harness: Harness;

beforeAll(async () => {
  harness = await Harness.start('real', null, WITH_PRIORITIES);
});

afterAll(() => harness.stop());

function spec(cluster: TestCluster, node: string, site: string): SelfManagedSpec {
  const nodes = [nodeSpec(node, { taskQueue: site })];
  return { ...clusterSpec([], {}, cluster.name), nodes, kubernetes: kubernetesPolicy() };
}

/** Priority keys of the activities of a node patch, in their order. */
async function prioritiesOf(cluster: TestCluster, node: string): Promise<[string, number][]> {
  const { events } = await harness.env.client.workflow.getHandle(nodeWorkflowId(cluster.name, node)).fetchHistory();
  return (events ?? []).flatMap(({ activityTaskScheduledEventAttributes: scheduled }) =>
    scheduled ? [[scheduled.activityType?.name ?? '', scheduled.priority?.priorityKey ?? 0] as [string, number]] : [],
  );
}

/**
 * Number of activities that the task queue itself has. The history of a workflow lists an activity somewhat earlier, and a worker
 * that polls in between is given one of lower priority.
 */
async function backlogOf(taskQueue: string): Promise<number> {
  const request = {
    namespace: 'default',
    taskQueue: { name: taskQueue },
    taskQueueType: ACTIVITIES,
    reportStats: true,
  };
  const { stats } = await harness.env.client.workflowService.describeTaskQueue(request);
  return Number(stats?.approximateBacklogCount ?? 0);
}

describe('src/workflows/sandbox/priority on a server', () => {
  it('runs an uncordon before preflights that were queued earlier', () =>
    harness.withWorker(async (cluster) => {
      const site = `${cluster.name}.site`;
      const busy = Array.from({ length: QUEUED }, () => harness.newCluster());
      const log: string[] = [];
      const note =
        (step: string) =>
        <T>(answer: T) => {
          log.push(step);
          return Promise.resolve(answer);
        };
      await cluster.apply(spec(cluster, 'w-1', site));
      const client = await ClusterClient.connect({
        address: harness.address,
        namespace: 'default',
        taskQueue: cluster.name,
        deadlineMs: 60_000,
      });
      try {
        // Their workflows run on the task queue of the first cluster, too: one worker is enough.
        for (const one of busy) await client.apply(spec(one, 'w-1', site));
        for (const one of busy) await client.patch(one.name);
        await waitFor(async () => (await backlogOf(site)) === QUEUED, { what: 'all preflights to be queued' });
        const uncordoned = client.uncordon(cluster.name, 'w-1');
        await waitFor(async () => (await backlogOf(site)) === QUEUED + 1, { what: 'the uncordon to be queued' });
        const nodes = cluster.activities();
        const worker = await Worker.create({
          connection: harness.env.nativeConnection,
          taskQueue: site,
          maxConcurrentActivityTaskExecutions: 1,
          activities: {
            ...nodes,
            preflight: (input: Parameters<typeof nodes.preflight>[0]) => nodes.preflight(input).then(note('preflight')),
            uncordon: () => note('uncordon')(false),
          },
        });
        await worker.runUntil(uncordoned);
        expect(log[0]).toBe('uncordon');
        await Promise.all(busy.map((one) => one.handle.terminate()));
      } finally {
        await client.close();
      }
    }));

  it('gives recovery of a node priority over patches in progress, and those over new ones', () =>
    harness.withWorker(async (cluster) => {
      cluster.nodes.node('w-1').requiresReboot = true;
      await cluster.apply({ ...spec(cluster, 'w-1', cluster.name) });
      await cluster.handle.signal('patchNow');
      await cluster.untilIdle(1);
      const keys = Object.fromEntries(await prioritiesOf(cluster, 'w-1'));
      expect(keys).toMatchObject({ preflight: 4, prefetch: 4, drainPreview: 4, cordon: 3, drain: 3, apply: 3 });
      expect(keys).toMatchObject({ awaitHealthy: 1, readFacts: 1, uncordon: 1 });
    }));
});
