/** What explanations are derived from. */
import type { ClusterEvent } from '../cluster/event-pages';
import type { PatchRecord } from '../cluster/member';
import type { ClusterStatus } from '../cluster/messages';
import type { BlackoutPeriod } from '../schedule/window';
import { blackoutIn } from '../schedule/window';
import type { ClusterSpec } from '../spec/types';
import type { LiveNode } from './explanation';

export interface Situation {
  status: ClusterStatus & {
    explanation: string;
    current: readonly LiveNode[];
    stuck?: { message: string; remedy: string };
  };
  spec: ClusterSpec;
  /** Those that are kept, oldest first. */
  events: readonly ClusterEvent[];
  /** The last patch of the member that is asked about; null: none is known. */
  record: PatchRecord | null;
  nowMs: number;
  /** A time inside a sentence. `iso`: ISO 8601. */
  time: (iso: string) => string;
}

/** The blackout in force; null: none is. */
export function blackoutNow({ status, nowMs }: Pick<Situation, 'status' | 'nowMs'>): BlackoutPeriod | null {
  return blackoutIn(status.blackouts, nowMs);
}

/** When the next window opens; null: it has, or none is known. */
export function nextOpening({ status, nowMs }: Pick<Situation, 'status' | 'nowMs'>): string | null {
  const start = status.nextWindow?.start;
  return start !== undefined && Date.parse(start) > nowMs ? start : null;
}
