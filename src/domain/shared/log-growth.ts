/** What is new in a log that is read again and again, of which only the end is read. */

export interface LogGrowth {
  text: string;
  /** Lines between the two readings are missing. */
  isGap: boolean;
}

/** Longer than what a log repeats by chance, and quick to find. */
const OVERLAP_LENGTH = 200;

/** The part of `now` after `before`, an earlier reading of the same log. Either may lack its beginning. */
export function logGrowth(before: string, now: string): LogGrowth {
  if (now.startsWith(before)) return { text: now.slice(before.length), isGap: false };
  const overlap = before.slice(-OVERLAP_LENGTH);
  for (let at = now.lastIndexOf(overlap); at >= 0; at = at === 0 ? -1 : now.lastIndexOf(overlap, at - 1)) {
    const end = at + overlap.length;
    if (before.endsWith(now.slice(0, end))) return { text: now.slice(end), isGap: false };
  }
  return { text: now, isGap: true };
}

/** Without a last line that is still being written. */
export function completeLines(text: string): string {
  return text.slice(0, text.lastIndexOf('\n') + 1);
}
