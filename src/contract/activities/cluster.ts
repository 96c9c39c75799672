import type { ClusterSpec, Schedule } from '../../domain/spec/types';
import type { MemberSettled, PatchRecord } from '../../domain/cluster/member';
import type { RunTrigger } from '../../domain/run/run';

export interface NextWindowsInput {
  cluster: string;
  schedule: Schedule;
  timeZone: string;
  /** ISO 8601; only starts strictly after it are returned. */
  after: string;
  count: number;
}

/** `spec: null`: it is valid and normalised as it was sent. */
export type SpecVerdict = { ok: true; spec: ClusterSpec | null } | SpecRejection;

/**
 * All that a new cluster has to ask a worker for, because each answer costs the workflow an activation of its own.
 * `windows`: as of `nextWindows`; null without a schedule, and when they could not be computed.
 */
export type FirstSpecVerdict =
  { ok: true; spec: ClusterSpec | null; windows: string[] | null; searchAttributes: string[] } | SpecRejection;

export interface SpecRejection {
  ok: false;
  problems: string[];
}

/** One line of the audit log: who changed which node when, and what changed. */
export interface AuditRecord {
  cluster: string;
  trigger: RunTrigger;
  result: PatchRecord;
}

/** Activities that touch no node. The first five run as local activities: short, and recorded in the history. */
export interface ClusterActivities {
  /** Window starts as ISO 8601 with the zone's offset. A local activity so that replay never asks for zone data again. */
  nextWindows(input: NextWindowsInput): Promise<string[]>;
  /** Checks and normalises a spec, which may be anything. */
  checkSpec(input: { spec?: unknown }): Promise<SpecVerdict>;
  /** The same for the spec that a cluster starts with, with its first windows after `after` (ISO 8601). */
  checkFirstSpec(input: { spec?: unknown; after: string; count: number }): Promise<FirstSpecVerdict>;
  /** Names of the search attributes of ospatch that are registered on the namespace. Never fails. */
  searchAttributes(): Promise<string[]>;
  /**
   * Writes one JSON line to the worker's log. Returns the record, which so stands in the history of the node patch without
   * being copied to its run.
   */
  recordAudit(record: AuditRecord): Promise<PatchRecord>;
  /**
   * How a node patch has ended; null when it cannot say, because it was terminated or Temporal does not have it any more.
   * Fails with `StillRunning`, and so is tried again, while it runs.
   */
  awaitNodePatch(execution: { workflowId: string; workflowRunId: string }): Promise<MemberSettled | null>;
  /** Cancels all children that a workflow which is over has left behind. */
  cancelChildren(workflowId: string): Promise<void>;
  /** Waits until no workflow of this id is running. */
  awaitWorkflowClosed(workflowId: string): Promise<void>;
}
