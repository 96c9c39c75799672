/** Where a run stands among its limits. */
import type { PlacedMember } from './next-step';
import type { RunDetail } from './run';

/** Names of the next members that are kept. */
const MAX_UPCOMING = 10;

/** `members`: all of the run, in order. */
export function runDetail(
  members: Iterable<Pick<PlacedMember, 'name' | 'place'>>,
  run: Omit<RunDetail, 'inFlightCount' | 'lostCount' | 'waitingCount' | 'upcoming'>,
): RunDetail {
  const upcoming: string[] = [];
  const counts = { waiting: 0, 'in-flight': 0, lost: 0, settled: 0 };
  for (const { name, place } of members) {
    counts[place] += 1;
    if (place === 'waiting' && upcoming.length < MAX_UPCOMING) upcoming.push(name);
  }
  const { waiting, 'in-flight': inFlight, lost } = counts;
  return { ...run, inFlightCount: inFlight, lostCount: lost, waitingCount: waiting, upcoming };
}
