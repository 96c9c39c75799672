/** One ssh2 connection: the login, and commands until the connection ends. */
import { Socket } from 'node:net';
import type { ClientChannel } from 'ssh2';
import { Client } from 'ssh2';
import { algorithmsFor } from '../algorithms';
import { CappedOutput } from '../capped-output';
import type { AuthOutcome } from '../connect-errors';
import {
  classifyConnectError,
  describeMachine,
  floods,
  hostKeyMismatch,
  noAnswer,
  noHostKeys,
  unreachable,
} from '../connect-errors';
import { plainText } from '../../domain/shared/text';
import { isTrusted, offeredKey, parsePins, pinnedAlgorithms } from '../host-keys';
import type { CryptoPolicyFile } from '../crypto-policy';
import { resolveIdentity } from './identity';
import type { IdentityOptions } from './identity';
import type { Driver } from '../driver';
import { LoginAttempt } from '../login-gate';
import { Meter } from './meter';
import { scanHostKey } from './scan';
import type { ExecOptions, ExecResult, SshTarget } from '../transport';

/** A silent peer is detected after at most interval x (count + 1). */
const KEEPALIVE_INTERVAL_MS = 10_000;
const KEEPALIVE_COUNT = 3;

export const DEFAULT_EXEC_TIMEOUT_MS = 60_000;
export const DEFAULT_MAX_BYTES = 4 * 1024 * 1024;

const CLOSED = 'it closed the connection during the login';

/** What may be on its way to a channel that is closed. */
const WINDOW_BYTES = 2 * 1024 * 1024;

/** Maximum characters of the pre-login banner that are evaluated. */
const MAX_BANNER_CHARS = 4_000;

export interface SshConnectOptions extends IdentityOptions {
  /** TCP connect, key exchange and login together, in milliseconds. */
  connectTimeoutMs: number;
  /** The system-wide crypto policy; absent: none. */
  cryptoPolicy?: CryptoPolicyFile;
}

export interface Connection {
  readonly closed: boolean;
  /** @throws SessionRefused when the machine allows no further session on this connection */
  exec(command: string, options?: ExecOptions): Promise<ExecResult>;
  /** Called once when the connection has ended for any reason. */
  onClose(listener: () => void): void;
  end(): void;
}

/** The connection is up, but the machine opens no further session on it (MaxSessions). The command was not run. */
export class SessionRefused extends Error {
  override readonly name = 'SessionRefused';
}

/** Connections made with ssh2. */
export class Ssh2Driver implements Driver<Ssh2Connection> {
  constructor(private readonly options: SshConnectOptions) {}

  connect(target: SshTarget, via: Ssh2Connection | null, attempt: LoginAttempt): Promise<Ssh2Connection> {
    return connectSsh(target, this.options, via, attempt);
  }

  async probe(target: SshTarget, via: Ssh2Connection | null, attempt: LoginAttempt): Promise<void> {
    const pins = parsePins(target.hostKeys);
    if (pins.length === 0) throw noHostKeys(target);
    const timeoutMs = this.options.connectTimeoutMs;
    const route = via === null ? null : await via.tunnel(target, timeoutMs);
    attempt.connected();
    const { base64, ...offered } = await scanHostKey(
      target.address ?? target.host,
      target.port,
      timeoutMs,
      pins,
      route,
    );
    if (!isTrusted(pins, Buffer.from(base64, 'base64'))) throw hostKeyMismatch(target, pins, offered);
  }

  close(): void {
    // An ended connection leaves nothing behind.
  }
}

/**
 * Logs in, directly or through a channel of the connection `via`.
 *
 * @throws OspatchError `Unreachable`, `HostKeyMismatch`, `AuthFailed` or `IdentityUnavailable`
 */
