/**
 * Everything that a terminal or a browser may interpret or hide: C0 and C1 controls except line feed and tab, DEL, and the
 * characters of Unicode that reorder text or have no glyph (written out, because the property of Unicode that lists
 * them differs between releases of Node.js). U+FE0F stays, which emoji need.
 */
const CONTROLS = String.raw`\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb`;
/** Beyond U+FFFF: formats of shorthand and music, tags and further selectors of variants. */
const HIDDEN_PAIRS = String.raw`\ud82f[\udca0-\udca3]|\ud834[\udd73-\udd7a]|[\udb40-\udb43][\udc00-\udfff]`;
const UNSAFE_IN_LINE = new RegExp(String.raw`(?:[\t\n${CONTROLS}]|${HIDDEN_PAIRS})+`, 'g');
/** Colour and cursor sequences as a whole, then single characters. */
const UNSAFE_IN_LINES = new RegExp(String.raw`\u001b\[[0-9;?]*[ -/]*[@-~]|[${CONTROLS}]|${HIDDEN_PAIRS}`, 'g');

/**
 * One line of text that is safe to show and bounded in size: runs of control characters become one space, and text
 * longer than `max` characters is cut with an ellipsis, at the end of a word if one is near.
 */
export function plainText(value: string, max: number): string {
  // Limits the work on very long text; this much of it may be unsafe before text is lost.
  const line = (value.length > max * 16 ? value.slice(0, max * 16) : value).replace(UNSAFE_IN_LINE, ' ').trim();
  if (line.length <= max && value.length <= max * 16) return line;
  const cut = line.slice(0, max - 1);
  const isMidWord = /\S/.test(line.charAt(max - 1));
  const end = isMidWord ? cut.lastIndexOf(' ') : cut.length;
  // Long words, such as paths, are cut instead of dropped. Half of a surrogate pair is dropped.
  const kept = end > max * 0.8 ? cut.slice(0, end).trimEnd() : cut.replace(/[\ud800-\udbff]$/, '');
  return `${kept}…`;
}

/**
 * Several lines that are safe to show: no control characters except line feeds and tabs. Progress bars print a lone CR.
 */
export function plainLines(text: string): string {
  return text.replace(/\r\n?/g, '\n').replace(UNSAFE_IN_LINES, '');
}

/** External text as a clause, the stored form of all messages: without a final full stop. */
export function withoutFullStop(text: string): string {
  return text.replace(/(?<!\.)\.$/, '');
}

/** A stored clause as a sentence for display. */
export function asSentence(clause: string): string {
  return /[.…!?:]$/.test(clause) ? clause : `${clause}.`;
}
