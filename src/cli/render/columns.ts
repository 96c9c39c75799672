/** Text width on a terminal, and text wrapping. */
import stringWidth from 'string-width';

const PLAIN = /^[ -~]*$/;

/** A fully coloured text: start sequence, text, end sequence. */
// oxlint-disable-next-line no-control-regex -- matching colours is the purpose
const COLOURED = /^((?:\u001b\[\d+m)+)([^\u001b]*)((?:\u001b\[\d+m)+)$/;

/**
 * Break opportunities: after a space, and after a hyphen before a letter (`self-managed`, but not in a date or
 * version).
 */
const BREAKS = /(?<= )(?! )|(?<=[A-Za-z0-9]-)(?=[A-Za-z])/;

/** Width on a terminal: wide characters take two columns, colour sequences none. */
export function textWidth(line: string): number {
  return PLAIN.test(line) ? line.length : stringWidth(line);
}

export function padTo(line: string, width: number): string {
  return line + ' '.repeat(Math.max(0, width - textWidth(line)));
}

/** Lines of at most `width` columns; only a longer word exceeds it. The colour is applied to each line. */
export function wrapText(text: string, width: number): string[] {
  return text.split('\n').flatMap((line) => (textWidth(line) <= width ? [line] : wrapLine(line, width)));
}

/** The same, each line with the indent of the line that it continues. */
export function wrapIndented(text: string, width = Infinity): string {
  return text
    .split('\n')
    .flatMap((line) => {
      const indent = /^ */.exec(line)?.[0] ?? '';
      return wrapText(line.slice(indent.length), width - indent.length).map((part) => `${indent}${part}`);
    })
    .join('\n');
}

/** The same as `wrapText`, and longer words are broken: no line exceeds the width. Without colours. */
export function foldText(text: string, width: number): string[] {
  return wrapText(text.replaceAll('\t', '    '), width).flatMap((line) => foldLine(line, Math.max(2, width)));
}

function foldLine(line: string, width: number): string[] {
  const lines = [''];
  let room = width;
  for (const char of line) {
    const needed = textWidth(char);
    if (needed > room) {
      lines.push('');
      room = width;
    }
    lines.push(`${lines.pop() ?? ''}${char}`);
    room -= needed;
  }
  return lines;
}

function wrapLine(line: string, width: number): string[] {
  const coloured = COLOURED.exec(line);
  if (coloured !== null) {
    const [, begin = '', text = '', end = ''] = coloured;
    return wrapLine(text, width).map((part) => `${begin}${part}${end}`);
  }
  const lines: string[] = [];
  let current = '';
  for (const word of line.split(BREAKS)) {
    if (current !== '' && textWidth((current + word).trimEnd()) > width) {
      lines.push(current.trimEnd());
      current = '';
    }
    current += word;
  }
  return [...lines, current.trimEnd()];
}

// oxlint-disable-next-line no-control-regex -- matching colours is the purpose
const PARTS = /(\u001b\[\d+m)|([\s\S])/gu;

/** The line, of at most `width` columns; a cut one ends in an ellipsis. Colours are kept, and end where they did. */
export function cutLine(line: string, width: number): string {
  if (textWidth(line) <= width) return line;
  let cut = '';
  let room = width - 1;
  for (const [part, colour, char] of line.matchAll(PARTS)) {
    if (colour !== undefined) cut += colour;
    else if (room >= 0) {
      room -= textWidth(char ?? '');
      cut += room >= 0 ? part : '…';
    }
  }
  return cut;
}
