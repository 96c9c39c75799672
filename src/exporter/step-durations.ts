/**
 * The durations of steps of all clusters together. A sum that loses the part of a removed cluster would be taken for a restart from
 * zero, so what a cluster has counted stays for as long as the exporter runs.
 */
import { STEP_BUCKETS } from '../domain/cluster/totals';
import { NODE_STEPS } from '../domain/node/report';
import type { Family } from './exposition';
import { sample } from './exposition';

export const STEP_DURATION: Family = {
  name: 'ospatch_node_step_duration_seconds',
  type: 'histogram',
  help: 'Duration of the steps of node patches, of all clusters together.',
};

/** By step: the sum of all durations, then the counts of the buckets. */
type Steps = Readonly<Record<string, readonly number[]>>;

export class StepDurations {
  /** By cluster and its creation: what was seen last. */
  private readonly seen = new Map<string, Steps>();
  private readonly sums = new Map<string, number[]>();

  /** Takes in what a cluster has counted in all; `life` tells clusters apart. */
  note(life: string, steps: Steps): void {
    const before = this.seen.get(life);
    if (before === steps) return;
    this.seen.set(life, steps);
    for (const [step, values] of Object.entries(steps)) {
      const old = before?.[step] ?? [];
      // After a reset of its workflow a cluster counts from an earlier value, which is part of the sum already.
      if (countOf(values) < countOf(old)) continue;
      const sums = this.sums.get(step) ?? Array.from({ length: STEP_BUCKETS.length + 2 }, () => 0);
      for (const at of sums.keys()) sums[at] = (sums[at] ?? 0) + numberAt(values, at) - numberAt(old, at);
      this.sums.set(step, sums);
    }
  }

  render(): string {
    return NODE_STEPS.map((step) => {
      const sums = this.sums.get(step);
      return sums === undefined ? '' : renderStep(step, sums);
    }).join('');
  }
}

function renderStep(step: string, [sum = 0, ...counts]: readonly number[]): string {
  const { name } = STEP_DURATION;
  let [text, upTo] = ['', 0];
  for (const [at, bound] of [...STEP_BUCKETS, '+Inf'].entries()) {
    upTo += counts[at] ?? 0;
    text += sample(`${name}_bucket`, `step="${step}",le="${bound}"`, upTo);
  }
  const set = `step="${step}"`;
  return text + sample(`${name}_sum`, set, Math.round(sum * 10) / 10) + sample(`${name}_count`, set, upTo);
}

function countOf([, ...counts]: readonly number[]): number {
  return counts.reduce((sum, one) => sum + one, 0);
}

function numberAt(values: readonly number[], at: number): number {
  const value = values[at];
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : 0;
}
