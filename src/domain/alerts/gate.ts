/** Whether firing alerts let a run start its next node. */
import type { AlertReading } from './types';

/** What a run knows of the alerts. */
export interface AlertView {
  /** Null: not read yet. */
  reading: AlertReading | null;
  /** Since when nothing fires, after something has. Null: nothing has. Epoch milliseconds. */
  quietSinceMs: number | null;
  holdForMs: number;
}

export type AlertHold =
  | { kind: 'alerts'; names: string[]; total: number }
  /** `why` null: the alerts have not been read yet. */
  | { kind: 'alerts-unknown'; why: string | null }
  | { kind: 'alerts-quiet'; untilMs: number };

const KINDS: readonly string[] = ['alerts', 'alerts-unknown', 'alerts-quiet'] satisfies AlertHold['kind'][];

export function isAlertHold(hold: { kind: string } | null | undefined): hold is AlertHold {
  return hold !== null && hold !== undefined && KINDS.includes(hold.kind);
}

/** `lastSettledMs`: when the last node ended; null: none has. Null: the next node may be started. */
export function alertHold(
  { reading, quietSinceMs, holdForMs }: AlertView,
  lastSettledMs: number | null,
  nowMs: number,
): AlertHold | null {
  const firing = firingHold(reading);
  if (firing !== null) return firing;
  const since = [quietSinceMs, lastSettledMs].filter((ms) => ms !== null);
  const untilMs = since.length === 0 ? 0 : Math.max(...since) + holdForMs;
  return untilMs > nowMs ? { kind: 'alerts-quiet', untilMs } : null;
}

/** The same without the time after the last node: for a node that has been started already. */
export function firingHold(reading: AlertReading | null): AlertHold | null {
  if (reading === null) return { kind: 'alerts-unknown', why: null };
  if (reading.result === 'unknown') return { kind: 'alerts-unknown', why: reading.why ?? 'no reason given' };
  return reading.result === 'fail' ? { kind: 'alerts', names: reading.names, total: reading.total } : null;
}

/** Whether a run has to hear of `next`. Names that come and go are told only when `names` is true. */
export function hasChanged(known: AlertReading, next: AlertReading, names: boolean): boolean {
  if (known.result !== next.result) return true;
  return names && (known.names.join('\n') !== next.names.join('\n') || known.total !== next.total);
}

/** `why`: one clause. */
export function unknownReading(why: string): AlertReading {
  return { result: 'unknown', names: [], total: 0, why };
}
