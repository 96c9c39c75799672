/** The pages of `status --watch` on a terminal with keys: the nodes, one of them, a text that was read, and the help. */
import type { LiveStatus } from '../../client/live-status';
import type { Order, Page, WatchState } from '../interactive/state';
import { nodeInQuestion, selectedIndex } from '../interactive/state';
import { cutLine, foldText, textWidth, wrapText } from './columns';
import { nodesInOrder, renderFrame } from './live';
import type { LiveView } from './live';
import { nodeFields } from './node-fields';
import { renderFields } from './table';
import { oneLine } from './text';

export interface PagesView extends Omit<LiveView, 'selected' | 'footer'> {
  /** The command that does the same as the order, or prints the same as the page. */
  equivalentCommand(asked: Order | Extract<Page, { kind: 'reading' }>['reading']): string;
}

export interface RenderedPage {
  lines: string[];
  /** The greatest first line that still fills the page. */
  lastTop: number;
  /** Lines by which the page is turned. */
  pageLines: number;
}

/** In the order in which they are shown; the number is their rank where not all of them fit. */
const HINTS: readonly (readonly [hint: string, rank: number])[] = [
  ['? help', 0],
  ['q quit', 1],
  ['Enter detail', 2],
  ['l logs', 6],
  ['e explain', 7],
  ['p pause', 3],
  ['r retry', 4],
  ['s skip', 5],
];
const PAGE_HINT = 'Esc back';
const HINT_GAP = '  ';

const HELP: readonly (readonly [keys: string, what: string])[] = [
  ['Up, Down, j, k', 'choose a node; on a page, scroll'],
  ['Page Up, Page Down', 'the same by a page; Home and End go to the ends'],
  ['Enter', 'everything known of the node'],
  ['l', 'the log of its newest patch, read from the node: ospatch logs'],
  ['e', 'why the node is not being patched, and what changes that: ospatch explain'],
  ['p', 'pause the cluster, or resume a paused one: ospatch pause, ospatch resume'],
  ['r', 'give the node another turn in the run in progress: ospatch retry'],
  ['s', 'leave the node out of the run in progress: ospatch skip'],
  ['Esc', 'back, or cancel what was begun'],
  ['q', 'quit; the run continues'],
  ['Ctrl-C', 'the same, with exit code 130'],
  ['Ctrl-Z', 'stop; continue with fg'],
];
const HELP_NOTE =
  'p, r and s ask for a reason and for a y before anything is sent. The commands that do the same are shown, and printed at the end.';

/** The lines that fill at most the terminal less one, none longer than it is wide. */
export function renderPage(status: LiveStatus, state: WatchState, view: PagesView): RenderedPage {
  const width = view.color.columns ?? Infinity;
  const room = Math.max(1, view.height - 1);
  const footer = footerLines(status, state, view, width).slice(-room);
  if (state.page.kind === 'nodes') {
    const names = nodesInOrder(status).map(({ name }) => name);
    const selected = names[selectedIndex(state.selected, names)] ?? '';
    const lines = renderFrame(status, { ...view, selected, footer });
    const body = lines.slice(0, Math.max(0, lines.length - footer.length)).slice(0, room - footer.length);
    return { lines: [...body, ...footer], lastTop: 0, pageLines: Math.max(1, Math.floor(room / 2)) };
  }
  const [title, ...body] = pageLines(status, state.page, view, width);
  const fitting = Math.max(1, room - footer.length - 2);
  const lastTop = Math.max(0, body.length - fitting);
  const top = Math.min(state.page.top, lastTop);
  const below = body.length - top - fitting;
  const more = below > 0 ? ` (${below} more below)` : '';
  const lines = [
    cutLine(`${title ?? ''}${more}`, width),
    '',
    ...body.slice(top, top + fitting).map((line) => cutLine(line, width)),
    ...footer,
  ];
  return { lines: lines.slice(-room), lastTop, pageLines: fitting };
}

/** The title, and the lines below it. */
function pageLines(
  status: LiveStatus,
  page: Exclude<Page, { kind: 'nodes' }>,
  view: PagesView,
  width: number,
): string[] {
  const { color } = view;
  if (page.kind === 'help') {
    return [color.bold('Keys'), ...renderFields(HELP, color).split('\n'), '', ...wrapText(HELP_NOTE, width)];
  }
  if (page.kind === 'node') {
    const fields = nodeFields(status, page.node, view);
    const title = color.bold(`${oneLine(status.cluster)}  ${oneLine(page.node)}`);
    return [
      title,
      ...(fields === null ? ['the cluster no longer has this node'] : renderFields(fields, color).split('\n')),
    ];
  }
  const title = color.bold(view.equivalentCommand(page.reading));
  return [title, ...(page.text === null ? ['reading ...'] : foldText(page.text, width))];
}

/** What the display says and asks, and the keys. */
function footerLines(status: LiveStatus, state: WatchState, view: PagesView, width: number): string[] {
  const { color } = view;
  const message = state.message === null ? [] : state.message.split('\n').flatMap((line) => foldText(line, width));
  if (state.prompt === null) return [...message, color.dim(hintLine(status, state, width))];
  const { order, awaits } = state.prompt;
  const what = `${order.action} ${order.node ?? status.cluster}`;
  if (awaits === 'reason') {
    return [
      color.bold(tailOf(`${what}, reason: `, `${order.reason}_`, width)),
      color.dim(cutLine('Enter continue  Esc cancel', width)),
    ];
  }
  return [...foldText(view.equivalentCommand(order), width), color.bold(cutLine(`send this? [y/N]`, width))];
}

/** The end of what is typed stays in view. */
function tailOf(prompt: string, typed: string, width: number): string {
  if (textWidth(prompt + typed) <= width) return prompt + typed;
  const shown = Array.from(textWidth(prompt) > width / 2 ? typed : prompt + typed);
  while (textWidth(shown.join('')) > width - 1) shown.shift();
  return `…${shown.join('')}`;
}

function hintLine(status: LiveStatus, state: WatchState, width: number): string {
  const isPaused = status.paused !== null;
  const hasNode =
    nodeInQuestion(
      state,
      status.nodes.map(({ name }) => name),
    ) !== null;
  const onPage = state.page.kind !== 'nodes';
  const all = HINTS.filter(([hint]) => hasNode || !/detail|logs|retry|skip/.test(hint))
    .filter(([hint]) => !onPage || !/detail|quit/.test(hint))
    .map(([hint, rank]) => [isPaused && hint === 'p pause' ? 'p resume' : hint, rank] as const);
  const hints = onPage ? [[PAGE_HINT, -1] as const, ...all] : all;
  for (let rank = HINTS.length; rank >= 0; rank -= 1) {
    const line = hints
      .filter(([, own]) => own <= rank)
      .map(([hint]) => hint)
      .join(HINT_GAP);
    if (textWidth(line) <= width || rank === 0) return cutLine(line, width);
  }
  return '';
}
