/**
 * What a cluster publishes for metrics, in the list of workflows: small, because an exporter reads it of thousands of clusters, and
 * every change of it is an event in the history.
 *
 * The rows of nodes are part of it while they are few. Otherwise it has their revision, and whoever has rows of another revision
 * asks the cluster.
 */
import { defined } from '../shared/defined';
import { MINUTE_MS, SECOND_MS } from '../shared/time-units';
import { isNode } from './member';
import type { MemberStatus } from './member';
import { lastProgressMs, limitInForce } from './run-held';
import { nextBeginning } from './schedule-state';
import type { ActiveRun, ClusterState } from './state';
import { clusterPhase, isReady } from './status';
import { taskQueuesOf } from './task-queues';
import type { StepTotal, Totals } from './totals';
import type { NodeState } from '../node/status';
import { NODE_STATES, isLost } from '../node/status';
import { forecasterOf } from '../run/forecast';
import type { RunHold } from '../run/next-step';
import { forecastRunEnd } from '../run/run-end';
import type { RunTrigger } from '../run/run';

/** Why a run in progress starts no node. */
export const WAIT_REASONS = ['paused', 'window', 'budget', 'lost', 'gate', 'max-unavailable', 'soak', 'other'] as const;
export type WaitReason = (typeof WAIT_REASONS)[number];

/** States in the metrics of nodes. */
export const SHOWN_STATES = [...NODE_STATES, 'quarantined'] as const;
export type ShownState = (typeof SHOWN_STATES)[number];

/** Seconds since 1970. */
export type Epoch = number;

export interface PublishedRun {
  trigger: RunTrigger;
  startedAt: Epoch;
  /** When a node last began or ended. */
  progressAt: Epoch;
  waiting?: WaitReason;
  /** Its nodes by state, and by outcome those that have ended. */
  nodes: Record<string, number>;
  forecastEnd?: Epoch;
}

export interface PublishedMetrics {
  v: 1;
  /** Tells clusters of the same name apart. */
  createdAt: string;
  state: string;
  ready: boolean;
  paused?: true;
  /** The windows that are open or come next, at most 3; end null: it has none. */
  windows: [start: Epoch, end: Epoch | null][];
  run?: PublishedRun;
  /** End of the last run. */
  completedAt?: Epoch;
  /** Nodes by state. */
  states: Partial<Record<ShownState, number>>;
  sites?: string[];
  counts?: Totals['counts'];
  /** By step: the sum of all durations, then the counts of the buckets. */
  steps?: Record<string, number[]>;
  /** Revision of the rows of its nodes. */
  revision: string;
  /** Absent: they are too many. */
  rows?: PublishedRows;
}

/** Rows of nodes; each text once. */
export interface PublishedRows {
  texts: string[];
  rows: PublishedRow[];
}

/** Trailing values that say nothing are left out. */
export type PublishedRow = [
  name: string,
  /** Index into {@link SHOWN_STATES}. */
  state: number,
  /** Indexes into `texts`; -1: not known. */
  version: number,
  kernel: number,
  appliedAt: Epoch,
  checkedAt: Epoch,
  /** -1: not known; of `security` and `outdated` too. */
  pending: number,
  security: number,
  /** 0: no. -1: not known. Otherwise since when. */
  rebootSince: Epoch,
  outdated: number,
  outdatedSince: Epoch,
  /** When the cordon began that a patch has left. */
  cordonedAt: Epoch,
];

/** What stands in place of a trailing value that was left out. */
const NOTHING: readonly number[] = [0, 0, -1, -1, 0, 0, -1, -1, -1, -1, 0, 0];

/** Temporal warns of a memo of 2 KiB; the rest of it takes more than half. */
const MAX_INLINE = 700;
const MAX_SITES = 20;
const MAX_WINDOWS = 3;
const MAX_ANSWER = 900 * 1024;

/** How often metrics are published at most; in a long run less often, because each time is an event in the history. */
const METRICS_INTERVAL_MS = 5 * SECOND_MS;
const METRICS_PER_RUN = 80;
/** The alert rules take hours without progress for a run that is stuck, however long the run takes. */
const LONGEST_METRICS_INTERVAL_MS = 30 * MINUTE_MS;

