/** What a run reports to its cluster about the limit that holds it up. */
import type { MemberName } from '../cluster/member';
import { describeHold } from './describe-hold';
import type { RunHold } from './next-step';

export interface HoldReport {
  limit: RunHold['kind'];
  /** In one clause. */
  message: string;
}

/** Each run is held by the others all the time: those are its order and its places, and nobody has to know. */
export const REPORTED_HOLDS = [
  'max-unavailable',
  'unobserved',
  'soak',
  'lost',
  'budget',
  'alerts',
  'alerts-unknown',
  'alerts-quiet',
  'window',
] as const satisfies readonly RunHold['kind'][];

/** Null: the hold is an ordinary one. */
export function holdReport(hold: RunHold, unit: MemberName): HoldReport | null {
  const isReported = REPORTED_HOLDS.some((kind) => kind === hold.kind);
  return isReported ? { limit: hold.kind, message: describeHold(hold, unit) } : null;
}

/** Null when malformed. */
export function parseHoldReport(value: unknown): HoldReport | null {
  if (typeof value !== 'object' || value === null) return null;
  const { limit, message } = value as Record<string, unknown>;
  const known = REPORTED_HOLDS.find((kind) => kind === limit);
  return known === undefined || typeof message !== 'string' ? null : { limit: known, message };
}
