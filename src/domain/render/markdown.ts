import { plainText } from '../shared/text';

/** Placeholder for a missing value. */
export const NO_VALUE = '–';

/** Escapes text from nodes and users. */
export function text(value: string): string {
  return plainText(value, 300).replace(/[\\`*_[\]<>|]/g, '\\$&');
}

const INSTANT = /(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2})(:\d{2})?(?:\.\d+)?(Z|[+-]\d{2}:\d{2})/g;

/** The times of a text as people read them: `2027-01-31 18:00:00 UTC`. An offset stays an offset, as in `18:00:00 +01:00`. */
export function readableTimes(markdown: string): string {
  return markdown.replace(
    INSTANT,
    (_, date: string, minute: string, second: string | undefined, zone: string) =>
      `${date} ${minute}${second ?? ''} ${zone === 'Z' ? 'UTC' : zone}`,
  );
}