/** How long metrics are not published again at `nowMs`. What wakes a cluster by itself for them comes twice as late. */
export function publishAgainAfterMs({ run }: Pick<PublishedMetrics, 'run'>, nowMs: number): number {
  const runMs = run === undefined ? 0 : nowMs - run.startedAt * 1_000;
  return Math.min(Math.max(METRICS_INTERVAL_MS, runMs / METRICS_PER_RUN), LONGEST_METRICS_INTERVAL_MS);
}

export function publishedMetrics(state: ClusterState): PublishedMetrics {
  const { rows, revision } = publishedRows(state.nodes);
  const { totals, run, spec } = state;
  const sites = taskQueuesOf(spec).slice(0, MAX_SITES);
  const isSmall = JSON.stringify(rows).length <= MAX_INLINE;
  const last = state.runs.at(-1)?.endedAt;
  return {
    v: 1,
    createdAt: state.createdAt,
    state: clusterPhase(state),
    ready: isReady(state),
    ...defined({ paused: state.paused === null ? undefined : (true as const) }),
    windows: windowsOf(state),
    ...defined({
      run: run === null ? undefined : publishedRun(state, run),
      completedAt: last === undefined ? undefined : epoch(last),
    }),
    states: countBy(state.nodes.map(publishedState)),
    ...defined({
      sites: sites.length === 0 ? undefined : sites,
      counts: totals?.counts,
      steps: totals === undefined ? undefined : stepsOf(totals.steps),
    }),
    revision,
    ...defined({ rows: isSmall ? rows : undefined }),
  };
}

/** The answer to whoever asks for the rows of a cluster, as many as fit from the row `from` on. */
export interface RowsPage extends PublishedRows {
  revision: string;
  /** `from` of the next page; null: that was the last. */
  next: number | null;
}

export function rowsPage(nodes: readonly MemberStatus[], from: number): RowsPage {
  const { rows, revision } = publishedRows(nodes);
  let chars = 0;
  const end = rows.rows.findIndex((row, at) => {
    if (at >= from) chars += JSON.stringify(row).length;
    return chars > MAX_ANSWER && at > from;
  });
  const page = rows.rows.slice(from, end === -1 ? undefined : end);
  return { texts: rows.texts, rows: page, revision, next: end === -1 ? null : end };
}

function publishedRows(nodes: readonly MemberStatus[]): { rows: PublishedRows; revision: string } {
  const texts: string[] = [];
  const known = new Map<string, number>();
  const text = (value: string | null): number => {
    if (value === null) return -1;
    const at = known.get(value) ?? texts.push(value) - 1;
    known.set(value, at);
    return at;
  };
  const rows = nodes.map((node) => rowOf(node, text));
  const all = { texts, rows };
  return { rows: all, revision: digest(JSON.stringify(all)) };
}

function rowOf(node: MemberStatus, text: (value: string | null) => number): PublishedRow {
  const { name, patchedVersion, lastAppliedPatchTime, lastCheckedTime } = node;
  const more = isNode(node) ? node : null;
  const reboot = more?.rebootRequired ?? null;
  const outdated = more?.restartRequired === true ? (more.outdatedCount ?? 1) : 0;
  const isRead = more !== null && lastCheckedTime !== null;
  const row: PublishedRow = [
    name,
    SHOWN_STATES.indexOf(publishedState(node)),
    text(patchedVersion),
    text(more?.kernel ?? null),
    epoch(lastAppliedPatchTime),
    epoch(lastCheckedTime),
    more?.pendingUpdates ?? -1,
    more?.securityUpdates ?? -1,
    reboot === null ? -1 : reboot ? epoch(more?.rebootSince ?? lastCheckedTime) : 0,
    isRead ? outdated : -1,
    isRead && outdated > 0 ? epoch(more.restartSince ?? lastCheckedTime) : 0,
    epoch(more?.cordonedAt ?? null),
  ];
  while (row.length > 2 && row.at(-1) === NOTHING[row.length - 1]) (row as unknown[]).pop();
  return row;
}

/** A row with all its values. */
export function wholeRow(row: readonly (string | number)[]): PublishedRow {
  return [...row, ...NOTHING.slice(row.length)] as PublishedRow;
}

export function publishedState(node: MemberStatus): ShownState {
  return isNode(node) && node.quarantine !== undefined && node.state === 'failed' ? 'quarantined' : node.state;
}

