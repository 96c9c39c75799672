/** The failure of an activity that only waits and has given back its place: what stands in its message is waited for. */
export const WAITING = 'Waiting';
