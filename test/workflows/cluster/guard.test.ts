/** Every await of a cluster may fail or time out: the cluster survives. */
import type { Command } from '../sandboxed-workflow';
import {
  ADMITTED,
  SandboxedWorkflow,
  localActivity,
  outcomeOf,
  payloadOf,
  resolved,
  signal,
  timedOut,
  timeout,
  update,
  valueOf,
} from '../sandboxed-workflow';
import type { PackedState } from '../../../src/domain/cluster/packed-state';
import { packState, unpackState } from '../../../src/domain/cluster/packed-state';
import { newClusterState } from '../../../src/domain/cluster/state';
import type { ClusterStatus } from '../../../src/domain/cluster/messages';
import type { Patching } from '../../../src/domain/spec/types';
import { ahead, clusterSpec, windowAt } from '../../support/builders';
import { nodesOf } from '../../support/members';

const WINDOW = windowAt('2027-01-11T00:00:00Z');
const WEEKLY = { schedule: [{ preset: 'weekly', startWithin: '1h' }] } satisfies Partial<Patching>;
const ATTRIBUTES = ['PatchCluster', 'PatchState', 'PatchNextWindow'];
const ALREADY_RUNNING = 1;

const ANSWERS: Record<string, unknown> = {
  checkSpec: { ok: true, spec: null },
  checkFirstSpec: { admission: ADMITTED, ok: true, spec: null, ahead: null, searchAttributes: ATTRIBUTES },
  searchAttributes: ATTRIBUTES,
  nextWindows: ahead([WINDOW]),
  notificationDefaults: [],
};

/** Answered too late, or never; everything else is answered at once. */
type Failing = 'searchAttributes' | 'nextWindows' | 'activity' | 'start' | 'result' | 'signal' | null;

function jobFor(command: Command, failing: Failing): object | null {
  const { scheduleLocalActivity: local, scheduleActivity: activity, startChildWorkflowExecution: child } = command;
  if (local) {
    const { activityType = '', seq } = local;
    return activityType === failing ? timedOut(seq ?? 0) : resolved(seq ?? 0, ANSWERS[activityType ?? '']);
  }
  if (activity) return timedOut(activity.seq ?? 0, false);
  if (child) {
    const { seq, workflowId, workflowType } = child;
    const failed = { workflowId, workflowType, cause: ALREADY_RUNNING };
    return {
      resolveChildWorkflowExecutionStart: failing === 'start' ? { seq, failed } : { seq, succeeded: { runId: 'r' } },
    };
  }
  if (command.signalExternalWorkflowExecution) {
    const { seq } = command.signalExternalWorkflowExecution;
    const failure = { message: 'not found', applicationFailureInfo: { type: 'NotFound' } };
    return { resolveSignalExternalWorkflow: failing === 'signal' ? { seq, failure } : { seq } };
  }
  return null;
}

/** Answers every command of the workflow until it sleeps. */
async function settle(workflow: SandboxedWorkflow, first: readonly Command[], failing: Failing): Promise<void> {
  let commands = first;
  for (let rounds = 0; rounds < 20; rounds += 1) {
    const jobs = commands.map((command) => jobFor(command, failing)).filter((job) => job !== null);
    if (jobs.length === 0) return;
    commands = await workflow.activate(...jobs);
  }
  throw new Error('the workflow asks without an end');
}

async function start(patching: Partial<Patching>, failing: Failing): Promise<SandboxedWorkflow> {
  const argument = payloadOf({ spec: clusterSpec(['w-1'], patching, 'demo'), applyId: 'a' });
  const workflow = await SandboxedWorkflow.create('cluster/demo', 'cluster', argument);
  await settle(workflow, await workflow.activate(), failing);
  return workflow;
}

