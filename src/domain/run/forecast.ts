/** How long the patch of a node takes, from what its last patches took. */

/** What is assumed of a node in a cluster in which none was ever patched. A guess, and called one wherever it is shown. */
export const GUESSED_PATCH_MS = 20 * 60_000;

/** As many durations are kept of a node. */
export const KEPT_DURATIONS = 3;

export interface Forecast {
  ms: number;
  /** What it rests on: the node's own patches, those of the other nodes, or nothing. */
  from: 'node' | 'cluster' | 'guess';
}

/** The duration that nine of ten stay below, of at least one. */
export function ninetiethPercentile(durations: readonly number[]): number {
  const sorted = [...durations].sort((one, other) => one - other);
  return sorted[Math.ceil(sorted.length * 0.9) - 1] ?? 0;
}

/**
 * The forecast for each node from its last durations, newest last, in milliseconds.
 * @param durations by node; a node without is forecast from all others
 */
export function forecaster(durations: ReadonlyMap<string, readonly number[]>): (node: string) => Forecast {
  const all = [...durations.values()].flat();
  const ofCluster: Forecast =
    all.length === 0 ? { ms: GUESSED_PATCH_MS, from: 'guess' } : { ms: ninetiethPercentile(all), from: 'cluster' };
  return (node) => {
    const own = durations.get(node) ?? [];
    return own.length === 0 ? ofCluster : { ms: ninetiethPercentile(own), from: 'node' };
  };
}
