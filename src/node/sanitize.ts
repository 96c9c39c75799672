/** Text that came from a node: it is somebody else's, may be hostile and may hold secrets. */
import { redactSecrets } from '../domain/shared/redact';
import { plainLines } from '../domain/shared/text';

/** What travels with a failure at most. */
export const MAX_TAIL_BYTES = 8 * 1024;

/** Several lines of output, safe to show: no control characters but line ends and tabs, no credentials. */
export function cleanOutput(text: string): string {
  return redactSecrets(plainLines(text));
}

/** The last `maxBytes` of cleaned output, from the start of a line where there is one. */
export function outputTail(text: string, maxBytes: number = MAX_TAIL_BYTES): string {
  const clean = Buffer.from(cleanOutput(text).trimEnd());
  if (clean.length <= maxBytes) return clean.toString();
  const tail = clean.subarray(clean.length - maxBytes).toString();
  const line = tail.indexOf('\n');
  return line === -1 ? tail.replace(/^\uFFFD+/, '') : tail.slice(line + 1);
}

/**
 * The end of something longer, from the start of a line: of a line that was cut nobody can tell any more what in it is
 * a secret. When there is no other line, nothing is left.
 */
export function wholeLines(tail: string): string {
  const line = tail.indexOf('\n');
  return line === -1 ? '' : tail.slice(line + 1);
}