/** The workflow is alive if it carries out a request. */
async function expectAlive(workflow: SandboxedWorkflow): Promise<ClusterStatus> {
  const pause = update('pause', payloadOf({ by: 'ann' }));
  await settle(workflow, await workflow.activate(pause.job), null);
  expect(outcomeOf(workflow.commands, pause.id)).toMatchObject({ answer: { paused: true } });
  const ends = workflow.commands.filter(
    ({ failWorkflowExecution, completeWorkflowExecution, cancelWorkflowExecution, continueAsNewWorkflowExecution }) =>
      failWorkflowExecution ?? completeWorkflowExecution ?? cancelWorkflowExecution ?? continueAsNewWorkflowExecution,
  );
  expect(ends).toEqual([]);
  const status = (await workflow.query('status')) as ClusterStatus;
  await workflow.dispose();
  return status;
}

/** The end of a run makes the workflow continue as new, with its whole state. */
function expectContinued(workflow: SandboxedWorkflow): void {
  const { continueAsNewWorkflowExecution: next } = workflow.commands.at(-1) ?? {};
  const argument = valueOf(next?.arguments?.[0]) as { state: PackedState };
  expect(unpackState(argument.state)).toMatchObject({ run: null, runs: [{ number: 1, outcome: 'failed' }] });
}

const upserts = ({ commands }: SandboxedWorkflow) =>
  commands.filter(({ upsertWorkflowSearchAttributes: upsert }) => upsert).length;

