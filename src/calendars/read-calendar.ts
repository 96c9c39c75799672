/** Reads iCalendar files that an administrator has placed on the worker, by name. */
import path from 'node:path';
import { OspatchError } from '../domain/shared/errors';
import type { Period } from '../domain/schedule/blackouts';
import { UntrustedFile, readTrusted } from '../trusted-file';
import { periodsIn } from './periods';

const MAX_FILE_BYTES = 1024 * 1024;

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
  const text = readFileOf(calendarDir, name);
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
function readFileOf(calendarDir: string | null, name: string): string {
  const place = `place the iCalendar file ${name} in the worker's calendar directory (OSPATCH_CALENDAR_DIR), writable only for its owner`;
  const refuse = (why: string, remedy = place): OspatchError =>
    refused(`the calendar ${name} cannot be read: ${why}`, remedy);
  if (calendarDir === null) throw refuse('the worker has no calendar directory');
  if (path.basename(name) !== name || name.startsWith('.')) throw refuse(`${JSON.stringify(name)} is not a bare name`);
  try {
    return readTrusted(path.join(calendarDir, name), { secret: false, maxBytes: MAX_FILE_BYTES }).toString('utf8');
  } catch (error) {
    if (!(error instanceof UntrustedFile)) throw error;
    if (error.problem === 'missing') throw refuse('the worker has no such file');
    throw refuse(error.message.replace(/^.* is not used: /, ''), error.remedy);
  }
}

function refused(message: string, remedy: string): OspatchError {
  return new OspatchError({ type: 'Calendar', message, remedy });
}
