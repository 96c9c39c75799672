/** Where a run stands among its limits. */
import type { MembersByPlace, PlacedMember } from './next-step';
import type { RunDetail } from './run';
import type { RunStage } from './stages';

/** Names of the next members that are kept. */
const MAX_UPCOMING = 10;

/** `waiting`: in the order of the run. */
export function runDetail(
  { waiting, inFlight, lost }: Record<keyof MembersByPlace, readonly Pick<PlacedMember, 'name'>[]>,
  {
    openStage,
    stages,
    ...run
  }: Pick<RunDetail, 'limits' | 'failures' | 'hold' | 'holdSince' | 'windowEnd'> & {
    openStage: number;
    stages: readonly Pick<RunStage, 'soakMs'>[];
  },
): RunDetail {
  // A soak that has begun ends at a moment that its hold names.
  const soaks = stages.slice(openStage + (run.hold?.kind === 'soak' ? 1 : 0), -1);
  return {
    ...run,
    ...{ inFlightCount: inFlight.length, lostCount: lost.length, waitingCount: waiting.length },
    upcoming: waiting.slice(0, MAX_UPCOMING).map(({ name }) => name),
    ...{ stage: openStage + 1, stages: stages.length },
    soakMs: waiting.length === 0 ? 0 : soaks.reduce((sum, { soakMs }) => sum + soakMs, 0),
  };
}
