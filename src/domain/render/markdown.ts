import { plainText } from '../shared/text';

/** Stands for a value that there is not. */
export const NO_VALUE = '–';

/** Text from nodes and people must not become markup. */
export function text(value: string): string {
  return plainText(value, 300).replace(/[\\`*_[\]<>|]/g, '\\$&');
}
