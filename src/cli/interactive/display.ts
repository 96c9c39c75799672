/** The live display on a terminal, with keys where the terminal delivers them one by one. */
import pc from 'picocolors';
import type { LiveStatus } from '../../client/live-status';
import type { CliContext } from '../io/context';
import { colors, printNote } from '../io/output';
import { RawTerminal, rawInput } from '../io/raw-terminal';
import type { KeyPressListener } from '../io/raw-terminal';
import { nodesInOrder, renderFrame } from '../render/live';
import { renderPage } from '../render/pages';
import type { RenderedPage } from '../render/pages';
import { Screen } from '../render/screen';
import { ownZone } from '../render/text';
import type { ServerOptions, WatchClient } from './commands';
import { equivalentCommand, messageOf, readForUser, sendOrder } from './commands';
import { KeyReader } from './keys';
import type { Order, Reading, WatchEffect, WatchState } from './state';
import { FIRST_STATE, pressKey, withText } from './state';

/** Elapsed times are redrawn while a query is pending. */
const REDRAW_EVERY_MS = 1_000;

/** What keys may do. */
export interface KeyOrders {
  client: WatchClient;
  cluster: string;
  where: ServerOptions;
}

export interface DisplayEvents {
  /** The user wants to end: `quit` with q, `interrupt` with Ctrl-C. */
  end(how: 'quit' | 'interrupt'): void;
  /** Something was changed, so the status is worth another look. */
  look(): void;
}

/** Draws the status until it is closed. Without `orders` no key does anything, except those that end or stop the program. */
export class LiveDisplay {
  private readonly screen: Screen;
  private readonly terminal: RawTerminal | null;
  private readonly ticker: NodeJS.Timeout;
  private readonly zone = ownZone();
  private readonly keys = new KeyReader();
  private readonly sent: { command: string; result: string | null }[] = [];
  private status: LiveStatus | null = null;
  private notice: string | null = null;
  private state: WatchState = FIRST_STATE;
  private isClosed = false;
  private rendered: Pick<RenderedPage, 'lastTop' | 'pageLines'> = { lastTop: 0, pageLines: 1 };
  private readonly redraw = (): void => this.draw();
  private readonly onKey: KeyPressListener = (character, press) => {
    const key = this.keys.read(character, press);
    if (key === null) return;
    if (this.orders === null && key.kind === 'text') return;
    const nodes = this.status === null ? [] : nodesInOrder(this.status).map(({ name }) => name);
    const seen = { ...this.rendered, nodes, isPaused: (this.status?.paused ?? null) !== null };
    const { state, effect } = pressKey(this.state, key, seen);
    if (this.orders !== null) this.state = state;
    if (effect !== undefined) this.perform(effect);
    this.draw();
  };

  constructor(
    private readonly context: CliContext,
    private readonly orders: KeyOrders | null,
    private readonly events: DisplayEvents,
  ) {
    this.screen = new Screen(context.stdout);
    const input = rawInput(context);
    this.terminal =
      input === null
        ? null
        : new RawTerminal(input, context.stdout, {
            onKey: this.onKey,
            onLeave: () => this.screen.release(),
            onReturn: this.redraw,
          });
    this.ticker = setInterval(this.redraw, REDRAW_EVERY_MS);
    context.stdout.on('resize', this.redraw);
  }

  show(status: LiveStatus, notice: string | null): void {
    this.status = status;
    this.notice = notice;
    this.draw();
  }

  /** The frame shows what the lines of a pipe would say. */
  say(): void {}

  close(): void {
    clearInterval(this.ticker);
    this.context.stdout.removeListener('resize', this.redraw);
    // The status is what should be left on the screen, without what asks for keys.
    this.isClosed = true;
    this.draw();
    this.screen.close();
    this.terminal?.close();
    for (const { command, result } of this.sent) {
      printNote(this.context, command);
      if (result !== null) printNote(this.context, `  ${result}`);
    }
  }

  private draw(): void {
    const { status, terminal } = this;
    if (status === null || terminal?.enter() === false) return;
    const view = {
      ...{ now: this.context.now(), zone: this.zone, color: colors(this.context) },
      ...{ height: this.screen.height, notice: this.notice },
    };
    if (this.orders === null || terminal === null || this.isClosed) return this.screen.draw(renderFrame(status, view));
    const { cluster, where } = this.orders;
    const page = renderPage(status, this.state, {
      ...view,
      equivalentCommand: (asked) => equivalentCommand(asked, cluster, where),
    });
    this.rendered = page;
    this.screen.draw(page.lines);
  }

  private perform(effect: WatchEffect): void {
    switch (effect.kind) {
      case 'end':
        return this.events.end(effect.how);
      case 'stop':
        return this.terminal?.raise(effect.signal);
      case 'redraw':
        return this.screen.clear();
      case 'read':
        return void this.read(effect.reading);
      case 'send':
        return void this.send(effect.order);
    }
  }

  private async read(reading: Reading): Promise<void> {
    if (this.orders === null) return;
    const { client, cluster, where } = this.orders;
    const entry = this.note(equivalentCommand(reading, cluster, where));
    const color = pc.createColors(false);
    const view = { now: this.context.now(), zone: this.zone, color };
    let text: string;
    try {
      text = await readForUser(client, cluster, reading, view);
      entry.result = null;
    } catch (error) {
      text = messageOf(error);
      entry.result = oneOf(text);
    }
    this.state = withText(this.state, reading, text);
    this.draw();
  }

  private async send(order: Order): Promise<void> {
    if (this.orders === null) return;
    const { client, cluster, where } = this.orders;
    const command = equivalentCommand(order, cluster, where);
    const entry = this.note(command);
    this.state = { ...this.state, message: `${command}\nsent ...` };
    this.draw();
    let answer: string;
    try {
      answer = await sendOrder(client, cluster, order);
    } catch (error) {
      answer = messageOf(error);
    }
    entry.result = oneOf(answer);
    this.state = { ...this.state, isBusy: false, message: `${command}\n${answer}` };
    this.events.look();
    this.draw();
  }

  private note(command: string): { command: string; result: string | null } {
    const entry = { command, result: 'not answered yet' };
    this.sent.push(entry);
    return entry;
  }
}

function oneOf(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}
