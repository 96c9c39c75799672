/** A tmux server of its own, whose windows are terminals of a given size. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const LOOK_EVERY_MS = 40;
/** A program that is stopped in the middle of a line leaves half of it on the screen for a while. */
const SAME_LOOKS = 3;
/** A machine may have much else to do. */
const LIMIT_MS = 40_000;

export class Tmux {
  private readonly dir = mkdtempSync(path.join(tmpdir(), 'ospatch-tmux-'));

  constructor(private readonly env: Readonly<Record<string, string>>) {
    try {
      execFileSync('tmux', ['-V']);
    } catch {
      throw new Error('tmux is missing: install it with scripts/setup.sh terminal');
    }
  }

  /** Opens a terminal in which `command` runs. */
  async open(columns: number, rows: number, command: string): Promise<TmuxTerminal> {
    const size = ['-x', String(columns), '-y', String(rows)];
    const { stdout } = await this.call('new-session', '-d', '-P', '-F', '#{pane_id}', ...size, command);
    return new TmuxTerminal((...args) => this.call(...args), stdout.trim());
  }

  /** Ends the server and everything in it. */
  close(): void {
    try {
      execFileSync('tmux', [...this.server, 'kill-server'], { stdio: 'ignore' });
    } catch {
      // It has ended with its last window.
    }
    rmSync(this.dir, { recursive: true });
  }

  private get server(): string[] {
    return ['-u', '-f', '/dev/null', '-S', path.join(this.dir, 'server')];
  }

  private call(...args: string[]): Promise<{ stdout: string }> {
    return run('tmux', [...this.server, ...args], { env: { ...process.env, ...this.env } });
  }
}

export class TmuxTerminal {
  constructor(
    private readonly tmux: (...args: string[]) => Promise<{ stdout: string }>,
    private readonly pane: string,
  ) {}

  /** Names of tmux keys, such as `Down` and `C-c`. */
  async keys(...names: string[]): Promise<void> {
    await this.tmux('send-keys', '-t', this.pane, ...names);
  }

  async type(text: string): Promise<void> {
    await this.tmux('send-keys', '-t', this.pane, '-l', text);
  }

  async resize(columns: number, rows: number): Promise<void> {
    await this.tmux('resize-window', '-t', this.pane, '-x', String(columns), '-y', String(rows));
  }

  /** Sends a signal to the job in the foreground, as `kill` does. */
  async signal(name: string): Promise<void> {
    const { stdout } = await this.tmux('display-message', '-p', '-t', this.pane, '#{pane_tty}');
    const { stdout: jobs } = await run('ps', ['-o', 'pid=,stat=', '-t', stdout.trim()]);
    const [, pid] = /^ *(\d+) +\S*\+/m.exec(jobs) ?? [];
    if (pid === undefined) throw new Error(`no job is in the foreground:\n${jobs}`);
    process.kill(Number(pid), `SIG${name}`);
  }

  /** The screen and what has left it, without trailing spaces and empty lines. */
  async text(): Promise<string> {
    return this.capture('-S', '-');
  }

  /** The screen alone. */
  async screen(): Promise<string> {
    return this.capture();
  }

  private async capture(...range: string[]): Promise<string> {
    const { stdout } = await this.tmux('capture-pane', '-p', ...range, '-t', this.pane);
    return stdout.replace(/ +$/gm, '').trimEnd();
  }

  /** The text as soon as it matches, and stays as it is. @throws Error with the text, when it never does */
  async until(pattern: RegExp, read: () => Promise<string> = () => this.text()): Promise<string> {
    const end = Date.now() + LIMIT_MS;
    let [last, looks] = ['', 0];
    for (;;) {
      const text = await read();
      looks = text === last ? looks + 1 : 1;
      if (pattern.test(text) && looks >= SAME_LOOKS) return text;
      if (Date.now() > end) throw new Error(`the terminal does not show ${pattern}:\n${text}`);
      last = text;
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  }
}
