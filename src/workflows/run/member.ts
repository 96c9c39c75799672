/** What a run works on, one by one: nodes, or node groups of EKS. */
import type { ChildWorkflowHandle } from '@temporalio/workflow';
import type { PatchLimits } from '../../domain/run/run';
import type { ErrorInfo } from '../../domain/shared/errors';
import type { updateNodegroup } from '../eks/update-nodegroup';
import type { patchNode } from '../node/patch-node';
import type { foundBy } from '../shared/search-attributes';
import type { NODE_CHILD_OPTIONS } from '../shared/locked-child';

export type MemberOptions = typeof NODE_CHILD_OPTIONS &
  ReturnType<typeof foundBy> & { workflowId: string; staticSummary: string };

/** What works on one of them. */
export type MemberChild = ChildWorkflowHandle<typeof patchNode> | ChildWorkflowHandle<typeof updateNodegroup>;

export interface RunMember {
  name: string;
  /** Task queue of the workers that reach it; undefined: that of the workflows. */
  taskQueue: string | undefined;
  start(options: MemberOptions, limits: PatchLimits): Promise<MemberChild>;
  /** Takes away what a workflow that was terminated has left. Returns `error`, or what else a person has to know. */
  cleanUp(error: ErrorInfo): Promise<ErrorInfo>;
}
