/** The prefetch of packages before a window; nodes are simulated, time is skipped. */
import { clusterSpec, ahead, windowAt } from '../../support/builders';
import { packState } from '../../../src/domain/cluster/packed-state';
import { newClusterState } from '../../../src/domain/cluster/state';
import { harnessPerTest } from '../harness-per-test';
import type { Command } from '../sandboxed-workflow';
import { SandboxedWorkflow, localActivity, payloadOf, resolved, signal, valueOf } from '../sandboxed-workflow';
import { nodesOf } from '../../support/members';

const harness = harnessPerTest();

const SCHEDULE = { preset: 'weekly', startWithin: '1h' } as const;

describe('src/workflows/node/prefetch-nodes', () => {
  it('downloads on all nodes before the window, reports failures, and leaves the patch to the window', () =>
    harness().withWorker(async (cluster) => {
      cluster.nodes.node('w-2').prefetchErrors = [{ type: 'Repository', message: 'the mirror is gone' }];
      const patching = { prefetch: { beforeWindow: '6h' }, schedule: [SCHEDULE] };
      await cluster.apply(clusterSpec(['w-1', 'w-2'], patching, cluster.name));
      const { nextWindow } = await cluster.status();
      const untilPrefetch = Date.parse(nextWindow?.start ?? '') - 5 * 3_600_000 - (await cluster.env.currentTimeMs());
      await cluster.env.sleep(untilPrefetch);
      expect(cluster.nodes.log.toSorted()).toEqual(['prefetch w-1', 'prefetch w-2', 'preflight w-1', 'preflight w-2']);
      const { nodes, nextWindow: stillNext } = await cluster.status();
      expect(stillNext).toEqual(nextWindow);
      expect(nodes.map(({ warnings }) => warnings.map(({ kind }) => kind))).toEqual([[], ['prefetch-failed']]);
      expect(nodes[1]?.warnings[0]?.message).toContain('the mirror is gone');
      await cluster.env.sleep('6 hours');
      expect(await cluster.untilIdle(1)).toMatchObject({ lastRun: { trigger: 'schedule', outcome: 'succeeded' } });
      expect((await cluster.status()).nodes.flatMap(({ warnings }) => warnings)).toEqual([]);
    }));

  it('keeps the facts of the nodes: services with replaced code stay named', () =>
    harness().withWorker(async (cluster) => {
      Object.assign(cluster.nodes.node('w-1'), { pending: [], outdated: ['web.service'] });
      const patching = { prefetch: { beforeWindow: '7d' }, schedule: [SCHEDULE] };
      await cluster.apply(clusterSpec(['w-1'], patching, cluster.name));
      await cluster.until('the facts of w-1 are refreshed', ({ nodes }) => nodesOf(nodes)[0]?.pendingUpdates === 0);
      expect(cluster.nodes.log).not.toContain('prefetch w-1');
      expect((await cluster.status()).nodes[0]).toMatchObject({ restartRequired: true });
      await cluster.handle.signal('patchNow');
      await cluster.untilIdle(1);
      expect((await cluster.status()).nodes[0]).toMatchObject({ state: 'restart-pending', restartRequired: true });
    }));
});

describe('src/workflows/cluster/prefetch with hundreds of nodes', () => {
  const names = Array.from({ length: 250 }, (_, index) => `w-${index}`);

  async function begun(): Promise<{ workflow: SandboxedWorkflow; child: Child }> {
    const spec = clusterSpec(names, { prefetch: { beforeWindow: '7d' }, schedule: [SCHEDULE] }, 'demo');
    const state = newClusterState(
      spec,
      null,
      '2027-01-04T11:00:00.000Z',
      ahead([windowAt('2027-01-10T00:00:00.000Z')]),
    );
    const workflow = await SandboxedWorkflow.create('cluster/demo', 'cluster', payloadOf({ state: packState(state) }));
    const commands = await workflow.activate();
    const child = childIn(await workflow.activate(resolved(localActivity(commands, 'searchAttributes'), [])));
    if (child === null) throw new Error('nothing is downloaded');
    await workflow.activate({ resolveChildWorkflowExecutionStart: { seq: child.seq, succeeded: { runId: 'r-1' } } });
    return { workflow, child };
  }

  it('prefetches in slices, each in a child workflow of its own', async () => {
    const { workflow, child } = await begun();
    expect(child.nodes).toEqual(names.slice(0, 200));
    const answer = child.nodes.map((node) => ({ node, reading: null, error: 'the mirror is gone' }));
    const next = childIn(await workflow.activate(ended(child, answer)));
    expect(next?.nodes).toEqual(names.slice(200));
    await workflow.activate({
      resolveChildWorkflowExecutionStart: { seq: next?.seq ?? 0, succeeded: { runId: 'r-2' } },
    });
    expect(next === null ? null : childIn(await workflow.activate(ended(next, [])))).toBeNull();
    await workflow.dispose();
  });

  it('drops the rest when a run begins', async () => {
    const { workflow, child } = await begun();
    const run = await workflow.activate(signal('patchNow'));
    expect(run.some((one) => one.startChildWorkflowExecution?.workflowType === 'run')).toBe(true);
    expect(run.some((one) => one.cancelChildWorkflowExecution)).toBe(true);
    expect(childIn(await workflow.activate(ended(child, [])))).toBeNull();
    await workflow.dispose();
  });
});

interface Child {
  seq: number;
  nodes: string[];
}

function childIn(commands: Command[]): Child | null {
  const started = commands.map(({ startChildWorkflowExecution: child }) => child);
  const child = started.find((one) => one?.workflowType === 'prefetchNodes');
  if (child === undefined || child === null) return null;
  const input = valueOf(child.input?.[0]) as { nodes: { name: string }[] };
  return { seq: child.seq ?? 0, nodes: input.nodes.map(({ name }) => name) };
}

function ended({ seq }: Child, answer: unknown) {
  return { resolveChildWorkflowExecution: { seq, result: { completed: { result: payloadOf(answer) } } } };
}