export async function connectSsh(
  target: SshTarget,
  options: SshConnectOptions,
  via: Ssh2Connection | null = null,
  attempt = new LoginAttempt(),
): Promise<Ssh2Connection> {
  const pins = parsePins(target.hostKeys);
  if (pins.length === 0) throw noHostKeys(target);
  const algorithms = algorithmsFor(pinnedAlgorithms(pins), options.cryptoPolicy?.current() ?? {});
  const auth = await resolveIdentity(target.identity, target.user, options);
  const route = async () => {
    if (via === null) return null;
    const channel = await via.tunnel(target, options.connectTimeoutMs);
    attempt.connected();
    return channel;
  };
  const client = new Client();
  const channel = await route();
  const socket = new Socket();
  socket.once('connect', () => attempt.connected());
  const meter = new Meter(channel ?? socket, via?.meter ?? null);
  let rejected: Buffer | undefined;
  let banner = '';
  let offered = false;
  const outcome: AuthOutcome = { left: null, partial: false };
  const failure = await new Promise<Error | undefined>((resolve) => {
    client.once('ready', () => resolve(undefined));
    // Permanent: ssh2 reports some failures twice, and an `error` without a listener ends the process.
    client.on('error', resolve);
    client.once('close', () => resolve(new Error(CLOSED)));
    // Behind a jump host `close` does not come before our side is closed, and on `end` ssh2 stops its own timer.
    client.once('end', () => resolve(new Error(CLOSED)));
    client.once('handshake', () => meter.handshakeDone());
    client.on('banner', (text) => {
      banner = (banner + text).slice(0, MAX_BANNER_CHARS);
    });
    // Before ssh2 sees the socket, which it takes for connected otherwise.
    if (channel === null) socket.connect({ host: target.address ?? target.host, port: target.port });
    client.connect({
      sock: channel ?? socket,
      username: target.user,
      authHandler: (left, partial, next) => {
        // A second call means that the only method was not sufficient.
        if (offered) {
          outcome.left = left;
          outcome.partial = partial === true;
        } else attempt.offered();
        next(offered ? (false as never) : auth);
        offered = true;
      },
      readyTimeout: options.connectTimeoutMs,
      keepaliveInterval: KEEPALIVE_INTERVAL_MS,
      keepaliveCountMax: KEEPALIVE_COUNT,
      algorithms,
      hostVerifier: (key: Buffer): boolean => {
        const trusted = isTrusted(pins, key);
        if (!trusted) rejected = key;
        return trusted;
      },
    });
    // Without this, small packets that wait for each other cost a delayed acknowledgement of 40 ms each.
    client.setNoDelay(true);
  });
  if (failure === undefined) {
    meter.loggedIn();
    return new Ssh2Connection(target, client, meter);
  }
  client.destroy();
  if (meter.exceeded !== null) throw floods(target, 'during the login', meter.exceeded);
  if (rejected !== undefined) throw hostKeyMismatch(target, pins, offeredKey(rejected));
  if (failure.message.includes('no matching host key format')) {
    if (via === null) attempt.connected();
    const scan = async () =>
      scanHostKey(target.address ?? target.host, target.port, options.connectTimeoutMs, [], await route());
    throw hostKeyMismatch(target, pins, await scan().catch(() => null));
  }
  throw classifyConnectError(target, failure, banner, { ...outcome, algorithms, beginning: meter.beginning });
}

export class Ssh2Connection implements Connection {
  closed = false;
  private readonly listeners = new Set<() => void>();

  constructor(
    private readonly target: SshTarget,
    private readonly client: Client,
    readonly meter: Meter,
  ) {
    client.once('close', () => this.gone());
    client.once('end', () => {
      this.gone();
      // Otherwise our side of a channel through a jump host, and the jump host's side, stay open.
      client.destroy();
    });
  }

  private gone(): void {
    this.closed = true;
    for (const listener of this.listeners) listener();
    this.listeners.clear();
  }

  onClose(listener: () => void): void {
    if (this.closed) listener();
    else this.listeners.add(listener);
  }

  end(): void {
    this.closed = true;
    this.client.destroy();
  }

