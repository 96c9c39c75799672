/** Following the log of a node patch, which is read from the node through a worker, until the patch has ended. */
import { completeLines, logGrowth } from '../domain/shared/log-growth';
import type { ErrorType } from '../domain/shared/errors';
import { isOspatchError } from '../domain/shared/errors';

export interface NodeLog {
  log: string;
  truncated: boolean;
}

/** What the follower reads. Tokens name node patches. */
export interface LogSource {
  /** The log of this patch; null: of the newest one on the node. */
  read(token: string | null): Promise<NodeLog>;
  /** The patch of the node in progress. */
  inProgress(): Promise<string | null>;
  /** A run is in progress, and the turn of the node is still to come. */
  isWaiting(): Promise<boolean>;
  /** The time between two readings; false: nobody wants to read on. */
  pause(): Promise<boolean>;
}

export type LogNews =
  /** Complete lines. `isGap`: lines before them are missing. */
  | { kind: 'lines'; text: string; isGap: boolean }
  /** Nothing of the node can be read before its turn. */
  | { kind: 'waiting' }
  /** The log cannot be read for now, as while a node reboots. */
  | { kind: 'unreadable'; message: string }
  /** Nothing follows. `wasInProgress`: the patch was in progress when it was first read. */
  | { kind: 'over'; wasInProgress: boolean };

/** What may pass while a patch is in progress. */
const PASSING: readonly ErrorType[] = ['Unreachable', 'NoServer', 'NoWorker'];

/**
 * The log from its beginning, then what is added to it. Ends with the patch, or with a `pause` that says so.
 *
 * @param asked the patch to follow; null: the one in progress or to come, else the newest one
 * @throws what `source` throws, unless the patch is in progress and the error may pass
 */
export async function* followLog(source: LogSource, asked: string | null): AsyncGenerator<LogNews, void> {
  let isTold = false;
  let current = await source.inProgress();
  while (asked === null && current === null && (await source.isWaiting())) {
    if (!isTold) yield { kind: 'waiting' };
    isTold = true;
    if (!(await source.pause())) return;
    current = await source.inProgress();
  }
  if (current === null || (asked !== null && asked !== current)) {
    const { log, truncated } = await source.read(asked);
    yield { kind: 'lines', text: log, isGap: truncated };
    yield { kind: 'over', wasInProgress: false };
    return;
  }
  yield* followPatch(source, current);
}

async function* followPatch(source: LogSource, token: string): AsyncGenerator<LogNews, void> {
  let seen: string | null = null;
  let isLost = false;
  let goesOn = true;
  do {
    try {
      // Before the reading, which then has all that was written until the end.
      goesOn = (await source.inProgress()) === token;
      const { log, truncated } = await source.read(token);
      const now = goesOn ? completeLines(log) : log;
      const news = seen === null ? { text: now, isGap: truncated } : logGrowth(seen, now);
      if (news.text !== '') yield { kind: 'lines', ...news };
      seen = now;
      isLost = false;
    } catch (error) {
      if (!goesOn || !isOspatchError(error) || !PASSING.includes(error.type)) throw error;
      if (!isLost) yield { kind: 'unreadable', message: error.message };
      isLost = true;
    }
    if (!goesOn) {
      yield { kind: 'over', wasInProgress: true };
      return;
    }
  } while (await source.pause());
}
