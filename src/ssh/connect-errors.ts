/** What ssh2 says when a connection fails, turned once into an `OspatchError`. */
import { OspatchError } from '../domain/errors';
import { plainText } from '../domain/text';
import type { PinnedKey } from './host-keys';
import { fingerprint, hostKeyType } from './host-keys';
import type { SshTarget } from './transport';

const MAX_REASON = 200;

/** Reasons a person can act on, by the code of the socket error. */
const SOCKET_REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection was reset',
  ETIMEDOUT: 'the connection timed out',
  EHOSTUNREACH: 'there is no route to the host',
  ENETUNREACH: 'the network is not reachable',
  ENOTFOUND: 'the name cannot be resolved',
  EAI_AGAIN: 'the name cannot be resolved at the moment',
};

/** `w-1 (10.0.0.12:22)`. */
export function describe(target: SshTarget): string {
  const host = target.host.includes(':') ? `[${target.host}]` : target.host;
  return `${target.name} (${host}:${target.port})`;
}

export function unreachable(target: SshTarget, reason: string, cause?: unknown): OspatchError {
  return new OspatchError(
    { type: 'Unreachable', message: `${describe(target)} cannot be reached: ${reason}.` },
    { cause },
  );
}

/** Classifies an `error` event that came before the login was complete. */
export function classifyConnectError(target: SshTarget, error: Error): OspatchError {
  const level = 'level' in error ? String(error.level) : '';
  const code = 'code' in error ? String(error.code) : '';
  switch (level) {
    case 'client-authentication':
      return new OspatchError(
        {
          type: 'AuthFailed',
          message: `${describe(target)} does not accept the key "${target.identity}" for the user ${target.user}.`,
          remedy: `add the public key to ~${target.user}/.ssh/authorized_keys on ${target.name}, or correct ssh.user and ssh.identity`,
        },
        { cause: error },
      );
    case 'agent':
      return new OspatchError(
        {
          type: 'IdentityUnavailable',
          message: 'the ssh-agent of the worker cannot sign.',
          remedy: 'start the worker with a running ssh-agent',
        },
        { cause: error },
      );
    case 'client-timeout':
      return unreachable(target, 'it does not answer', error);
    case 'protocol':
      return unreachable(target, 'it closed the connection during the login', error);
    default:
      return unreachable(target, SOCKET_REASONS[code] ?? plainText(error.message, MAX_REASON), error);
  }
}

/** The server proved to hold another key than the trusted ones. `offered` is null when it holds none of their types. */
export function hostKeyMismatch(target: SshTarget, pins: readonly PinnedKey[], offered: Buffer | null): OspatchError {
  const trusted = pins.map((pin) => `${pin.type} ${fingerprint(pin.blob)}`).join(' or ');
  const got = offered === null ? `no key of that type` : `${hostKeyType(offered)} ${fingerprint(offered)}`;
  return new OspatchError({
    type: 'HostKeyMismatch',
    message: `${describe(target)} has another host key than the trusted one: expected ${trusted}, got ${got}.`,
    remedy: `if ${target.name} was reinstalled, check the new fingerprint on its console and enrol it again (ospatch enroll); otherwise somebody may be in between`,
  });
}

export function noHostKeys(target: SshTarget): OspatchError {
  return new OspatchError({
    type: 'HostKeyMismatch',
    message: `${describe(target)} has no trusted host key in the spec, so it is not connected to.`,
    remedy: 'read and check its host keys with `ospatch enroll`',
  });
}
