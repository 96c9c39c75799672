import { PassThrough } from 'node:stream';
import { emitKeypressEvents } from 'node:readline';
import { editLine } from '../../../src/cli/interactive/line-editor';
import type { Key } from '../../../src/cli/interactive/keys';
import { KeyReader } from '../../../src/cli/interactive/keys';

/** What a terminal sends, as keys. */
function keysOf(sent: string): Key[] {
  const terminal = new PassThrough();
  const reader = new KeyReader();
  const keys: Key[] = [];
  emitKeypressEvents(terminal);
  terminal.on('keypress', (character: string | undefined, press: object) => {
    const key = reader.read(character, press);
    if (key !== null) keys.push(key);
  });
  terminal.emit('data', Buffer.from(sent));
  return keys;
}

const text = (value: string): Key => ({ kind: 'text', text: value });

describe('src/cli/interactive/keys', () => {
  test.each([
    ['\u001b[A', ['up']],
    ['\u001bOB', ['down']],
    ['\u001b[5~\u001b[6~', ['page-up', 'page-down']],
    ['\u001b[H\u001b[F', ['home', 'end']],
    ['\r', ['enter']],
    ['\n', ['enter']],
    ['\u0003', ['interrupt']],
    ['\u001a', ['suspend']],
    ['\u001c', ['quit-signal']],
    ['\u007f\u0008\u0015\u0017', ['backspace', 'backspace', 'delete-line', 'delete-word']],
    ['\u000c', ['redraw']],
  ])('reads %j', (sent, kinds) => {
    expect(keysOf(sent).map(({ kind }) => kind)).toEqual(kinds);
  });

  test('reads characters, also those outside of ASCII', () => {
    expect(keysOf('jä界🙂?')).toEqual(['j', 'ä', '界', '🙂', '?'].map(text));
  });

  test.each([['\u0001'], ['\u001b[24~'], ['\u001b[1;3P'], ['\u001bx'], ['\u0000']])('ignores %j', (sent) => {
    expect(keysOf(sent)).toEqual([]);
  });

  test('takes a pasted text for one text, never for keys', () => {
    expect(keysOf('\u001b[200~r\ny\u001b[201~q')).toEqual([text('r\ny'), text('q')]);
  });
});

describe('src/cli/interactive/line-editor', () => {
  test('adds, deletes by characters and words, and clears', () => {
    const after = (line: string, ...keys: Key[]) => keys.reduce(editLine, line);
    expect(after('', text('f'), text('o'), text(' '))).toBe('fo ');
    expect(after('a🙂', { kind: 'backspace' })).toBe('a');
    expect(after('one two ', { kind: 'delete-word' })).toBe('one ');
    expect(after('one', { kind: 'delete-line' })).toBe('');
    expect(after('one', { kind: 'up' })).toBe('one');
  });

  test('makes one line of pasted ones, without control characters', () => {
    expect(editLine('', text('two\nlines\u001b[2J'))).toBe('two lines [2J');
  });

  test('takes no more than a reason may have', () => {
    const full = 'x'.repeat(500);
    expect(editLine(full, text('y'))).toBe(full);
  });
});
