/** How long the patch of a node takes at most, nine times in ten, from what its last patches took. */

/** What is assumed of a node in a cluster in which none was ever patched. A guess, and called one wherever it is shown. */
export const GUESSED_PATCH_MS = 20 * 60_000;

/** As many durations are kept of a node. */
export const KEPT_DURATIONS = 3;

/** Of a normal distribution, nine of ten values lie below so many deviations. */
const NINETY_PERCENT = 1.2816;

/** Longer than the one duration that is known, while nothing says how much they differ. */
const UNKNOWN_SPREAD = 1.25;

/**
 * No forecast is longer than the longest patch of the cluster by more than this factor. One node that took seconds once and
 * minutes another time says so little of the spread that nine of ten would be days, for which no window has room. Of
 * simulated clusters of two nodes whose durations spread by a factor of 1.65, 87 % of patches still end in time, instead of 89 %.
 */
const MOST_OF_LONGEST = 2;

/** Durations are kept in whole seconds: that of a shorter patch is 0. */
const SHORTEST_MS = 1_000;

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
 * The forecast for each node from its last durations in milliseconds. Three durations of a node alone would be exceeded one time in
 * four, so how far durations of one node lie apart is taken from all nodes.
 * @param durations by node; a node without is forecast from all others
 */
export function forecaster(durations: ReadonlyMap<string, readonly number[]>): (node: string) => Forecast {
  const all = [...durations.values()].flat();
  if (all.length === 0) return () => ({ ms: GUESSED_PATCH_MS, from: 'guess' });
  const ofCluster: Forecast = { ms: ninetiethPercentile(all), from: 'cluster' };
  const most = Math.max(SHORTEST_MS, ...all) * MOST_OF_LONGEST;
  const spread = spreadWithin([...durations.values()]);
  return (node) => {
    const own = durations.get(node) ?? [];
    if (own.length === 0) return ofCluster;
    if (spread === null) return { ms: Math.max(ofCluster.ms, ...own.map((one) => one * UNKNOWN_SPREAD)), from: 'node' };
    const typical = Math.exp(mean(own.map(logarithm)));
    const ms = Math.min(most, typical * Math.exp(spread * Math.sqrt(1 + 1 / own.length)));
    return { ms: Math.ceil(Math.round(ms) / 1_000) * 1_000, from: 'node' };
  };
}

/**
 * The factor, as a logarithm, by which nine of ten durations exceed the typical one of their node at most; larger the fewer are known.
 * Null: no node has two.
 */
function spreadWithin(durations: readonly (readonly number[])[]): number | null {
  const repeated = durations.filter(({ length }) => length > 1).map((own) => own.map(logarithm));
  const freedom = repeated.reduce((sum, { length }) => sum + length - 1, 0);
  if (freedom === 0) return null;
  const squares = repeated.flatMap((own) => own.map((one) => (one - mean(own)) ** 2));
  const deviation = Math.sqrt(squares.reduce((sum, one) => sum + one, 0) / freedom);
  return deviation * (NINETY_PERCENT + 0.8 / freedom + 0.81 / freedom ** 2);
}

function logarithm(ms: number): number {
  return Math.log(Math.max(ms, SHORTEST_MS));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, one) => sum + one, 0) / values.length;
}

/** The forecasts for the members of a run, as small as they can be: thousands go into one message. */
export interface RunForecasts {
  /** For members without durations of their own. */
  otherwise: Forecast;
  /** Seconds for each member, in the order of the run; 0: as `otherwise`. */
  own: number[];
}

export function runForecasts(names: readonly string[], forecast: (node: string) => Forecast): RunForecasts {
  const forecasts = names.map(forecast);
  return {
    otherwise: forecasts.find(({ from }) => from !== 'node') ?? { ms: GUESSED_PATCH_MS, from: 'guess' },
    own: forecasts.map(({ ms, from }) => (from === 'node' ? Math.ceil(ms / 1_000) : 0)),
  };
}

/** The forecast for the member at `place` in the order of the run. */
export function forecastAt({ otherwise, own }: RunForecasts, place: number): Forecast {
  const seconds = own[place] ?? 0;
  return seconds === 0 ? otherwise : { ms: seconds * 1_000, from: 'node' };
}

/** The same of the members of a cluster, from their status. */
export function forecasterOf(
  rows: readonly { name: string; recentPatchSeconds?: readonly number[] }[],
): (node: string) => Forecast {
  return forecaster(
    new Map(rows.map(({ name, recentPatchSeconds = [] }) => [name, recentPatchSeconds.map((one) => one * 1_000)])),
  );
}
