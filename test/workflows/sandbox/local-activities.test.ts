/** The answers of local activities replay where they were given, however many there are and whatever else happens. */
import type { temporal } from '@temporalio/proto';
import type { WorkflowHandle } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import { nodeWorkflowId } from '../../../src/contract/workflow-ids';
import { workflowBundle } from '../../support/workflow-bundle';
import { clusterSpec } from '../../support/builders';
import { waitFor } from '../../support/wait-for';
import { Harness } from '../harness';
import type { Command, Job } from '../sandboxed-workflow';
import { ADMITTED, acceptedCluster, payloadOf, resolved, signal } from '../sandboxed-workflow';

let harness: Harness;

beforeAll(async () => {
  harness = await Harness.start('real');
});

afterAll(() => harness.stop());

const MESSAGES = 40;
const ADMISSION_MS = 100;
const MAX_IN_A_TASK = 3;
const FEW_MESSAGES = 5;

/** The number of local activities whose answers each workflow task has recorded. */
function answersPerTask({ events }: temporal.api.history.v1.IHistory): number[] {
  const answers: number[] = [];
  for (const { workflowTaskCompletedEventAttributes: completed, markerRecordedEventAttributes: marker } of events ?? [])
    if (completed) answers.push(0);
    else if (marker) answers.push((answers.pop() ?? 0) + 1);
  return answers;
}

/** In seconds. */
async function taskLimitOf(handle: Pick<WorkflowHandle, 'fetchHistory'>): Promise<number> {
  const { events } = await handle.fetchHistory();
  return Number(events?.[0]?.workflowExecutionStartedEventAttributes?.workflowTaskTimeout?.seconds);
}

/** What the workflow waits for next, and the job that it waits for. */
function nextOf(commands: readonly Command[]): { step: string; answer: Job } | null {
  for (const { scheduleLocalActivity: activity, startTimer: timer } of commands) {
    if (activity) return { step: activity.activityType ?? '', answer: resolved(activity.seq ?? 0, ADMITTED) };
    if (timer) return { step: 'sleep', answer: { fireTimer: { seq: timer.seq ?? 0 } } };
  }
  return null;
}

describe('src/workflows/sandbox/local-activity-order', () => {
  it('lets a worker stand still for longer than Temporal expects, in a cluster and in what it starts', () =>
    harness.withWorker(async (cluster) => {
      const { workflow } = harness.env.client;
      await cluster.client.apply(clusterSpec(['w-1'], { patchOnBoot: true }, cluster.name));
      const { runId } = await cluster.handle.describe();
      const run = await cluster.runId(1);
      await cluster.untilIdle(1);
      const limits = [cluster.handle.workflowId, run, nodeWorkflowId(cluster.name, 'w-1')].map((id) =>
        taskLimitOf(workflow.getHandle(id)),
      );
      expect(await Promise.all([taskLimitOf(workflow.getHandle(cluster.handle.workflowId, runId)), ...limits])).toEqual(
        Array<number>(4).fill(30),
      );
    }));

  it.each([0, 7_000])(
    'goes on in another task after three answers, whatever a replay makes of tasks and time (%d ms per answer)',
    async (ms) => {
      const workflow = await acceptedCluster(clusterSpec(['w-1'], {}, 'demo'));
      workflow.admitsAll = false;
      const locks = Array.from({ length: FEW_MESSAGES }, (_, at) =>
        signal('lock', payloadOf({ node: 'w-1', reason: `no ${at}` })),
      );
      const steps: string[] = [];
      let commands = await workflow.activate(...locks);
      for (let next = nextOf(commands); next !== null; next = nextOf(commands)) {
        steps.push(next.step);
        workflow.pass(ms);
        commands = await workflow.activate(next.answer);
      }
      expect(steps).toEqual(['admit', 'admit', 'admit', 'sleep', 'admit', 'admit']);
      await workflow.dispose();
    },
  );

  it('spreads a flood of messages over several workflow tasks, which replay although a run goes on meanwhile', () =>
    harness.withWorker(
      async (cluster) => {
        const client = harness.env.client.workflow;
        await cluster.apply(clusterSpec(['w-1', 'w-2'], {}, cluster.name));
        await cluster.handle.signal('patchNow');
        await cluster.until('the run is in progress', ({ run }) => run !== null);
        const { runId } = await cluster.handle.describe();
        for (let at = 0; at < MESSAGES; at += 1)
          await cluster.handle.signal('lock', { node: 'w-2', reason: `no ${at}` });
        await cluster.untilIdle(1);
        const last = `no ${MESSAGES - 1}`;
        await waitFor(async () => JSON.stringify(await cluster.handle.query('events')).includes(last), { what: last });
        const history = await client.getHandle(cluster.handle.workflowId, runId).fetchHistory();
        const answers = answersPerTask(history);
        expect(answers.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(MESSAGES);
        expect(Math.max(...answers)).toBeLessThanOrEqual(MAX_IN_A_TASK);
        await Worker.runReplayHistory({ workflowBundle: await workflowBundle() }, history, cluster.handle.workflowId);
      },
      {
        admit: () =>
          new Promise((resolve) => setTimeout(() => resolve({ ok: true, signers: false, chain: '' }), ADMISSION_MS)),
      },
    ));
});
