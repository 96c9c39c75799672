/** Where a run stands among its limits. */
import type { PlacedMember } from './next-step';
import type { RunDetail } from './run';
import type { RunStage } from './stages';

/** Names of the next members that are kept. */
const MAX_UPCOMING = 10;

/** `members`: all of the run, in order. */
export function runDetail(
  members: Iterable<Pick<PlacedMember, 'name' | 'place'>>,
  {
    openStage,
    stages,
    ...run
  }: Pick<RunDetail, 'limits' | 'failures' | 'hold' | 'holdSince' | 'windowEnd'> & {
    openStage: number;
    stages: readonly Pick<RunStage, 'soakMs'>[];
  },
): RunDetail {
  const upcoming: string[] = [];
  const counts = { waiting: 0, 'in-flight': 0, lost: 0, settled: 0 };
  for (const { name, place } of members) {
    counts[place] += 1;
    if (place === 'waiting' && upcoming.length < MAX_UPCOMING) upcoming.push(name);
  }
  const { waiting, 'in-flight': inFlight, lost } = counts;
  // A soak that has begun ends at a moment that its hold names.
  const soaks = stages.slice(openStage + (run.hold?.kind === 'soak' ? 1 : 0), -1);
  return {
    ...run,
    ...{ inFlightCount: inFlight, lostCount: lost, waitingCount: waiting, upcoming },
    ...{ stage: openStage + 1, stages: stages.length },
    soakMs: waiting === 0 ? 0 : soaks.reduce((sum, { soakMs }) => sum + soakMs, 0),
  };
}
