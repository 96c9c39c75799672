/** Probes workers with empty workflows: whether they execute them, and whether both sides can decrypt each other's payloads. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import type { temporal } from '@temporalio/proto';
import { WORKFLOW_PRIORITIES } from '../contract/priorities';
import { WORKFLOW_TYPES, probeWorkflowId } from '../contract/workflow-ids';
import type { WorkerAnswer } from '../domain/inspection/workers';
import { keyIdOf } from '../encryption/codec';
import { failureMessage } from './cluster-health';
import type { TemporalCalls } from './temporal-calls';

type Event = temporal.api.history.v1.IHistoryEvent;

/** Any worker may receive a probe, so several per worker are sent to reach most of them. */
const TASKS_PER_WORKER = 3;
const MAX_TASKS = 12;

/** An idle worker takes 0.1 s; a busy one serves probes at a high priority. */
const ANSWERS_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 100;
/** Execution timeout of a probe. */
const TASK_LIMIT_MS = 30_000;

/** The answers, several of which may come from one worker. @throws OspatchError as `call` */
export async function probeWorkers(calls: TemporalCalls, workers: number): Promise<WorkerAnswer[]> {
  const tasks = workers === 1 ? 1 : Math.min(workers * TASKS_PER_WORKER, MAX_TASKS);
  return Promise.all(Array.from({ length: tasks }, () => probe(calls)));
}

async function probe(calls: TemporalCalls): Promise<WorkerAnswer> {
  const { client, taskQueue, deadlineMs } = calls.session;
  const handle: WorkflowHandle = await calls.call(null, () =>
    client.workflow.start(WORKFLOW_TYPES.inspectNodes, {
      workflowId: probeWorkflowId(randomUUID()),
      taskQueue,
      // An inspection of no nodes completes with its first workflow task.
      args: [{ targets: [] }],
      priority: { priorityKey: WORKFLOW_PRIORITIES.inspectNodes },
      workflowExecutionTimeout: TASK_LIMIT_MS,
      staticSummary: 'ospatch doctor: whether workers answer',
    }),
  );
  const until = Date.now() + Math.min(ANSWERS_WITHIN_MS, deadlineMs);
  for (;;) {
    const events = await calls.call(null, () => readEvents(calls, handle.workflowId));
    const answer = await answerIn(calls, events);
    if (answer?.kind === 'done') return answer;
    if (answer === null && Date.now() < until) {
      await sleep(LOOK_EVERY_MS);
      continue;
    }
    await calls.call(null, () => handle.terminate('no worker has completed the task')).catch(() => undefined);
    return answer ?? { kind: 'none', identity: startedBy(events) };
  }
}

async function readEvents({ session }: TemporalCalls, workflowId: string): Promise<Event[]> {
  const { client, namespace } = session;
  const execution = { workflowId };
  const { history } = await client.workflowService.getWorkflowExecutionHistory({ namespace, execution });
  return history?.events ?? [];
}

/** Null: no answer yet. */
async function answerIn({ session }: TemporalCalls, events: readonly Event[]): Promise<WorkerAnswer | null> {
  const identity = startedBy(events) ?? '';
  for (const event of events) {
    const completed = event.workflowExecutionCompletedEventAttributes;
    if (completed) return { kind: 'done', identity, key: keyIdOf(completed.result?.payloads?.[0]) };
    const failed = event.workflowTaskFailedEventAttributes;
    if (failed) {
      const message = await failureMessage(session, failed.failure);
      return { kind: 'failed', identity, key: keyIdOf(failed.failure?.encodedAttributes), message };
    }
  }
  return null;
}

function startedBy(events: readonly Event[]): string | null {
  return (
    events.find((one) => one.workflowTaskStartedEventAttributes)?.workflowTaskStartedEventAttributes?.identity ?? null
  );
}
