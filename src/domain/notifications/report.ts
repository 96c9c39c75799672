/**
 * What is told, as data: the sentences are composed by the worker that sends them, since they may differ between releases.
 * Part of the workflow bundle.
 */
import type { NodeOutcome } from '../node/status';
import { hash32 } from '../shared/hash';
import type { RunHold } from '../run/next-step';
import type { RunOutcome, RunTrigger } from '../run/run';
import type { NotificationEvent } from './types';

/** A node that needs somebody. */
export interface TroubledNode {
  name: string;
  /** One clause. */
  message: string;
  remedy?: string;
  /** Its packages were changed in this run. */
  changed?: true;
}

/** Members, by name while they are few. */
export interface NamedMembers {
  count: number;
  names: string[];
}

/** Why a run does not go on. */
export type RunWait =
  | { kind: 'paused'; by: string; reason: string | null; since: string }
  /** The failure budget is spent. */
  | { kind: 'budget'; failures: number; limit: number }
  /** By a limit, with nothing in work, for longer than is usual. `message`: one clause; `since`: of its last progress. */
  | { kind: 'held'; limit: RunHold['kind']; message: string; since: string }
  /** For its next window; null: it is not known. */
  | { kind: 'window'; next: string | null };

export interface PausedBy {
  by: string;
  reason: string | null;
}

export interface RunNotice {
  kind: 'run';
  run: number;
  trigger: RunTrigger;
  unit: 'node' | 'node group';
  by: string | null;
  reason: string | null;
  startedAt: string;
  /** Null: not known yet. */
  total: number | null;
  /** Members that have ended in this run, by their outcome. */
  members: Partial<Record<NodeOutcome, NamedMembers>>;
  /** The first of those that failed; `members.failed` has their number. */
  failed: TroubledNode[];
  quarantined: TroubledNode[];
  unreachable: TroubledNode[];
  /** Absent: it is in progress, or over. */
  waits?: RunWait;
  /** Somebody has cancelled it, and nodes in progress are finished. Absent: not, or it is over. */
  cancelling?: true;
  /** Somebody has paused the cluster. Absent: nobody. */
  paused?: PausedBy;
  /** The cluster is being removed. Absent: not. */
  removing?: true;
  /** When it is given up unless it has gone on. */
  expiresAt?: string;
  end?: {
    at: string;
    outcome: RunOutcome;
    cancelledBy?: string;
    /** Why it ended before its first member. */
    error?: string;
  };
  /** The next window of the cluster. Null: none is known. */
  nextWindow: string | null;
  /** Nodes are rebooted when their patches require it. */
  reboots: boolean;
}

export interface WindowReport {
  kind: 'window';
  /** Start of the window. */
  window: string;
  /** What has become of it, e.g. `missed (paused)`. */
  result: string;
  paused?: PausedBy;
  nextWindow: string | null;
}

export interface RebootReport {
  kind: 'reboot';
  /** The duration of the filter. */
  after: string;
  nodes: NamedMembers;
  /** Since when the first of them waits for its reboot. */
  since: string;
  /** Since when the last of them does. No two reports about reboots have the same. */
  newest: string;
  /** A run would reboot them. */
  reboots: boolean;
  paused?: PausedBy;
  nextWindow: string | null;
}

export interface StuckReport {
  kind: 'stuck';
  at: string;
  /** `loop`: a fault in the cluster's own code. `windows`: the next windows cannot be computed. */
  cause: 'loop' | 'windows';
  message: string;
}

/** Sent by somebody who wants to see whether a target works. */
export interface TestReport {
  kind: 'test';
  by: string;
}

export type Report = RunNotice | WindowReport | RebootReport | StuckReport | TestReport;

/** One thing that has happened. Each key is told of once. */
export interface Occurrence {
  event: NotificationEvent;
  key: string;
  /** Of `reboot-pending-for`. */
  after?: string;
}

/** What has happened by this report. */
export function occurrencesIn(report: Report): Occurrence[] {
  switch (report.kind) {
    case 'run':
      return ofRun(report);
    case 'window':
      return [{ event: 'window-missed', key: 'window-missed' }];
    case 'reboot':
      return [{ event: 'reboot-pending-for', key: 'reboot-pending-for', after: report.after }];
    case 'stuck':
      return [{ event: 'cluster-stuck', key: 'cluster-stuck' }];
    case 'test':
      return [];
  }
}

function ofRun({ members, quarantined, unreachable, waits, end }: RunNotice): Occurrence[] {
  const once = (event: NotificationEvent, happened: boolean): Occurrence[] => (happened ? [{ event, key: event }] : []);
  return [
    ...once('run-started', true),
    ...once('node-failed', (members.failed?.count ?? 0) > 0),
    ...once('node-quarantined', quarantined.length > 0),
    ...once('node-unreachable', unreachable.length > 0),
    ...waitIn(waits),
    ...once('run-finished', end !== undefined),
  ];
}

/** Each wait is news: somebody has ended the one before. */
function waitIn(waits: RunWait | undefined): Occurrence[] {
  switch (waits?.kind) {
    case 'budget':
      return [{ event: 'run-blocked', key: `run-blocked ${waits.failures}/${waits.limit}` }];
    case 'held':
      return [{ event: 'run-blocked', key: `run-blocked ${waits.since}` }];
    case 'paused':
      return [{ event: 'run-waiting', key: `run-waiting ${waits.since}` }];
    case 'window':
      return [{ event: 'run-waiting', key: `run-waiting ${waits.next}` }];
    case undefined:
      return [];
  }
}

/** What of a report makes another message; progress alone does not. The same for the same facts. */
export function keyOf(report: Report): string {
  if (report.kind === 'stuck') return subjectOf(report);
  if (report.kind !== 'run') return JSON.stringify(report);
  const { members, quarantined, unreachable, end } = report;
  const names = (nodes: readonly TroubledNode[]): string => nodes.map(({ name }) => name).join(' ');
  return [
    ...occurrencesIn(report).map(({ key }) => key),
    `failed ${members.failed?.count ?? 0}`,
    `quarantined ${names(quarantined)}`,
    `unreachable ${names(unreachable)}`,
    ...(end === undefined ? [] : [end.outcome]),
  ].join('; ');
}

/** Whether nothing more is reported about the subject. */
export function isFinal(report: Report): boolean {
  return report.kind !== 'run' || report.end !== undefined;
}

/** Names the subject in events and summaries. */
export function aboutOf(report: Report): string {
  switch (report.kind) {
    case 'run':
      return `run ${report.run}`;
    case 'window':
      return `the window of ${report.window}`;
    case 'reboot':
      return 'pending reboots';
    case 'stuck':
      return 'the cluster';
    case 'test':
      return 'a test';
  }
}

/** Names the subject in workflow ids, events and thread headers. */
export function subjectOf(report: Report): string {
  switch (report.kind) {
    case 'run':
      return `run-${report.run}`;
    case 'window':
      return `window-${idOf(report.window)}`;
    case 'reboot':
      return `reboot-${report.after}-${idOf(report.newest)}`;
    case 'stuck':
      return stuckSubject(report);
    case 'test':
      return 'test';
  }
}

/** The same fault is told of once a day, also by a cluster that was reset since. */
function stuckSubject({ at, cause, message }: StuckReport): string {
  const fault = message.replace(/\d+/g, '0');
  return `stuck-${cause}-${hash32(fault).toString(36)}-${at.slice(0, 10)}`;
}

function idOf(instant: string): string {
  const ms = Date.parse(instant);
  return Number.isNaN(ms) ? '0' : ms.toString(36);
}
