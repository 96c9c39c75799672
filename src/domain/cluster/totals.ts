/**
 * What a cluster counts over its whole life, for metrics. Part of its state, so restarts of anything reset nothing.
 *
 * To count something: a name with its labels in `TotalLabels`, and `countTotal` where it happens. Names of targets and gates come
 * from specs, so the number of distinct labels is bounded.
 */
import type { GateCounts } from '../alerts/types';
import { GATE_RESULTS } from '../alerts/types';
import type { NodeStep } from '../node/report';
import type { PatchWork } from '../node/work';
import type { RunOutcome, RunTrigger } from '../run/run';
import { plainText } from '../shared/text';

/** The labels of each counter, in order. */
export interface TotalLabels {
  runs: [trigger: RunTrigger, outcome: RunOutcome];
  /** Node patches that ran a package transaction. */
  transactions: [outcome: 'changed' | 'failed'];
  reboots: [outcome: 'completed' | 'failed'];
  windowsMissed: [];
  notifications: [target: string, result: 'delivered' | 'failed' | 'dropped'];
  gates: [gate: string, result: 'pass' | 'fail' | 'unknown'];
}
export type TotalName = keyof TotalLabels;

/** Upper bounds of the buckets of a step duration, in seconds; the last bucket has none. */
export const STEP_BUCKETS = [1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200] as const;

export interface StepTotal {
  /** Durations per bucket, not cumulative; one more than {@link STEP_BUCKETS}. */
  counts: number[];
  /** Of all durations, in seconds. */
  sum: number;
}

export interface Totals {
  /** By label values, joined by `|`. Absent: 0. */
  counts: Partial<Record<TotalName, Record<string, number>>>;
  steps: Partial<Record<NodeStep, StepTotal>>;
}

/** Distinct labels of one counter; what exceeds them is counted under `other`. */
const MAX_SERIES = 40;
const MAX_LABEL = 60;
const OTHER = 'other';

/** Adds `by` to a counter of the cluster. */
export function countTotal<N extends TotalName>(
  state: { totals?: Totals },
  name: N,
  labels: TotalLabels[N],
  by = 1,
): void {
  if (by <= 0) return;
  const { counts } = (state.totals ??= newTotals());
  const series: Record<string, number> = (counts[name] ??= {});
  const key = keyOf(labels);
  const known = series[key] !== undefined || Object.keys(series).length < MAX_SERIES;
  const counted = known ? key : keyOf([OTHER, ...labels.slice(1)]);
  series[counted] = (series[counted] ?? 0) + by;
}

/** Adds the answers that a run has got of its gate. */
export function countGates(state: { totals?: Totals }, gates: GateCounts = {}): void {
  for (const result of GATE_RESULTS) countTotal(state, 'gates', ['alerts', result], gates[result] ?? 0);
}

/** Adds what a node patch has done. */
export function countWork(state: { totals?: Totals }, work: PatchWork): void {
  const { steps, transaction, reboots = 0, rebootFailed } = work;
  if (transaction !== undefined) countTotal(state, 'transactions', [transaction]);
  countTotal(state, 'reboots', ['completed'], reboots);
  if (rebootFailed === true) countTotal(state, 'reboots', ['failed']);
  const totals = (state.totals ??= newTotals());
  for (const [step, seconds] of steps) {
    const total = (totals.steps[step] ??= { counts: Array.from({ length: STEP_BUCKETS.length + 1 }, () => 0), sum: 0 });
    const found = STEP_BUCKETS.findIndex((bound) => seconds <= bound);
    const bucket = found === -1 ? STEP_BUCKETS.length : found;
    total.counts[bucket] = (total.counts[bucket] ?? 0) + 1;
    total.sum = Math.round((total.sum + seconds) * 10) / 10;
  }
}

/** The label values of a counter, in order. */
export function labelsOf(key: string): string[] {
  return key === '' ? [] : key.split('|');
}

function newTotals(): Totals {
  return { counts: {}, steps: {} };
}

function keyOf(labels: readonly string[]): string {
  return labels.map((label) => plainText(label, MAX_LABEL).replaceAll('|', '/')).join('|');
}
