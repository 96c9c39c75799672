import { runDetail } from '../../../src/domain/run/detail';
import type { RunLimits } from '../../../src/domain/run/limits';
import type { MemberPlace, RunHold } from '../../../src/domain/run/next-step';
import { byPlace } from '../../support/places';

const LIMITS: RunLimits = {
  ...{ concurrency: 2, maxUnavailable: null, oneZoneAtATime: false },
  ...{ maxFailures: 0, onExceeded: 'stop' },
};
const HOUR = 3_600_000;

function detail(
  places: MemberPlace[],
  { openStage = 0, hold = null }: { openStage?: number; hold?: RunHold | null } = {},
) {
  const stages = [{ soakMs: HOUR }, { soakMs: 2 * HOUR }, { soakMs: 4 * HOUR }];
  const members = places.map((place, at) => ({ name: `w-${at}`, place }));
  return runDetail(byPlace(members), { limits: LIMITS, failures: 0, hold, windowEnd: null, openStage, stages });
}

describe('src/domain/run/detail', () => {
  test('counts the members by place, and names the next ones in order', () => {
    expect(detail(['settled', 'lost', 'in-flight', 'waiting', 'waiting'])).toMatchObject({
      ...{ inFlightCount: 1, lostCount: 1, waitingCount: 2, upcoming: ['w-3', 'w-4'], stage: 1, stages: 3 },
    });
    expect(detail(Array.from({ length: 40 }, () => 'waiting')).upcoming).toHaveLength(10);
  });

  test('has the soaks that are still to begin; that of the last stage holds nothing up', () => {
    expect(detail(['waiting']).soakMs).toBe(3 * HOUR);
    expect(detail(['waiting'], { openStage: 1 }).soakMs).toBe(2 * HOUR);
    expect(detail(['waiting'], { hold: { kind: 'soak', stage: 0, untilMs: 1 } }).soakMs).toBe(2 * HOUR);
    expect(detail(['in-flight']).soakMs).toBe(0);
  });
});
