import { SearchAttributeType, defineSearchAttributeKey } from '@temporalio/common';
import { SEARCH_ATTRIBUTE_TYPES } from '../domain/shared/search-attributes';

const TYPES = {
  Keyword: SearchAttributeType.KEYWORD,
  Datetime: SearchAttributeType.DATETIME,
  Int: SearchAttributeType.INT,
} as const;

type Types = typeof SEARCH_ATTRIBUTE_TYPES;

/**
 * What clusters, runs and node patches can be found by in Temporal. Each must be registered on the namespace; without them
 * all works. Runs and node patches have the name of their cluster, and how they ended.
 */
export const SEARCH_ATTRIBUTES = {
  cluster: keyOf('PatchCluster'),
  state: keyOf('PatchState'),
  nextWindow: keyOf('PatchNextWindow'),
  /** Of a cluster: how its last run ended. */
  outcome: keyOf('PatchOutcome'),
  failedNodes: keyOf('PatchFailedNodes'),
  rebootPending: keyOf('PatchRebootPending'),
};

function keyOf<N extends keyof Types>(name: N) {
  return defineSearchAttributeKey(name, TYPES[SEARCH_ATTRIBUTE_TYPES[name]]);
}
