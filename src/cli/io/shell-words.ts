/** Command lines as a user may paste them into a POSIX shell. */

const SAFE_WORD = /^[A-Za-z0-9_@%+=:,./-]+$/;

/** The words as one line, each of them quoted where a shell would change it. */
export function shellLine(words: readonly string[]): string {
  return words.map(shellWord).join(' ');
}

function shellWord(word: string): string {
  return SAFE_WORD.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
