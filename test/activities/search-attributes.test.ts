import { SEARCH_ATTRIBUTE_TYPES } from '../../src/domain/shared/search-attributes';
import { rememberSearchAttributes } from '../../src/activities/search-attributes';

const ALL = SEARCH_ATTRIBUTE_TYPES;
const NAMES = Object.keys(ALL);
const HOUR_MS = 3_600_000;

describe('src/activities/search-attributes', () => {
  it('queries the namespace once for all clusters of a worker, and again after an hour', async () => {
    let asked = 0;
    let now = 0;
    const ask = () => {
      asked += 1;
      return Promise.resolve(ALL);
    };
    const read = rememberSearchAttributes(ask, () => now);
    const answers = await Promise.all(Array.from({ length: 1_000 }, () => read()));
    expect(answers.every((names) => names.length === NAMES.length)).toBe(true);
    now = HOUR_MS - 1;
    await read();
    expect(asked).toBe(1);
    now = HOUR_MS;
    await read();
    expect(asked).toBe(2);
  });

  it('never fails, and soon retries after an error or a missing attribute', async () => {
    let now = 0;
    let registered: Record<string, string> | null = null;
    const ask = () => (registered === null ? Promise.reject(new Error('no answer')) : Promise.resolve(registered));
    const read = rememberSearchAttributes(ask, () => now);
    expect(await read()).toEqual([]);
    registered = { PatchCluster: 'Keyword' };
    now = 59_000;
    expect(await read()).toEqual([]);
    now = 60_000;
    expect(await read()).toEqual(['PatchCluster']);
    registered = ALL;
    now = 120_000;
    expect(await read()).toEqual(NAMES);
  });

  it('omits an attribute of another type, which would fail the workflow task', async () => {
    const read = rememberSearchAttributes(() => Promise.resolve({ ...ALL, PatchState: 'Text' }));
    expect(await read()).toEqual(NAMES.filter((name) => name !== 'PatchState'));
  });

  it('gives up before the clusters that wait for the result do', async () => {
    jest.useFakeTimers();
    const read = rememberSearchAttributes(() => new Promise(() => undefined));
    const answer = read();
    await jest.advanceTimersByTimeAsync(5_000);
    expect(await answer).toEqual([]);
    jest.useRealTimers();
  });
});
