/**
 * How long what waits for what. A limit is always longer than those of what it waits for, so that the one who knows the
 * reason is heard, and nobody further out has to guess. The limits on the node stand at the top of `core.sh` of the helper;
 * a test compares them all.
 */
import { HOUR_MS } from '../shared/time-units';

/** Boot id and state of the system; on the node at most `probe_limit`. */
export const PROBE_TIMEOUT_MS = 15_000;

/** On the node at most `facts_limit`. */
export const FACTS_TIMEOUT_MS = 28_000;

/** Any other call, beyond the wait it was asked for; the slowest is `pending` with at most `pending_limit`. */
export const CALL_TIMEOUT_MS = 60_000;

/** Facts of a node for somebody at a terminal, with the login. */
export const INSPECTION_FACTS_MS = 30_000;

/** After them the pending packages, which a slow package manager is given as much time for as in a run. */
export const INSPECTION_PLAN_MS = 62_000;

/** An inspection of a node with both parts. */
export const INSPECTION_MS = 120_000;

/** All attempts at it, with a worker that dies on the way. */
export const INSPECTION_RETRIES_MS = 180_000;

/** A job, of whomever, that has the node for longer than this is not waited for any more; nothing is killed. */
export const JOB_TIMEOUT_MS = 6 * HOUR_MS;

/** A transaction of our own that was begun is followed for as long as a lost waiting for the node; the run is told before. */
export const TRANSACTION_TIMEOUT_MS = 24 * HOUR_MS;

/** systemd may restart itself, and be slow; what says nothing for this long will not by itself. */
export const SYSTEMD_TIMEOUT_MS = HOUR_MS;

/**
 * The looks at a node patch that an earlier workflow of the run has left, in case it was terminated; otherwise its signal
 * comes first. Each is billed: 16 of them in a day, and at most 5 more each time when the run is suspended.
 */
export const ADOPTED_LOOKS = { initialInterval: 10_000, backoffCoefficient: 8, maximumInterval: 2 * HOUR_MS } as const;

/** Longest time between two looks whether another workflow that holds a node has ended. */
export const MAX_CLOSED_DELAY_MS = HOUR_MS;

/** Whatever a node answers, it is not asked more often. */
export const MIN_POLL_MS = 250;

/**
 * How often an activity says that it is alive and how far it is. Each time is billed where Temporal is billed by actions,
 * and more often would be throttled there with some thousand nodes in work.
 */
export const HEARTBEAT_INTERVAL_MS = 10_000;

/** A worker that says nothing for so long is gone, and its activities go on elsewhere. Four heartbeats in a row may be lost. */
export const HEARTBEAT_TIMEOUT_MS = 60_000;
