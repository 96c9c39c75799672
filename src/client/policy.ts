/** Asks the workers what their policies allow of a spec. */
import { randomUUID } from 'node:crypto';
import { WORKFLOW_PRIORITIES } from '../contract/priorities';
import { WORKFLOW_TYPES, inspectionWorkflowId } from '../contract/workflow-ids';
import type { PolicySeen } from '../domain/inspection/policy';
import { policyFindings, targetFindings } from '../domain/inspection/policy';
import type { Finding } from '../domain/inspection/finding';
import { warning } from '../domain/inspection/finding';
import { specRequests } from '../domain/policy/spec-requests';
import { isOspatchError } from '../domain/shared/errors';
import type { ClusterSpec } from '../domain/spec/types';
import type { TemporalCalls } from './temporal-calls';

/** Above the limits of the activity at all task queues, which are asked at the same time. */
const LIMIT_MS = 60_000;

/** Nodes of one spec are alike, and a worker compares each request with all rules. */
const MAX_REQUESTS = 500;

/** Task queues without workers are left out; they have findings of their own. */
export async function requestPolicyFindings(calls: TemporalCalls, spec: ClusterSpec, by: string): Promise<Finding[]> {
  const { client, taskQueue } = calls.session;
  const all = specRequests(spec, taskQueue);
  const served = new Set([taskQueue]);
  for (const queue of new Set(all.map((one) => one.taskQueue))) {
    if (queue !== taskQueue && (await calls.countWorkers(queue)) > 0) served.add(queue);
  }
  const requests = all.filter((one) => served.has(one.taskQueue));
  if (requests.length === 0) return [];
  try {
    const seen = await calls.call(
      spec.name,
      () =>
        client.workflow.execute<(input: unknown) => Promise<PolicySeen[]>>(WORKFLOW_TYPES.inspectPolicy, {
          workflowId: inspectionWorkflowId(spec.name, randomUUID()),
          taskQueue,
          args: [{ cluster: spec.name, requests: requests.slice(0, MAX_REQUESTS) }],
          priority: { priorityKey: WORKFLOW_PRIORITIES.inspectPolicy },
          workflowExecutionTimeout: LIMIT_MS,
          staticSummary: `what the policy allows of cluster ${spec.name}, requested by ${by}`,
        }),
      LIMIT_MS,
    );
    const more = requests.length - MAX_REQUESTS;
    const hasTargets = 'notifications' in spec && spec.notifications !== undefined;
    const found = [...policyFindings(seen), ...(hasTargets ? [] : targetFindings(seen, taskQueue))];
    if (more <= 0) return found;
    const message = `of the requests that the spec will make, ${more} were not compared with the policy`;
    return [...found, warning('policy', message, 'ospatch policy explain shows all of them')];
  } catch (error) {
    if (!isOspatchError(error)) throw error;
    return [
      warning('policy', `what the policy of the workers allows is not known: ${error.message}`, error.remedy ?? null),
    ];
  }
}
