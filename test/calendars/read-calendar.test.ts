import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCalendar } from '../../src/calendars/read-calendar';

const YEAR = { timeZone: 'Europe/Berlin', from: Date.UTC(2026, 10, 1), to: Date.UTC(2027, 10, 1) };

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ospatch-calendar-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

function write(events: string[], name = 'freeze.ics'): void {
  const text = ['BEGIN:VCALENDAR', 'VERSION:2.0', 'PRODID:x', ...events, 'END:VCALENDAR', ''].join('\r\n');
  writeFileSync(join(dir, name), text, { mode: 0o644 });
}

function event(lines: string): string {
  return ['BEGIN:VEVENT', 'UID:1', 'DTSTAMP:20260101T000000Z', ...lines.split(' | '), 'END:VEVENT'].join('\r\n');
}

async function periods(name = 'freeze.ics'): Promise<string[]> {
  const found = await readCalendar(dir, name, YEAR);
  const text = (ms: number): string => new Date(ms).toISOString().slice(0, 16);
  return found.map(({ start, end, reason }) => `${text(start)} to ${text(end)} ${reason}`);
}

describe('src/calendars/read-calendar', () => {
  it.each([
    ['UTC', 'DTSTART:20261224T100000Z | DTEND:20261224T120000Z', '2026-12-24T10:00 to 2026-12-24T12:00'],
    [
      'a zone that this machine knows',
      'DTSTART;TZID=America/New_York:20261224T100000 | DURATION:PT2H',
      '2026-12-24T15:00 to 2026-12-24T17:00',
    ],
    [
      'two zones',
      'DTSTART;TZID=America/New_York:20261224T100000 | DTEND;TZID=Asia/Tokyo:20261225T090000',
      '2026-12-24T15:00 to 2026-12-25T00:00',
    ],
    [
      'days of the calendar over a clock change',
      'DTSTART;TZID=Europe/Berlin:20270327T120000 | DURATION:P1DT2H',
      '2027-03-27T11:00 to 2027-03-28T12:00',
    ],
    ['no zone', 'DTSTART:20261224T100000 | DTEND:20261224T120000', '2026-12-24T09:00 to 2026-12-24T11:00'],
    ['days', 'DTSTART;VALUE=DATE:20261224 | DTEND;VALUE=DATE:20261227', '2026-12-23T23:00 to 2026-12-26T23:00'],
    ['a day', 'DTSTART;VALUE=DATE:20270328', '2027-03-27T23:00 to 2027-03-28T22:00'],
  ])('reads events in %s', async (_what, lines, wanted) => {
    write([event(`${lines} | SUMMARY:Freeze`)]);
    expect(await periods()).toEqual([`${wanted} Freeze`]);
  });

  it('reads zones that only the file knows, over a clock change', async () => {
    const zone = [
      ...['BEGIN:VTIMEZONE', 'TZID:Our Time'],
      ...['BEGIN:STANDARD', 'DTSTART:20001029T030000', 'RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU'],
      ...['TZOFFSETFROM:+0200', 'TZOFFSETTO:+0100', 'END:STANDARD'],
      ...['BEGIN:DAYLIGHT', 'DTSTART:20000326T020000', 'RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU'],
      ...['TZOFFSETFROM:+0100', 'TZOFFSETTO:+0200', 'END:DAYLIGHT', 'END:VTIMEZONE'],
    ];
    const rule = 'RRULE:FREQ=MONTHLY;COUNT=2 | SUMMARY:x';
    write([...zone, event(`DTSTART;TZID=Our Time:20270310T120000 | DTEND;TZID=Our Time:20270310T130000 | ${rule}`)]);
    expect(await periods()).toEqual([
      '2027-03-10T11:00 to 2027-03-10T12:00 x',
      '2027-04-10T10:00 to 2027-04-10T11:00 x',
    ]);
  });

  it('reads series with left out, added, moved and cancelled occurrences, and no cancelled event', async () => {
    write([
      event(
        'DTSTART:20261201T000000Z | DTEND:20261201T010000Z | RRULE:FREQ=DAILY;COUNT=5 | EXDATE:20261202T000000Z | SUMMARY:x',
      ),
      event('RECURRENCE-ID:20261203T000000Z | DTSTART:20261203T120000Z | DTEND:20261203T130000Z | SUMMARY:moved'),
      event(
        'RECURRENCE-ID:20261204T000000Z | DTSTART:20261204T000000Z | DTEND:20261204T010000Z | STATUS:CANCELLED | SUMMARY:x',
      ),
      event('DTSTART:20261224T000000Z | DTEND:20261225T000000Z | STATUS:CANCELLED | SUMMARY:y').replace(
        'UID:1',
        'UID:2',
      ),
      event('DTSTART:20261226T000000Z | DTEND:20261227T000000Z | TRANSP:TRANSPARENT | SUMMARY:free').replace(
        'UID:1',
        'UID:3',
      ),
    ]);
    expect(await periods()).toEqual([
      '2026-12-01T00:00 to 2026-12-01T01:00 x',
      '2026-12-03T12:00 to 2026-12-03T13:00 moved',
      '2026-12-05T00:00 to 2026-12-05T01:00 x',
      '2026-12-26T00:00 to 2026-12-27T00:00 free',
    ]);
  });

  it('leaves out what ended before the range, and keeps what is in force at its begin', async () => {
    write([
      event(
        'DTSTART:20200101T000000Z | DTEND:20200102T000000Z | RRULE:FREQ=WEEKLY;UNTIL=20261101T000000Z | SUMMARY:old',
      ),
      event('DTSTART:20261031T000000Z | DTEND:20261102T000000Z | SUMMARY:now').replace('UID:1', 'UID:2'),
    ]);
    expect(await periods()).toEqual(['2026-10-31T00:00 to 2026-11-02T00:00 now']);
  });

  it.each([
    ['no calendar', 'hello', 'is not an iCalendar file'],
    ['nothing', '', 'does not begin with BEGIN:VCALENDAR'],
    ['another component', 'BEGIN:VCARD\r\nVERSION:4.0\r\nEND:VCARD\r\n', 'does not begin with BEGIN:VCALENDAR'],
  ])('refuses a file with %s', async (_what, text, why) => {
    writeFileSync(join(dir, 'freeze.ics'), text);
    await expect(periods()).rejects.toMatchObject({
      type: 'Calendar',
      message: expect.stringContaining(why),
      remedy: expect.stringContaining('freeze.ics'),
    });
  });

  it.each([
    ['an end before its begin', 'DTSTART:20261224T100000Z | DTEND:20261224T090000Z', 'ends before it begins'],
    ['an unknown zone', 'DTSTART;TZID=Mars/Olympus:20261224T100000 | DURATION:PT2H', 'the time zone "Mars/Olympus"'],
    [
      'a rule that matches no day',
      'DTSTART:20261201T000000Z | DURATION:PT1H | RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30',
      'match no date',
    ],
    [
      'a blackout every second',
      'DTSTART:20261201T000000Z | DURATION:PT1S | RRULE:FREQ=SECONDLY',
      'more than 5000 blackouts',
    ],
  ])('refuses an event with %s', async (_what, lines, why) => {
    write([event(`${lines} | SUMMARY:Freeze`)]);
    await expect(periods()).rejects.toMatchObject({ type: 'Calendar', message: expect.stringContaining(why) });
  });

  it('shows no control characters of a summary, and the reason of an event without one', async () => {
    write([
      event('DTSTART:20261201T000000Z | DURATION:PT1H | SUMMARY:a\u001b[31mb'),
      event('DTSTART:20261202T000000Z | DURATION:PT1H').replace('UID:1', 'UID:2'),
    ]);
    expect((await periods()).map((line) => line.slice(37))).toEqual([
      expect.not.stringContaining('\u001b'),
      'no summary',
    ]);
  });

  it('refuses a file that others may change, that is no file, too large, or not there', async () => {
    const problem = async (name = 'freeze.ics'): Promise<string> =>
      readCalendar(dir, name, YEAR).then(
        () => 'none',
        (error: Error) => error.message,
      );
    expect(await problem()).toContain('the worker has no such file');
    write([]);
    expect(await problem()).toBe('none');
    chmodSync(join(dir, 'freeze.ics'), 0o666);
    expect(await problem()).toContain('can be changed by everybody (mode 0666)');
    symlinkSync('freeze.ics', join(dir, 'link.ics'));
    expect(await problem('link.ics')).toContain('can be changed by everybody (mode 0666)');
    symlinkSync('/dev/zero', join(dir, 'device.ics'));
    expect(await problem('device.ics')).toContain('/dev/zero is not a regular file');
    writeFileSync(join(dir, 'big.ics'), 'x'.repeat(1024 * 1024 + 1));
    expect(await problem('big.ics')).toContain('has more than 1024 KiB');
    expect(await problem('../freeze.ics')).toContain('not a bare name');
    await expect(readCalendar(null, 'freeze.ics', YEAR)).rejects.toThrow('no calendar directory');
  });
});
