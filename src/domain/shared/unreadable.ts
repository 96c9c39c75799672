/** What stands in for an argument that a worker cannot read. A text, so that every parser of messages refuses it. */
import { plainText } from './text';

const UNREADABLE = 'unreadable payload: ';
const MAX_WHY = 300;

export function unreadable(why: string): string {
  return `${UNREADABLE}${why}`;
}

/** Why `value` could not be read, for a sentence; null for what was read. */
export function whyUnreadable(value: unknown): string | null {
  if (typeof value !== 'string' || !value.startsWith(UNREADABLE)) return null;
  return plainText(value.slice(UNREADABLE.length), MAX_WHY);
}
