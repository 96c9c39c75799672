/** Having nodes examined by the workers, which hold the keys: workflows that end by themselves, and a deadline. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import type { DiagnosisPolicy, NodeDiagnosis } from '../domain/inspection/node';
import type { ErrorInfo } from '../domain/shared/errors';
import { OspatchError, isOspatchError } from '../domain/shared/errors';
import { WORKFLOW_TYPES, doctorWorkflowId } from '../contract/workflow-ids';
import type { KubernetesPolicy } from '../domain/kubernetes/types';
import type { UncuredReboot } from '../domain/node/reboot';
import type { InspectedNode } from '../domain/cluster/task-queues';
import { EXAMINATION_PART_MS } from '../domain/node/time-limits';
import type { TemporalCalls } from './temporal-calls';
import { uncuredOf } from './uncured';

/** Room for a login and the facts on a slow machine, after which a node counts as not reachable; the same for what is pending. */
const NODE_LIMIT_MS = EXAMINATION_PART_MS;
/** A node that does not answer is tried for this long: enough for a lost packet. */
const UNREACHABLE_MS = 5_000;

/** The answers of this many nodes fit into one message, also when each has many findings. */
const NODES_PER_WORKFLOW = 25;
/** 50 nodes at once: what one worker reaches without the logins getting into each other's way. */
const WORKFLOWS_AT_ONCE = 2;

/** Above what the activities may take in all, with a worker that dies on the way. */
const WORKFLOW_LIMIT_MS = 160_000;

/** Nodes that were examined, and those that could not be, with the reason. */
export interface Examination {
  nodes: NodeDiagnosis[];
  failures: { nodes: string[]; error: ErrorInfo }[];
}

export interface ExaminationInput {
  cluster: string;
  targets: readonly InspectedNode[];
  policy: DiagnosisPolicy;
  /** Absent: what a drain would meet is not asked. */
  kubernetes?: KubernetesPolicy;
  /** By the name of the node: what its last reboot did not remedy. */
  uncuredReboots: Record<string, UncuredReboot>;
  by: string;
}

/** Examines all nodes, some at once; in the order of `targets`. What fails keeps nothing else from being told. */
export async function examineNodes(
  calls: TemporalCalls,
  { targets, ...input }: ExaminationInput,
): Promise<Examination> {
  const parts: { targets: InspectedNode[]; result: NodeDiagnosis[] | OspatchError | null }[] = [];
  for (let at = 0; at < targets.length; at += NODES_PER_WORKFLOW) {
    parts.push({ targets: targets.slice(at, at + NODES_PER_WORKFLOW), result: null });
  }
  const waiting = parts.values();
  const lane = async (): Promise<void> => {
    for (const part of waiting) {
      part.result = await examinePart(calls, { ...input, targets: part.targets }).catch((error: unknown) => {
        if (isOspatchError(error)) return error;
        throw error;
      });
    }
  };
  await Promise.all(Array.from({ length: WORKFLOWS_AT_ONCE }, lane));
  const examination: Examination = { nodes: [], failures: [] };
  for (const { targets: ofPart, result } of parts) {
    if (Array.isArray(result)) examination.nodes.push(...result);
    else if (result !== null) {
      examination.failures.push({ nodes: ofPart.map(({ name }) => name), error: result.toInfo() });
    }
  }
  return examination;
}

async function examinePart(
  calls: TemporalCalls,
  { cluster, targets, policy, kubernetes, uncuredReboots, by }: ExaminationInput,
): Promise<NodeDiagnosis[]> {
  const { client, taskQueue } = calls.session;
  const handle: WorkflowHandle = await calls.call(cluster, () =>
    client.workflow.start(WORKFLOW_TYPES.examineNodes, {
      workflowId: doctorWorkflowId(cluster, randomUUID()),
      taskQueue,
      args: [
        {
          targets,
          policy,
          limitMs: NODE_LIMIT_MS,
          unreachableTimeoutMs: UNREACHABLE_MS,
          ...(kubernetes === undefined ? {} : { kubernetes }),
          ...uncuredOf(targets, uncuredReboots),
        },
      ],
      workflowExecutionTimeout: WORKFLOW_LIMIT_MS,
      staticSummary: `examination of ${targets.length} nodes of cluster ${cluster}, asked for by ${by}`,
    }),
  );
  const done = new AbortController();
  const result = calls.call(cluster, () => handle.result() as Promise<NodeDiagnosis[]>, WORKFLOW_LIMIT_MS + 5_000);
  try {
    return await Promise.race([result, failIfNotStarted(calls, handle, done.signal)]);
  } catch (error) {
    // Nobody waits for it any more; where it cannot be ended, it ends by its own limit.
    await calls.call(cluster, () => handle.terminate('not taken up in time')).catch(() => undefined);
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
      // A worker that dies with the first task keeps it until it runs out.
      if (historyLength > 3) break;
      if ((raw.pendingWorkflowTask?.attempt ?? 0) > 1) throw notUnderstood(time);
    }
  } catch (error) {
    if (isOspatchError(error)) throw error;
  }
  return never;
}

function notTakenUp(taskQueue: string, time: string): OspatchError {
  return new OspatchError({
    type: 'NoWorker',
    message: `no worker of the task queue ${taskQueue} took up the work within ${time}.`,
    remedy: 'see that `ospatch worker` runs, or allow more time with --timeout',
  });
}

function notUnderstood(time: string): OspatchError {
  return new OspatchError({
    type: 'NoWorker',
    message: `the workers could not carry out the examination within ${time}; they may run another version of ospatch.`,
    remedy: 'bring the workers and this command to the same version',
  });
}
