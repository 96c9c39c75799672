/** A terminal whose keys go to this program one by one, unseen, and that is given back in every way of ending. */
import { readFileSync } from 'node:fs';
import { emitKeypressEvents } from 'node:readline';
import type { Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { CliContext } from './context';

/** What has to be given back before these signals stop or end the process. */
const SIGNALS = ['SIGTSTP', 'SIGHUP', 'SIGQUIT'] as const;
type StopSignal = (typeof SIGNALS)[number];

// Pasted lines are marked, so that they are not taken for keys.
const PASTE_MARKS_ON = '\u001b[?2004h';
const PASTE_MARKS_OFF = '\u001b[?2004l';

/** Between an Esc and the rest of the sequence of a key; connections deliver both at once, or nearly so. */
const ESCAPE_MS = 100;

type RawInput = Readable & { setRawMode(isRaw: boolean): unknown };
export type KeyPressListener = (
  character: string | undefined,
  press: { name?: string; sequence?: string; ctrl?: boolean; meta?: boolean },
) => void;

export interface TerminalEvents {
  onKey: KeyPressListener;
  /** The terminal is about to be given back, for a while or for good. */
  onLeave(): void;
  /** The terminal is back after a stop; its contents are unknown. */
  onReturn(): void;
}

/** Standard input, if it is a terminal that can deliver keys; null: a pipe, or a terminal without cursor control. */
export function rawInput({ stdin, env }: Pick<CliContext, 'stdin' | 'env'>): RawInput | null {
  if (env['TERM'] === 'dumb' || !('setRawMode' in stdin) || typeof stdin.setRawMode !== 'function') return null;
  return 'isTTY' in stdin && stdin.isTTY === true ? (stdin as RawInput) : null;
}

/** Whether this process may change the terminal; a process in the background would be stopped for it. */
export function isInForeground(): boolean {
  let stat: string;
  try {
    stat = readFileSync('/proc/self/stat', 'utf8');
  } catch {
    // Not Linux.
    return true;
  }
  // After the name, which may contain anything: state, parent, group, session, terminal, group in the foreground.
  const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return group === foreground || foreground === '-1';
}

export class RawTerminal {
  private isRaw = false;
  private readonly restore = (): void => this.leave();
  private readonly stopped = new Map<StopSignal, () => void>();
  private readonly resumed = (): void => {
    this.catchSignals();
    if (this.enter()) this.events.onReturn();
  };

  constructor(
    private readonly input: RawInput,
    private readonly out: Writable,
    private readonly events: TerminalEvents,
  ) {
    emitKeypressEvents(input, { escapeCodeTimeout: ESCAPE_MS } as unknown as Interface);
    process.once('exit', this.restore);
    process.on('SIGCONT', this.resumed);
    this.catchSignals();
    this.enter();
  }

  /** Takes the terminal if this process is in the foreground; false: not, so nothing may be drawn. */
  enter(): boolean {
    if (this.isRaw) return true;
    if (!isInForeground()) return false;
    this.isRaw = true;
    this.input.setRawMode(true);
    this.out.write(PASTE_MARKS_ON);
    this.input.on('keypress', this.events.onKey);
    this.input.resume();
    return true;
  }

  /** As the keys Ctrl-Z and Ctrl-\ do, for the whole job: other processes of it stop as well. */
  raise(signal: 'SIGTSTP' | 'SIGQUIT'): void {
    process.kill(0, signal);
  }

  /** Gives the terminal back for good. */
  close(): void {
    this.leave();
    process.removeListener('exit', this.restore);
    process.removeListener('SIGCONT', this.resumed);
    for (const [signal, listener] of this.stopped) process.removeListener(signal, listener);
    this.stopped.clear();
  }

  private leave(): void {
    if (!this.isRaw) return;
    this.isRaw = false;
    this.events.onLeave();
    this.input.removeListener('keypress', this.events.onKey);
    this.input.pause();
    this.out.write(PASTE_MARKS_OFF);
    this.input.setRawMode(false);
  }

  private catchSignals(): void {
    for (const signal of SIGNALS) {
      if (this.stopped.has(signal)) continue;
      const listener = (): void => {
        this.leave();
        this.stopped.delete(signal);
        process.removeListener(signal, listener);
        process.kill(process.pid, signal);
      };
      this.stopped.set(signal, listener);
      process.on(signal, listener);
    }
  }
}
