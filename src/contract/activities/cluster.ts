import type { Blackout, ClusterSpec, ScheduleEntry } from '../../domain/spec/types';
import type { CalendarAhead } from '../../domain/schedule/window';
import type { MemberSettled, PatchRecord } from '../../domain/cluster/member';
import type { RunTrigger } from '../../domain/run/run';

export interface NextWindowsInput {
  cluster: string;
  /** Empty: on demand only. */
  schedule: ScheduleEntry[];
  timeZone: string;
  blackouts: Blackout[];
  /** When the schedule was changed, ISO 8601; windows that start later count. */
  since: string;
  /** ISO 8601; only windows that start strictly after it are returned. */
  after: string;
  /** ISO 8601; blackouts that have ended by then are left out. */
  now: string;
  /** Number of windows. */
  count: number;
}

/** `spec: null`: the spec is valid and was sent normalised. */
export type SpecVerdict = { ok: true; spec: ClusterSpec | null } | SpecRejection;

/**
 * Everything a new cluster needs from a worker in one result, because each activity costs the workflow an activation.
 * `ahead`: as from `nextWindows`; null when it could not be computed there, or when there is nothing to compute.
 */
export type FirstSpecVerdict =
  { ok: true; spec: ClusterSpec | null; ahead: CalendarAhead | null; searchAttributes: string[] } | SpecRejection;

export interface SpecRejection {
  ok: false;
  problems: string[];
}

/** One line of the audit log: who changed which node when, and the changes. */
export interface AuditRecord {
  cluster: string;
  trigger: RunTrigger;
  result: PatchRecord;
}

export interface NodePatchExecution {
  workflowId: string;
  workflowRunId: string;
}

/** `settled` is null when the end is unknown because the patch was terminated, or because Temporal has deleted it. */
export interface NodePatchEnd extends NodePatchExecution {
  settled: MemberSettled | null;
}

/**
 * Activities without a node. `nextWindows`, the checks of specs, `searchAttributes`, `recordAudit` and `lastRun` run as local
 * activities: short, with results recorded in the history.
 */
export interface ClusterActivities {
  /** A local activity, so that replay does not depend on zone data. */
  nextWindows(input: NextWindowsInput): Promise<CalendarAhead>;
  /** The same with blackouts from calendar files on the worker. No local activity, because it reads files. */
  nextWindowsByFiles(input: NextWindowsInput): Promise<CalendarAhead>;
  /** Validates and normalises an untrusted spec. */
  checkSpec(input: { spec?: unknown }): Promise<SpecVerdict>;
  /** The same for the spec with which a cluster starts, plus its first windows after `after` (ISO 8601). */
  checkFirstSpec(input: { spec?: unknown; after: string; count: number }): Promise<FirstSpecVerdict>;
  /** Names of ospatch's search attributes registered on the namespace. Never throws. */
  searchAttributes(): Promise<string[]>;
  /**
   * Writes one JSON line to the worker's log. Returns the record, which is thereby in the history of the node patch
   * without a copy in its run.
   */
  recordAudit(record: AuditRecord): Promise<PatchRecord>;
  /**
   * The highest number of the runs of a cluster that Temporal has, from `after` on; `after` when there are none. Looks past
   * numbers that no run has used.
   */
  lastRun(input: { cluster: string; createdAt: string; after: number }): Promise<number>;
  /** Waits until one of these node patches has ended, following resets; returns all that have ended about then. */
  awaitNodePatches(patches: NodePatchExecution[]): Promise<NodePatchEnd[]>;
  /** Cancels all children left running by an ended workflow. */
  cancelChildren(workflowId: string): Promise<void>;
  /** Waits until no workflow with this id is running. */
  awaitWorkflowClosed(workflowId: string): Promise<void>;
}
