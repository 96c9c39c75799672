/** Files of `workflows/sandbox/` that intercept what workflows receive and ask for, in this order. */
export const WORKFLOW_INTERCEPTORS = [
  'reserved-names',
  'protocol',
  'priority',
  'local-activity-order',
  'unreadable-messages',
] as const;
