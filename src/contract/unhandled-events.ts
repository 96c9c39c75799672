/** What a worker answers to a query of a workflow whose newest events no workflow task has handled yet. */
export const UNHANDLED_EVENTS =
  'the workflow has events that no workflow task has handled yet, because another worker had it; ask again';
