import { formatInstant, instantOfWall, wallAt } from '../../../src/domain/schedule/zone';

/** The wall clock of the zone at an instant. */
const clock = (zone: string, instant: string): string =>
  new Date(wallAt(Date.parse(instant), zone)).toISOString().slice(0, -1);

describe('src/domain/schedule/zone', () => {
  it.each([
    ['UTC', '2026-01-01T00:00:00.250Z', '2026-01-01T00:00:00.250'],
    ['Europe/Berlin', '2026-03-29T00:59:59.999Z', '2026-03-29T01:59:59.999'],
    ['Europe/Berlin', '2026-03-29T01:00:00.000Z', '2026-03-29T03:00:00.000'],
    ['Europe/Berlin', '2026-10-25T00:59:59.000Z', '2026-10-25T02:59:59.000'],
    ['Europe/Berlin', '2026-10-25T01:00:00.000Z', '2026-10-25T02:00:00.000'],
    ['Australia/Lord_Howe', '2026-04-04T15:00:00.000Z', '2026-04-05T01:30:00.000'],
    ['Asia/Kathmandu', '2026-01-01T18:15:00.000Z', '2026-01-02T00:00:00.000'],
    ['America/St_Johns', '2026-01-01T03:29:59.000Z', '2025-12-31T23:59:59.000'],
    ['Pacific/Kiritimati', '2026-01-01T00:00:00.000Z', '2026-01-01T14:00:00.000'],
    ['Africa/Monrovia', '1969-12-31T23:59:59.500Z', '1969-12-31T23:15:29.500'],
  ])('reads the wall clock of %s at %s', (zone, instant, expected) => {
    expect(clock(zone, instant)).toBe(expected);
  });

  it.each(['', 'Nowhere/City', 'Europe/Berlin '])('rejects %j as a time zone', (zone) => {
    expect(() => wallAt(0, zone)).toThrow(RangeError);
    expect(() => instantOfWall(0, zone)).toThrow(RangeError);
  });

  it('formats an instant with the offset of the zone', () => {
    const instant = Date.parse('2026-11-28T23:00:00Z');
    expect(formatInstant(instant, 'Europe/Berlin')).toEqual({ weekday: 'Sun', iso: '2026-11-29T00:00:00+01:00' });
    expect(formatInstant(instant, 'America/St_Johns').iso).toBe('2026-11-28T19:30:00-03:30');
    expect(formatInstant(instant, 'UTC').iso).toBe('2026-11-28T23:00:00+00:00');
  });
});
