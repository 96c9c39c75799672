/**
 * Task priorities when more tasks wait than workers have slots. Returning a node to service comes first, then work that
 * a user waits for, then started work on nodes, then new work. Workflow tasks have priorities too: those that a user
 * waits for first, background work last.
 *
 * Temporal calls this the priority key: 1 is the highest of five. Servers without priorities ignore it.
 */
import type { RunTrigger } from '../domain/run/run';
import type { AlertActivities } from './activities/alerts';
import type { ClusterActivities } from './activities/cluster';
import type { EksActivities } from './activities/eks';
import type { KubernetesActivities } from './activities/kubernetes';
import type { NodeActivities } from './activities/node';
import type { NotificationActivities } from './activities/notification';
import type { WORKFLOW_TYPES } from './workflow-ids';

export type PriorityKey = 1 | 2 | 3 | 4 | 5;

/** Run in the worker of the workflow, without a queue. */
type LocalActivity =
  | 'nextWindows'
  | 'checkSpec'
  | 'checkFirstSpec'
  | 'checkState'
  | 'admit'
  | 'searchAttributes'
  | 'recordAudit'
  | 'lastRun'
  | 'notificationDefaults';

type Activity =
  | keyof NodeActivities
  | keyof AlertActivities
  | keyof KubernetesActivities
  | keyof EksActivities
  | Exclude<keyof ClusterActivities | keyof NotificationActivities, LocalActivity>;

type Workflow = keyof typeof WORKFLOW_TYPES;

const BACK_TO_SERVICE = 1;
const PERSON_WAITS = 2;
const BEGUN = 3;
/** Requested by a user, or a node that has never been patched. */
const WANTED_SOON = 4;
const SCHEDULED = 5;
const NOBODY_WAITS = 5;

export const ACTIVITY_PRIORITIES: Readonly<Record<Activity, PriorityKey>> = {
  uncordon: BACK_TO_SERVICE,
  awaitHealthy: BACK_TO_SERVICE,
  awaitWorkloads: BACK_TO_SERVICE,
  readFacts: BACK_TO_SERVICE,
  inspectFailedNode: BACK_TO_SERVICE,
  outOfService: BEGUN,
  readAlerts: BEGUN,
  silenceNode: BEGUN,
  endSilence: BACK_TO_SERVICE,
  unreachableNodes: BEGUN,
  probeHostKeys: BEGUN,
  inspectNode: PERSON_WAITS,
  readLog: PERSON_WAITS,
  findStaleCordons: PERSON_WAITS,
  inspectEksCluster: PERSON_WAITS,
  explainPolicy: PERSON_WAITS,
  cordon: BEGUN,
  drain: BEGUN,
  apply: BEGUN,
  repair: BEGUN,
  restart: BEGUN,
  reboot: BEGUN,
  powerCycle: BEGUN,
  followNodegroupUpdate: BEGUN,
  awaitWorkflowClosed: BEGUN,
  awaitNodePatches: BEGUN,
  cancelChildren: BEGUN,
  nextWindowsByFiles: PERSON_WAITS,
  preflight: SCHEDULED,
  prefetch: SCHEDULED,
  drainPreview: SCHEDULED,
  listNodegroups: SCHEDULED,
  describeNodegroup: SCHEDULED,
  beginNodegroupUpdate: SCHEDULED,
  notify: BEGUN,
};

/** Constant per workflow: a run and a node patch count as started from the beginning, whatever has triggered them. */
export const WORKFLOW_PRIORITIES: Readonly<Record<Workflow, PriorityKey>> = {
  inspectEks: PERSON_WAITS,
  inspectPolicy: PERSON_WAITS,
  inspectAvailability: PERSON_WAITS,
  inspectAlerts: PERSON_WAITS,
  inspectKubernetes: PERSON_WAITS,
  inspectNodes: PERSON_WAITS,
  readNodeLog: PERSON_WAITS,
  uncordonNode: PERSON_WAITS,
  cluster: BEGUN,
  run: BEGUN,
  patchNode: BEGUN,
  updateNodegroup: BEGUN,
  prefetchNodes: NOBODY_WAITS,
  refreshFacts: NOBODY_WAITS,
  notify: NOBODY_WAITS,
  testNotifications: PERSON_WAITS,
};

/** `trigger`: of the activity's run; any other value when it belongs to no run. */
export function priorityOf(activity: string, workflowType: string, trigger: unknown): PriorityKey {
  const own: PriorityKey = (ACTIVITY_PRIORITIES as Readonly<Record<string, PriorityKey>>)[activity] ?? BEGUN;
  const ofWorkflow = workflowPriorityOf(workflowType);
  if (ofWorkflow === PERSON_WAITS) return own < PERSON_WAITS ? own : PERSON_WAITS;
  // A cluster refreshes facts of reboot-pending nodes, and downloads packages before a window.
  if (ofWorkflow === NOBODY_WAITS) return NOBODY_WAITS;
  if (own !== SCHEDULED) return own;
  const isSoon = (['boot', 'on-demand'] satisfies RunTrigger[]).some((one) => one === trigger);
  return isSoon ? WANTED_SOON : SCHEDULED;
}

export function workflowPriorityOf(workflowType: string): PriorityKey {
  return (WORKFLOW_PRIORITIES as Readonly<Record<string, PriorityKey>>)[workflowType] ?? BEGUN;
}
