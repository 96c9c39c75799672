/** A short-lived workflow that asks a worker of each task queue what its policy allows. Changes nothing. */
import type { ExplainPolicyInput } from '../../contract/activities/cluster';
import type { PolicySeen } from '../../domain/inspection/policy';
import { policyInspection } from '../shared/activity-options';
import { toInspectionError } from '../shared/failures';
import { failOnBadInput } from '../shared/short-lived';

/** The requests name their task queues. */
export async function inspectPolicy({ cluster, requests }: ExplainPolicyInput): Promise<PolicySeen[]> {
  return failOnBadInput(() => {
    const queues = [...new Set(requests.map(({ taskQueue }) => taskQueue))];
    return Promise.all(
      queues.map(async (taskQueue): Promise<PolicySeen> => {
        const asked = requests.filter((one) => one.taskQueue === taskQueue);
        const options = { taskQueue, summary: `what the policy of the workers of ${taskQueue} allows` };
        try {
          return {
            taskQueue,
            answer: await policyInspection.explainPolicy.executeWithOptions(options, [{ cluster, requests: asked }]),
          };
        } catch (failure) {
          return { taskQueue, error: toInspectionError(failure, 'asking for the policy') };
        }
      }),
    );
  });
}
