import { formatDuration, isDuration, parseDuration } from '../../../src/domain/shared/duration';

describe('src/domain/shared/duration', () => {
  it.each([
    ['90s', 90_000, '1m30s'],
    ['30m', 1_800_000, '30m'],
    ['1h30m', 5_400_000, '1h30m'],
    ['2d', 172_800_000, '2d'],
    ['24h', 86_400_000, '1d'],
    ['0s', 0, '0s'],
  ])('%s is %d ms and is formatted as %s', (text, ms, written) => {
    expect([parseDuration(text), formatDuration(ms)]).toEqual([ms, written]);
  });

  it.each(['', '10', '1.5h', '-1h', '1h 30m', '30m1h', '1H', 'h', '1w', '1h1h'])('rejects %j', (text) => {
    expect(isDuration(text)).toBe(false);
    expect(() => parseDuration(text)).toThrow('allowed: a duration with a unit');
  });
});
