/** Login user names, local or of a directory (`first.last`, `svc@corp.example.com`, `CORP\svc`). */

/** Maximum length. */
const MAX_CHARS = 128;

const PART = '[A-Za-z0-9_][A-Za-z0-9_.@+-]*';
/** `ALL` means everyone in sudoers. */
export const USER_NAME = new RegExp(`^(?!ALL$)(?=.{1,${MAX_CHARS}}$)${PART}(?:\\\\${PART})?\\$?$`);

export const USER_NAME_FORMAT = `a user name of at most ${MAX_CHARS} characters: letters, digits and . _ - + @, beginning with a letter, digit or underscore, e.g. ospatch, first.last or CORP\\svc`;

export function isUserName(name: string): boolean {
  return USER_NAME.test(name);
}

/** The name quoted for a shell. */
export function shellUserName(name: string): string {
  return /[\\$]/.test(name) ? `'${name}'` : name;
}
