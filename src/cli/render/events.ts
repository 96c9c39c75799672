/** Events of a cluster, one paragraph each, so that they can be printed as they happen. */
import { defined } from '../../domain/shared/defined';
import { senderText } from '../../domain/shared/verification';
import type { ClusterEvent } from '../../domain/cluster/event-pages';
import { textWidth, wrapText } from './columns';
import type { Colors } from './table';
import { formatTime, oneLine } from './text';

const GAP = '  ';
/** With less room beside the time, the text stands below it. */
const LEAST_WIDTH = 36;

/** Lines of one event, within the width of the terminal; elsewhere one line. */
export function eventLines(event: ClusterEvent, zone: string, color: Colors): string[] {
  const { columns = Infinity } = color;
  const time = formatTime(event.at, zone);
  const text = paint(event, eventSentence(event, zone), color);
  const width = columns - textWidth(time) - GAP.length;
  if (width >= LEAST_WIDTH) {
    const indent = ' '.repeat(time.length);
    return wrapText(text, width).map((line, at) => `${at === 0 ? color.dim(time) : indent}${GAP}${line}`);
  }
  return [color.dim(time), ...wrapText(text, columns - GAP.length).map((line) => `${GAP}${line}`)];
}

/** `pause: paused, by ann@host (release freeze)`. */
export function eventSentence({ message, by, verified, reason, from }: ClusterEvent, zone: string): string {
  const who = by === null ? '' : `, by ${oneLine(senderText({ by, ...defined({ verified }) }))}`;
  const why = reason === null ? '' : ` (${oneLine(reason, 500)})`;
  const since = from === undefined ? '' : `, since ${formatTime(from, zone)}`;
  return `${oneLine(message, 600)}${who}${why}${since}`;
}

const UNFINISHED: ReadonlySet<ClusterEvent['kind']> = new Set(['limit', 'windows-unknown', 'targets-unknown']);
const BAD: ReadonlySet<ClusterEvent['kind']> = new Set(['unreachable', 'host-key', 'notification-dropped']);

function paint({ kind, outcome, message }: ClusterEvent, text: string, color: Colors): string {
  const isUnfinished = UNFINISHED.has(kind) || outcome === 'expired';
  if (kind === 'rejected' || isUnfinished) return color.yellow(text);
  const isBad = outcome === 'failed' || outcome === 'stopped' || BAD.has(kind);
  if (isBad || (kind === 'nodes' && / failed\b/.test(message))) return color.red(text);
  return outcome === 'succeeded' ? color.green(text) : text;
}
