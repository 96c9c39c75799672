import { readableTimes } from '../../../src/domain/render/markdown';

describe('src/domain/render/markdown', () => {
  it.each([
    ['2026-11-27T07:58:11.984Z', '2026-11-27 07:58:11 UTC'],
    ['2026-11-28T23:00:00Z', '2026-11-28 23:00:00 UTC'],
    ['2026-11-29T00:00:00+01:00 (Europe/Berlin)', '2026-11-29 00:00:00 +01:00 (Europe/Berlin)'],
    ['until 2027-01-31T18:00Z: on call', 'until 2027-01-31 18:00 UTC: on call'],
    ['a date, 2027-01-31, and T12', 'a date, 2027-01-31, and T12'],
  ])('shows the times of a text to people: %s', (text, shown) => {
    expect(readableTimes(text)).toBe(shown);
  });
});
