/** What a node patch adds to the totals of its cluster. */
import { defined } from '../shared/defined';
import type { ErrorInfo } from '../shared/errors';
import type { NodeStep } from './report';
import { NODE_STEPS } from './report';

export interface PatchWork {
  /** With their duration in seconds, in order of start. */
  steps: [step: NodeStep, seconds: number][];
  /** How the package transaction ended. Absent: there was none, or nothing was to change any more. */
  transaction?: 'changed' | 'failed';
  /** Reboots from which the node came back healthy. Absent: none. */
  reboots?: number;
  /** The node did not come back from its last reboot, or not healthy. */
  rebootFailed?: true;
}

/** A node patch repeats a step a few times at most. */
const MAX_STEPS = 30;

/** The steps in which a package transaction runs. */
const TRANSACTION: readonly NodeStep[] = ['apply', 'repair'];

/** The part of the record of a node patch that counts. */
interface EndedPatch {
  outcome: string;
  steps: readonly { step: NodeStep; durationMs: number }[];
  changes: readonly unknown[];
  reboots: number;
  error: ErrorInfo | null;
}

export function workOf(result: EndedPatch): PatchWork | undefined {
  const { outcome, steps, changes, error } = result;
  if (steps.length === 0) return undefined;
  // The uncordon is made up for whatever has failed.
  const last = steps.findLast(({ step }) => step !== 'uncordon')?.step;
  const failedIn = error === null || (outcome !== 'failed' && changes.length === 0) ? undefined : last;
  const isBroken = failedIn !== undefined && TRANSACTION.includes(failedIn);
  const rebootFailed = failedIn === 'reboot' && outcome === 'failed';
  const tries = steps.filter(({ step }) => step === 'reboot').length;
  const reboots = Math.min(result.reboots, rebootFailed ? tries - 1 : tries);
  return {
    steps: steps.slice(-MAX_STEPS).map(({ step, durationMs }) => [step, Math.round(durationMs / 100) / 10]),
    ...defined({
      transaction: isBroken ? ('failed' as const) : changes.length > 0 ? ('changed' as const) : undefined,
      reboots: reboots > 0 ? reboots : undefined,
      rebootFailed: rebootFailed || undefined,
    }),
  };
}

/** Parses what an untrusted message says of it; malformed steps are dropped. */
export function parseWork(value: unknown): PatchWork | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { steps, transaction, reboots, rebootFailed } = value as Record<string, unknown>;
  if (!Array.isArray(steps)) return undefined;
  return {
    steps: steps.slice(0, MAX_STEPS).flatMap((one): PatchWork['steps'] => {
      const [name, seconds] = Array.isArray(one) ? (one as unknown[]) : [];
      const step = NODE_STEPS.find((known) => known === name);
      const isDuration = typeof seconds === 'number' && Number.isFinite(seconds) && seconds >= 0;
      return step === undefined || !isDuration ? [] : [[step, seconds]];
    }),
    ...defined({
      transaction: transaction === 'changed' || transaction === 'failed' ? (transaction as 'changed') : undefined,
      reboots: typeof reboots === 'number' && reboots > 0 && reboots <= MAX_STEPS ? Math.floor(reboots) : undefined,
      rebootFailed: rebootFailed === true || undefined,
    }),
  };
}
