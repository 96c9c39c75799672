/** The `eks` section of a spec. */

/** Access of a worker to the AWS API for one EKS cluster. Names a profile, never holds a secret. */
export interface EksAccess {
  region: string;
  /** Name of the cluster at AWS. */
  cluster: string;
  /** Profile of the worker's AWS configuration; absent: the default chain. */
  profile?: string;
  /** Base address of the EKS API; absent: the endpoint of the region. */
  endpoint?: string;
}

/** The `eks` part of a spec, with its defaults filled in. */
export interface EksPolicy extends EksAccess {
  /** `all`: the node groups that exist when a run starts. */
  nodeGroups: 'all' | string[];
  /** Replace nodes even when their pods could not be evicted. */
  force: boolean;
  /** Update groups whose launch template brings no image too; absent: false. */
  launchTemplates?: boolean;
}
