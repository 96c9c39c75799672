/** Everything that a cluster will ask its workers for, by its spec. */
import type { ClusterSpec, EksSpec, SelfManagedSpec } from '../spec/types';
import { accessOf } from '../eks/node-groups';
import type { Demand } from './request';
import { alertmanagerDemands, awsDemand, kubernetesDemand, listed, loginDemands, notificationDemands } from './request';

export const REQUEST_KINDS = [
  'login',
  'reboot',
  'power-cycle',
  'kubernetes',
  'calendars',
  'aws',
  'alerts',
  'notifications',
  'audit',
] as const;
export type RequestKind = (typeof REQUEST_KINDS)[number];

/** What is asked of the workers of one task queue. */
export interface SpecRequest {
  kind: RequestKind;
  /** Null: the cluster as a whole. */
  node: string | null;
  taskQueue: string;
  demands: Demand[];
}

/** `defaultQueue`: the task queue of the workers that run the workflows. */
export function specRequests(spec: ClusterSpec, defaultQueue: string): SpecRequest[] {
  if (!('patching' in spec)) return [];
  const { blackouts = [] } = spec.patching;
  const calendars = blackouts.flatMap((blackout) =>
    'ical' in blackout ? [listed('calendars', 'patching.blackouts.ical', blackout.ical)] : [],
  );
  const requests = [
    ...(spec.type === 'self-managed' ? nodeRequests(spec, defaultQueue) : eksRequests(spec, defaultQueue)),
    ...(calendars.length === 0 ? [] : [request('calendars', null, defaultQueue, calendars)]),
    ...(spec.alerts === undefined
      ? []
      : [request('alerts', null, spec.taskQueue ?? defaultQueue, alertmanagerDemands(spec.alerts.alertmanager))]),
    ...(spec.notifications ?? []).map((target) =>
      request('notifications', null, defaultQueue, notificationDemands(target)),
    ),
    request('audit', null, defaultQueue, []),
  ];
  return requests.map((one) => ({
    ...one,
    demands: [...one.demands, listed('taskQueues', 'taskQueue', one.taskQueue)],
  }));
}

function nodeRequests(spec: SelfManagedSpec, defaultQueue: string): SpecRequest[] {
  const { patching, kubernetes } = spec;
  const { rebootCommand, powerCycleHook } = patching;
  const queues = new Set<string>();
  const requests = spec.nodes.flatMap((node) => {
    const queue = node.taskQueue ?? spec.taskQueue ?? defaultQueue;
    queues.add(queue);
    const login = loginDemands(node);
    const reboot =
      rebootCommand === undefined ? [] : [listed('rebootCommands', 'patching.rebootCommand', rebootCommand)];
    const hook =
      powerCycleHook === undefined ? [] : [listed('powerCycleHooks', 'patching.powerCycleHook', powerCycleHook.name)];
    return [
      request('login', node.name, queue, login),
      ...reboot.map((one) => request('reboot', node.name, queue, [...login, one])),
      // The worker logs in before a power cycle, to see whether the node answers.
      ...hook.map((one) => request('power-cycle', node.name, queue, [...login, one])),
    ];
  });
  if (kubernetes === undefined) return requests;
  return [
    ...requests,
    ...[...queues].map((queue) => request('kubernetes', null, queue, [kubernetesDemand(kubernetes)])),
  ];
}

function eksRequests(spec: EksSpec, defaultQueue: string): SpecRequest[] {
  return [request('aws', null, spec.taskQueue ?? defaultQueue, [awsDemand(accessOf(spec.eks))])];
}

function request(kind: RequestKind, node: string | null, taskQueue: string, demands: Demand[]): SpecRequest {
  return { kind, node, taskQueue, demands };
}
