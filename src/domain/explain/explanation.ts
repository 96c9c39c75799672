/** Why something does not happen: the form of the answers. */
import type { BlockedPod } from '../kubernetes/types';
import type { NodeProgress } from '../node/report';
import type { LineSeverity } from '../shared/severity';

/** Other programs rely on these values. */
export const EXPLANATION_KINDS = [
  // The cluster.
  'no-answer',
  'stuck',
  'not-patchable',
  'removing',
  'fault',
  'reset',
  'paused',
  'no-schedule',
  'schedule-error',
  'next-window',
  'window-missed',
  'rejected',
  'queued',
  'boot-patch-pending',
  'boot-patch-failed',
  // The run.
  'cancelling',
  'concurrency',
  'in-flight',
  'max-unavailable',
  'unobserved',
  'control-plane',
  'zone',
  'role',
  'stage',
  'soak',
  'lost',
  'budget',
  'alerts',
  'alerts-unknown',
  'alerts-quiet',
  'window',
  'run-goes-on',
  'run-ended',
  // A node.
  'in-work',
  'other-run',
  'no-worker',
  'package-lock',
  'pods',
  'unreachable',
  'others-unavailable',
  'quorum',
  'waiting',
  'retrying',
  'turn',
  'not-in-run',
  'locked',
  'quarantined',
  'host-key-alarm',
  'failed',
  'skipped',
  'not-tried',
  'cancelled',
  'reboot-forbidden',
  'reboot-ineffective',
  'reboot-pending',
  'restart-pending',
  'cordoned',
  'kept-back',
  'hidden-updates',
  'pending',
  'never-checked',
  'machine-unconfirmed',
  'nothing-to-do',
] as const;
export type ExplanationKind = (typeof EXPLANATION_KINDS)[number];

/** One sentence about one thing that does not happen. Times are ISO 8601. */
export interface Explanation {
  kind: ExplanationKind;
  /** What does not happen: `w-3 is not patched`. */
  what: string;
  /** Why, in one clause. */
  because: string;
  /** Null: not known. */
  since: string | null;
  /** When that ends by itself; null: it does not, or nobody knows. */
  until: string | null;
  /** Commands and settings that change it, each by itself; empty: nothing does, or nothing has to. */
  change: string[];
}

/** One sentence of the status of a cluster: what needs a person, or what is next. */
export interface StatusLine extends Explanation {
  severity: LineSeverity;
}

/** A member in work, as far as its heartbeats tell. */
export interface LiveNode {
  node: string;
  /** `waiting` = another workflow is still working on this node. */
  state: 'patching' | 'waiting';
  /** Of a `waiting` node: what works on it, e.g. `run 3`. Absent: not known. */
  heldBy?: string;
  startedAt: string;
  step: NodeProgress['step'] | null;
  /** Finished packages during apply, pods during drain. */
  done: number | null;
  total: number | null;
  waitingFor: string | null;
  /** Start of the wait, ISO 8601; null when unknown. */
  waitingSince: string | null;
  /** Earliest time at which the wait times out, ISO 8601; null when unknown or unlimited. */
  waitingUntil: string | null;
  /** During a drain: the pods it waits for, at most 5. */
  blocked: readonly BlockedPod[];
  /** Attempt of the current activity; above 1 means a retry. */
  attempt: number;
  /** Error of the last attempt, if it failed. */
  lastFailure: string | null;
}

type More = Partial<Pick<Explanation, 'since' | 'until' | 'change'>>;

export function explanation(kind: ExplanationKind, what: string, because: string, more: More = {}): Explanation {
  return { kind, what, because, since: null, until: null, change: [], ...more };
}

export function line(
  severity: StatusLine['severity'],
  kind: ExplanationKind,
  what: string,
  because: string,
  more: More = {},
): StatusLine {
  return { severity, ...explanation(kind, what, because, more) };
}

export function forReason(reason: string | null): string {
  return reason === null || reason === '' ? '' : ` (${reason})`;
}
