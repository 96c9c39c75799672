interface Cell {
  char: string;
  style: string;
}

const { Screen } = require('../../scripts/terminal-screen') as {
  Screen: new (columns: number) => { write(text: string): void; lines(): Cell[][] };
};

function shown(output: string, columns = 40): string[] {
  const screen = new Screen(columns);
  screen.write(output);
  return screen.lines().map((line) => line.map((cell) => cell.char).join(''));
}

describe('scripts/terminal-screen.js', () => {
  it('shows only the last frame of a redrawn display', () => {
    const frame = (done: number) => `\x1b[2Kw-1 apply\r\n\x1b[2K${done} of 9\r\n`;
    expect(shown(`start\r\n${frame(1)}\x1b[2A${frame(9)}end`)).toEqual(['start', 'w-1 apply', '9 of 9', 'end']);
  });

  it('clears the text behind the cursor when the rest of the screen is erased', () => {
    expect(shown('one\r\ntwo\r\nthree\x1b[1A\r\x1b[J')).toEqual(['one']);
  });

  it('overwrites from the start of the line after a carriage return', () => {
    expect(shown('10 %\r99')).toEqual(['99 %']);
  });

  it('wraps at the right margin', () => {
    expect(shown('abcdef', 4)).toEqual(['abcd', 'ef']);
  });

  it('keeps colour and weight until reset and shows no escape sequence', () => {
    const screen = new Screen(40);
    screen.write('\x1b[1;32mok\x1b[0m no\x1b]0;title\x07');
    const [line] = screen.lines();
    expect(line?.map((cell) => cell.char).join('')).toBe('ok no');
    expect(line?.[0]?.style).toContain('bold');
    expect(line?.[1]?.style).toBe(line?.[0]?.style);
    expect(line?.[3]?.style).not.toContain('bold');
  });
});