  /** A channel to another machine, for the next login. */
  tunnel(target: SshTarget, timeoutMs: number): Promise<ClientChannel> {
    return new Promise((resolve, reject) => {
      const fail = (why: string, cause?: unknown): void => {
        clearTimeout(timer);
        reject(unreachable(target, `${describeMachine(this.target)} ${why}`, cause));
      };
      const lost = (): void => fail('lost the connection');
      const timer = setTimeout(() => fail(`has not reached it within ${timeoutMs / 1000} s`), timeoutMs);
      if (this.closed) return lost();
      this.listeners.add(lost);
      orLost(lost, () =>
        this.client.forwardOut('127.0.0.1', 0, target.address ?? target.host, target.port, (error, channel) => {
          this.listeners.delete(lost);
          if (error)
            return fail(`cannot connect to it: ${plainText(error.message.replace(/^.*failure: /, ''), 100)}`, error);
          clearTimeout(timer);
          this.meter.begin(WINDOW_BYTES);
          channel.once('close', () => this.meter.end(WINDOW_BYTES));
          resolve(channel);
        }),
      );
    });
  }

  exec(command: string, options: ExecOptions = {}): Promise<ExecResult> {
    const { signal, timeoutMs = DEFAULT_EXEC_TIMEOUT_MS, maxBytes = DEFAULT_MAX_BYTES } = options;
    const output = new CappedOutput(maxBytes);
    const expected = 2 * output.endBytes + WINDOW_BYTES;
    return new Promise<ExecResult>((resolve, reject) => {
      const lost = (cause?: unknown): void => {
        const { exceeded } = this.meter;
        const why = (): Error =>
          exceeded === null
            ? unreachable(this.target, 'the connection was lost', cause)
            : floods(this.target, 'for one command', exceeded);
        settle(() => reject(why()));
      };
      const flooded = (): void => {
        settle(() => reject(floods(this.target, 'for one command')));
        // A machine that sends so much need not heed a closed channel.
        this.end();
      };
      const timer = setTimeout(() => {
        settle(() => reject(noAnswer(this.target, timeoutMs)));
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
        if (isCounted) this.meter.end(expected);
        isCounted = false;
        finish();
      };
      let isCounted = false;
      if (signal?.aborted === true) return aborted();
      signal?.addEventListener('abort', aborted, { once: true });
      this.onClose(lost);
      this.meter.begin(expected);
      isCounted = true;
      orLost(lost, () =>
        this.client.exec(command, (error, opened) => {
          if (error) return settle(() => reject(sessionError(this.target, error)));
          channel = opened;
          collect(opened, output, { done: (result) => settle(() => resolve(result)), lost, flooded });
          if (signal?.aborted === true) return channel.close();
          channel.end(options.stdin);
        }),
      );
    });
  }
}

/** A connection that is closing, but has not emitted the event yet, throws. */
function orLost(lost: (cause: unknown) => void, ask: () => void): void {
  try {
    ask();
  } catch (error) {
    lost(error);
  }
}

/** A refused channel on an open connection is not a lost connection. */
function sessionError(target: SshTarget, error: Error): Error {
  if (error.message.includes('Channel open failure: ')) return new SessionRefused(error.message, { cause: error });
  return unreachable(target, 'the connection was lost', error);
}

/** Reads both streams to the end, unless there is far too much: an unread stream keeps the channel from closing. */
function collect(
  channel: ClientChannel,
  output: CappedOutput,
  { done, lost, flooded }: { done: (result: ExecResult) => void; lost: (cause?: unknown) => void; flooded: () => void },
): void {
  let exit: { code: number | null; signal: string | null } | undefined;
  const keep = (stream: 'stdout' | 'stderr') => (chunk: Buffer) => {
    if (!output.push(stream, chunk)) flooded();
  };
  channel.on('data', keep('stdout'));
  channel.stderr.on('data', keep('stderr'));
  channel.on('exit', (code: number | null, signal?: string) => {
    exit = { code, signal: signal ?? null };
  });
  channel.on('error', lost);
  // Without an exit status the connection was lost, and the outcome of the command is unknown.
  channel.on('close', () => {
    if (exit === undefined) return lost();
    done({ ...exit, ...output.value() });
  });
}

export function abortReason(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason;
  return reason instanceof Error ? reason : new Error('aborted');
}
