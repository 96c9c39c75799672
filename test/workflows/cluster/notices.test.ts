/** Reports of a cluster and its notifiers, at moments that no server can be made to show. */
import type { Command } from '../sandboxed-workflow';
import {
  SandboxedWorkflow,
  localActivity,
  payloadOf,
  resolved,
  signal,
  timedOut,
  valueOf,
} from '../sandboxed-workflow';
import { packState } from '../../../src/domain/cluster/packed-state';
import type { ClusterState } from '../../../src/domain/cluster/state';
import { newClusterState } from '../../../src/domain/cluster/state';
import type { Report } from '../../../src/domain/notifications/report';
import { clusterSpec } from '../../support/builders';

const AT = '2027-01-04T11:00:00.000Z';
const REPORT: Report = { kind: 'window', window: AT, result: 'missed (paused)', nextWindow: null };
const ALREADY_EXISTS = 1;
const FAILED_ONLY = 2;

/** A cluster that has missed a window which nobody has been told of. */
async function clusterWith(
  notifications?: object[],
  change: Partial<ClusterState> = {},
): Promise<{ workflow: SandboxedWorkflow; commands: Command[] }> {
  const spec = { ...clusterSpec(['w-1'], {}, 'demo'), ...(notifications === undefined ? {} : { notifications }) };
  const state = newClusterState(spec as never, null, AT);
  state.notices = { seen: state.events.next - 1, pending: [REPORT] };
  Object.assign(state, change);
  const workflow = await SandboxedWorkflow.create('cluster/demo', 'cluster', payloadOf({ state: packState(state) }));
  const begun = await workflow.activate();
  return {
    workflow,
    commands: [...begun, ...(await workflow.activate(resolved(localActivity(begun, 'searchAttributes'), [])))],
  };
}

function notifierIn(commands: readonly Command[]) {
  return commands.find(({ startChildWorkflowExecution: one }) => one?.workflowType === 'notify')
    ?.startChildWorkflowExecution;
}

function timersIn(commands: readonly Command[]): { seq: number; seconds: number }[] {
  return commands.flatMap(({ startTimer: one }) =>
    one ? [{ seq: Number(one.seq), seconds: Number(one.startToFireTimeout?.seconds ?? 0) }] : [],
  );
}

describe('src/workflows/cluster/notices', () => {
  it('tells nothing again that was told before the workflow was reset', async () => {
    const { workflow, commands } = await clusterWith([
      { name: 'ops', on: ['window-missed'], webhook: { url: 'https://hooks.example.com' } },
    ]);
    const start = notifierIn(commands);
    expect(start).toMatchObject({ workflowIdReusePolicy: FAILED_ONLY });
    const { seq, workflowId, workflowType } = start ?? {};
    const failed = { workflowId, workflowType, cause: ALREADY_EXISTS } as never;
    const told = await workflow.activate({ resolveChildWorkflowExecutionStart: { seq: seq ?? null, failed } });
    const sent = told.find(({ signalExternalWorkflowExecution: one }) => one)?.signalExternalWorkflowExecution;
    expect(sent?.workflowExecution?.workflowId).toBe(workflowId);
    const failure = { message: 'not found', applicationFailureInfo: { type: 'ExternalWorkflowExecutionNotFound' } };
    const after = await workflow.activate({ resolveSignalExternalWorkflow: { seq: sent?.seq ?? null, failure } });
    // Neither now nor later.
    expect(notifierIn(after)).toBeUndefined();
    expect(timersIn(after).map(({ seconds }) => seconds)).not.toContain(60);
    await workflow.dispose();
  });

  it('keeps what there is to tell until a worker names its targets', async () => {
    const { workflow, commands } = await clusterWith();
    const failed = await workflow.activate(timedOut(localActivity(commands, 'notificationDefaults')));
    expect(notifierIn(failed)).toBeUndefined();
    const again = timersIn(failed).find(({ seconds }) => seconds === 600);
    const askedAgain = await workflow.activate({ fireTimer: { seq: again?.seq ?? 0 } });
    const failedAgain = await workflow.activate(timedOut(localActivity(askedAgain, 'notificationDefaults')));
    const later = timersIn(failedAgain).find(({ seconds }) => seconds === 1200);
    const asked = await workflow.activate({ fireTimer: { seq: later?.seq ?? 0 } });
    const targets = [{ name: 'ops', on: ['window-missed'], fromWorker: true }];
    const answered = await workflow.activate(resolved(localActivity(asked, 'notificationDefaults'), targets));
    const [input] = notifierIn(answered)?.input ?? [];
    expect(valueOf(input)).toMatchObject({ report: REPORT, targets });
    await workflow.dispose();
  });

  it('leaves the last reports of a removed cluster to notifiers when no worker names its targets', async () => {
    const { workflow, commands } = await clusterWith(undefined, { removing: 'alice' });
    const failed = await workflow.activate(timedOut(localActivity(commands, 'notificationDefaults')));
    const start = notifierIn(failed);
    expect(valueOf(start?.input?.[0])).toMatchObject({ report: REPORT, targets: null });
    const started = { resolveChildWorkflowExecutionStart: { seq: start?.seq ?? null, succeeded: { runId: 'x' } } };
    const ended = await workflow.activate(started);
    expect(ended.some(({ completeWorkflowExecution: one }) => one)).toBe(true);
    await workflow.dispose();
  });
});

