import { SearchAttributeType, defineSearchAttributeKey } from '@temporalio/common';
import { SEARCH_ATTRIBUTE_TYPES } from '../domain/shared/search-attributes';

const TYPES = {
  Keyword: SearchAttributeType.KEYWORD,
  Datetime: SearchAttributeType.DATETIME,
  Int: SearchAttributeType.INT,
} as const;

type Types = typeof SEARCH_ATTRIBUTE_TYPES;

/**
 * Search attributes of clusters, runs and node patches. Each must be registered on the namespace; everything else works
 * without them. Runs and node patches carry the name of their cluster and their outcome.
 */
export const SEARCH_ATTRIBUTES = {
  cluster: keyOf('PatchCluster'),
  state: keyOf('PatchState'),
  nextWindow: keyOf('PatchNextWindow'),
  /** Of a cluster: the outcome of its last run. */
  outcome: keyOf('PatchOutcome'),
  failedNodes: keyOf('PatchFailedNodes'),
  rebootPending: keyOf('PatchRebootPending'),
};

function keyOf<N extends keyof Types>(name: N) {
  return defineSearchAttributeKey(name, TYPES[SEARCH_ATTRIBUTE_TYPES[name]]);
}
