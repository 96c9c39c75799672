/** Inspections of nodes by the workers, which hold the keys: workflows that end by themselves, and a deadline. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import type { InspectionPolicy, NodeInspection } from '../domain/inspection/node';
import type { ErrorInfo } from '../domain/shared/errors';
import { OspatchError, isOspatchError } from '../domain/shared/errors';
import { plainText } from '../domain/shared/text';
import { WORKFLOW_PRIORITIES } from '../contract/priorities';
import { WORKFLOW_TYPES, inspectionWorkflowId } from '../contract/workflow-ids';
import type { KubernetesPolicy } from '../domain/kubernetes/types';
import type { NodeAddress } from '../domain/cluster/task-queues';
import { INSPECTION_FACTS_MS, INSPECTION_PLAN_MS, INSPECTION_RETRIES_MS } from '../domain/node/time-limits';
import type { SelfManagedSpec } from '../domain/spec/types';
import type { TemporalCalls } from './temporal-calls';
import { readIneffectiveReboot, pickIneffectiveReboot } from './ineffective-reboots';
import { mapConcurrently } from '../domain/shared/map-concurrently';
import { defined } from '../domain/shared/defined';

/** A node that does not answer is tried for this long: enough for a lost packet and a busy machine. */
const UNREACHABLE_MS = 10_000;

/** The inspections of this many nodes fit into one message, also when each has hundreds of pending packages. */
const NODES_PER_WORKFLOW = 20;
/** 40 nodes at once: what one worker reaches without the logins getting into each other's way. */
const WORKFLOWS_AT_ONCE = 2;

/** Above what the activities may take in all, with a worker that dies on the way. */
const WORKFLOW_LIMIT_MS = INSPECTION_RETRIES_MS + 10_000;

/** Nodes that were inspected, and those that could not be, with the reason. */
export interface NodeInspections {
  nodes: NodeInspection[];
  failures: { nodes: string[]; error: ErrorInfo }[];
}

export interface InspectionRequest {
  spec: SelfManagedSpec;
  targets: readonly NodeAddress[];
  /** Absent: drains are not inspected. */
  kubernetes?: KubernetesPolicy | undefined;
  by: string;
}

/** Inspects the nodes, some at once; in the order of `targets`. A failure keeps no other node from being inspected. */
export async function requestInspections(
  calls: TemporalCalls,
  { spec, targets, kubernetes, by }: InspectionRequest,
): Promise<NodeInspections> {
  const ineffective = await readIneffectiveReboot(calls, spec.name);
  const parts: NodeAddress[][] = [];
  for (let at = 0; at < targets.length; at += NODES_PER_WORKFLOW) {
    parts.push(targets.slice(at, at + NODES_PER_WORKFLOW));
  }
  const inspections: NodeInspections = { nodes: [], failures: [] };
  const results = await mapConcurrently(parts, WORKFLOWS_AT_ONCE, async (part) => {
    const input = {
      targets: part,
      policy: inspectionPolicy(spec),
      factsLimitMs: INSPECTION_FACTS_MS,
      planLimitMs: INSPECTION_PLAN_MS,
      unreachableTimeoutMs: UNREACHABLE_MS,
      ...defined({ kubernetes }),
      ...pickIneffectiveReboot(part, ineffective),
    };
    const summary = `inspection of ${part.length} nodes of cluster ${spec.name}, requested by ${by}`;
    try {
      return await inspectPart(calls, spec.name, input, summary);
    } catch (error) {
      if (!isOspatchError(error)) throw error;
      inspections.failures.push({ nodes: part.map(({ name }) => name), error: error.toInfo() });
      return [];
    }
  });
  inspections.nodes.push(...results.flat());
  return inspections;
}

function inspectionPolicy({ patching, kubernetes }: SelfManagedSpec): InspectionPolicy {
  const { rebootIfRequired, packages } = patching;
  const withoutDrain = patching.withoutDrain || kubernetes !== undefined;
  return { withoutDrain, rebootIfRequired, ...defined({ packages }) };
}

async function inspectPart(
  calls: TemporalCalls,
  cluster: string,
  input: object,
  staticSummary: string,
): Promise<NodeInspection[]> {
  const { client, taskQueue } = calls.session;
  const handle: WorkflowHandle = await calls.call(cluster, () =>
    client.workflow.start(WORKFLOW_TYPES.inspectNodes, {
      workflowId: inspectionWorkflowId(cluster, randomUUID()),
      taskQueue,
      args: [input],
      priority: { priorityKey: WORKFLOW_PRIORITIES.inspectNodes },
      workflowExecutionTimeout: WORKFLOW_LIMIT_MS,
      staticSummary,
    }),
  );
  const done = new AbortController();
  const result = calls.call(cluster, () => handle.result() as Promise<NodeInspection[]>, WORKFLOW_LIMIT_MS + 5_000);
  try {
    return await Promise.race([result, failIfNotStarted(calls, handle, done.signal)]);
  } catch (error) {
    // Nobody waits for the workflow any more; where it cannot be ended, it ends by its own limit.
    await calls.call(cluster, () => handle.terminate('not started in time')).catch(() => undefined);
    throw error;
  } finally {
    done.abort();
    result.catch(() => undefined);
  }
}

/**
 * Rejects when no worker has begun after the deadline of a call: the server remembers workers for a while that are gone,
 * and a worker of another version may not know this workflow.
 */
async function failIfNotStarted(calls: TemporalCalls, handle: WorkflowHandle, signal: AbortSignal): Promise<never> {
  const { deadlineMs, taskQueue } = calls.session;
  const never = new Promise<never>(() => undefined);
  try {
    for (let waitedMs = deadlineMs; ; waitedMs += deadlineMs) {
      await sleep(deadlineMs, undefined, { signal });
      const { raw, historyLength } = await calls.call(null, () => handle.describe());
      const time = `${Math.round(waitedMs / 1000)} s`;
      // The start and the first task, which nobody has fetched.
      if (historyLength <= 2) throw notTakenUp(taskQueue, time);
      // The first task, fetched and failed or lost; what it asks for comes after it.
      if (historyLength > 4) break;
      // A worker that dies with the first task keeps it until it runs out; another one takes it then.
      if ((raw.pendingWorkflowTask?.attempt ?? 0) > 2) throw notUnderstood(time, await taskFailureOf(calls, handle));
    }
  } catch (error) {
    if (isOspatchError(error)) throw error;
  }
  return never;
}

function notTakenUp(taskQueue: string, time: string): OspatchError {
  return new OspatchError({
    type: 'NoWorker',
    message: `no worker of the task queue ${taskQueue} started the work within ${time}`,
    remedy: 'check that `ospatch worker` runs, or allow more time with --timeout',
  });
}

/** What the workers said as they failed; null when they said nothing. */
async function taskFailureOf(calls: TemporalCalls, handle: WorkflowHandle): Promise<string | null> {
  const { events } = await calls.call(null, () => handle.fetchHistory());
  const failed = events?.find((event) => event.workflowTaskFailedEventAttributes)?.workflowTaskFailedEventAttributes;
  return failed?.failure?.message ?? null;
}

function notUnderstood(time: string, why: string | null): OspatchError {
  const cause = why === null ? 'they may run another version of ospatch' : plainText(why, 300);
  return new OspatchError({
    type: 'NoWorker',
    message: `the workers could not do the inspection within ${time}: ${cause}`,
    remedy: 'run the workers and this command at the same version, with the same OSPATCH_ENCRYPTION_KEYS',
  });
}