describe('src/workflows/notify', () => {
  it('asks for the targets of a cluster that has ended while no worker could name them', async () => {
    const input = { cluster: 'demo', createdAt: AT, report: REPORT, targets: null };
    const workflow = await SandboxedWorkflow.create('cluster/demo/notify/x', 'notify', payloadOf(input));
    const begun = await workflow.activate();
    const failed = await workflow.activate(timedOut(localActivity(begun, 'notificationDefaults')));
    const [again] = timersIn(failed);
    expect(again?.seconds).toBe(60);
    const asked = await workflow.activate({ fireTimer: { seq: again?.seq ?? 0 } });
    const targets = [{ name: 'ops', on: ['window-missed'], fromWorker: true }];
    const sent = await workflow.activate(resolved(localActivity(asked, 'notificationDefaults'), targets));
    const [activity] = sent.flatMap(({ scheduleActivity: one }) => (one ? [one] : []));
    expect(valueOf(activity?.arguments?.[0])).toMatchObject({ target: targets[0], report: REPORT });
    await workflow.dispose();
  });

  it('stops with a target that a new spec does not have, and tries a corrected one as it is now', async () => {
    const target = (name: string, url: string) => ({ name, on: ['window-missed'], webhook: { url } });
    const targets = [target('gone', 'https://a.example.com'), target('wrong', 'https://wrong.example.com')];
    const input = { cluster: 'demo', createdAt: AT, report: REPORT, targets };
    const workflow = await SandboxedWorkflow.create('cluster/demo/notify/x', 'notify', payloadOf(input));
    const begun = await workflow.activate();
    const activities = begun.flatMap(({ scheduleActivity: one }) => (one ? [one] : []));
    expect(activities).toHaveLength(2);
    const corrected = [target('wrong', 'https://right.example.com')];
    const stopped = await workflow.activate(signal('report', payloadOf({ report: REPORT, targets: corrected })));
    expect(stopped.filter(({ requestCancelActivity: one }) => one)).toHaveLength(2);
    const cancelled = activities.map(({ seq }) => ({
      resolveActivity: {
        seq: seq ?? null,
        result: { cancelled: { failure: { message: 'cancelled', canceledFailureInfo: {} } } },
      },
    }));
    const sent = (await workflow.activate(...cancelled)).flatMap(({ scheduleActivity: one }) => (one ? [one] : []));
    expect(sent.map((one) => valueOf(one.arguments?.[0]))).toMatchObject([{ target: corrected[0] }]);
    await workflow.dispose();
  });
});
