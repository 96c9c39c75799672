/** When a run in progress is forecast to end. */
import type { Forecast } from './forecast';

export interface RunEndForecast {
  /** ISO 8601. */
  at: string;
  /** The weakest of what the forecasts of the nodes rest on: their own last patches, those of other nodes, or nothing. */
  from: Forecast['from'];
}

const WEAKEST_FIRST: readonly Forecast['from'][] = ['guess', 'cluster', 'node'];

/**
 * The end of a run that starts its members in order as soon as one of its places is free.
 * @param inFlight members that are being patched, and since when, in epoch milliseconds
 * @returns null when nothing is left
 */
export function forecastRunEnd(run: {
  inFlight: readonly { name: string; sinceMs: number }[];
  waiting: readonly string[];
  places: number;
  /** Soaks before the last member is started, in milliseconds. */
  soakMs: number;
  forecast: (name: string) => Forecast;
  nowMs: number;
}): RunEndForecast | null {
  const { inFlight, waiting, places, soakMs, forecast, nowMs } = run;
  const names = [...inFlight.map(({ name }) => name), ...waiting];
  if (names.length === 0) return null;
  // A patch that takes longer than its forecast may end at any moment.
  const ends = inFlight.map(({ name, sinceMs }) => Math.max(nowMs, sinceMs + forecast(name).ms));
  let last = Math.max(nowMs, ...ends);
  // After a lower limit more may be in flight than there are places now.
  const free = ends.sort((one, other) => one - other).slice(Math.max(0, ends.length - places));
  while (free.length < places) free.unshift(nowMs);
  for (const name of waiting) {
    const end = (free.shift() ?? nowMs) + forecast(name).ms;
    free.splice(placeFor(free, end), 0, end);
    last = Math.max(last, end);
  }
  const from = WEAKEST_FIRST.find((one) => names.some((name) => forecast(name).from === one)) ?? 'guess';
  return { at: new Date(last + (waiting.length === 0 ? 0 : soakMs)).toISOString(), from };
}

function placeFor(sorted: readonly number[], value: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? Infinity) <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}
