/** A short workflow that looks at an EKS cluster through the worker, which has the credentials, and changes nothing. */
import type { ExamineEksInput } from '../activities/eks-types';
import type { EksExamination } from '../domain/eks';
import { noWorkerAtSite } from '../domain/sites';
import { SITE_ANSWERS_WITHIN, awsInspection, optionsFor } from './activity-options';
import { isNotTakenUp, toErrorInfo } from './failures';

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
