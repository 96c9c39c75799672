/** Connections shared by everything a worker does on a node, so that most calls need no login. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { unreachable } from './connect-errors';
import type { Connection } from './builtin/connection';
import { SessionRefused, abortReason } from './builtin/connection';
import { CryptoPolicyFile } from './crypto-policy';
import { createConnector } from './connector';
import type { IdentityOptions } from './builtin/identity';
import type { ExecOptions, ExecResult, SshTarget, Transport, TransportPool } from './transport';

/** Longer than any pause between two steps on a node, and shorter than idle timeouts of firewalls. */
const IDLE_MS = 60_000;

const CONNECT_TIMEOUT_MS = 10_000;

/** A host still counts a session for a moment after its end, a busy host longer. */
const REFUSAL_PAUSE_MS = 100;
const REFUSALS_END_MS = 3_000;
/** On a worker that was stalled, the time limit alone would allow too few attempts. */
const LEAST_REFUSALS = 10;

export interface PoolOptions extends IdentityOptions {
  /** Default: 10 s. */
  connectTimeoutMs?: number;
  /** File of the system-wide crypto policy (`OSPATCH_SSH_INCLUDE`). Default: none. */
  cryptoPolicy?: string | null;
  /** Unused connections are closed after this time. Default: 60 s. */
  idleMs?: number;
  /** For tests. */
  connect?: (target: SshTarget) => Promise<Connection>;
}

interface Entry {
  connection: Promise<Connection>;
  opened: Connection | null;
  users: number;
  /** Commands in flight; each promise settles when its command has ended. */
  running: Set<Promise<unknown>>;
  idle: NodeJS.Timeout | undefined;
}

export function createTransportPool(options: PoolOptions): TransportPool {
  return new Pool(options);
}

class Pool implements TransportPool {
  private readonly entries = new Map<string, Entry>();
  private readonly open: (target: SshTarget) => Promise<Connection>;
  private readonly probe: (target: SshTarget) => Promise<void>;
  private readonly closeConnector: () => void;
  private readonly idleMs: number;

  constructor(options: PoolOptions) {
    const { connectTimeoutMs = CONNECT_TIMEOUT_MS, idleMs = IDLE_MS, connect, cryptoPolicy = null, ...rest } = options;
    const policy = new CryptoPolicyFile(cryptoPolicy);
    const connector = createConnector({ ...rest, connectTimeoutMs, cryptoPolicy: policy }, idleMs);
    this.open = connect ?? ((target) => connector.connect(target));
    this.probe = (target) => connector.probe(target);
    this.closeConnector = () => connector.close();
    this.idleMs = idleMs;
  }

  transport(target: SshTarget): Transport {
    return this.keyed(keyOf(target), target);
  }

  ownTransport(target: SshTarget): Transport {
    return this.keyed(`${keyOf(target)} ${randomUUID()}`, target);
  }

  probeHostKey(target: SshTarget): Promise<void> {
    return this.probe(target);
  }

  private keyed(key: string, target: SshTarget): Transport {
    return { exec: (command, options) => this.exec(key, target, command, options), close: () => this.drop(key) };
  }

  close(): void {
    for (const key of this.entries.keys()) this.drop(key);
    this.closeConnector();
  }

  private async exec(key: string, target: SshTarget, command: string, options: ExecOptions = {}): Promise<ExecResult> {
    options.signal?.throwIfAborted();
    // Not every transport notices at once that its connection has ended.
    if (this.entries.get(key)?.opened?.closed === true) this.drop(key);
    const entry = this.entries.get(key) ?? this.add(key, target);
    entry.users += 1;
    clearTimeout(entry.idle);
    try {
      const connection = await orAborted(entry.connection, options.signal);
      return await this.runOn(entry, connection, target, command, options);
    } finally {
      entry.users -= 1;
      if (entry.users === 0 && this.entries.get(key) === entry) {
        entry.idle = setTimeout(() => this.drop(key), this.idleMs);
        // An idle pool must not keep the process alive.
        entry.idle.unref();
      }
    }
  }

  /** With MaxSessions 1 a second concurrent command is refused; it waits for the first one. */
  private async runOn(
    entry: Entry,
    connection: Connection,
    target: SshTarget,
    command: string,
    options: ExecOptions,
  ): Promise<ExecResult> {
    let refusedSince: number | null = null;
    let refusals = 0;
    for (;;) {
      const running = connection.exec(command, options);
      entry.running.add(running);
      try {
        return await running;
      } catch (error) {
        if (!(error instanceof SessionRefused)) throw error;
        entry.running.delete(running);
        options.signal?.throwIfAborted();
        if (entry.running.size > 0) {
          refusedSince = null;
          refusals = 0;
          await Promise.race([...entry.running].map((one) => one.catch(() => undefined)));
          continue;
        }
        refusedSince ??= performance.now();
        refusals += 1;
        if (refusals >= LEAST_REFUSALS && performance.now() - refusedSince >= REFUSALS_END_MS)
          throw unreachable(target, 'it opens no further session on an established connection (MaxSessions)', error);
        await sleep(REFUSAL_PAUSE_MS);
      } finally {
        entry.running.delete(running);
      }
    }
  }

  private add(key: string, target: SshTarget): Entry {
    const entry: Entry = {
      connection: this.open(target),
      opened: null,
      users: 0,
      running: new Set(),
      idle: undefined,
    };
    const drop = (): void => {
      clearTimeout(entry.idle);
      if (this.entries.get(key) === entry) this.entries.delete(key);
    };
    entry.connection.then((connection) => {
      entry.opened = connection;
      connection.onClose(drop);
    }, drop);
    this.entries.set(key, entry);
    return entry;
  }

  private drop(key: string): void {
    const entry = this.entries.get(key);
    if (entry === undefined) return;
    this.entries.delete(key);
    clearTimeout(entry.idle);
    entry.connection.then(
      (connection) => connection.end(),
      () => undefined,
    );
  }
}

/** A login that is awaited by nobody any more goes on, and its connection is closed when idle. */
async function orAborted<T>(result: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return result;
  let stop: () => void = () => undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(abortReason(signal));
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([result, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** Everything that identifies a connection: another identity, user or trusted host key needs another connection. */
function keyOf(target: SshTarget): string {
  const { user, host, port, identity, hostKeys, transport = 'builtin', jump = [], within = null } = target;
  return JSON.stringify([user, host, port, identity, hostKeys, transport, jump, within]);
}
