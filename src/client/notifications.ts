/** Sends a test message to the targets of notifications of a cluster, through a worker. */
import { randomUUID } from 'node:crypto';
import { WORKFLOW_PRIORITIES } from '../contract/priorities';
import { WORKFLOW_TYPES, inspectionWorkflowId } from '../contract/workflow-ids';
import type { AnyTarget, TargetTest } from '../domain/notifications/types';
import { OspatchError } from '../domain/shared/errors';
import { defined } from '../domain/shared/defined';
import type { ClusterSpec } from '../domain/spec/types';
import type { TemporalCalls } from './temporal-calls';

/** Above the limit of one attempt. */
const LIMIT_MS = 100_000;

/** @throws OspatchError `NotFound` when there is no such target, or none at all */
export async function requestNotificationTest(
  calls: TemporalCalls,
  { spec, createdAt }: { spec: ClusterSpec; createdAt: string },
  { target: only, by }: { target?: string; by: string },
): Promise<TargetTest[]> {
  const { client, taskQueue } = calls.session;
  const { name: cluster } = spec;
  const targets: AnyTarget[] | null = ('notifications' in spec ? spec.notifications : undefined) ?? null;
  if (targets !== null) assertNamed(cluster, targets, only);
  const tests = await calls.call(
    cluster,
    () =>
      client.workflow.execute<(input: unknown) => Promise<TargetTest[]>>(WORKFLOW_TYPES.testNotifications, {
        workflowId: inspectionWorkflowId(cluster, randomUUID()),
        taskQueue,
        args: [{ cluster, createdAt, targets, by, ...defined({ only }) }],
        priority: { priorityKey: WORKFLOW_PRIORITIES.testNotifications },
        workflowExecutionTimeout: LIMIT_MS,
        staticSummary: `test of the notifications of ${cluster}, requested by ${by}`,
      }),
    LIMIT_MS,
  );
  if (tests.length === 0) throw nothing(cluster, only, []);
  return tests;
}

function assertNamed(cluster: string, targets: readonly AnyTarget[], only: string | undefined): void {
  const names = targets.map(({ name }) => name);
  if (names.length === 0) {
    throw new OspatchError({
      type: 'NotFound',
      message: `the spec of cluster ${cluster} has notifications: [], so nobody is told, and the targets of the workers are not used`,
      remedy:
        'add targets to notifications, or remove the field to use the targets of the workers (OSPATCH_NOTIFICATIONS)',
    });
  }
  if (only !== undefined && !names.includes(only)) throw nothing(cluster, only, names);
}

function nothing(cluster: string, only: string | undefined, names: readonly string[]): OspatchError {
  if (only !== undefined && names.length > 0) {
    return new OspatchError({
      type: 'NotFound',
      message: `cluster ${cluster} has no target ${only} for notifications; there are ${names.join(', ')}`,
      remedy: `for example: ospatch notify test ${cluster} --target ${names[0]}`,
    });
  }
  return new OspatchError({
    type: 'NotFound',
    message:
      only === undefined
        ? `cluster ${cluster} has no targets for notifications`
        : `neither cluster ${cluster} nor its workers have a target ${only} for notifications`,
    remedy: 'add notifications to the spec, or a file of targets to the workers (OSPATCH_NOTIFICATIONS)',
  });
}
