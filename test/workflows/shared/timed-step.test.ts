/** Steps ended by Temporal on their timeout, reported with a message of ospatch. */
import { SandboxedWorkflow, payloadOf, timedOut } from '../sandboxed-workflow';

const NODE = { cluster: 'demo', name: 'w-1', host: '10.0.0.1', ssh: {}, hostKeys: [] };

describe('src/workflows/shared/timed-step: a timeout', () => {
  it('while reading a log names node and remedy', async () => {
    const input = { target: NODE, token: null, maxBytes: 10, unreachableTimeoutMs: 1_000 };
    const workflow = await SandboxedWorkflow.create('log', 'readNodeLog', payloadOf(input));
    const [asked] = await workflow.activate();
    const [end] = await workflow.activate(timedOut(asked?.scheduleActivity?.seq ?? 0, false));
    expect(end?.failWorkflowExecution?.failure).toMatchObject({
      message: 'reading the log of w-1 was not done in time, and no worker said why',
      applicationFailureInfo: { type: 'NoWorker' },
    });
    await workflow.dispose();
  });

  it('of the inspection of an EKS cluster is part of its answer', async () => {
    const input = { access: { region: 'eu-central-1', cluster: 'prod' }, nodeGroups: 'all' };
    const workflow = await SandboxedWorkflow.create('eks', 'inspectEks', payloadOf(input));
    const [asked] = await workflow.activate();
    const [end] = await workflow.activate(timedOut(asked?.scheduleActivity?.seq ?? 0, false));
    const answer = Buffer.from(end?.completeWorkflowExecution?.result?.data ?? []).toString();
    expect(JSON.parse(answer)).toMatchObject({
      error: {
        type: 'NoWorker',
        message: expect.stringContaining('EKS cluster prod was not done in time') as string,
        remedy: expect.stringContaining('ospatch doctor') as string,
      },
    });
    await workflow.dispose();
  });
});
