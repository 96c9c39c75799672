import { formatElapsed, formatStart, formatTime, oneLine, ownZone } from '../../../src/cli/render/text';
import { plainLines } from '../../../src/domain/shared/text';

describe('src/cli/render/text', () => {
  test('strips terminal escapes from node output, and keeps lines and tabs', () => {
    const hostile = 'a\u001b[2Jb\tc\r\nd\u0007\u009b31m\u202ee\u001b]0;title\u0007';
    expect(plainLines(hostile)).toBe('ab\tc\nd31me]0;title');
  });

  test('turns hostile text into one short line for a table', () => {
    expect(oneLine('x\n\u001b[31my', 50)).toBe('x [31my');
    expect(oneLine('x'.repeat(99), 10)).toBe(`${'x'.repeat(9)}…`);
    expect(oneLine(null)).toBe('-');
  });

  test('writes moments of a sentence in the time zone of the user, and leaves those of commands', () => {
    const zone = ownZone();
    expect(oneLine('until 2026-07-01T23:30:05.900Z: see `ospatch lock a b --until 2026-07-01T23:30:05Z`')).toBe(
      `until ${formatTime('2026-07-01T23:30:05Z', zone)} ${zone}: see \`ospatch lock a b --until 2026-07-01T23:30:05Z\``,
    );
    expect(oneLine('the window of 2026-11-29T00:00:00+01:00 has passed')).toBe(
      `the window of ${formatTime('2026-11-28T23:00:00Z', zone)} ${zone} has passed`,
    );
    expect(oneLine('package 1.2-2026-07-01T23:30')).toBe('package 1.2-2026-07-01T23:30');
  });

  test('shows times on the wall clock of the time zone and a dash for none', () => {
    expect(formatTime('2026-07-01T23:30:05.900Z', 'Europe/Berlin')).toBe('2026-07-02 01:30:05');
    expect(formatTime(null, 'UTC')).toBe('-');
    expect(formatTime('garbage', 'UTC')).toBe('-');
    expect(formatStart('2026-11-29T00:00:00+01:00', 'UTC')).toBe('Sat 2026-11-28 23:00');
  });

  test('never shows a negative duration when two clocks differ', () => {
    expect(formatElapsed('2026-11-23T12:00:00Z', Date.parse('2026-11-23T11:59:00Z'))).toBe('0s');
    expect(formatElapsed('2026-11-23T12:00:00Z', Date.parse('2026-11-23T12:01:05Z'))).toBe('1m5s');
  });
});
