/** The search attributes of ospatch and their types, as named by the `temporal` CLI. */
export const SEARCH_ATTRIBUTE_TYPES = {
  PatchCluster: 'Keyword',
  PatchState: 'Keyword',
  PatchNextWindow: 'Datetime',
  PatchOutcome: 'Keyword',
  PatchFailedNodes: 'Int',
  PatchRebootPending: 'Int',
} as const;
