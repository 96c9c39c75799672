/**
 * A node patch with an unreachable node outlives its run workflow. In whatever order its end, a pause, the end of the run
 * workflow and the start of the next one arrive: the end is counted once, and no later run workflow gets the node.
 */
import { packState } from '../../../src/domain/cluster/packed-state';
import type { ClusterStatus } from '../../../src/domain/cluster/messages';
import { newClusterState, startRun } from '../../../src/domain/cluster/state';
import type { NodeSettled } from '../../../src/domain/node/status';
import type { NodeRunInput, RunResult, RunCursor } from '../../../src/domain/run/run';
import { clusterSpec, nodeSpec, runPolicy, settled } from '../../support/builders';
import type { Command } from '../sandboxed-workflow';
import { SandboxedWorkflow, localActivity, payloadOf, resolved, signal, valueOf } from '../sandboxed-workflow';

type Job = Parameters<SandboxedWorkflow['activate']>[0];

const CLUSTER = 'cluster/demo';
const PATCH = 'patch-1';
const STARTED = '2027-01-04T11:00:00.000Z';
const POLICY = runPolicy(2);

const lostNotice = { node: 'w-1', message: 'w-1 has been unreachable for 30 min', workflowRunId: PATCH };
const failure: NodeSettled = settled('w-1', {
  ...{ outcome: 'failed', workflowRunId: PATCH },
  error: { type: 'PackageManager', message: 'no' },
});
const nodeEnded = signal('nodeEnded', payloadOf(failure));
const pause = signal('restrict', payloadOf({ paused: true }));
const handedOver: RunCursor = {
  ...{ settled: [], failures: 0 },
  inFlight: [{ node: 'w-1', startedAt: STARTED, workflowRunId: PATCH, lost: true }],
};

function runInput(more: Partial<NodeRunInput> = {}): NodeRunInput {
  return {
    ...{ cluster: 'demo', run: 1, trigger: 'on-demand', startedAt: STARTED, policy: POLICY },
    ...{ nodes: [nodeSpec('w-1'), nodeSpec('w-2')], resumeFrom: null, restrictions: {} },
    ...more,
  };
}

function runWorkflow(more: Partial<NodeRunInput> = {}): Promise<SandboxedWorkflow> {
  return SandboxedWorkflow.createChildOf(CLUSTER, `${CLUSTER}/run/1-x`, 'run', payloadOf(runInput(more)));
}

function seqOf(commands: readonly Command[], kind: keyof Command): number {
  const command = commands.findLast((one) => one[kind])?.[kind] as { seq?: number } | undefined;
  if (command?.seq === undefined) throw new Error(`no ${kind}`);
  return command.seq;
}

/** Delivers every message to the cluster. */
async function delivered(workflow: SandboxedWorkflow, commands: readonly Command[]): Promise<void> {
  for (let latest = commands; ;) {
    const jobs = latest.flatMap(({ signalExternalWorkflowExecution: one }) =>
      one ? [{ resolveSignalExternalWorkflow: { seq: one.seq ?? 0 } }] : [],
    );
    if (jobs.length === 0) return;
    latest = await workflow.activate(...jobs);
  }
}

function reportOf({ commands }: SandboxedWorkflow): RunResult | null {
  const { completeWorkflowExecution: end, failWorkflowExecution: failed } = commands.at(-1) ?? {};
  const payload = end?.result ?? failed?.failure?.applicationFailureInfo?.details?.payloads?.[0];
  return payload === undefined || payload === null ? null : (valueOf(payload) as RunResult);
}

/** The end of the child as reported to its parent. */
function childFailed(seq: number): Job {
  const cause = {
    ...{ message: 'no', applicationFailureInfo: { type: 'PackageManager', nonRetryable: true } },
  };
  Object.assign(cause.applicationFailureInfo, { details: { payloads: [payloadOf(failure)] } });
  const childWorkflowExecutionFailureInfo = {
    ...{ namespace: 'default', workflowType: { name: 'patchNode' }, retryState: 5 },
    workflowExecution: { workflowId: 'w', runId: PATCH },
  };
  return {
    resolveChildWorkflowExecution: {
      ...{ seq, result: { failed: { failure: { message: 'child', childWorkflowExecutionFailureInfo, cause } } } },
    },
  };
}

