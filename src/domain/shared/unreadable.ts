/** Placeholder for an argument that a worker cannot decode. A string, so that every message parser rejects it. */
import { plainText } from './text';

const UNREADABLE = 'unreadable payload: ';
const MAX_WHY = 300;

export function unreadable(why: string): string {
  return `${UNREADABLE}${why}`;
}

/** Why `value` could not be decoded, as part of a sentence; null when `value` is no placeholder. */
export function whyUnreadable(value: unknown): string | null {
  if (typeof value !== 'string' || !value.startsWith(UNREADABLE)) return null;
  return plainText(value.slice(UNREADABLE.length), MAX_WHY);
}
