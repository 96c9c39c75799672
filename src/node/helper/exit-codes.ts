/** Exit codes of the helper's phases that do not come from the package manager. */

/** The pending set of changes differs from the plan; nothing was changed. */
export const RC_PLAN_CHANGED = 90;

/** Packages are not fully installed after the repair. */
export const RC_STILL_BROKEN = 91;

/** The state directory cannot be written. */
export const RC_DISK_FULL = 73;

/** Packages were installed, but a scriptlet failed, which rpm does not report as a failure. */
export const RC_SCRIPT_FAILED = 93;

/**
 * After an update of the package manager itself, the remaining changes would exceed upgrades; they were not started.
 */
export const RC_UNPLANNED = 94;

/** The wait for a lock of another program timed out; nothing was changed. */
export const RC_LOCKED = 95;

/** The package manager reports success, but the packages are not installed: it is configured to simulate. */
export const RC_NOT_APPLIED = 96;

/** The package database is unreadable or empty; nothing was changed. */
export const RC_UNREADABLE = 97;
