/** What a spec says of EKS. */

/** How a worker reaches the API of AWS for one EKS cluster. Names a profile, never holds a secret. */
export interface EksAccess {
  region: string;
  /** Name of the cluster at AWS. */
  cluster: string;
  /** Profile of the worker's AWS configuration; absent: the default chain. */
  profile?: string;
  /** Base address of the EKS API; absent: that of the region. */
  endpoint?: string;
}

/** The `eks` part of a spec, with its defaults filled in. */
export interface EksPolicy extends EksAccess {
  /** `all`: those that the cluster has when a run starts. */
  nodeGroups: 'all' | string[];
  /** Nodes are replaced although pods could not be evicted. */
  force: boolean;
  /** Groups with a launch template that brings no image are updated too; absent: false. */
  launchTemplates?: boolean;
}
