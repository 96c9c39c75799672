/**
 * The version of the state that this release carries through continue-as-new. It grows by one with each released change
 * of what `packState` writes, and with each new default of a normalised spec; `migrate.ts` converts every earlier
 * version.
 */
export const STATE_VERSION = 1;
