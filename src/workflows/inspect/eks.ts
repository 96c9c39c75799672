/** A short workflow that looks at an EKS cluster through the worker, which has the credentials, and changes nothing. */
import type { ExamineEksInput } from '../../contract/activities/eks';
import type { EksExamination } from '../../domain/eks/node-groups';
import { noWorkerAtSite } from '../../domain/cluster/task-queues';
import { SITE_ANSWERS_WITHIN, awsInspection, optionsFor } from '../shared/activity-options';
import { isNotTakenUp, toErrorInfo } from '../shared/failures';

/** `taskQueue`: of the workers that ask AWS. */
export async function examineEks({
  taskQueue,
  ...input
}: ExamineEksInput & { taskQueue?: string }): Promise<EksExamination> {
  const name = `EKS cluster ${input.access.cluster}`;
  const site = taskQueue === undefined ? {} : { taskQueue };
  const soon = taskQueue === undefined ? {} : { scheduleToStartTimeout: SITE_ANSWERS_WITHIN };
  try {
    return await awsInspection.examineEksCluster.executeWithOptions(
      { ...optionsFor({ name }, site, 'examination'), ...soon },
      [input],
    );
  } catch (failure) {
    const error =
      taskQueue !== undefined && isNotTakenUp(failure)
        ? noWorkerAtSite(name, taskQueue)
        : toErrorInfo(failure, `the look at ${name}`);
    return { error, groups: [], fargateProfiles: null };
  }
}
