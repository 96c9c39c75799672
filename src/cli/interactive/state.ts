/** What the keys of `status --watch` do: from the present state and a key to the next state and an effect, without I/O. */
import type { Key, KeyName } from './keys';
import { editLine } from './line-editor';

/** Each is a command of the same name. */
export type WatchAction = 'pause' | 'resume' | 'retry' | 'skip';

/** A change that the user asks for. */
export interface Order {
  action: WatchAction;
  /** Null: the cluster as a whole. */
  node: string | null;
  /** Empty: none was given. */
  reason: string;
}

export type ReadingName = 'logs' | 'explain';

/** A text that is read for the user. */
export interface Reading {
  name: ReadingName;
  /** Null: of the cluster. */
  node: string | null;
}

/** `top`: the first line that is shown; more than there are: the last ones. */
export type Page =
  | { kind: 'nodes' }
  | { kind: 'node'; node: string; top: number }
  | { kind: 'help'; top: number }
  /** `text`: null while it is read. */
  | { kind: 'reading'; reading: Reading; text: string | null; top: number };

export interface WatchState {
  /** Name of a node; null: the first one. */
  selected: string | null;
  page: Page;
  /** The order for which a reason or a confirmation is awaited. */
  prompt: { order: Order; awaits: 'reason' | 'confirmation' } | null;
  /** Whether an order has been sent and is not answered yet. */
  isBusy: boolean;
  message: string | null;
}

/** What the user sees when a key is pressed. */
export interface Seen {
  /** Names in the order of the display. */
  nodes: readonly string[];
  isPaused: boolean;
  /** The greatest `top` of the present page that still fills it. */
  lastTop: number;
  /** Lines by which a page is turned. */
  pageLines: number;
}

export type WatchEffect =
  | { kind: 'end'; how: 'quit' | 'interrupt' }
  | { kind: 'stop'; signal: 'SIGTSTP' | 'SIGQUIT' }
  | { kind: 'redraw' }
  | { kind: 'read'; reading: Reading }
  | { kind: 'send'; order: Order };

export interface KeyStep {
  state: WatchState;
  effect?: WatchEffect;
}

export const FIRST_STATE: WatchState = {
  selected: null,
  page: { kind: 'nodes' },
  prompt: null,
  isBusy: false,
  message: null,
};

/** The state after a key, and what has to be done. */
export function pressKey(state: WatchState, key: Key, seen: Seen): KeyStep {
  switch (key.kind) {
    case 'interrupt':
      return { state, effect: { kind: 'end', how: 'interrupt' } };
    case 'suspend':
      return { state, effect: { kind: 'stop', signal: 'SIGTSTP' } };
    case 'quit-signal':
      return { state, effect: { kind: 'stop', signal: 'SIGQUIT' } };
    case 'redraw':
      return { state, effect: { kind: 'redraw' } };
    default:
  }
  if (state.prompt?.awaits === 'reason') return typeReason(state, state.prompt.order, key);
  if (state.prompt !== null) return confirmOrder(state, state.prompt.order, key);
  const moved = state.page.kind === 'nodes' ? moveSelection(state, key, seen) : turnPage(state, state.page, key, seen);
  return moved ?? command(state, key, seen);
}

/** The text of a reading, unless the user has left its page. */
export function withText(state: WatchState, reading: Reading, text: string): WatchState {
  const { page } = state;
  if (page.kind !== 'reading' || page.reading !== reading) return state;
  // The end of a log is what was asked for.
  return { ...state, page: { ...page, text, top: reading.name === 'logs' ? Number.MAX_SAFE_INTEGER : 0 } };
}

/** The node that is meant by a key: that of the page, else the selected one; null: there is none. */
export function nodeInQuestion({ page, selected }: WatchState, nodes: readonly string[]): string | null {
  if (page.kind === 'node') return page.node;
  if (page.kind === 'reading' && page.reading.node !== null) return page.reading.node;
  return nodes[selectedIndex(selected, nodes)] ?? null;
}

/** The place of the selected node; that of the first one if it is gone. */
export function selectedIndex(selected: string | null, nodes: readonly string[]): number {
  return selected === null ? 0 : Math.max(0, nodes.indexOf(selected));
}

