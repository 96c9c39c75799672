/**
 * Which activities are taken up first when more are waiting than workers have slots for. What gives a node back to service
 * comes before what a person waits for, that before work on nodes that has begun, and that before anything new.
 *
 * Temporal calls it the priority key: 1 is the highest of five, and servers that know no priorities ignore it.
 */
import type { EksActivities } from '../../contract/activities/eks';
import type { KubernetesActivities } from '../../contract/activities/kubernetes';
import type { NodeActivities } from '../../contract/activities/node';
import type { WORKFLOW_TYPES } from '../../contract/workflow-ids';
import type { RunTrigger } from '../../domain/run/run';

export type PriorityKey = 1 | 2 | 3 | 4 | 5;

type Activity = keyof NodeActivities | keyof KubernetesActivities | keyof EksActivities | 'awaitWorkflowClosed';

const BACK_TO_SERVICE = 1;
const PERSON_WAITS = 2;
const BEGUN = 3;
/** Asked for by a person, or a node that has never been patched. */
const WANTED_SOON = 4;
const SCHEDULED = 5;

const PRIORITIES: Readonly<Record<Activity, PriorityKey>> = {
  uncordon: BACK_TO_SERVICE,
  awaitHealthy: BACK_TO_SERVICE,
  awaitWorkloads: BACK_TO_SERVICE,
  readFacts: BACK_TO_SERVICE,
  surveyNode: BACK_TO_SERVICE,
  inspectNode: PERSON_WAITS,
  readLog: PERSON_WAITS,
  findStaleCordons: PERSON_WAITS,
  inspectEksCluster: PERSON_WAITS,
  cordon: BEGUN,
  drain: BEGUN,
  apply: BEGUN,
  repair: BEGUN,
  restart: BEGUN,
  reboot: BEGUN,
  powerCycle: BEGUN,
  followNodegroupUpdate: BEGUN,
  awaitWorkflowClosed: BEGUN,
  preflight: SCHEDULED,
  prefetch: SCHEDULED,
  drainPreview: SCHEDULED,
  listNodegroups: SCHEDULED,
  describeNodegroup: SCHEDULED,
  beginNodegroupUpdate: SCHEDULED,
};

/** Workflows that answer a person. */
const FOR_PEOPLE: ReadonlySet<string> = new Set<keyof typeof WORKFLOW_TYPES>([
  'inspectEks',
  'inspectKubernetes',
  'inspectNodes',
  'readNodeLog',
  'uncordonNode',
]);

/** `trigger`: of the run that the workflow belongs to; anything else for other workflows. */
export function priorityOf(activity: string, workflowType: string, trigger: unknown): PriorityKey {
  const own: PriorityKey = (PRIORITIES as Readonly<Record<string, PriorityKey>>)[activity] ?? BEGUN;
  if (FOR_PEOPLE.has(workflowType)) return own < PERSON_WAITS ? own : PERSON_WAITS;
  // A cluster looks now and then whether a node still asks for a reboot. Nobody waits for that.
  if (workflowType === ('refreshFacts' satisfies keyof typeof WORKFLOW_TYPES)) return SCHEDULED;
  if (own !== SCHEDULED) return own;
  const isSoon = (['boot', 'on-demand'] satisfies RunTrigger[]).some((one) => one === trigger);
  return isSoon ? WANTED_SOON : SCHEDULED;
}
