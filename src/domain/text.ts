/** Everything a terminal could take as a command: C0 and C1 controls, DEL, and the Unicode marks that reorder or hide text. */
// oxlint-disable-next-line no-control-regex -- matching control characters is the purpose
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]+/g;

/**
 * One line of text that is safe to show and small enough to keep: runs of control characters become one space, and what
 * is longer than `max` characters is cut with an ellipsis.
 */
export function plainText(value: string, max: number): string {
  // Of megabytes only the beginning is looked at; so much of it may be unsafe before text gets lost.
  const line = (value.length > max * 16 ? value.slice(0, max * 16) : value).replace(UNSAFE, ' ').trim();
  // Half of a surrogate pair is no character.
  return line.length <= max && value.length <= max * 16
    ? line
    : `${line.slice(0, max - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}
