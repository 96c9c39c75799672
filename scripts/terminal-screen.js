// A minimal terminal emulator: supports programs that redraw lines in place and use colours.

const COLOURS = ['#5c6370', '#e06c75', '#98c379', '#e5c07b', '#61afef', '#c678dd', '#56b6c2', '#d7dae0'];
const FOREGROUND = '#d7dae0';

class Screen {
  #columns;
  #rows = [[]];
  #row = 0;
  #column = 0;
  #bold = false;
  #dim = false;
  #colour = undefined;

  constructor(columns) {
    this.#columns = columns;
  }

  /** Cells `{ char, style }` of every line so far; an empty last line is omitted. */
  lines() {
    const rows = this.#rows.map((row) => Array.from(row, (cell) => cell ?? { char: ' ', style: this.#style() }));
    return rows.at(-1)?.length === 0 ? rows.slice(0, -1) : rows;
  }

  write(text) {
    // An escape sequence, or one character.
    // oxlint-disable-next-line no-control-regex -- control characters are terminal input
    for (const [token] of text.matchAll(/\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*(?:\x07|\x1b\\)|\x1b.|[^]/gu)) {
      if (token.startsWith('\x1b[')) this.#control(token.at(-1), token.slice(2, -1));
      else if (token === '\n') this.#moveTo(this.#row + 1, this.#column);
      else if (token === '\r') this.#column = 0;
      else if (token === '\b') this.#column = Math.max(0, this.#column - 1);
      else if (token === '\t') this.#column += 8 - (this.#column % 8);
      else if (!token.startsWith('\x1b') && token >= ' ') this.#put(token);
    }
  }

  #put(char) {
    if (this.#column >= this.#columns) this.#moveTo(this.#row + 1, 0);
    this.#rows[this.#row][this.#column] = { char, style: this.#style() };
    this.#column += 1;
  }

  #control(letter, parameters) {
    const numbers = parameters.split(';').map(Number);
    const count = numbers[0] || 1;
    if (letter === 'm') for (const number of numbers) this.#look(number);
    else if (letter === 'A') this.#moveTo(Math.max(0, this.#row - count), this.#column);
    else if (letter === 'B') this.#moveTo(this.#row + count, this.#column);
    else if (letter === 'C') this.#column += count;
    else if (letter === 'D') this.#column = Math.max(0, this.#column - count);
    else if (letter === 'E') this.#moveTo(this.#row + count, 0);
    else if (letter === 'F') this.#moveTo(Math.max(0, this.#row - count), 0);
    else if (letter === 'G') this.#column = count - 1;
    else if (letter === 'K')
      this.#rows[this.#row].length = numbers[0] === 2 ? 0 : Math.min(this.#column, this.#rows[this.#row].length);
    else if (letter === 'J') {
      this.#rows[this.#row].length = Math.min(this.#column, this.#rows[this.#row].length);
      this.#rows.length = this.#row + 1;
    }
  }

  #look(number) {
    if (number === 0) [this.#bold, this.#dim, this.#colour] = [false, false, undefined];
    else if (number === 1) this.#bold = true;
    else if (number === 2) this.#dim = true;
    else if (number === 22) [this.#bold, this.#dim] = [false, false];
    else if (number === 39) this.#colour = undefined;
    else if (number >= 30 && number <= 37) this.#colour = COLOURS[number - 30];
    else if (number >= 90 && number <= 97) this.#colour = COLOURS[number - 90];
  }

  #moveTo(row, column) {
    while (this.#rows.length <= row) this.#rows.push([]);
    this.#row = row;
    this.#column = column;
  }

  #style() {
    const bold = this.#bold ? ' font-weight="bold"' : '';
    const dim = this.#dim ? ' opacity="0.6"' : '';
    return `fill="${this.#colour ?? FOREGROUND}"${bold}${dim}`;
  }
}

module.exports = { Screen };
