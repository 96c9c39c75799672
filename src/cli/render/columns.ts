/** The width of text on a terminal, and text that is made to fit one. */
import stringWidth from 'string-width';

const PLAIN = /^[ -~]*$/;

/** A text that is coloured as a whole: what begins the colour, the text, what ends it. */
// oxlint-disable-next-line no-control-regex -- matching colours is the purpose
const COLOURED = /^((?:\u001b\[\d+m)+)([^\u001b]*)((?:\u001b\[\d+m)+)$/;

/** After a space, and after a hyphen before a letter (`self-managed`, but neither a date nor a version). */
const BREAKS = /(?<= )(?! )|(?<=[A-Za-z0-9]-)(?=[A-Za-z])/;

/** Columns that a line takes on a terminal: wide characters take two, colours none. */
export function textWidth(line: string): number {
  return PLAIN.test(line) ? line.length : stringWidth(line);
}

export function padTo(line: string, width: number): string {
  return line + ' '.repeat(Math.max(0, width - textWidth(line)));
}

/** Lines of at most `width` columns; only a single longer word takes more. A coloured text is so in each line. */
export function wrapText(text: string, width: number): string[] {
  return text.split('\n').flatMap((line) => (textWidth(line) <= width ? [line] : wrapLine(line, width)));
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
