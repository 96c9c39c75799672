/** Converts connection errors of ssh2 to an `OspatchError`. */
import { OspatchError } from '../domain/shared/errors';
import { plainText, withoutFullStop } from '../domain/shared/text';
import { shortRsaBits } from '../domain/trust/host-keys';
import { shellUserName } from '../domain/trust/user-name';
import type { NegotiableAlgorithms } from './algorithms';
import { mismatchedOffer, saidBeforeIdentification } from './builtin/server-offer';
import type { OfferedKey, PinnedKey } from './host-keys';
import { fingerprint } from './host-keys';
import type { SshTarget } from './transport';

const MAX_REASON = 200;
const MAX_SAID = 200;

/** Actionable reasons, by socket error code. */
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

/** The server and we have nothing in common. `what`: kind of algorithm, and what the server offers. */
export function noCommonAlgorithm(target: SshTarget, what: string, cause?: unknown): OspatchError {
  return new OspatchError(
    {
      type: 'Unreachable',
      message: `${describeMachine(target)} cannot be reached: it and ospatch have no algorithm in common for the ${what}`,
      remedy: /mlkem|sntrup/.test(what)
        ? 'use ssh.transport: openssh, whose client has post-quantum key exchange'
        : `allow one of the algorithms of "SSH" in docs/security.md in the sshd_config of ${target.name} (\`sshd -T\` shows what is in force)`,
    },
    { cause },
  );
}

/** sshd refuses the address of the worker, before the handshake. Null when `said`, untrusted, is something else. */
export function notNow(target: SshTarget, said: string, cause?: unknown): OspatchError | null {
  if (said.startsWith('Exceeded MaxStartups')) {
    return unreachable(target, 'it has too many connections that are not logged in yet (MaxStartups)', cause);
  }
  if (!said.startsWith('Not allowed at this time')) return null;
  return new OspatchError(
    {
      type: 'Unreachable',
      message: `${describeMachine(target)} refuses connections from this address for a while, because of earlier failed logins from there (PerSourcePenalties)`,
      remedy: `find who fails to log in from the address of the worker or of the jump host, or name it in PerSourcePenaltyExemptList in the sshd_config of ${target.name}`,
    },
    { cause },
  );
}

/** The machine sends so much that the connection was ended. `when`: a phrase. */
export function floods(target: Machine, when: string, cause?: unknown): OspatchError {
  return new OspatchError(
    {
      type: 'HelperProtocol',
      message: `${describeMachine(target)} sent far more ${when} than any answer needs, so the connection was ended`,
      remedy: `see on ${target.name} what prints so much: the sshd banner, the login shell of the user (.bashrc and the like), or a machine that is not what it was`,
    },
    { cause },
  );
}

/** The fields of a target used in messages. */
type Machine = Pick<SshTarget, 'name' | 'host' | 'port'>;

/** `w-1 (10.0.0.12:22)`. */
export function describeMachine(target: Machine): string {
  const host = target.host.includes(':') ? `[${target.host}]` : target.host;
  return `${target.name} (${host}:${target.port})`;
}

export function unreachable(target: Machine, reason: string, cause?: unknown): OspatchError {
  return new OspatchError(
    { type: 'Unreachable', message: `${describeMachine(target)} cannot be reached: ${reason}` },
    { cause },
  );
}

/** The login works, but the command does not end: load, a hang, or a machine that is shutting down. */
export function noAnswer(target: Machine, timeoutMs: number): OspatchError {
  return new OspatchError({
    type: 'Unreachable',
    message: `${describeMachine(target)} is slow or has just gone down: the login worked, but a command has not answered there within ${timeoutMs / 1000} s`,
    remedy: `check what commands on ${target.name} wait for: load, memory, a hung file system, sudo or a directory service`,
    details: { loggedIn: true },
  });
}

/**
 * The error when the host itself names the reason of a failed login: the account, or a machine that is booting or
 * shutting down and denies logins for a while. Null when `said`, which is untrusted, contains no known reason.
 */
export function accountRefused(target: SshTarget, said: string, cause?: unknown): OspatchError | null {
  const words = wordsOf(said);
  if (/system is (?:booting up|going down)/i.test(said)) {
    return unreachable(target, `logins are denied at the moment, with the message: ${words}`, cause);
  }
  if (!/by PAM account|(?:account|password) has expired|account is (?:locked|disabled)/i.test(said)) return null;
  return new OspatchError(
    {
      type: 'AuthFailed',
      message: `${describeMachine(target)} accepts the key, but not the account ${target.user}, with the message: ${words}`,
      remedy: `see on ${target.name} whether the account has expired or is locked: chage -l ${shellUserName(target.user)}`,
    },
    { cause },
  );
}

/** The host's answer to a key that did not complete the login. */
export interface AuthOutcome {
  /** Methods that may follow; null when the host did not list any. */
  left: readonly string[] | null;
  /** The key was accepted but is not sufficient. */
  partial: boolean;
}

/** What else is known about a connection that failed. */
export interface FailedLogin extends AuthOutcome {
  /** The first bytes of the server, before encryption. */
  beginning: Buffer;
  /** What was offered to it. */
  algorithms: NegotiableAlgorithms;
}

/** Method names as sent by sshd; everything else is untrusted. */
const METHOD = /^[a-z][a-z0-9@.-]{0,40}$/;

