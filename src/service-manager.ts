/**
 * Tells systemd how a worker is (`Type=notify`, see sd_notify(3)). Node.js has no datagram sockets of the Unix domain, so
 * `systemd-notify` of systemd itself sends the messages; it waits until they have been read, so that none is lost with its
 * sender. The unit needs `NotifyAccess=all`, because the sender is a child.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { programEnvironment } from './programs/environment';
import { findProgram } from './programs/find-program';

/** Far above what it takes; systemd itself waits longer for the first message. */
const TIMEOUT_MS = 10_000;

/** Not the PATH of the worker: the program is a part of systemd. */
const SEARCH_PATH = '/usr/bin:/bin';

/** The used part of a pino logger. */
interface Log {
  warn(fields: Record<string, unknown>, message: string): void;
}

export interface ServiceManagerOptions {
  /** `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` of systemd. */
  env: NodeJS.ProcessEnv;
  log: Log;
  /** Where `systemd-notify` is looked for. */
  searchPath?: string;
}

/** Without systemd, nothing is told. */
export class ServiceManager {
  private readonly socket: string | undefined;
  private readonly watchdogMs: number | null;
  private timer: NodeJS.Timeout | undefined;
  private hasWarned = false;
  /** One message after the other, in their order. */
  private last: Promise<void> = Promise.resolve();

  constructor(private readonly options: ServiceManagerOptions) {
    this.socket = options.env['NOTIFY_SOCKET'];
    this.watchdogMs = this.socket === undefined ? null : watchdogInterval(options.env);
  }

  /** The worker polls. `status` is what `systemctl status` shows. From now on the watchdog is fed while `isAlive` says so. */
  ready(status: string, isAlive: () => boolean): void {
    this.send('READY=1', `STATUS=${status}`);
    if (this.watchdogMs === null) return;
    this.timer = setInterval(() => {
      if (isAlive()) this.send('WATCHDOG=1');
    }, this.watchdogMs);
    // A worker that has ended is not kept alive by its watchdog.
    this.timer.unref();
  }

  /** The worker polls no more. Resolves when all has been told. */
  stopping(status: string): Promise<void> {
    clearInterval(this.timer);
    this.send('STOPPING=1', `STATUS=${status}`);
    return this.last;
  }

  private send(...message: string[]): void {
    const { socket } = this;
    if (socket === undefined) return;
    this.last = this.last.then(() => this.run(socket, message));
  }

  private async run(socket: string, message: string[]): Promise<void> {
    try {
      const program = findProgram('systemd-notify', { searchPath: this.options.searchPath ?? SEARCH_PATH });
      if (program === null) throw new Error('there is no program systemd-notify');
      const env = programEnvironment({ set: { NOTIFY_SOCKET: socket } });
      await promisify(execFile)(program, message, { env, timeout: TIMEOUT_MS });
    } catch (error) {
      if (this.hasWarned) return;
      this.hasWarned = true;
      const why = error instanceof Error ? error.message : String(error);
      this.options.log.warn({ why }, 'systemd cannot be told how the worker is; it may end the worker');
    }
  }
}

/** Twice as often as systemd expects it, as sd_watchdog_enabled(3) says; null: there is no watchdog of this process. */
function watchdogInterval({ WATCHDOG_USEC, WATCHDOG_PID }: NodeJS.ProcessEnv): number | null {
  if (WATCHDOG_PID !== undefined && WATCHDOG_PID !== String(process.pid)) return null;
  const microseconds = Number(WATCHDOG_USEC);
  return Number.isFinite(microseconds) && microseconds > 0 ? microseconds / 2_000 : null;
}
