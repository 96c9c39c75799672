/** The activities for EKS node groups: each calls AWS through `aws/` and converts the error. */
import { activityInfo } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { AwsRetryPolicy } from '../aws/eks-caller';
import { INTERACTIVE, EksCaller, BEFORE_UPDATE, DURING_UPDATE, EksApis } from '../aws/eks-caller';
import { inspectNodegroups } from '../aws/inspect';
import { beginUpdate, followUpdate } from '../aws/node-group-update';
import type { EksAccess } from '../domain/eks/node-groups';
import type { NodeStep } from '../domain/node/report';
import type { EksActivities } from '../contract/activities/eks';
import { toApplicationFailure } from './errors';
import { failedAttempts, updateProgress, withHeartbeat, withSilentLooks } from './heartbeat';
import type { ActivityLog } from './node';

export interface EksActivityDeps {
  log: ActivityLog;
  apis?: EksApis;
  /** How long the first attempt of a wait holds its activity slot; default 30 s. */
  firstHoldMs?: number;
}

export function createEksActivities({ log, apis = new EksApis(), firstHoldMs }: EksActivityDeps): EksActivities {
  async function atAws<R>(
    step: NodeStep,
    access: EksAccess,
    policy: AwsRetryPolicy,
    body: (caller: EksCaller) => Promise<R>,
    run: typeof withHeartbeat = withSilentLooks,
  ): Promise<R> {
    const fields = { eksCluster: access.cluster, region: access.region, step };
    return run(step, ({ signal, details, send, hold }) => {
      const show = (waitingFor: string | undefined): void => {
        if (updateProgress(details, { waitingFor }, Date.now())) send();
      };
      return body(
        new EksCaller({
          apis,
          access,
          policy,
          signal,
          show,
          waits: (details.waits ??= {}),
          hold: hold('aws', { firstMs: firstHoldMs }),
          workHold: hold('aws', { firstMs: firstHoldMs, laterMs: 0 }),
        }),
      );
    }).catch((error: unknown) => {
      const { attempt } = activityInfo();
      const failure = toApplicationFailure(error, failedAttempts());
      // The stack is logged on the worker only; failures in a history carry none.
      if (failure instanceof ApplicationFailure && failure.type === 'Internal') {
        log.error({ ...fields, attempt, err: error }, 'unexpected error in an AWS activity');
      } else log.info({ ...fields, attempt, error: failure.message }, 'AWS activity ended early');
      throw failure;
    });
  }

  return {
    listNodegroups: ({ access }) =>
      atAws('preflight', access, BEFORE_UPDATE, (caller) =>
        caller.call('listNodegroups', (api, signal) => api.listNodegroups(signal)),
      ),

    describeNodegroup: ({ access, nodeGroup, afterUpdate }) =>
      atAws(afterUpdate ? 'verify' : 'preflight', access, afterUpdate ? DURING_UPDATE : BEFORE_UPDATE, (caller) =>
        caller.call('describeNodegroup', (api, signal) => api.describeNodegroup(nodeGroup, signal)),
      ),

    beginNodegroupUpdate: ({ access, request: { cluster, run, startedAt }, ...request }) =>
      atAws(
        'apply',
        access,
        BEFORE_UPDATE,
        (caller) => beginUpdate(caller, { ...request, identity: [cluster, String(run), startedAt] }),
        withHeartbeat,
      ),

    followNodegroupUpdate: ({ access, nodeGroup, updateId, what }) =>
      atAws('apply', access, DURING_UPDATE, (caller) => followUpdate(caller, { nodeGroup, updateId, what })),

    inspectEksCluster: ({ access, nodeGroups, ...policy }) =>
      atAws('preflight', access, INTERACTIVE, (caller) => inspectNodegroups(caller, nodeGroups, policy)),
  };
}