function windowsOf({ schedule }: ClusterState): [Epoch, Epoch | null][] {
  const { open, next } = schedule;
  const all = [...(open === null || open.closed === true ? [] : [open]), ...(next ?? [])];
  const first = nextBeginning(schedule);
  const starts = all.length === 0 && first !== null ? [first] : all;
  return starts
    .slice(0, MAX_WINDOWS)
    .map(({ start, end }) => [epoch(start), end === null ? null : epoch(end)] as [Epoch, Epoch | null]);
}

function publishedRun(state: ClusterState, run: ActiveRun): PublishedRun {
  const inRun = new Set(run.nodes);
  const open = state.nodes.filter(({ name }) => inRun.has(name) && run.done[name] === undefined);
  const at = (wanted: NodeState): MemberStatus[] => open.filter((node) => node.state === wanted);
  const [waiting, patching] = [at('waiting'), at('patching')];
  // What was published stays true until something happens.
  const atMs = lastProgressMs(state.events, run);
  const reason = waitReason(state, run, patching);
  return {
    trigger: run.trigger,
    startedAt: epoch(run.startedAt),
    progressAt: Math.floor(atMs / 1_000),
    ...defined({ waiting: reason ?? undefined }),
    nodes: { ...countBy(Object.values(run.done)), waiting: waiting.length, patching: patching.length },
    ...defined({ forecastEnd: reason === null ? forecastEnd(state, run, { waiting, patching, atMs }) : undefined }),
  };
}

const REASON_OF: Partial<Record<RunHold['kind'], WaitReason>> = {
  'max-unavailable': 'max-unavailable',
  ...{ alerts: 'gate', 'alerts-unknown': 'gate', 'alerts-quiet': 'gate' },
  ...{ lost: 'lost', budget: 'budget', window: 'window', soak: 'soak' },
};

/** Null: a node is in work, or about to be. */
function waitReason(state: ClusterState, run: ActiveRun, patching: readonly MemberStatus[]): WaitReason | null {
  if (run.state === 'cancelling') return null;
  if (state.paused !== null) return 'paused';
  if (run.suspended !== null) return holdReason(run.suspended.hold);
  if (patching.some((node) => !isLost(node))) return null;
  if (patching.length > 0) return 'lost';
  const held = limitInForce(state.events, run.number);
  return held === null ? null : (REASON_OF[held.limit] ?? 'other');
}

function holdReason(hold: RunHold | undefined): WaitReason | null {
  return hold === undefined ? null : (REASON_OF[hold.kind] ?? 'other');
}

function forecastEnd(
  { nodes }: ClusterState,
  { policy }: ActiveRun,
  work: { waiting: readonly MemberStatus[]; patching: readonly MemberStatus[]; atMs: number },
): Epoch | undefined {
  const forecast = forecasterOf(nodes);
  const end = forecastRunEnd({
    // When each began is known to the run only.
    inFlight: work.patching.map(({ name }) => ({ name, sinceMs: work.atMs })),
    waiting: work.waiting.map(({ name }) => name),
    places: policy.limits.concurrency,
    soakMs: 0,
    forecast,
    nowMs: work.atMs,
  });
  return end === null || end.from === 'guess' ? undefined : epoch(end.at);
}

function stepsOf(steps: Partial<Record<string, StepTotal>>): Record<string, number[]> {
  return Object.fromEntries(
    Object.entries(steps).flatMap(([step, total]) =>
      total === undefined ? [] : [[step, [total.sum, ...total.counts]] as const],
    ),
  );
}

function countBy<T extends string>(values: readonly T[]): Partial<Record<T, number>> {
  const counts: Partial<Record<T, number>> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}

function epoch(time: string | null): Epoch {
  return time === null ? 0 : Math.floor(Date.parse(time) / 1_000);
}

/** Tells texts apart that differ: 53 bits of FNV-1a. */
export function digest(text: string): string {
  let [low, high] = [0x811c9dc5, 0xc9dc5118];
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    low = Math.imul(low ^ code, 0x01000193);
    high = Math.imul(high ^ code, 0x85ebca6b);
  }
  return ((high >>> 0) * 0x200000 + (low >>> 11)).toString(36);
}
