/** Windows and blackouts, day by day. */
import type { ClusterCalendar } from '../../domain/schedule/calendar';
import { formatInstant } from '../../domain/schedule/zone';
import type { Colors } from './table';
import { wrapText } from './columns';
import { formatStart, oneLine } from './text';

const INDENT = '  ';

/** The weekday and the date of a start, with the blank after it. */
const DAY_CHARS = 'Sun 2026-11-29 '.length;

interface Line {
  start: string;
  text: string;
}

/** Times are those of the cluster's zone. */
export function renderCalendar(calendar: ClusterCalendar, color: Colors): string {
  const { cluster, timeZone, from, to } = calendar;
  const head = `cluster ${cluster}, ${dayOf(from, timeZone)} to ${dayOf(to, timeZone)}, times in ${timeZone}`;
  const days = new Map<string, Line[]>();
  for (const line of linesOf(calendar, color)) {
    const day = dayOf(line.start, timeZone);
    days.set(day, [...(days.get(day) ?? []), line]);
  }
  const room = color.columns ?? Infinity;
  const body = [...days].flatMap(([day, lines]) => [
    color.bold(day),
    ...lines.flatMap(({ start, text }) => entry(formatStart(start, timeZone).slice(DAY_CHARS), text, room)),
  ]);
  return [...wrapText(head, room), ...(body.length === 0 ? ['no window and no blackout'] : body)].join('\n');
}

function linesOf({ windows, removed, blackouts, timeZone }: ClusterCalendar, color: Colors): Line[] {
  const to = (start: string, end: string): string => {
    const [begin, until] = [formatStart(start, timeZone), formatStart(end, timeZone)];
    return until.slice(0, DAY_CHARS) === begin.slice(0, DAY_CHARS) ? until.slice(DAY_CHARS) : until;
  };
  const lines = [
    ...blackouts.map(({ start, end, reason }) => ({
      start,
      text: color.yellow(`blackout to ${to(start, end)}: ${oneLine(reason)}`),
    })),
    ...windows.map(({ start, end, cutoff, partOf }) => {
      const part = partOf === undefined ? '' : ` (part of the one of ${formatStart(partOf, timeZone)})`;
      if (end === null) return { start, text: color.green(`window${part}, runs have no end`) };
      const last = cutoff === null ? 'cutoff by forecast' : `cutoff ${to(start, cutoff)}`;
      return { start, text: color.green(`window to ${to(start, end)}, ${last}${part}`) };
    }),
    ...removed.map(({ start, reason }) => ({
      start,
      text: color.yellow(`no window, because of the blackout: ${oneLine(reason)}`),
    })),
  ];
  return lines.sort((one, other) => Date.parse(one.start) - Date.parse(other.start));
}

/** The time, and the text beside it; on a narrow terminal in several lines. */
function entry(time: string, text: string, room: number): string[] {
  const lead = `${INDENT}${time}${INDENT}`;
  const [first = '', ...more] = wrapText(text, Math.max(1, room - lead.length));
  return [`${lead}${first}`, ...more.map((line) => `${' '.repeat(lead.length)}${line}`)];
}

function dayOf(iso: string, timeZone: string): string {
  const { weekday, iso: local } = formatInstant(Date.parse(iso), timeZone);
  return `${weekday} ${local.slice(0, 10)}`;
}