/** A run workflow with w-1 unreachable. */
async function withLost(): Promise<{ workflow: SandboxedWorkflow; child: number }> {
  const workflow = await runWorkflow();
  const begun = await workflow.activate();
  const child = seqOf(begun, 'startChildWorkflowExecution');
  await workflow.activate({ resolveChildWorkflowExecutionStart: { seq: child, succeeded: { runId: PATCH } } });
  await delivered(workflow, begun);
  return { workflow, child };
}

function ordersOf<T>(items: readonly T[]): T[][] {
  if (items.length <= 1) return [[...items]];
  return items.flatMap((item, at) => ordersOf(items.filter((_, other) => other !== at)).map((rest) => [item, ...rest]));
}

function expectCountedOnce(report: RunResult | null): void {
  expect(report?.cursor.settled.filter(({ node }) => node === 'w-1')).toMatchObject([{ outcome: 'failed' }]);
  expect(report?.cursor).toMatchObject({ failures: 1 });
  expect(report?.cursor.inFlight ?? []).toEqual([]);
}

describe('src/workflows/run: an unreachable node whose patch ends together with its run workflow', () => {
  const NOTICE = signal('nodeUnreachable', payloadOf(lostNotice));
  const EVENTS = ['pause', 'ended', 'closed'] as const;
  const ORDERS = ordersOf(EVENTS).filter((order) => order.indexOf('ended') < order.indexOf('closed'));

  it.each(ORDERS.flatMap((order) => [1, 2, 3].map((tasks) => [order.join(', '), tasks, order] as const)))(
    'is counted once and not handed over: %s, in %i tasks',
    async (_, tasks, order) => {
      const { workflow, child } = await withLost();
      const jobs = order.map((event) =>
        event === 'pause' ? pause : event === 'ended' ? nodeEnded : childFailed(child),
      );
      const first = order.length - tasks + 1;
      // The notice arrives with the first job, so that the run workflow ends in this very task if it can.
      let commands = await workflow.activate(NOTICE, ...jobs.slice(0, first));
      for (const job of jobs.slice(first)) {
        if (reportOf(workflow) === null) commands = [...commands, ...(await workflow.activate(job))];
      }
      await delivered(workflow, commands);
      const report = reportOf(workflow);
      const endedInTime =
        report?.end !== 'suspended' || order.indexOf('ended') < first || report.cursor.settled.length > 0;
      if (endedInTime) expectCountedOnce(report);
      else expect(report?.cursor).toMatchObject({ settled: [], failures: 0, inFlight: [{ node: 'w-1', lost: true }] });
      await workflow.dispose();
    },
  );

  it('is counted when the patch ends before the last report of its run workflow reaches the cluster', async () => {
    const { workflow } = await withLost();
    const last = await workflow.activate(NOTICE, pause);
    expect(reportOf(workflow)).toBeNull();
    await workflow.activate(nodeEnded);
    await delivered(workflow, last);
    expectCountedOnce(reportOf(workflow));
    await workflow.dispose();
  });
});

describe('src/workflows/run: an unreachable node that was handed over', () => {
  it('is counted when its patch ends before the next run workflow waits', async () => {
    const workflow = await runWorkflow({ resumeFrom: handedOver, restrictions: { paused: true } });
    await delivered(workflow, await workflow.activate(nodeEnded));
    expectCountedOnce(reportOf(workflow));
    await workflow.dispose();
  });

  it.each([
    ['its signal first', (answer: Job) => [nodeEnded, answer]],
    ['the look first', (answer: Job) => [answer, nodeEnded]],
  ])('is counted once when reported by signal and by poll: %s', async (_, order) => {
    const workflow = await runWorkflow({ resumeFrom: handedOver });
    const commands = await workflow.activate();
    const seq = seqOf(commands, 'scheduleActivity');
    const ends = [{ workflowId: `${CLUSTER}/node/w-1`, workflowRunId: PATCH, settled: failure }];
    const answer = { resolveActivity: { seq, result: { completed: { result: payloadOf(ends) } } } };
    for (const job of order(answer)) if (reportOf(workflow) === null) commands.push(...(await workflow.activate(job)));
    await delivered(workflow, commands);
    expectCountedOnce(reportOf(workflow));
    await workflow.dispose();
  });

  it('is polled at once when a message to its patch finds no workflow', async () => {
    const workflow = await runWorkflow({ resumeFrom: handedOver });
    await workflow.activate();
    const told = await workflow.activate(signal('restrict', payloadOf({ rebootsForbidden: true })));
    const seq = seqOf(told, 'signalExternalWorkflowExecution');
    const nobody = { message: 'not found', applicationFailureInfo: { type: 'NotFound' } };
    const looks = await workflow.activate({ resolveSignalExternalWorkflow: { seq, failure: nobody } });
    expect(looks).toMatchObject([{ scheduleActivity: { activityType: 'awaitNodePatches' } }]);
    await workflow.dispose();
  });
});

