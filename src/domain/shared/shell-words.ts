/** Command lines as a user may paste them into a POSIX shell. */

const SAFE_WORD = /^[A-Za-z0-9_@%+=:,./-]+$/;

/** The words as one line, each of them quoted where a shell would change it. */
export function shellLine(words: readonly string[]): string {
  return words.map(shellWord).join(' ');
}

/** Whether a shell takes a text as it stands, as one word. */
export function isPlainWord(text: string): boolean {
  return SAFE_WORD.test(text);
}

/** One word, quoted where a shell would change it, such as the escapes in the name of a unit (`a\\x2db.service`). */
export function shellWord(word: string): string {
  return isPlainWord(word) ? word : inSingleQuotes(word);
}

/** Any text as one word of a shell, always quoted. */
export function inSingleQuotes(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
