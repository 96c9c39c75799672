/** Running commands on a machine over SSH. Knows nothing of patching. */

/** Where to log in, and whom to trust there. Holds a reference to a key, never a key. */
export interface SshEndpoint {
  host: string;
  port: number;
  user: string;
  /** A bare file name in the worker's key directory, or `agent`. */
  identity: string;
  /**
   * Trusted host keys, each `TYPE BASE64`; with `@cert-authority` in front the key of an authority, with `@revoked` one
   * that is never accepted. None means that nothing is trusted.
   */
  hostKeys: readonly string[];
}

export interface SshTarget extends SshEndpoint {
  /** What messages call the machine. */
  name: string;
  /** Machines to go through, the one that is reached first in front. */
  jump?: readonly SshEndpoint[];
  /** Default: `builtin`. */
  transport?: 'builtin' | 'openssh';
}

export interface ExecOptions {
  /** Sent to the command's standard input, which is then closed. */
  stdin?: string | Buffer;
  /** From the moment the connection stands. Default: 60 s. Reaching it counts as `Unreachable` and drops the connection. */
  timeoutMs?: number;
  /** Cap of each output stream; what is beyond is read and dropped. Default: 4 MiB. */
  maxBytes?: number;
  /** Ends the wait; the command itself may go on. */
  signal?: AbortSignal;
}

export interface ExecResult {
  /** Null when the command was ended by a signal. */
  code: number | null;
  signal: string | null;
  stdout: Buffer;
  stderr: Buffer;
  /** True when one of the streams was longer than `maxBytes`. */
  truncated: boolean;
}

/**
 * One machine. Fails with an `OspatchError` of type `Unreachable`, `HostKeyMismatch`, `AuthFailed` or
 * `IdentityUnavailable`; a lost connection is always `Unreachable` and says nothing about the command. An aborted call
 * rejects with the signal's reason.
 */
export interface Transport {
  /** Runs `command` through the login shell, without a terminal. */
  exec(command: string, options?: ExecOptions): Promise<ExecResult>;
  /** Drops the connection, if there is one; the next call logs in anew. */
  close(): void;
}

/** Gives out transports. The connections behind them are shared and closed when idle. */
export interface TransportPool {
  transport(target: SshTarget): Transport;
  /** One whose connection nobody else has used or will use: its first command logs in. It has to be closed. */
  ownTransport(target: SshTarget): Transport;
  close(): void;
}
