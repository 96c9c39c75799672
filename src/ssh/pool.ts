/** Connections shared by everything one worker does on a node, so that most calls cost no login. */
import type { Connection, ConnectOptions } from './connection';
import { connect } from './connection';
import type { ExecOptions, ExecResult, SshTarget, Transport, TransportPool } from './transport';

/** Longer than any pause between two steps on a node, and shorter than what firewalls forget. */
const IDLE_MS = 60_000;

const CONNECT_TIMEOUT_MS = 10_000;

export interface PoolOptions {
  /** Directory of the private keys that `ssh.identity` names. */
  keyDir: string;
  /** Default: 10 s. */
  connectTimeoutMs?: number;
  /** Unused connections are closed after this long. Default: 60 s. */
  idleMs?: number;
  /** For tests. */
  connect?: (target: SshTarget, options: ConnectOptions) => Promise<Connection>;
}

interface Entry {
  connection: Promise<Connection>;
  users: number;
  idle: NodeJS.Timeout | undefined;
}

export function createTransportPool(options: PoolOptions): TransportPool {
  return new Pool(options);
}

class Pool implements TransportPool {
  private readonly entries = new Map<string, Entry>();
  private readonly open: (target: SshTarget) => Promise<Connection>;
  private readonly idleMs: number;

  constructor(options: PoolOptions) {
    const connectOptions = { keyDir: options.keyDir, connectTimeoutMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS };
    const open = options.connect ?? connect;
    this.open = (target) => open(target, connectOptions);
    this.idleMs = options.idleMs ?? IDLE_MS;
  }

  transport(target: SshTarget): Transport {
    return {
      exec: (command, options) => this.exec(target, command, options),
      close: () => this.drop(keyOf(target)),
    };
  }

  close(): void {
    for (const key of this.entries.keys()) this.drop(key);
  }

  private async exec(target: SshTarget, command: string, options: ExecOptions = {}): Promise<ExecResult> {
    options.signal?.throwIfAborted();
    const key = keyOf(target);
    const entry = this.entries.get(key) ?? this.add(key, target);
    entry.users += 1;
    clearTimeout(entry.idle);
    try {
      const connection = await entry.connection;
      return await connection.exec(command, options);
    } finally {
      entry.users -= 1;
      if (entry.users === 0 && this.entries.get(key) === entry) {
        entry.idle = setTimeout(() => this.drop(key), this.idleMs);
        // A forgotten pool must not keep a program alive.
        entry.idle.unref();
      }
    }
  }

  private add(key: string, target: SshTarget): Entry {
    const entry: Entry = { connection: this.open(target), users: 0, idle: undefined };
    const forget = (): void => {
      clearTimeout(entry.idle);
      if (this.entries.get(key) === entry) this.entries.delete(key);
    };
    entry.connection.then((connection) => connection.onClose(forget), forget);
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

/** Everything that decides who is talked to and how: another key, user or trusted host key is another connection. */
function keyOf(target: SshTarget): string {
  const { user, host, port, identity, hostKeys } = target;
  return JSON.stringify([user, host, port, identity, ...hostKeys]);
}