describe('src/workflows/cluster/cluster: only a removal ends the workflow', () => {
  it('writes registered search attributes, and works without an answer about them', async () => {
    const known = await start({}, null);
    expect(upserts(known)).toBeGreaterThan(0);
    await known.dispose();
    const state = packState(newClusterState(clusterSpec(['w-1'], {}, 'demo'), null, '2027-01-01T00:00:00Z'));
    const workflow = await SandboxedWorkflow.create('cluster/demo', 'cluster', payloadOf({ state }));
    await settle(workflow, await workflow.activate(), 'searchAttributes');
    expect(upserts(workflow)).toBe(0);
    expect(await expectAlive(workflow)).toMatchObject({ state: 'paused' });
  });

  it('shows a failure to compute the next windows, and retries in an hour', async () => {
    const workflow = await start(WEEKLY, 'nextWindows');
    const [timer] = workflow.commands.flatMap(({ startTimer }) => startTimer ?? []);
    expect(Number(timer?.startToFireTimeout?.seconds)).toBe(3_600);
    expect(await expectAlive(workflow)).toMatchObject({
      nextWindow: null,
      scheduleError: expect.stringContaining('computing the next windows'),
    });
  });

  it('repeats the check of its first spec until there is an answer', async () => {
    const argument = payloadOf({ spec: clusterSpec(['w-1'], {}, 'demo') });
    const workflow = await SandboxedWorkflow.create('cluster/demo', 'cluster', argument);
    await workflow.activate();
    for (let tries = 0; tries < 3; tries += 1) {
      const commands = await workflow.activate(timedOut(localActivity(workflow.commands, 'checkFirstSpec')));
      const seq = commands[0]?.startTimer?.seq ?? 0;
      await workflow.activate({ fireTimer: { seq } });
    }
    const checked = resolved(localActivity(workflow.commands, 'checkFirstSpec'), ANSWERS['checkFirstSpec']);
    await settle(workflow, await workflow.activate(checked), null);
    expect(await expectAlive(workflow)).toMatchObject({ cluster: 'demo' });
  });

  it('fails an update whose spec was not checked in time', async () => {
    const workflow = await start({}, null);
    const apply = update('applySpec', payloadOf({ spec: clusterSpec(['w-2'], {}, 'demo') }));
    await workflow.activate(apply.job);
    await workflow.activate(timedOut(localActivity(workflow.commands, 'checkSpec')));
    expect(outcomeOf(workflow.commands, apply.id)).toMatchObject({
      failure: { message: expect.stringContaining('the spec could not be checked') },
    });
    expect((await expectAlive(workflow)).nodes.map(({ name }) => name)).toEqual(['w-1']);
  });

  it('ends a run whose workflow id stays taken beyond the time limit', async () => {
    const workflow = await start({ patchOnBoot: true }, 'start');
    expectContinued(workflow);
    await workflow.dispose();
  });

  it('ends a run whose workflow timed out', async () => {
    const workflow = await start({ patchOnBoot: true }, null);
    const started = workflow.commands.flatMap(({ startChildWorkflowExecution: child }) => child ?? []);
    const childWorkflowExecutionFailureInfo = {
      ...{ workflowType: { name: 'run' }, retryState: 5, namespace: 'default' },
      workflowExecution: { workflowId: 'w', runId: 'r' },
    };
    const failure = { message: 'Child failed', childWorkflowExecutionFailureInfo, cause: timeout() };
    const seq = started[0]?.seq ?? 0;
    const ended = { resolveChildWorkflowExecution: { seq, result: { failed: { failure } } } };
    await settle(workflow, await workflow.activate(ended), null);
    expectContinued(workflow);
    await workflow.dispose();
  });

  it('continues when a run cannot be signalled about its restrictions', async () => {
    const workflow = await start({ patchOnBoot: true }, null);
    await settle(workflow, await workflow.activate(signal('pause', payloadOf({ by: 'ann' }))), 'signal');
    expect(workflow.commands.some(({ signalExternalWorkflowExecution: told }) => told)).toBe(true);
    expect(await expectAlive(workflow)).toMatchObject({ run: { number: 1 }, paused: { by: 'ann' } });
  });

  it('postpones the refresh of a node without an answer', async () => {
    const state = newClusterState(clusterSpec(['w-1'], {}, 'demo'), null, '2027-01-01T00:00:00Z');
    const [node] = nodesOf(state.nodes);
    if (node !== undefined) state.nodes = [{ ...node, state: 'reboot-pending', rebootRequired: true }];
    const workflow = await SandboxedWorkflow.create('cluster/demo', 'cluster', payloadOf({ state: packState(state) }));
    await settle(workflow, await workflow.activate(), 'start');
    const refreshes = workflow.commands.flatMap(({ startChildWorkflowExecution: child }) => child?.workflowType ?? []);
    expect(refreshes).toEqual(['refreshFacts']);
    expect((await expectAlive(workflow)).nodes).toMatchObject([{ state: 'reboot-pending' }]);
  });

  it('skips the prefetch before a window when no workflow can be started', async () => {
    const workflow = await start({ ...WEEKLY, prefetch: { beforeWindow: '7d' } }, 'start');
    const children = workflow.commands.flatMap(({ startChildWorkflowExecution: child }) => child?.workflowType ?? []);
    expect(children).toEqual(['prefetchNodes']);
    expect(await expectAlive(workflow)).toMatchObject({ nextWindow: WINDOW });
  });

  it('pauses for an hour, with a message, when its decisions make no progress', async () => {
    const argument = payloadOf({ spec: clusterSpec(['w-1'], WEEKLY, 'demo'), applyId: 'a' });
    const workflow = await SandboxedWorkflow.create('cluster/demo', 'cluster', argument);
    let commands = await workflow.activate();
    for (let rounds = 0; commands.every(({ startTimer }) => !startTimer); rounds += 1) {
      expect(rounds).toBeLessThan(2_000);
      const jobs = commands.flatMap(({ scheduleLocalActivity: local }) => {
        if (!local) return [];
        // A window in the past, again and again.
        const answer =
          local.activityType === 'nextWindows'
            ? ahead([windowAt('2026-01-01T00:00:00Z')])
            : ANSWERS[local.activityType ?? ''];
        return [resolved(local.seq ?? 0, answer)];
      });
      commands = await workflow.activate(...jobs);
    }
    // Beside it, the notifications are given a moment.
    const timers = commands.flatMap(({ startTimer }) => startTimer ?? []);
    const timer = timers.find(({ startToFireTimeout: lasts }) => Number(lasts?.seconds) === 3_600);
    expect(timer).toBeDefined();
    expect(await workflow.query('status')).toMatchObject({ loopError: expect.stringContaining('without an end') });
    await settle(
      workflow,
      commands.filter(({ scheduleLocalActivity: local }) => local),
      null,
    );
    // An hour later the windows are correct.
    await settle(workflow, await workflow.activate({ fireTimer: { seq: timer?.seq ?? 0 } }), null);
    expect(await expectAlive(workflow)).toMatchObject({ loopError: null, nextWindow: WINDOW });
  });
});
