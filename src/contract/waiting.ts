/** Failure type of an activity attempt that ended to wait without a slot; the message contains what it waits for. */
export const WAITING = 'Waiting';
