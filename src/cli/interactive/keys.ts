/** Keys as the terminal sends them, and what they mean to the display. */

/** A key without a character of its own, or `text`: one character or a pasted text. */
export type Key = { kind: KeyName } | { kind: 'text'; text: string };

export type KeyName =
  | 'up'
  | 'down'
  | 'page-up'
  | 'page-down'
  | 'home'
  | 'end'
  | 'enter'
  | 'escape'
  | 'backspace'
  | 'delete-word'
  | 'delete-line'
  | 'interrupt'
  | 'suspend'
  | 'quit-signal'
  | 'redraw';

/** What `readline` reports of a key. */
export interface KeyPress {
  name?: string | undefined;
  sequence?: string | undefined;
  ctrl?: boolean | undefined;
  meta?: boolean | undefined;
}

const BY_NAME: Readonly<Record<string, KeyName>> = {
  up: 'up',
  down: 'down',
  pageup: 'page-up',
  pagedown: 'page-down',
  home: 'home',
  end: 'end',
  return: 'enter',
  enter: 'enter',
  escape: 'escape',
  backspace: 'backspace',
};

const WITH_CTRL: Readonly<Record<string, KeyName>> = {
  c: 'interrupt',
  z: 'suspend',
  '\\': 'quit-signal',
  l: 'redraw',
  u: 'delete-line',
  w: 'delete-word',
  h: 'backspace',
  p: 'up',
  n: 'down',
  b: 'page-up',
  f: 'page-down',
};

/** Ctrl-\ has no name. */
const QUIT_CHARACTER = '\u001c';

// oxlint-disable-next-line no-control-regex -- keys without a meaning send control characters
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/**
 * Turns key presses into keys. What stands between the marks of a bracketed paste becomes one `text`, so that pasted lines are
 * never taken for orders.
 */
export class KeyReader {
  private pasted: string | null = null;

  /** The key that the press completes; null: none, or one without a meaning. */
  read(character: string | undefined, press: KeyPress): Key | null {
    const { name, sequence = character ?? '' } = press;
    if (name === 'paste-start') {
      this.pasted = '';
      return null;
    }
    if (name === 'paste-end') {
      const text = this.pasted ?? '';
      this.pasted = null;
      return text === '' ? null : { kind: 'text', text };
    }
    if (this.pasted !== null) {
      this.pasted += sequence;
      return null;
    }
    if (sequence === QUIT_CHARACTER) return { kind: 'quit-signal' };
    const kind = press.ctrl === true ? WITH_CTRL[name ?? ''] : BY_NAME[name ?? ''];
    if (kind !== undefined) return { kind };
    const isText = press.ctrl !== true && press.meta !== true && sequence !== '' && !CONTROL.test(sequence);
    return isText ? { kind: 'text', text: sequence } : null;
  }
}
