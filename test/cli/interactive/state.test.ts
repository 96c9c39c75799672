import type { Key } from '../../../src/cli/interactive/keys';
import type { Seen, WatchEffect, WatchState } from '../../../src/cli/interactive/state';
import { FIRST_STATE, pressKey, withText } from '../../../src/cli/interactive/state';

const SEEN: Seen = { nodes: ['w-1', 'w-2', 'w-3'], isPaused: false, lastTop: 5, pageLines: 2 };
const ENTER: Key = { kind: 'enter' };
const ESCAPE: Key = { kind: 'escape' };

/** The state after keys, each a letter or a key, and the effects on the way. */
function press(keys: readonly (string | Key)[], seen: Partial<Seen> = {}, from: WatchState = FIRST_STATE) {
  let state = from;
  const effects: WatchEffect[] = [];
  for (const key of keys) {
    const step = pressKey(state, typeof key === 'string' ? { kind: 'text', text: key } : key, { ...SEEN, ...seen });
    state = step.state;
    if (step.effect !== undefined) effects.push(step.effect);
  }
  return { state, effects };
}

describe('src/cli/interactive/state', () => {
  test.each([
    [['j', 'j'], 'w-3'],
    [[{ kind: 'down' }, { kind: 'down' }, { kind: 'down' }, { kind: 'up' }], 'w-2'],
    [['G'], 'w-3'],
    [['G', 'g'], 'w-1'],
    [[' '], 'w-3'],
    [['k'], 'w-1'],
  ] as [(string | Key)[], string][])('%j chooses %s', (keys, node) => {
    expect(press(keys).state.selected).toBe(node);
  });

  test('stays with the chosen node when the order of the nodes changes, and goes to the first when it is gone', () => {
    const { state } = press(['j']);
    expect(press([ENTER], { nodes: ['w-3', 'w-1', 'w-2'] }, state).state.page).toMatchObject({ node: 'w-2' });
    expect(press([ENTER], { nodes: ['w-3', 'w-1'] }, state).state.page).toMatchObject({ node: 'w-3' });
  });

  test('Enter shows a node, Esc returns', () => {
    expect(press(['j', ENTER]).state.page).toEqual({ kind: 'node', node: 'w-2', top: 0 });
    expect(press(['j', ENTER, ESCAPE]).state).toEqual({ ...FIRST_STATE, selected: 'w-2' });
  });

  test('scrolls a page, never beyond its end', () => {
    const top = (...keys: (string | Key)[]) => press(['?', ...keys]).state.page;
    expect(top('j', 'j')).toEqual({ kind: 'help', top: 2 });
    expect(top('G', 'j')).toEqual({ kind: 'help', top: 5 });
    expect(top('G', 'k', 'g', 'k')).toEqual({ kind: 'help', top: 0 });
  });

  test.each([
    ['p', { action: 'pause', node: null }],
    ['r', { action: 'retry', node: 'w-2' }],
    ['s', { action: 'skip', node: 'w-2' }],
  ])('%s sends nothing before a reason and a y', (letter, order) => {
    const asked = press(['j', letter, ...Array.from('why y'), ENTER]);
    expect(asked.effects).toEqual([]);
    expect(asked.state.prompt).toMatchObject({ awaits: 'confirmation' });
    const { state, effects } = press(['y'], {}, asked.state);
    expect(effects).toEqual([{ kind: 'send', order: { ...order, reason: 'why y' } }]);
    expect(state).toMatchObject({ prompt: null, isBusy: true });
  });

  test('p resumes a paused cluster', () => {
    expect(press(['p', ENTER, 'y'], { isPaused: true }).effects).toEqual([
      { kind: 'send', order: { action: 'resume', node: null, reason: '' } },
    ]);
  });

  test.each([
    ['Esc instead of a reason', ['p', 'x', ESCAPE]],
    ['Esc instead of a y', ['p', ENTER, ESCAPE]],
    ['Enter instead of a y', ['p', ENTER, ENTER]],
    ['another letter instead of a y', ['p', ENTER, 'n']],
    ['a pasted y', ['p', ENTER, 'y\n']],
    ['pasted lines', ['r\nsomething\ny\n']],
  ] as [string, (string | Key)[]][])('%s sends nothing', (_name, keys) => {
    const { state, effects } = press(keys);
    expect(effects).toEqual([]);
    expect(state.prompt).toBeNull();
  });

  test('letters of a reason are no orders', () => {
    expect(press(['p', 'q', '?', 'l']).state.prompt?.order.reason).toBe('q?l');
  });

  test('waits for the answer to one order before it takes another', () => {
    const { state } = press(['p', ENTER, 'y', 's']);
    expect(state).toMatchObject({ prompt: null, message: 'the order before this one is not answered yet' });
  });

  test('a log opens at its end, and does not replace the page that the user went to meanwhile', () => {
    const { state, effects } = press(['l']);
    const [effect] = effects;
    if (effect?.kind !== 'read') throw new Error('nothing is read');
    expect(effect.reading).toEqual({ name: 'logs', node: 'w-1' });
    expect(withText(state, effect.reading, 'log').page).toMatchObject({ text: 'log', top: Number.MAX_SAFE_INTEGER });
    const elsewhere = press([ESCAPE, '?'], {}, state).state;
    expect(withText(elsewhere, effect.reading, 'log')).toBe(elsewhere);
    const explaining = press([ESCAPE, 'e'], {}, state).state;
    expect(withText(explaining, effect.reading, 'log')).toBe(explaining);
  });

  test('keys on a page are about the node of the page', () => {
    expect(press(['j', ENTER, 'e']).effects).toEqual([{ kind: 'read', reading: { name: 'explain', node: 'w-2' } }]);
    expect(press(['j', 'l', 'r', ENTER, 'y']).effects.at(-1)).toMatchObject({
      order: { action: 'retry', node: 'w-2' },
    });
  });

  test('without nodes there is the cluster only', () => {
    const none = { nodes: [] };
    expect(press(['e'], none).effects).toEqual([{ kind: 'read', reading: { name: 'explain', node: null } }]);
    for (const letter of ['l', 'r', 's']) expect(press([letter], none).state.message).toMatch(/has no nodes/);
    expect(press([ENTER, 'j'], none).state.page.kind).toBe('nodes');
  });

  test.each([
    ['q', { kind: 'end', how: 'quit' }],
    [{ kind: 'interrupt' }, { kind: 'end', how: 'interrupt' }],
    [{ kind: 'suspend' }, { kind: 'stop', signal: 'SIGTSTP' }],
    [{ kind: 'quit-signal' }, { kind: 'stop', signal: 'SIGQUIT' }],
  ] as [string | Key, WatchEffect][])('%j ends or stops', (key, effect) => {
    expect(press([key]).effects).toEqual([effect]);
  });

  test('Ctrl-C ends during a prompt too', () => {
    expect(press(['p', 'x', { kind: 'interrupt' }]).effects).toEqual([{ kind: 'end', how: 'interrupt' }]);
  });
});
