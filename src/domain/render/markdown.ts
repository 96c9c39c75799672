import { plainText } from '../shared/text';

/** Placeholder for a missing value. */
export const NO_VALUE = '–';

const OPTION = /(?<![\w-])--[a-z][a-z-]*/g;

/** A command alone, as opposed to a sentence about one. */
const COMMAND = /^ospatch [^,;`]+$/;

/** Escapes text from nodes and users. An option is code, or the Temporal UI would show its hyphens as a dash. */
export function text(value: string): string {
  return plainText(value, 300)
    .replace(/[\\`*_[\]<>|]/g, '\\$&')
    .replace(OPTION, '`$&`');
}

/** A command as code, to be copied from the Temporal UI; else text. */
export function commandOrText(value: string): string {
  return COMMAND.test(value) ? `\`${plainText(value, 300)}\`` : text(value);
}

/** Code is left as it is: a command takes the form of a time that it has. */
const CODE_OR_INSTANT = /(?<!\\)`[^`]+`|(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2})(:\d{2})?(?:\.\d+)?(Z|[+-]\d{2}:\d{2})/g;

/** The times of a text as people read them: `2027-01-31 18:00:00 UTC`. An offset stays an offset, as in `18:00:00 +01:00`. */
export function readableTimes(markdown: string): string {
  return markdown.replace(
    CODE_OR_INSTANT,
    (all: string, date: string | undefined, minute: string, second: string | undefined, zone: string) =>
      date === undefined ? all : `${date} ${minute}${second ?? ''} ${zone === 'Z' ? 'UTC' : zone}`,
  );
}
