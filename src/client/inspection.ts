/** Inspects nodes through the workers, which hold the keys: short-lived workflows with a deadline. */
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

/** Retry limit for an unreachable node: covers a lost packet and a busy machine. */
const UNREACHABLE_MS = 10_000;

/** Inspections of this many nodes fit into one message, even with hundreds of pending packages each. */
const NODES_PER_WORKFLOW = 20;
/** 40 nodes at a time: as many logins as one worker can make without slowing each other down. */
const WORKFLOWS_AT_ONCE = 2;

/** Above the limits of all activities, including the loss of a worker. */
const WORKFLOW_LIMIT_MS = INSPECTION_RETRIES_MS + 10_000;

/** Inspected nodes, and nodes that could not be inspected with the error. */
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
  /** Leaves no trace on the nodes. Default: the helper may be installed, and a job that does nothing started. */
  changeNothing?: boolean;
  /** Nodes whose inspection has not begun by then are not inspected. Epoch milliseconds; absent: all are. */
  untilMs?: number;
}

/** Inspects the nodes concurrently; results in the order of `targets`. One failure does not affect other nodes. */
export async function requestInspections(
  calls: TemporalCalls,
  { spec, targets, kubernetes, by, changeNothing = false, untilMs = Infinity }: InspectionRequest,
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
      ...defined({ kubernetes, changeNothing: changeNothing || undefined }),
      ...pickIneffectiveReboot(part, ineffective),
    };
    const summary = `inspection of ${part.length} nodes of cluster ${spec.name}, requested by ${by}`;
    try {
      if (Date.now() >= untilMs) throw outOfTime();
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

function outOfTime(): OspatchError {
  return new OspatchError({
    type: 'Unreachable',
    message: 'the node was not inspected, because the inspection of the nodes before took too long',
    remedy: 'inspect fewer nodes with --nodes or -l',
  });
}

function inspectionPolicy({ patching, kubernetes }: SelfManagedSpec): InspectionPolicy {
  const { rebootIfRequired, packages, rebootOwners } = patching;
  const withoutDrain = patching.withoutDrain || kubernetes !== undefined;
  return { withoutDrain, rebootIfRequired, ...defined({ packages, rebootOwners }) };
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
    // Nobody waits for the workflow any more; if it cannot be terminated, its timeout ends it.
    await calls.call(cluster, () => handle.terminate('not started in time')).catch(() => undefined);
    throw error;
  } finally {
    done.abort();
    result.catch(() => undefined);
  }
}

/**
 * Rejects when no worker has started the workflow within the deadline: the server remembers stopped workers for a
 * while, and a worker of another version may not have this workflow.
 */
async function failIfNotStarted(calls: TemporalCalls, handle: WorkflowHandle, signal: AbortSignal): Promise<never> {
  const { deadlineMs, taskQueue } = calls.session;
  const never = new Promise<never>(() => undefined);
  try {
    for (let waitedMs = deadlineMs; ; waitedMs += deadlineMs) {
      await sleep(deadlineMs, undefined, { signal });
      const { raw, historyLength } = await calls.call(null, () => handle.describe());
      const time = `${Math.round(waitedMs / 1000)} s`;
      // Only the start and the first task, which no worker has fetched.
      if (historyLength <= 2) throw notTakenUp(taskQueue, time);
      // Up to here the first task was fetched and failed or lost; its commands come after it.
      if (historyLength > 4) break;
      // A worker that dies with the first task keeps it until its timeout; then another one takes it.
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

/** The failure message of the workers; null when there is none. */
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
