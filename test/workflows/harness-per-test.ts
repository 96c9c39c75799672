import { Harness } from './harness';

/** A clock that has stopped is noticed, and the test tried again, long before all the others are through. */
const LONGEST_TEST_MS = 180_000;

/** For tests in which years pass, with hundreds of runs, while the machine has other work. */
export const YEARS_LIMIT_MS = 540_000;

/**
 * A server per test: unfinished work of one test would stop the clock of the time-skipping server for ever. Call once in a file;
 * the result gives the harness of the present test.
 */
export function harnessPerTest(): () => Harness {
  let harness: Harness | undefined;
  jest.setTimeout(LONGEST_TEST_MS);
  jest.retryTimes(2, { logErrorsBeforeRetry: true });
  beforeEach(async () => {
    harness = await Harness.start();
  });
  afterEach(() => harness?.stop());
  return () => {
    if (harness === undefined) throw new Error('the harness is there while a test runs');
    return harness;
  };
}
