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
  /** An update of this group was just followed: its outcome is worth waiting for, also without credentials. */
  afterUpdate: boolean;
}

export interface BeginUpdateInput {
  access: EksAccess;
  nodeGroup: string;
  /** The Kubernetes version that the group runs, and keeps. */
  version: string;
  force: boolean;
  /** Release that the run found the group at; absent: which is the newest is not asked. */
  found?: string;
  /** An update of the version that somebody else had begun has just ended well; absent: none has. */
  adopted?: boolean;
  /** What makes this request one and the same to AWS, however often it is repeated: cluster, run and when it started. */
  request: { cluster: string; run: number; startedAt: string };
}

export interface FollowUpdateInput {
  access: EksAccess;
  nodeGroup: string;
  updateId: string;
  /** For people: what is waited for, e.g. `the update of node group a at AWS`. */
  what: string;
}

export interface InspectEksInput {
  access: EksAccess;
  nodeGroups: 'all' | string[];
  launchTemplates?: boolean;
}

/**
 * Activities that talk to the EKS API of AWS. Each heartbeats for as long as it runs, and may be retried at any moment on
 * any worker. Throttling, errors of the server and of the network are waited through and shown as `waitingFor`; all other
 * failures are of type `Aws` and final.
 */
export interface EksActivities {
  /** Names of the managed node groups. */
  listNodegroups(input: ListNodegroupsInput): Promise<string[]>;
  describeNodegroup(input: DescribeNodegroupInput): Promise<NodegroupFacts>;
  /**
   * Asks for the latest release of `version`, at most once per request, unless that is known to run already. Finds the
   * update in progress, if there is one.
   */
  beginNodegroupUpdate(input: BeginUpdateInput): Promise<BegunUpdate>;
  /** Waits until AWS has ended the update, however long that takes. Credentials may be away for an hour. */
  followNodegroupUpdate(input: FollowUpdateInput): Promise<NodegroupUpdate>;
  /** Never fails: what stands in the way is in the answer. Changes nothing. */
  inspectEksCluster(input: InspectEksInput): Promise<EksInspection>;
}
