/** How much something weighs: findings of `check` and `doctor`, and lines of a status. */

/** Worst first. `active`: something is in progress or waits, and nobody has to do anything. */
export const SEVERITIES = ['error', 'warning', 'active', 'ok'] as const;

/** Of a line of a status. */
export type LineSeverity = (typeof SEVERITIES)[number];

/** Of a finding. `error`: a run would fail or refuse. */
export type Severity = Exclude<LineSeverity, 'active'>;

/** The worst severity among the items; `ok` when there are none. */
export function worstOf<S extends LineSeverity>(items: readonly { severity: S }[]): S | 'ok' {
  return worstFirst(items)[0]?.severity ?? 'ok';
}

/** Worst first; the order among equals is kept. */
export function worstFirst<T extends { severity: LineSeverity }>(items: readonly T[]): T[] {
  return items.toSorted((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity));
}
