/** Queries that wait for a worker while something happens to the workflow. */
import type { WorkflowHandle } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import { sleep } from '../../../src/dev/host';
import { waitFor } from '../../support/wait-for';
import { workflowBundle } from '../../support/workflow-bundle';
import { LATE_MS } from '../../support/waiting-workflow';
import { Harness } from '../harness';

/** Which of a query and a workflow task a worker gets first is up to the server. */
const WORKFLOWS = 12;
const NOBODY_THERE_MS = LATE_MS + 1_000;

let harness: Harness;

beforeAll(async () => {
  harness = await Harness.start('real');
});

afterAll(() => harness.stop());

async function hasEvent(handle: WorkflowHandle, name: `${string}Attributes`): Promise<boolean> {
  const { events } = await handle.fetchHistory();
  return (events ?? []).some((event) => Object.entries(event).some(([key, value]) => key === name && value !== null));
}

describe('src/workflows/sandbox/unhandled-events', () => {
  it('answers queries that have waited for a worker, and what their workflows do then replays', async () => {
    const bundle = await workflowBundle(require.resolve('../../support/waiting-workflow'));
    const { workflow } = harness.env.client;
    const cluster = harness.newCluster();
    const handles: WorkflowHandle[] = [];
    const all = (event: `${string}Attributes`): Promise<boolean> =>
      Promise.all(handles.map((handle) => hasEvent(handle, event))).then((have) => have.every(Boolean));
    const options = { workflowBundle: bundle };
    await harness.withWorkerFor(
      cluster,
      async () => {
        for (let at = 0; at < WORKFLOWS; at += 1) {
          const workflowId = `waiting-${at}`;
          handles.push(await workflow.start('waiting', { taskQueue: cluster.name, workflowId }));
        }
        await waitFor(() => all('timerStartedEventAttributes'), { what: 'all to wait' });
      },
      {},
      options,
    );
    const answers = handles.map((handle) => handle.query<string>('step'));
    await waitFor(() => all('timerFiredEventAttributes'), { what: 'the end of all breaks' });
    await sleep(NOBODY_THERE_MS);
    await harness.withWorkerFor(
      cluster,
      async () => {
        for (const answer of await Promise.all(answers)) expect(answer).toMatch(/^(before|after) the break$/);
        await Promise.all(handles.map((handle) => handle.result()));
      },
      {},
      options,
    );
    for (const handle of handles)
      await Worker.runReplayHistory(options, await handle.fetchHistory(), handle.workflowId);
  });
});
