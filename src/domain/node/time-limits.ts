/**
 * Time limits, each longer than the limits of what it waits for, so that the innermost limit reports the cause. The
 * limits on the node are at the top of the helper's `core.sh`; a test compares them all.
 */
import { HOUR_MS } from '../shared/time-units';

/** A lock of another program that is held longer is more likely stale than in use. */
export const DEFAULT_LOCK_TIMEOUT_MS = 2 * HOUR_MS;

/** Boot id and system state; on the node at most `probe_limit`. */
export const PROBE_TIMEOUT_MS = 15_000;

/** On the node at most `facts_limit`. */
export const FACTS_TIMEOUT_MS = 28_000;

/** Any other call, plus the wait it was called with; the slowest is `pending` with at most `pending_limit`. */
export const CALL_TIMEOUT_MS = 60_000;

/** Facts of a node for an interactive command, including the login. */
export const INSPECTION_FACTS_MS = 30_000;

/** The pending packages afterwards, with the same limit as in a run for slow package managers. */
export const INSPECTION_PLAN_MS = 62_000;

/** An inspection of a node, both parts. */
export const INSPECTION_MS = 120_000;

/** All attempts at an inspection, including the loss of a worker. */
export const INSPECTION_RETRIES_MS = 180_000;

/** Limit for waiting for any job on the node; nothing is killed. */
export const JOB_TIMEOUT_MS = 6 * HOUR_MS;

/** Our own transaction is followed as long as a node unreachable after a change; the run is notified earlier. */
export const TRANSACTION_TIMEOUT_MS = 24 * HOUR_MS;

/** systemd may re-execute itself and be slow; after this long without an answer it will not recover by itself. */
export const SYSTEMD_TIMEOUT_MS = HOUR_MS;

/**
 * One attempt at waiting for another workflow to close, which is noticed at once. A killed worker loses its waits; other
 * workers start them again after this time. Each attempt is billed.
 */
export const END_WATCH_MS = HOUR_MS;

/** Where it matters when an end is noticed, another worker takes over after this time. */
export const END_WATCH_HEARTBEAT_TIMEOUT_MS = 30_000;

/** Minimum interval between polls, whatever the node answers. */
export const MIN_POLL_MS = 250;

/**
 * Heartbeat interval. Each heartbeat is billed where Temporal is billed by actions, and shorter intervals would be
 * throttled with some thousand nodes in progress.
 */
export const HEARTBEAT_INTERVAL_MS = 10_000;

/**
 * A worker without heartbeats for this long is considered lost, and its activities are retried elsewhere. Four
 * heartbeats in a row may be lost.
 */
export const HEARTBEAT_TIMEOUT_MS = 60_000;