describe('src/workflows/cluster: an unreachable node whose patch ends between two run workflows', () => {
  const told = { run: 1, workflowId: '', settled: [failure], started: [] };

  /** A cluster whose run has w-1 unreachable and is being paused. */
  async function pausing(): Promise<{ workflow: SandboxedWorkflow; child: number; runId: string }> {
    const spec = clusterSpec(['w-1', 'w-2'], {}, 'demo');
    const state = newClusterState(spec, null, STARTED);
    startRun(state, {
      ...{ number: 1, trigger: 'on-demand', startedAt: STARTED, by: null, reason: null },
      ...{ nodes: ['w-1', 'w-2'], policy: POLICY },
    });
    const workflow = await SandboxedWorkflow.create(CLUSTER, 'cluster', payloadOf({ state: packState(state) }));
    let commands = await workflow.activate();
    commands = await workflow.activate(resolved(localActivity(commands, 'searchAttributes'), []));
    const child = seqOf(commands, 'startChildWorkflowExecution');
    const runId = commands.findLast((one) => one.startChildWorkflowExecution)?.startChildWorkflowExecution?.workflowId;
    await workflow.activate(resolved(localActivity(commands, 'notificationDefaults'), []));
    await workflow.activate({ resolveChildWorkflowExecutionStart: { seq: child, succeeded: { runId: 'r-1' } } });
    const lost = { run: 1, workflowId: runId, settled: [], started: ['w-1'], lost: [lostNotice] };
    await workflow.activate(signal('runProgress', payloadOf(lost)));
    const told = await workflow.activate(signal('pause', payloadOf({ by: 'ann' })));
    await delivered(workflow, told);
    return { workflow, child, runId: runId ?? '' };
  }

  const suspended = (seq: number): Job => {
    const report = { end: 'suspended', outcome: 'succeeded', cursor: handedOver };
    return { resolveChildWorkflowExecution: { seq, result: { completed: { result: payloadOf(report) } } } };
  };

  it.each(['before the report of the run workflow', 'after it', 'in the same task'])(
    'is counted once: %s',
    async (when) => {
      const { workflow, child, runId } = await pausing();
      const ended = signal('runProgress', payloadOf({ ...told, workflowId: runId }));
      if (when === 'in the same task') await workflow.activate(ended, suspended(child));
      else
        for (const job of when === 'after it' ? [suspended(child), ended] : [ended, suspended(child)])
          await workflow.activate(job);
      const status = (await workflow.query('status')) as ClusterStatus;
      expect(status).toMatchObject({ state: 'paused', run: { done: 1, state: 'paused' } });
      const resumed = await workflow.activate(signal('resume'));
      const next = resumed.findLast((one) => one.startChildWorkflowExecution)?.startChildWorkflowExecution;
      const input = valueOf(next?.input?.[0]) as NodeRunInput;
      expect(input.resumeFrom).toMatchObject({ settled: [{ node: 'w-1' }], failures: 1, inFlight: [] });
      await workflow.dispose();
    },
  );

  it('is shown as pending when the run workflow had received the node and not begun', async () => {
    const { workflow, child, runId } = await pausing();
    await workflow.activate(
      signal('runProgress', payloadOf({ run: 1, workflowId: runId, settled: [], started: ['w-2'] })),
      suspended(child),
    );
    const { nodes } = (await workflow.query('status')) as ClusterStatus;
    expect(nodes.map(({ state }) => state)).toEqual(['patching', 'waiting']);
    await workflow.dispose();
  });
});