function typeReason(state: WatchState, order: Order, key: Key): KeyStep {
  if (key.kind === 'escape') return { state: cancelled(state) };
  if (key.kind === 'enter') {
    const settled = { ...order, reason: order.reason.trim() };
    return { state: { ...state, prompt: { order: settled, awaits: 'confirmation' } } };
  }
  const reason = editLine(order.reason, key);
  return { state: { ...state, prompt: { order: { ...order, reason }, awaits: 'reason' } } };
}

function confirmOrder(state: WatchState, order: Order, key: Key): KeyStep {
  const isYes = key.kind === 'text' && /^y$/i.test(key.text);
  if (!isYes) return { state: cancelled(state) };
  return { state: { ...state, prompt: null, isBusy: true, message: null }, effect: { kind: 'send', order } };
}

function cancelled(state: WatchState): WatchState {
  return { ...state, prompt: null, message: 'nothing was sent' };
}

/** By how many lines a key moves; null: not at all. */
function distanceOf(key: Key, pageLines: number): number | null {
  switch (key.kind === 'text' ? (MOVING_LETTERS[key.text] ?? key.kind) : key.kind) {
    case 'up':
      return -1;
    case 'down':
      return 1;
    case 'page-up':
      return -pageLines;
    case 'page-down':
      return pageLines;
    case 'home':
      return -Infinity;
    case 'end':
      return Infinity;
    default:
      return null;
  }
}

/** As in less and vi. */
const MOVING_LETTERS: Readonly<Record<string, KeyName>> = {
  j: 'down',
  k: 'up',
  ' ': 'page-down',
  g: 'home',
  G: 'end',
};

function moveSelection(state: WatchState, key: Key, { nodes, pageLines }: Seen): KeyStep | null {
  const distance = distanceOf(key, pageLines);
  if (distance === null) return null;
  const index = clamp(selectedIndex(state.selected, nodes) + distance, nodes.length - 1);
  return { state: { ...state, selected: nodes[index] ?? null, message: null } };
}

function turnPage(state: WatchState, page: Exclude<Page, { kind: 'nodes' }>, key: Key, seen: Seen): KeyStep | null {
  const isBack = key.kind === 'escape' || key.kind === 'backspace' || isLetter(key, 'q');
  if (isBack || key.kind === 'enter') return { state: { ...state, page: { kind: 'nodes' }, message: null } };
  const distance = distanceOf(key, seen.pageLines);
  if (distance === null) return null;
  const top = clamp(Math.min(page.top, seen.lastTop) + distance, seen.lastTop);
  return { state: { ...state, page: { ...page, top } } };
}

function command(state: WatchState, key: Key, seen: Seen): KeyStep {
  const node = nodeInQuestion(state, seen.nodes);
  if (key.kind === 'enter' && node !== null) return { state: withPage(state, { kind: 'node', node, top: 0 }) };
  if (key.kind === 'escape') return { state: { ...state, message: null } };
  if (key.kind !== 'text') return { state };
  switch (key.text) {
    case 'q':
      return { state, effect: { kind: 'end', how: 'quit' } };
    case '?':
      return { state: withPage(state, { kind: 'help', top: 0 }) };
    case 'l':
      return node === null ? { state: without(state, 'logs') } : read(state, { name: 'logs', node });
    case 'e':
      return read(state, { name: 'explain', node });
    case 'p':
      return ask(state, { action: seen.isPaused ? 'resume' : 'pause', node: null, reason: '' });
    case 'r':
      return node === null ? { state: without(state, 'retry') } : ask(state, { action: 'retry', node, reason: '' });
    case 's':
      return node === null ? { state: without(state, 'skip') } : ask(state, { action: 'skip', node, reason: '' });
    default:
      return { state };
  }
}

function read(state: WatchState, reading: Reading): KeyStep {
  const page: Page = { kind: 'reading', reading, text: null, top: 0 };
  return { state: withPage(state, page), effect: { kind: 'read', reading } };
}

function ask(state: WatchState, order: Order): KeyStep {
  if (state.isBusy) return { state: { ...state, message: 'the order before this one is not answered yet' } };
  return { state: { ...state, prompt: { order, awaits: 'reason' }, message: null } };
}

function without(state: WatchState, action: string): WatchState {
  return { ...state, message: `${action}: the cluster has no nodes` };
}

function withPage(state: WatchState, page: Page): WatchState {
  return { ...state, page, message: null };
}

function isLetter(key: Key, letter: string): boolean {
  return key.kind === 'text' && key.text === letter;
}

function clamp(value: number, last: number): number {
  return Math.max(0, Math.min(value, last));
}
