import { plainText } from '../../domain/shared/text';
import type { Key } from './keys';

/** As long as a reason may be on the command line. */
const MAX_CHARACTERS = 500;

/** The line after a key; pasted lines are joined by spaces, and what is too long is not taken. */
export function editLine(line: string, key: Key): string {
  switch (key.kind) {
    case 'text': {
      const added = line + inLine(key.text);
      return added.length <= MAX_CHARACTERS ? added : line;
    }
    case 'backspace':
      return Array.from(line).slice(0, -1).join('');
    case 'delete-word':
      return line.replace(/\S*\s*$/, '');
    case 'delete-line':
      return '';
    default:
      return line;
  }
}

/** A space between two words is a key of its own. */
function inLine(text: string): string {
  return text === ' ' ? text : plainText(text, MAX_CHARACTERS + 1);
}
