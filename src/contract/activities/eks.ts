import type {
  BegunUpdate,
  EksAccess,
  EksInspection,
  NodegroupFacts,
  NodegroupUpdate,
} from '../../domain/eks/node-groups';

export interface ListNodegroupsInput {
  access: EksAccess;
}

export interface DescribeNodegroupInput {
  access: EksAccess;
  nodeGroup: string;
  /** An update of this group was just followed: its result is worth waiting for, even without credentials. */
  afterUpdate: boolean;
}

export interface BeginUpdateInput {
  access: EksAccess;
  nodeGroup: string;
  /** The Kubernetes version of the group, which does not change. */
  version: string;
  force: boolean;
  /** Release at which the run found the group; absent: the newest release is not queried. */
  found?: string;
  /** A version update started by someone else has just completed; absent: none has. */
  adopted?: boolean;
  /** Makes a repeated request idempotent at AWS: cluster, run and start time of the run. */
  request: { cluster: string; run: number; startedAt: string };
}

export interface FollowUpdateInput {
  access: EksAccess;
  nodeGroup: string;
  updateId: string;
  /** For display: the wait, e.g. `the update of node group a at AWS`. */
  what: string;
}

export interface InspectEksInput {
  access: EksAccess;
  nodeGroups: 'all' | string[];
  launchTemplates?: boolean;
}

/**
 * Activities that call the AWS EKS API. Each heartbeats while it runs, and may be retried at any time on any worker.
 * Throttling, server errors and network errors are retried and shown as `waitingFor`; all other failures are of type
 * `Aws` and final.
 */
export interface EksActivities {
  /** Names of the managed node groups. */
  listNodegroups(input: ListNodegroupsInput): Promise<string[]>;
  describeNodegroup(input: DescribeNodegroupInput): Promise<NodegroupFacts>;
  /**
   * Requests the latest release of `version`, at most once per request, unless the group is known to run it. Returns
   * the update in progress, if there is one.
   */
  beginNodegroupUpdate(input: BeginUpdateInput): Promise<BegunUpdate>;
  /** Waits until the update has ended at AWS, however long that takes. Credentials may be missing for an hour. */
  followNodegroupUpdate(input: FollowUpdateInput): Promise<NodegroupUpdate>;
  /** Never throws: errors are part of the result. Changes nothing. */
  inspectEksCluster(input: InspectEksInput): Promise<EksInspection>;
}
