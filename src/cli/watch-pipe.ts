/** What a pipe gets of a followed cluster: lines of text, or JSON documents. */
import type { LiveStatus } from '../client/live-status';
import type { CliContext } from './io/context';
import { print, printJsonLine, printNote } from './io/output';
import { describeChanges } from './render/live-lines';
import { formatClock, ownZone } from './render/text';

export interface PipeOptions {
  /** The last known status; lines report changes since. */
  before?: LiveStatus;
  /** Standard output is reserved for the result: lines go to standard error, without a live display. */
  toStderr?: boolean;
  /** The first status as text, before the changes since. Absent: what is in progress. */
  describe?(status: LiveStatus): string;
}

interface PipeView {
  show(status: LiveStatus): void;
  say(line: string): void;
  close(): void;
}

/** One line per change, with the time at which it was seen; before them the present state, if `describe` is given. */
export function linesView(context: CliContext, { before, toStderr, describe }: PipeOptions): PipeView {
  const zone = ownZone();
  const write = (text: string): void => (toStderr === true ? printNote : print)(context, text);
  const line = (text: string): void => write(`${formatClock(context.now(), zone)} ${text}`);
  let last = before ?? null;
  return {
    show: (status) => {
      if (last === null && describe !== undefined) write(`${describe(status)}\n\n`);
      else for (const change of describeChanges(last, status)) line(change);
      last = status;
    },
    say: line,
    close: () => undefined,
  };
}

/** One document a line, at once and whenever the status has changed; what concerns the connection goes to standard error. */
export function jsonView(context: CliContext): PipeView {
  let last = '';
  return {
    show: (status) => {
      // The forecast moves with time.
      const now = JSON.stringify({ ...status, runEnd: undefined });
      if (now !== last) printJsonLine(context, status);
      last = now;
    },
    say: (line) => printNote(context, line),
    close: () => undefined,
  };
}
