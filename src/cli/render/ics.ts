/** Calendars as iCalendar files (RFC 5545). */
import type { ClusterCalendar } from '../../domain/schedule/calendar';
import { hash32 } from '../../domain/shared/hash';

const FOLD_AT = 75;

/** `now`: epoch milliseconds. Each event has the same UID in every file. */
export function renderIcs(calendars: readonly ClusterCalendar[], now: number): string {
  const names = calendars.map(({ cluster }) => cluster).join(', ');
  const lines = [
    'BEGIN:VCALENDAR',
    'VERSION:2.0',
    'PRODID:-//ospatch//ospatch calendar//EN',
    'CALSCALE:GREGORIAN',
    `X-WR-CALNAME:${escaped(`ospatch: ${names}`)}`,
    ...calendars.flatMap((calendar) => eventsOf(calendar).flatMap((event) => eventLines(event, now))),
    'END:VCALENDAR',
  ];
  return lines.map((line) => `${folded(line)}\r\n`).join('');
}

interface CalendarEvent {
  uid: string;
  start: string;
  /** Null: a moment. */
  end: string | null;
  summary: string;
  description: string;
  category: string;
}

function eventsOf({ cluster, windows, removed, blackouts }: ClusterCalendar): CalendarEvent[] {
  const uid = (kind: string, start: string, more = ''): string => `${kind}-${utc(start)}${more}@${cluster}.ospatch`;
  return [
    ...windows.map(({ start, end, cutoff }) => ({
      ...{ uid: uid('window', start), start, end, summary: `${cluster}: maintenance window` },
      description:
        end === null
          ? 'A run starts; it has no end.'
          : cutoff === null
            ? 'Nodes are started as long as their patch is expected to end within the window.'
            : `No node is started after ${utc(cutoff)}.`,
      category: 'MAINTENANCE',
    })),
    ...removed.map(({ start, end, reason }) => ({
      ...{ uid: uid('removed', start), start, end, summary: `${cluster}: no maintenance window` },
      ...{ description: `Left out because of a blackout: ${reason}`, category: 'BLACKOUT' },
    })),
    ...blackouts.map(({ start, end, reason }) => ({
      uid: uid('blackout', start, `-${hash32(`${utc(end)} ${reason}`).toString(16)}`),
      ...{ start, end, summary: `${cluster}: blackout`, description: reason, category: 'BLACKOUT' },
    })),
  ].sort((one, other) => Date.parse(one.start) - Date.parse(other.start));
}

function eventLines({ uid, start, end, summary, description, category }: CalendarEvent, now: number): string[] {
  return [
    'BEGIN:VEVENT',
    `UID:${uid}`,
    `DTSTAMP:${utc(new Date(now).toISOString())}`,
    `DTSTART:${utc(start)}`,
    ...(end === null ? [] : [`DTEND:${utc(end)}`]),
    `SUMMARY:${escaped(summary)}`,
    `DESCRIPTION:${escaped(description)}`,
    `CATEGORIES:${category}`,
    'END:VEVENT',
  ];
}

/** `20261129T000000Z`. */
function utc(iso: string): string {
  return new Date(Math.floor(Date.parse(iso) / 1_000) * 1_000).toISOString().replace(/[-:]|\.000/g, '');
}

function escaped(text: string): string {
  return text.replace(/[\\;,]/g, '\\$&').replace(/\r?\n/g, '\\n');
}

/** Lines of at most 75 octets, never in the middle of a character. */
function folded(line: string): string {
  const parts: string[] = [];
  let current = '';
  let octets = 0;
  for (const char of line) {
    const size = Buffer.byteLength(char);
    // The blank at the begin of the next line counts too.
    if (octets + size > FOLD_AT) {
      parts.push(current);
      current = '';
      octets = 1;
    }
    current += char;
    octets += size;
  }
  return [...parts, current].join('\r\n ');
}
