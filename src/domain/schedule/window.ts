/** A maintenance window: an interval in which nodes of a cluster may be started. */

/**
 * Instants are ISO 8601 with the offset of a zone: two of them are compared as instants, never as texts. Blackouts are
 * cut out already, so what is left of a window may be several of these.
 */
export interface MaintenanceWindow {
  start: string;
  /** Null: a run that starts in this window has no end. */
  end: string | null;
  /** From this moment on no node is started. Null: as long as its forecast ends within the window. */
  cutoff: string | null;
  /** The last moment at which a run may begin in this window. Absent: as long as nodes may be started. */
  startBy?: string;
  /**
   * Start of the window of which a blackout has cut off the beginning. Absent: this is the beginning. A run that the
   * blackout has interrupted goes on in this part; no run begins in it once the window has had its run.
   */
  partOf?: string;
}

/** Whether nodes may be started in the window at `now`, as far as its times tell. */
export function isWindowOpen({ start, end, cutoff }: MaintenanceWindow, now: number): boolean {
  return Date.parse(start) <= now && now < Math.min(timeOf(end), timeOf(cutoff));
}

/** Whether a run may begin in the window at `now`, or later. */
export function mayBegin({ end, cutoff, startBy }: MaintenanceWindow, now: number): boolean {
  return now < Math.min(timeOf(end), timeOf(cutoff)) && (startBy === undefined || now <= Date.parse(startBy));
}

function timeOf(instant: string | null): number {
  return instant === null ? Infinity : Date.parse(instant);
}

/** A time in which nothing is started; instants like those of a window. */
export interface BlackoutPeriod {
  start: string;
  end: string;
  reason: string;
}

/** A window of which blackouts leave nothing in which a run may begin. */
export interface RemovedWindow {
  start: string;
  /** Null: a run that starts in this window has no end. */
  end: string | null;
  /** Why: the reasons of the blackouts. */
  reason: string;
}

/** What is known of the time to come, each list in order of its starts. */
export interface CalendarAhead {
  windows: MaintenanceWindow[];
  removed: RemovedWindow[];
  blackouts: BlackoutPeriod[];
  /** The lists are complete up to this time. Null: for as long as there are windows left. */
  until: string | null;
}

/** The blackout at `now`; of several the one that ends last. */
export function blackoutIn(blackouts: readonly BlackoutPeriod[], now: number): BlackoutPeriod | null {
  const inForce = blackouts.filter(({ start, end }) => Date.parse(start) <= now && now < Date.parse(end));
  return inForce.sort((one, other) => Date.parse(other.end) - Date.parse(one.end))[0] ?? null;
}
