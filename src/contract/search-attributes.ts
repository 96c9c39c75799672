import { SearchAttributeType, defineSearchAttributeKey } from '@temporalio/common';

/**
 * What clusters, runs and node patches can be found by in Temporal. Each must be registered on the namespace; without them
 * all works. Runs and node patches have the name of their cluster, and how they ended.
 */
export const SEARCH_ATTRIBUTES = {
  cluster: defineSearchAttributeKey('PatchCluster', SearchAttributeType.KEYWORD),
  state: defineSearchAttributeKey('PatchState', SearchAttributeType.KEYWORD),
  nextWindow: defineSearchAttributeKey('PatchNextWindow', SearchAttributeType.DATETIME),
  /** Of a cluster: how its last run ended. */
  outcome: defineSearchAttributeKey('PatchOutcome', SearchAttributeType.KEYWORD),
  failedNodes: defineSearchAttributeKey('PatchFailedNodes', SearchAttributeType.INT),
  rebootPending: defineSearchAttributeKey('PatchRebootPending', SearchAttributeType.INT),
};
