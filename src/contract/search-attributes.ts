import { SearchAttributeType, defineSearchAttributeKey } from '@temporalio/common';

/** Names under which clusters can be found in Temporal. They must be registered on the namespace; without them all works. */
export const SEARCH_ATTRIBUTES = {
  cluster: defineSearchAttributeKey('PatchCluster', SearchAttributeType.KEYWORD),
  state: defineSearchAttributeKey('PatchState', SearchAttributeType.KEYWORD),
  nextWindow: defineSearchAttributeKey('PatchNextWindow', SearchAttributeType.DATETIME),
};
