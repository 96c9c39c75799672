import type { Blackout, ClusterSpec, ScheduleEntry } from '../../domain/spec/types';
import type { CalendarAhead } from '../../domain/schedule/window';
import type { MemberSettled, PatchRecord } from '../../domain/cluster/member';
import type { ExplainedRequest } from '../../domain/policy/explain';
import type { SpecRequest } from '../../domain/policy/spec-requests';
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

/** A message of somebody to a cluster, which a worker lets in or not. */
export interface AdmissionRequest {
  cluster: string;
  /** Name of the message, e.g. `patchNow`, or `recover`. */
  name: string;
  /** As it was sent. */
  message: unknown;
  /** By whom it is without a signature, as far as anybody knows. */
  sender: string;
  /** How it came. */
  via: 'signal' | 'update' | 'start' | 'cancel';
  /** When the server received it, ISO 8601. Absent: just now, or not known. */
  receivedAt?: string;
  /** Whether it was encrypted for this workflow, with a key of the workers. */
  sealed: boolean;
  /** `chain` of the answer before. */
  chain: string;
}

/** What the worker says to a message. `chain`: over all messages so far and the answers to them, so that none can be left out. */
export type Admission = (Admitted | NotAdmitted) & { chain: string };

export interface NotAdmitted {
  ok: false;
  /** One sentence. */
  why: string;
  /** The worker has a list of signers. */
  signers: boolean;
}

export interface Admitted {
  ok: true;
  /** The principal that the worker's list of signers has for the key of the signature. Absent: not verified. */
  principal?: string;
  /** The worker has a list of signers. */
  signers: boolean;
}

/**
 * Everything a new cluster needs from a worker in one result, because each activity costs the workflow an activation.
 * `ahead`: as from `nextWindows`; null when it could not be computed there, or when there is nothing to compute.
 */
export type FirstSpecVerdict = { admission: Admission } & (
  { ok: true; spec: ClusterSpec | null; ahead: CalendarAhead | null; searchAttributes: string[] } | SpecRejection
);

/** Of the state of a cluster. `spec: null`: its spec is in its normal form. `isNewer`: a newer release has written it. */
export type StateVerdict = { ok: true; spec: ClusterSpec | null } | { ok: false; isNewer: boolean; problems: string[] };

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

/** What a cluster will ask the workers of one task queue for. */
export interface ExplainPolicyInput {
  cluster: string;
  requests: SpecRequest[];
}

/** What a worker answers about its policy. */
export interface PolicyAnswer {
  /** Null: it has none, and does whatever it is asked for. */
  policy: { digest: string; rules: number; knownHosts: boolean } | null;
  /** Why its policy cannot be used; null: it can. */
  problem: string | null;
  /** The requests that are denied, at most 100. */
  denied: ExplainedRequest[];
  /** Number of requests that are denied. */
  deniedCount: number;
  /** Rules that allow the others. */
  rules: string[];
  /** Why the worker cannot name the targets of its file of notifications. Absent: it can. */
  targetsUnknown?: string;
}

/** `settled` is null when the end is unknown because the patch was terminated, or because Temporal has deleted it. */
export interface NodePatchEnd extends NodePatchExecution {
  settled: MemberSettled | null;
}

/**
 * Activities without a node. `nextWindows`, the checks of specs, `admit`, `searchAttributes`, `recordAudit` and `lastRun` run as local
 * activities: short, with results recorded in the history.
 */
export interface ClusterActivities {
  /** A local activity, so that replay does not depend on zone data. */
  nextWindows(input: NextWindowsInput): Promise<CalendarAhead>;
  /** The same with blackouts from calendar files on the worker. No local activity, because it reads files. */
  nextWindowsByFiles(input: NextWindowsInput): Promise<CalendarAhead>;
  /** Validates and normalises an untrusted spec. */
  checkSpec(input: { spec?: unknown }): Promise<SpecVerdict>;
  /**
   * The same for the spec with which a cluster starts, plus its first windows after `after` (ISO 8601), and whether whoever
   * starts it may.
   */
  checkFirstSpec(input: {
    spec?: unknown;
    after: string;
    count: number;
    request: AdmissionRequest;
  }): Promise<FirstSpecVerdict>;
  /** Validates an untrusted state of the cluster with this name, see `ospatch recover`. */
  checkState(input: { state?: unknown; cluster: string }): Promise<StateVerdict>;
  /**
   * Decides whether somebody may ask for this: by the signature of the message, the policy of the worker and its settings as
   * they are now. Fails when the policy cannot be read.
   */
  admit(request: AdmissionRequest): Promise<Admission>;
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
  /** What the policy of the worker allows of the requests. Reaches nothing. */
  explainPolicy(input: ExplainPolicyInput): Promise<PolicyAnswer>;
  /** Cancels all children left running by an ended workflow. */
  cancelChildren(workflowId: string): Promise<void>;
  /** Waits until no workflow with this id is running. */
  awaitWorkflowClosed(workflowId: string): Promise<void>;
}
