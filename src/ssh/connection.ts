/** One ssh2 connection: login, and commands on it until it breaks. */
import type { ClientChannel } from 'ssh2';
import { Client } from 'ssh2';
import { classifyConnectError, hostKeyMismatch, noHostKeys, unreachable } from './connect-errors';
import { isTrusted, parsePins, pinnedAlgorithms } from './host-keys';
import { resolveIdentity } from './identity';
import { scanHostKey } from './scan-host-key';
import type { ExecOptions, ExecResult, SshTarget } from './transport';

/** A silent peer is noticed after interval x (count + 1) at the latest. */
const KEEPALIVE_INTERVAL_MS = 10_000;
const KEEPALIVE_COUNT = 3;

const DEFAULT_EXEC_TIMEOUT_MS = 60_000;
const DEFAULT_MAX_BYTES = 4 * 1024 * 1024;

export interface ConnectOptions {
  keyDir: string;
  /** TCP, key exchange and login together, in milliseconds. */
  connectTimeoutMs: number;
}

export interface Connection {
  readonly closed: boolean;
  exec(command: string, options?: ExecOptions): Promise<ExecResult>;
  /** Runs once, when the connection is gone for whatever reason. */
  onClose(listener: () => void): void;
  end(): void;
}

/**
 * Logs in.
 *
 * @throws OspatchError `Unreachable`, `HostKeyMismatch`, `AuthFailed` or `IdentityUnavailable`
 */
export async function connect(target: SshTarget, options: ConnectOptions): Promise<Connection> {
  const pins = parsePins(target.hostKeys);
  if (pins.length === 0) throw noHostKeys(target);
  const auth = await resolveIdentity(target.identity, target.user, options.keyDir);
  const client = new Client();
  let rejected: Buffer | undefined;
  const failure = await new Promise<Error | undefined>((resolve) => {
    client.once('ready', () => resolve(undefined));
    // For ever: ssh2 reports some failures twice, and an `error` nobody listens to ends the process.
    client.on('error', resolve);
    client.once('close', () => resolve(new Error('it closed the connection during the login')));
    client.connect({
      host: target.host,
      port: target.port,
      username: target.user,
      authHandler: [auth],
      readyTimeout: options.connectTimeoutMs,
      keepaliveInterval: KEEPALIVE_INTERVAL_MS,
      keepaliveCountMax: KEEPALIVE_COUNT,
      algorithms: { serverHostKey: pinnedAlgorithms(pins) },
      hostVerifier: (key: Buffer): boolean => {
        const trusted = isTrusted(pins, key);
        if (!trusted) rejected = key;
        return trusted;
      },
    });
  });
  if (failure === undefined) return new Ssh2Connection(target, client);
  client.destroy();
  if (rejected !== undefined) throw hostKeyMismatch(target, pins, rejected);
  if (failure.message.includes('no matching host key format')) {
    const offered = await scanHostKey(target.host, target.port, options.connectTimeoutMs).catch(() => null);
    throw hostKeyMismatch(target, pins, offered === null ? null : Buffer.from(offered.base64, 'base64'));
  }
  throw classifyConnectError(target, failure);
}

class Ssh2Connection implements Connection {
  closed = false;
  private readonly listeners = new Set<() => void>();

  constructor(
    private readonly target: SshTarget,
    private readonly client: Client,
  ) {
    client.once('close', () => {
      this.closed = true;
      for (const listener of this.listeners) listener();
      this.listeners.clear();
    });
  }

  onClose(listener: () => void): void {
    if (this.closed) listener();
    else this.listeners.add(listener);
  }

  end(): void {
    this.closed = true;
    this.client.destroy();
  }

  exec(command: string, options: ExecOptions = {}): Promise<ExecResult> {
    const { signal, timeoutMs = DEFAULT_EXEC_TIMEOUT_MS } = options;
    return new Promise<ExecResult>((resolve, reject) => {
      const lost = (cause?: unknown): void =>
        settle(() => reject(unreachable(this.target, 'the connection was lost', cause)));
      const timer = setTimeout(() => {
        settle(() => reject(unreachable(this.target, `no answer within ${timeoutMs / 1000} s`)));
        this.end();
      }, timeoutMs);
      let channel: ClientChannel | undefined;
      const aborted = (): void => {
        settle(() => reject(abortReason(signal)));
        channel?.close();
      };
      const settle = (finish: () => void): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', aborted);
        this.listeners.delete(lost);
        finish();
      };
      if (signal?.aborted === true) return aborted();
      signal?.addEventListener('abort', aborted, { once: true });
      this.onClose(lost);
      this.client.exec(command, (error, opened) => {
        if (error) return lost(error);
        channel = opened;
        collect(opened, options.maxBytes ?? DEFAULT_MAX_BYTES, (result) => settle(() => resolve(result)), lost);
        if (signal?.aborted === true) return channel.close();
        channel.end(options.stdin);
      });
    });
  }
}

/** Reads both streams to the end, whatever their size: an unread stream would keep the channel from ever closing. */
function collect(
  channel: ClientChannel,
  maxBytes: number,
  done: (result: ExecResult) => void,
  lost: (cause?: unknown) => void,
): void {
  const stdout = new CappedBuffer(maxBytes);
  const stderr = new CappedBuffer(maxBytes);
  let exit: { code: number | null; signal: string | null } | undefined;
  channel.on('data', (chunk: Buffer) => stdout.push(chunk));
  channel.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  channel.on('exit', (code: number | null, signal?: string) => {
    exit = { code, signal: signal ?? null };
  });
  channel.on('error', lost);
  // Without an exit status the connection was lost, and nothing is known about the command.
  channel.on('close', () => {
    if (exit === undefined) return lost();
    done({ ...exit, stdout: stdout.value(), stderr: stderr.value(), truncated: stdout.truncated || stderr.truncated });
  });
}

class CappedBuffer {
  truncated = false;
  private size = 0;
  private readonly chunks: Buffer[] = [];

  constructor(private readonly max: number) {}

  push(chunk: Buffer): void {
    const kept = chunk.subarray(0, this.max - this.size);
    if (kept.length < chunk.length) this.truncated = true;
    if (kept.length === 0) return;
    this.size += kept.length;
    this.chunks.push(kept);
  }

  value(): Buffer {
    return Buffer.concat(this.chunks);
  }
}

function abortReason(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason;
  return reason instanceof Error ? reason : new Error('aborted');
}
