/** The refresh of reboot-pending nodes, on the task queue of their site. */
import { refreshWorkflowId } from '../../../src/contract/workflow-ids';
import { clusterSpec, nodeSpec } from '../../support/builders';
import type { TestCluster } from '../harness';
import { harnessPerTest } from '../harness-per-test';
import { SandboxedWorkflow, payloadOf, signal } from '../sandboxed-workflow';
import { packState } from '../../../src/domain/cluster/packed-state';
import { newClusterState } from '../../../src/domain/cluster/state';

const LOOK_EVERY = '7 hours';

const harness = harnessPerTest();

/** w-1 and w-2 are at the site, w-3 is not; all of them are patched and reboot-pending. */
async function withPending(body: (cluster: TestCluster, site: TestCluster) => Promise<void>): Promise<void> {
  const site = harness().newCluster();
  await harness().withWorker(async (cluster) => {
    const taskQueue = siteOf(cluster);
    const nodes = [nodeSpec('w-1', { taskQueue }), nodeSpec('w-2', { taskQueue }), nodeSpec('w-3')];
    for (const name of ['w-1', 'w-2']) site.nodes.node(name).requiresReboot = true;
    cluster.nodes.node('w-3').requiresReboot = true;
    await harness().withSiteWorker(taskQueue, site, async () => {
      await cluster.apply({ ...clusterSpec([], { rebootIfRequired: false }, cluster.name), nodes });
      await cluster.handle.signal('patchNow');
      const { lastRun } = await cluster.untilIdle(1);
      expect(lastRun).toMatchObject({ rebootPending: 3 });
    });
    for (const one of [site, cluster]) one.nodes.log.length = 0;
    await body(cluster, site);
  });
}

function siteOf(cluster: TestCluster): string {
  return `${cluster.name}.site-b`;
}

async function states(cluster: TestCluster): Promise<string[]> {
  return (await cluster.status()).nodes.map(({ state }) => state);
}

describe('src/workflows/cluster/refresh-facts', () => {
  it('notices within hours that somebody rebooted a reboot-pending node', () =>
    harness().withWorker(async (cluster) => {
      cluster.nodes.node('w-1').requiresReboot = true;
      await cluster.apply(clusterSpec(['w-1'], { rebootIfRequired: false }, cluster.name));
      await cluster.handle.signal('patchNow');
      await cluster.untilIdle(1);
      cluster.nodes.node('w-1').rebootRequired = false;
      await cluster.env.sleep(LOOK_EVERY);
      expect((await cluster.status()).nodes[0]?.state).toBe('patched');
      const { events } = await cluster.handle.fetchHistory();
      expect((events ?? []).filter((event) => event.activityTaskScheduledEventAttributes)).toEqual([]);
    }));

  it('notices a manual reboot at a site through the workers of the site', () =>
    withPending((cluster, site) =>
      harness().withSiteWorker(siteOf(cluster), site, async () => {
        site.nodes.node('w-1').rebootRequired = false;
        await harness().env.sleep(LOOK_EVERY);
        expect(await states(cluster)).toEqual(['patched', 'reboot-pending', 'reboot-pending']);
        expect(site.nodes.log).toEqual(['verify w-1', 'verify w-2']);
        expect(cluster.nodes.log).toEqual(['verify w-3']);
      }),
    ));

  it('notices a manual reboot elsewhere although a site has no worker, waiting once and not per node', () =>
    withPending(async (cluster, site) => {
      for (const one of [site, cluster]) for (const name of ['w-1', 'w-3']) one.nodes.node(name).rebootRequired = false;
      await harness().env.sleep(LOOK_EVERY);
      expect(await states(cluster)).toEqual(['reboot-pending', 'reboot-pending', 'patched']);
      const { events } = await harness().env.client.workflow.getHandle(refreshWorkflowId(cluster.name)).fetchHistory();
      const requests = (events ?? [])
        .map((event) => event.activityTaskScheduledEventAttributes)
        .filter((activity) => activity?.activityType?.name === 'readFacts')
        .map((activity) => activity?.taskQueue?.name);
      expect(requests).toEqual([siteOf(cluster), cluster.name]);

      await harness().withSiteWorker(siteOf(cluster), site, async () => {
        await harness().env.sleep(LOOK_EVERY);
        expect(await states(cluster)).toEqual(['patched', 'reboot-pending', 'patched']);
      });
    }));
});

describe('src/workflows/cluster/refresh-facts for thousands of unreachable nodes', () => {
  it('reads 16 nodes at a time, the first of a site alone', async () => {
    const nodes = Array.from({ length: 100 }, (_, index) => nodeSpec(`w-${index}`));
    const input = payloadOf({ cluster: 'demo', nodes, ineffective: {} });
    const workflow = await SandboxedWorkflow.create('refresh', 'refreshFacts', input);
    const rounds: number[] = [];
    for (let commands = await workflow.activate(); ;) {
      const requests = commands.flatMap(({ scheduleActivity: one }) => (one ? [one.seq ?? 0] : []));
      if (requests.length === 0) break;
      rounds.push(requests.length);
      const unreachable = (seq: number) => ({
        resolveActivity: { seq, result: { failed: { failure: failureOf(seq) } } },
      });
      commands = await workflow.activate(...requests.map(unreachable));
    }
    expect(rounds).toEqual([1, 16, 16, 16, 16, 16, 16, 3]);
    expect(workflow.commands.at(-1)?.completeWorkflowExecution).toBeTruthy();
    await workflow.dispose();
  });

  it('is aborted as soon as a run begins', async () => {
    const state = newClusterState(clusterSpec(['w-1'], {}, 'demo'), null, '2027-01-04T11:00:00.000Z');
    state.nodes = state.nodes.map((node) => ({ ...node, state: 'not-tried', rebootRequired: true }));
    const workflow = await SandboxedWorkflow.create('cluster/demo', 'cluster', payloadOf({ state: packState(state) }));
    const [first] = await workflow.activate();
    const seq = first?.scheduleLocalActivity?.seq ?? 0;
    const result = { completed: { result: payloadOf([]) } };
    const polled = await workflow.activate({ resolveActivity: { seq, isLocal: true, result } });
    const child = polled.find((one) => one.startChildWorkflowExecution)?.startChildWorkflowExecution;
    expect(child?.workflowType).toBe('refreshFacts');
    const started = { seq: child?.seq ?? 0, succeeded: { runId: 'r-1' } };
    await workflow.activate({ resolveChildWorkflowExecutionStart: started });
    const run = await workflow.activate(signal('patchNow'));
    expect(run.some((one) => one.startChildWorkflowExecution?.workflowType === 'run')).toBe(true);
    expect(run.some((one) => one.cancelChildWorkflowExecution)).toBe(true);
    await workflow.dispose();
  });
});

function failureOf(seq: number) {
  const activityFailureInfo = { activityType: { name: 'readFacts' }, activityId: String(seq), retryState: 5 };
  const cause = { message: 'w is unreachable', applicationFailureInfo: { type: 'Unreachable', nonRetryable: true } };
  return { message: 'activity failed', activityFailureInfo, cause };
}
