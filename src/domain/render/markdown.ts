import { plainText } from '../shared/text';

/** Placeholder for a missing value. */
export const NO_VALUE = '–';

/** Escapes text from nodes and users. */
export function text(value: string): string {
  return plainText(value, 300).replace(/[\\`*_[\]<>|]/g, '\\$&');
}
