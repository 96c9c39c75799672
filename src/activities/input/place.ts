/**
 * What an activity names has to fit the workflow that started it: the id of a workflow is a lock, and says for which
 * cluster and node it works.
 */
import type { AllActivities, InputOf } from './types';

/** A validated request for one activity. */
export type ActivityRequest = {
  [K in keyof AllActivities]: {
    activity: K;
    input: InputOf<AllActivities[K]>;
    /** The cluster of the workflow that started the activity. */
    cluster: string;
  };
}[keyof AllActivities];

/** A workflow of a cluster by its id. */
export interface Place {
  cluster: string;
  /** The node or node group that the workflow has locked; null: it is another workflow of the cluster. */
  member: string | null;
}

/** Null: the workflow belongs to no cluster. */
export function placeOf(workflowId: string): Place | null {
  const [kind, cluster = '', part, member, ...rest] = workflowId.split('/');
  if (kind !== 'cluster' || cluster === '') return null;
  return { cluster, member: part === 'node' && member !== undefined && rest.length === 0 ? member : null };
}

/** What an input names. */
interface Named {
  clusters: string[];
  /** Nodes or node groups. */
  members: string[];
}

/** Activities that change a node, Kubernetes or AWS on behalf of one member, which its workflow has locked. */
const LOCKED: ReadonlySet<keyof AllActivities> = new Set<keyof AllActivities>([
  'apply',
  'repair',
  'restart',
  'reboot',
  'powerCycle',
  'inspectFailedNode',
  'cordon',
  'drain',
  'awaitHealthy',
  'awaitWorkloads',
  'beginNodegroupUpdate',
  'followNodegroupUpdate',
  'silenceNode',
  'endSilence',
]);

/** Computations, which any workflow may ask for: they reach nothing but the Temporal server. */
const COMPUTATIONS: ReadonlySet<keyof AllActivities> = new Set<keyof AllActivities>([
  'checkSpec',
  'checkFirstSpec',
  'admit',
  'checkState',
  'nextWindows',
  'searchAttributes',
]);

export function isComputation(activity: keyof AllActivities): boolean {
  return COMPUTATIONS.has(activity);
}

/** Why the workflow must not start this activity, as the rest of a sentence; null when it may. */
export function misplaced(request: ActivityRequest, place: Place): string | null {
  const { clusters, members } = namedBy(request);
  if (clusters.some((cluster) => cluster !== place.cluster)) return 'names another cluster than its workflow';
  if (LOCKED.has(request.activity) && place.member === null) return 'belongs to the workflow of one node or node group';
  if (place.member !== null && members.some((member) => member !== place.member))
    return 'names another node or node group than its workflow';
  return null;
}

function namedBy(request: ActivityRequest): Named {
  switch (request.activity) {
    case 'preflight':
    case 'prefetch':
    case 'apply':
    case 'repair':
    case 'restart':
    case 'reboot':
    case 'powerCycle':
    case 'inspectFailedNode':
    case 'readFacts':
    case 'inspectNode':
    case 'readLog': {
      const { cluster, name } = request.input.target;
      return { clusters: [cluster], members: [name] };
    }
    case 'unreachableNodes':
    case 'probeHostKeys':
      return {
        clusters: request.input.targets.map(({ cluster }) => cluster),
        members: request.input.targets.map(({ name }) => name),
      };
    case 'drainPreview':
    case 'awaitHealthy':
    case 'awaitWorkloads': {
      const { cluster, node } = request.input.target;
      return { clusters: [cluster], members: [node] };
    }
    case 'cordon':
    case 'drain':
    case 'uncordon': {
      const { target, owner } = request.input;
      const owners = owner === 'any' ? [] : [owner];
      const all = [target, ...owners];
      return { clusters: all.map(({ cluster }) => cluster), members: all.map(({ node }) => node) };
    }
    case 'beginNodegroupUpdate':
      return { clusters: [request.input.request.cluster], members: [request.input.nodeGroup] };
    case 'followNodegroupUpdate':
    case 'describeNodegroup':
      return { clusters: [], members: [request.input.nodeGroup] };
    case 'listNodegroups':
    case 'inspectEksCluster':
    case 'checkSpec':
    case 'checkFirstSpec':
    case 'checkState':
    case 'searchAttributes':
      return { clusters: [], members: [] };
    case 'outOfService':
    case 'findStaleCordons':
    case 'nextWindows':
    case 'nextWindowsByFiles':
    case 'notify':
    case 'notificationDefaults':
    case 'lastRun':
    case 'admit':
    case 'explainPolicy':
      return { clusters: [request.input.cluster], members: [] };
    case 'readAlerts':
      return { clusters: [request.input.cluster], members: [] };
    case 'silenceNode':
    case 'endSilence': {
      const { cluster, node } = request.input.silences.values;
      return { clusters: [cluster], members: [node] };
    }
    case 'recordAudit':
      return { clusters: [request.input.cluster], members: [request.input.result.node] };
    case 'awaitNodePatches':
      return { clusters: request.input.map(({ workflowId }) => clusterOf(workflowId)), members: [] };
    case 'cancelChildren':
    case 'awaitWorkflowClosed':
      return { clusters: [clusterOf(request.input)], members: [] };
  }
}

function clusterOf(workflowId: string): string {
  return placeOf(workflowId)?.cluster ?? '';
}