/** The key did not complete the login. `said` is the host's banner, which is untrusted. */
export function authFailed(
  target: SshTarget,
  said: string,
  { left, partial }: AuthOutcome,
  cause?: unknown,
): OspatchError {
  const { identity, user, name } = target;
  const methods = (left ?? []).filter((method) => METHOD.test(method));
  if (partial) {
    const more = methods.map((method) => (method === 'publickey' ? 'another key' : method)).join(' or ');
    return new OspatchError(
      {
        type: 'AuthFailed',
        message: `${describeMachine(target)} accepts the key "${identity}" for the user ${user}, and also requires ${more || 'something else'}: a second factor, which ospatch cannot provide`,
        remedy: `let the key alone be enough for this user: "Match User ${user}" with "AuthenticationMethods publickey" in the sshd_config of ${name}`,
      },
      { cause },
    );
  }
  if (methods.length > 0 && !methods.includes('publickey')) {
    return new OspatchError(
      {
        type: 'AuthFailed',
        message: `${describeMachine(target)} does not allow logins as ${user} by key; it offers ${methods.join(', ')}`,
        remedy: `allow keys for this user: PubkeyAuthentication and AuthenticationMethods in the sshd_config of ${name} (\`sshd -T -C user=${shellUserName(user)}\` shows what is in force)`,
      },
      { cause },
    );
  }
  const words = wordsOf(said);
  return new OspatchError(
    {
      type: 'AuthFailed',
      message: `${describeMachine(target)} does not accept ${target.identity === 'agent' ? 'any offered key of the ssh-agent' : `the key "${target.identity}"`} for the user ${target.user}${words === '' ? '' : `, with the message: ${words}`}`,
      remedy: `${target.identity === 'agent' ? 'name the key if the agent holds more than 6, as no more are offered (ssh.identity: agent:SHA256:..., see ssh-add -l); else ' : ''}add the public key to ~${target.user}/.ssh/authorized_keys on ${target.name}, or correct ssh.user and ssh.identity`,
    },
    { cause },
  );
}

function wordsOf(said: string): string {
  return withoutFullStop(plainText(said, MAX_SAID));
}

/** Classifies an `error` event before the login was complete. `banner` is what the host sent before the error. */
export function classifyConnectError(
  target: SshTarget,
  error: Error,
  banner: string,
  { beginning, algorithms, ...outcome }: FailedLogin,
): OspatchError {
  const level = 'level' in error ? String(error.level) : '';
  const code = 'code' in error ? String(error.code) : '';
  // Some rejections arrive as a closed connection in the middle of the login.
  const reason = error.message.startsWith('Access denied') ? ` ${error.message}` : '';
  const refused = accountRefused(target, `${banner.trim()}${reason}`, error);
  if (refused !== null) return refused;
  const penalty = notNow(target, saidBeforeIdentification(beginning), error);
  if (penalty !== null) return penalty;
  switch (level) {
    case 'client-authentication':
      return authFailed(target, banner, outcome, error);
    case 'handshake':
      if (!error.message.includes('no matching')) break;
      return noCommonAlgorithm(target, mismatchedOffer(beginning, algorithms) ?? plainText(error.message, 100), error);
    case 'agent':
      return new OspatchError(
        {
          type: 'IdentityUnavailable',
          message: 'the ssh-agent of the worker cannot sign',
          remedy: 'start the worker with a running ssh-agent',
        },
        { cause: error },
      );
    case 'client-timeout':
      return unreachable(target, 'it does not answer', error);
    case 'protocol':
      return unreachable(target, 'it closed the connection during the login', error);
  }
  return unreachable(target, SOCKET_REASONS[code] ?? plainText(error.message, MAX_REASON), error);
}

/** The server holds another key than the trusted ones. `offered` is null when it has no key of their types. */
export function hostKeyMismatch(
  target: SshTarget,
  pins: readonly PinnedKey[],
  offered: OfferedKey | null,
): OspatchError {
  const got = offered === null ? `no key of that type` : `${offered.type} ${offered.fingerprint}`;
  return mismatch(target, pins.map((pin) => `${pin.type} ${fingerprint(pin.blob)}`).join(' or '), got);
}

/** `trusted` and `got`: formatted fingerprints with types. */
export function mismatch(target: SshTarget, trusted: string, got: string): OspatchError {
  return new OspatchError({
    type: 'HostKeyMismatch',
    message: `${describeMachine(target)} has another host key than the trusted one: expected ${trusted}, got ${got}`,
    remedy: `if ${target.name} was rebuilt, compare the new fingerprint with its console, then: ospatch enroll -f FILE --replace ${target.name.startsWith('the jump host ') ? target.host : target.name}; otherwise this may be a man-in-the-middle attack`,
  });
}

export function noHostKeys(target: SshTarget): OspatchError {
  const short = target.hostKeys.map(shortRsaBits).find((bits) => bits !== null);
  const but = short === undefined ? '' : ` (its RSA key of ${short} bits is too short)`;
  return new OspatchError({
    type: 'HostKeyMismatch',
    message: `${describeMachine(target)} has no trusted host key in the spec${but}, so ospatch does not connect to it`,
    remedy: 'read and check its host keys with `ospatch enroll`',
  });
}
