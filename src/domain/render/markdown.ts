import { isPlainWord } from '../shared/shell-words';
import { plainText } from '../shared/text';

/** Placeholder for a missing value. */
export const NO_VALUE = '–';

/**
 * What the Temporal UI would turn into a dash (an option) or a link (addresses of web pages and mail). A link in the text
 * of a node would lead its readers anywhere; escapes do not prevent it, since links are found in the rendered text.
 */
const AS_CODE =
  /(?<![\w-])--[a-z][a-z-]*|(?<![a-z0-9])(?:[a-z][a-z0-9+.-]{0,30}:\/\/|www\.|(?:mailto|xmpp):)[^\s|`<>\\]*|[\w.+-]+@[\w-]+(?:\.[\w-]+)+/gi;

/** Escapes text from nodes and users. References to characters (`&#104;`) would make links and hidden text again. */
export function text(value: string): string {
  const plain = plainText(value, 300);
  let escaped = '';
  let end = 0;
  for (const match of plain.matchAll(AS_CODE)) {
    escaped += `${escape(plain.slice(end, match.index))}\`${match[0]}\``;
    end = match.index + match[0].length;
  }
  return escaped + escape(plain.slice(end));
}

function escape(value: string): string {
  return value.replace(/[\\`*_[\]<>|&]/g, '\\$&');
}

/** A command as code, to be copied from the Temporal UI; else text. */
export function commandOrText(value: string): string {
  return isCommand(value) ? `\`${plainText(value, 300)}\`` : text(value);
}

/** A command alone, as opposed to a sentence about one, of words that a shell takes as they stand. */
function isCommand(value: string): boolean {
  const [program, ...words] = value.split(' ');
  // A comma at the end of a word is that of a sentence.
  return program === 'ospatch' && words.length > 0 && words.every((word) => word.split(',').every(isPlainWord));
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
