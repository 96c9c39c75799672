/** Reads iCalendar files that an administrator has placed on the worker, by name. */
import { constants, open } from 'node:fs/promises';
import path from 'node:path';
import { OspatchError } from '../domain/shared/errors';
import type { Period } from '../domain/schedule/blackouts';
import { periodsIn } from './periods';

const MAX_FILE_BYTES = 1024 * 1024;

const OTHERS_MAY_WRITE = 0o022;

/**
 * The events of the calendar `name` in `calendarDir` that overlap the time from `from` to `to` (epoch milliseconds), in
 * order. Times without a zone are those of `timeZone`.
 *
 * @throws OspatchError `Calendar` when the file does not exist, others may write to it, or it cannot be understood
 */
export async function readCalendar(
  calendarDir: string | null,
  name: string,
  options: { timeZone: string; from: number; to: number },
): Promise<Period[]> {
  const text = await readFileOf(calendarDir, name);
  try {
    return await periodsIn(text, options);
  } catch (error) {
    throw refused(
      `the calendar ${name} cannot be understood: ${error instanceof Error ? error.message : String(error)}`,
      `correct the file ${name} in the worker's calendar directory`,
    );
  }
}

/** Whoever may change the file decides when nodes are patched. */
async function readFileOf(calendarDir: string | null, name: string): Promise<string> {
  const remedy = `place the iCalendar file ${name} in the worker's calendar directory (OSPATCH_CALENDAR_DIR), writable only for its owner`;
  const refuse = (why: string): OspatchError => refused(`the calendar ${name} cannot be read: ${why}`, remedy);
  if (calendarDir === null) throw refuse('the worker has no calendar directory');
  if (path.basename(name) !== name || name.startsWith('.')) throw refuse(`${JSON.stringify(name)} is not a bare name`);
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(path.join(calendarDir, name), flags).catch((error: NodeJS.ErrnoException) => {
    throw refuse(
      error.code === 'ENOENT' ? 'the worker has no such file' : `the worker may not open it (${error.code})`,
    );
  });
  try {
    const stats = await file.stat();
    const own = stats.uid === 0 || stats.uid === process.getuid?.();
    if (!stats.isFile() || !own || (stats.mode & OTHERS_MAY_WRITE) !== 0) {
      throw refuse("not a file that only the worker's user or root may write to");
    }
    const buffer = Buffer.alloc(MAX_FILE_BYTES + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < buffer.length; length += read) {
      ({ bytesRead: read } = await file.read(buffer, length, buffer.length - length));
    }
    if (length > MAX_FILE_BYTES) throw refuse(`larger than ${MAX_FILE_BYTES / 1024} KiB`);
    return buffer.toString('utf8', 0, length);
  } finally {
    await file.close();
  }
}

function refused(message: string, remedy: string): OspatchError {
  return new OspatchError({ type: 'Calendar', message, remedy });
}
