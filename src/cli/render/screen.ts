import type { Writable } from 'node:stream';

const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';
// The terminal truncates long lines, so that a frame has as many rows as lines.
const WRAP_OFF = '\u001b[?7l';
const WRAP_ON = '\u001b[?7h';
// Before the text: behind a line as wide as the terminal the cursor stands on the last character.
const CLEAR_LINE = '\u001b[2K';
const CLEAR_BELOW = '\u001b[J';
const CLEAR_ALL = '\u001b[2J\u001b[H';

const DEFAULT_HEIGHT = 24;

/** A block of lines at the bottom of a terminal, redrawn in a single write. */
export class Screen {
  private drawn = 0;
  private size = '';
  private readonly restore = (): void => {
    this.out.write(WRAP_ON + SHOW_CURSOR);
  };

  constructor(private readonly out: Writable) {}

  get height(): number {
    return this.dimension('rows') ?? DEFAULT_HEIGHT;
  }

  draw(lines: readonly string[]): void {
    const size = `${this.dimension('columns')}x${this.dimension('rows')}`;
    const isFirst = this.size === '';
    if (isFirst) process.once('exit', this.restore);
    // After a resize the terminal has reflowed the frame, so its position is unknown.
    const back = !isFirst && size !== this.size ? CLEAR_ALL : this.drawn === 0 ? '' : `\r\u001b[${this.drawn}A`;
    this.size = size;
    this.drawn = lines.length;
    const text = lines.map((line) => `${CLEAR_LINE}${line}\n`).join('');
    this.out.write(HIDE_CURSOR + WRAP_OFF + back + text + CLEAR_BELOW + WRAP_ON);
  }

  /** The next frame begins at the cursor: what stands above belongs to somebody else. */
  release(): void {
    if (this.size === '') return;
    this.drawn = 0;
    this.restore();
  }

  /** The next frame is drawn on an empty screen. */
  clear(): void {
    if (this.size !== '') this.size = 'unknown';
  }

  /** Leaves the last frame and restores the terminal. */
  close(): void {
    if (this.size === '') return;
    process.removeListener('exit', this.restore);
    this.restore();
  }

  private dimension(name: 'rows' | 'columns'): number | undefined {
    const value: unknown = Reflect.get(this.out, name);
    return typeof value === 'number' && value > 0 ? value : undefined;
  }
}
