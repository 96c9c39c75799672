/** Runs commands on a machine over SSH. Knows nothing about patching. */

import type { Bounded } from '../domain/trust/address-bounds';

/** Where to log in, and which host keys to trust. Holds a reference to a key, never a key. */
export interface SshEndpoint extends Bounded {
  host: string;
  /** The address of `host` to connect to; absent: what it resolves to. */
  address?: string;
  port: number;
  user: string;
  /** A bare file name in the worker's key directory, `agent`, or one key of it: `agent:SHA256:...`. */
  identity: string;
  /**
   * Trusted host keys, each `TYPE BASE64`; prefixed by `@cert-authority` for a certificate authority, by `@revoked` for
   * a key that is never accepted. Empty: nothing is trusted.
   */
  hostKeys: readonly string[];
}

export interface SshTarget extends SshEndpoint {
  /** Name of the machine in messages. */
  name: string;
  /** Jump hosts, in order from the worker. */
  jump?: readonly SshEndpoint[];
  /** Default: `builtin`. */
  transport?: 'builtin' | 'openssh';
}

export interface ExecOptions {
  /** Written to the command's standard input, which is then closed. */
  stdin?: string | Buffer;
  /**
   * Counts from the established connection. Default: 60 s. Exceeding it counts as `Unreachable` and drops the
   * connection.
   */
  timeoutMs?: number;
  /** Limit per output stream; the excess is read and dropped. Default: 4 MiB. */
  maxBytes?: number;
  /** Ends the wait; the command may continue. */
  signal?: AbortSignal;
}

export interface ExecResult {
  /** Null when the command was ended by a signal. */
  code: number | null;
  signal: string | null;
  stdout: Buffer;
  stderr: Buffer;
  /** Whether a stream exceeded `maxBytes`. */
  truncated: boolean;
}

/**
 * One machine. Throws an `OspatchError` of type `Unreachable`, `HostKeyMismatch`, `AuthFailed` or
 * `IdentityUnavailable`; a lost connection is always `Unreachable` and says nothing about the command. An aborted call
 * rejects with the signal's reason.
 */
export interface Transport {
  /** Runs `command` through the login shell, without a terminal. */
  exec(command: string, options?: ExecOptions): Promise<ExecResult>;
  /** Closes the connection, if any; the next call logs in again. */
  close(): void;
}

/** Provides transports. Their connections are shared, and closed when idle. */
export interface TransportPool {
  transport(target: SshTarget): Transport;
  /** A transport with a connection of its own: its first command logs in. The caller must close it. */
  ownTransport(target: SshTarget): Transport;
  /**
   * Returns when the machine has proved to hold a trusted host key. Nobody logs in to it, only to its jump hosts.
   *
   * @throws OspatchError `HostKeyMismatch`, or another one when the machine has proved nothing
   */
  probeHostKey(target: SshTarget): Promise<void>;
  close(): void;
}
