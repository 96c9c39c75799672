/** A maintenance window: an interval in which nodes of a cluster may be started. */

/** Instants are ISO 8601 in UTC. Blackouts are cut out already, so what is left of a window may be several of these. */
export interface MaintenanceWindow {
  start: string;
  /** Null: a run that starts in this window has no end. */
  end: string | null;
  /** From this moment on no node is started. Null: as long as its forecast ends within the window. */
  cutoff: string | null;
  /**
   * Start of the window of which a blackout has cut off the beginning. Absent: this is the beginning. A run that the
   * blackout has interrupted goes on in this part; no run begins in it once the window has had its run.
   */
  partOf?: string;
}
