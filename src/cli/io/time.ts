import { instantOfWall } from '../../domain/schedule/zone';
import { parseDate, parseDateTime } from '../../domain/shared/dates';
import { MINUTE_MS } from '../../domain/shared/time-units';

const WITH_OFFSET = /^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}(?::\d{2})?)(\.\d{1,9})?(Z|[+-]\d{2}:?\d{2})$/i;
const FIRST_MS = Date.UTC(1970, 0, 1);
const LAST_MS = Date.UTC(2200, 0, 1);

/**
 * Epoch milliseconds of a time on the command line: ISO 8601 with `Z` or an offset, or a local date or date and time in
 * `timeZone`. Null when it is malformed, does not exist, or is not between 1970 and 2199.
 */
export function parseInstant(text: string, timeZone: string): number | null {
  const match = WITH_OFFSET.exec(text);
  const instant = match === null ? parseLocal(text, timeZone) : parseAbsolute(match);
  return instant !== null && instant >= FIRST_MS && instant < LAST_MS ? instant : null;
}

function parseLocal(text: string, timeZone: string): number | null {
  const wall = parseDate(text) ?? parseDateTime(text);
  return wall === null ? null : instantOfWall(wall, timeZone);
}

function parseAbsolute(match: RegExpExecArray): number | null {
  const [, date = '', time = '', fraction = '', zone = ''] = match;
  const wall = parseDateTime(`${date}T${time}`);
  if (wall === null) return null;
  const [, sign, hours, minutes] = /^([+-])(\d{2}):?(\d{2})$/.exec(zone) ?? [];
  const offset = (Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * (sign === '-' ? -1 : 1);
  if (Number(hours ?? 0) > 23 || Number(minutes ?? 0) > 59) return null;
  return wall + Math.trunc(Number(`0${fraction}`) * 1_000) - offset * MINUTE_MS;
}
