/** A short-lived workflow that inspects an EKS cluster through a worker with the credentials. Changes nothing. */
import type { InspectEksInput } from '../../contract/activities/eks';
import type { EksInspection } from '../../domain/eks/node-groups';
import { noWorkerAtSite } from '../../domain/cluster/task-queues';
import { SITE_ANSWERS_WITHIN, awsInspection, optionsFor } from '../shared/activity-options';
import { isNotTakenUp, toInspectionError } from '../shared/failures';
import { failOnBadInput } from '../shared/short-lived';
import { defined } from '../../domain/shared/defined';

/** `taskQueue`: of the workers that call AWS. */
export async function inspectEks(input: InspectEksInput & { taskQueue?: string }): Promise<EksInspection> {
  return failOnBadInput(() => inspect(input));
}

async function inspect({ taskQueue, ...input }: InspectEksInput & { taskQueue?: string }): Promise<EksInspection> {
  const name = `EKS cluster ${input.access.cluster}`;
  const site = defined({ taskQueue });
  const soon = defined({ scheduleToStartTimeout: taskQueue === undefined ? undefined : SITE_ANSWERS_WITHIN });
  try {
    return await awsInspection.inspectEksCluster.executeWithOptions(
      { ...optionsFor({ name }, site, 'inspection'), ...soon },
      [input],
    );
  } catch (failure) {
    const error =
      taskQueue !== undefined && isNotTakenUp(failure)
        ? noWorkerAtSite(name, taskQueue)
        : toInspectionError(failure, `the inspection of ${name}`);
    return { error, groups: [], fargateProfiles: null };
  }
}
