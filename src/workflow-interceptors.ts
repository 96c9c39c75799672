/** Interceptor modules in `workflows/sandbox/`, in order. */
export const WORKFLOW_INTERCEPTORS = [
  'reserved-names',
  'protocol',
  'priority',
  'trace',
  'local-activity-order',
  'unhandled-events',
  'unreadable-messages',
  'resets',
  'senders',
  'required-encryption',
  'started-by-hand',
] as const;
