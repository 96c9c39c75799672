/** Exit codes of the helper's phases that do not come from the package manager. */

/** Another set of changes than the planned one; nothing was done. */
export const RC_PLAN_CHANGED = 90;

/** Packages are not fully installed even after the repair. */
export const RC_STILL_BROKEN = 91;

/** The state directory cannot be written. */
export const RC_DISK_FULL = 73;
