/** A short workflow that looks at an EKS cluster through the worker, which has the credentials, and changes nothing. */
import type { ExamineEksInput } from '../activities/eks-types';
import type { EksExamination } from '../domain/eks';
import { awsInspection } from './activity-options';
import { toErrorInfo } from './failures';

export async function examineEks(input: ExamineEksInput): Promise<EksExamination> {
  try {
    const options = { summary: `EKS cluster ${input.access.cluster}: examination` };
    return await awsInspection.examineEksCluster.executeWithOptions(options, [input]);
  } catch (failure) {
    const error = toErrorInfo(failure, `the look at EKS cluster ${input.access.cluster}`);
    return { error, groups: [], fargateProfiles: null };
  }
}
