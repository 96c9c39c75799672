/** The inputs of the activities for EKS. */
import { z } from 'zod';
import type {
  BeginUpdateInput,
  DescribeNodegroupInput,
  EksActivities,
  FollowUpdateInput,
  InspectEksInput,
  ListNodegroupsInput,
} from '../../contract/activities/eks';
import type { EksAccess } from '../../domain/eks/node-groups';
import { MAX_NODE_GROUPS, NODE_GROUP_NAME } from '../../domain/eks/node-groups';
import { eksFields } from '../../domain/spec/eks-section';
import * as spec from '../../domain/spec/fields';
import * as field from './fields';
import { list, object } from './object';
import type { InputSchemas } from './types';

const MAX_WHAT_CHARS = 600;

const { region, cluster, profile, endpoint } = eksFields.shape;
export const access = object<EksAccess>({ region, cluster, profile, endpoint });

const groupForm = 'the name of a node group';
const nodeGroup = z.string({ error: groupForm }).regex(NODE_GROUP_NAME, { error: groupForm });

const request = object<BeginUpdateInput['request']>({
  cluster: spec.clusterName,
  run: field.runNumber,
  startedAt: field.instant,
});

export const EKS_INPUTS: InputSchemas<EksActivities> = {
  listNodegroups: object<ListNodegroupsInput>({ access }),
  describeNodegroup: object<DescribeNodegroupInput>({ access, nodeGroup, afterUpdate: spec.flag() }),
  beginNodegroupUpdate: object<BeginUpdateInput>({
    ...{ access, nodeGroup, request },
    version: field.code,
    force: spec.flag(),
    found: field.codeOrEmpty.optional(),
    adopted: spec.flag().optional(),
  }),
  followNodegroupUpdate: object<FollowUpdateInput>({
    ...{ access, nodeGroup },
    updateId: field.code,
    what: field.singleLine(MAX_WHAT_CHARS),
  }),
  inspectEksCluster: object<InspectEksInput>({
    access,
    nodeGroups: z.union([z.literal('all'), list(nodeGroup, MAX_NODE_GROUPS)], { error: 'all, or a list of names' }),
    launchTemplates: spec.flag().optional(),
  }),
};
