/** Exit codes of the helper's phases that do not come from the package manager. */

/** Another set of changes than the planned one; nothing was done. */
export const RC_PLAN_CHANGED = 90;

/** Packages are not fully installed even after the repair. */
export const RC_STILL_BROKEN = 91;

/** The state directory cannot be written. */
export const RC_DISK_FULL = 73;

/** Packages were installed, but the script of one failed, which rpm does not take for a failure. */
export const RC_SCRIPT_FAILED = 93;

/** After an update of the package manager itself the rest would be more than upgrades; it was not begun. */
export const RC_UNPLANNED = 94;

/** The wait for a lock of somebody else is over; nothing was done. */
export const RC_LOCKED = 95;

/** The package manager says that it has done its work, and the packages are not there: it was told to act as if. */
export const RC_NOT_APPLIED = 96;

/** The package database cannot be read, or names no package; nothing was done. */
export const RC_UNREADABLE = 97;
