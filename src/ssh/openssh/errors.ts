/** Converts the log of a failed login by the OpenSSH client to an `OspatchError`. */
import type { OspatchError } from '../../domain/shared/errors';
import { plainText } from '../../domain/shared/text';
import type { AuthOutcome } from '../connect-errors';
import { accountRefused, authFailed, describeMachine, mismatch, unreachable } from '../connect-errors';
import { fingerprint } from '../host-keys';
import { unavailable } from '../builtin/identity';
import type { SshTarget } from '../transport';

const MAX_REASON = 200;

/** Actionable reasons. */
const REASONS: readonly (readonly [RegExp, string])[] = [
  [/Could not resolve hostname/, 'the name cannot be resolved'],
  [/Connection refused/, 'the connection was refused'],
  [/No route to host/, 'there is no route to the host'],
  [/Network is unreachable/, 'the network is not reachable'],
  [/Connection timed out|Operation timed out|not responding/, 'it does not answer'],
  [/Connection reset by/, 'the connection was reset'],
  [/Connection closed by|kex_exchange_identification|banner exchange/, 'it closed the connection during the login'],
];

/**
 * `log`: the client's log at DEBUG1. `banner`: what the host sent before the login. `jump`: the jump host in between.
 */
export function classifyOpensshFailure(
  target: SshTarget,
  log: string,
  banner: string,
  jump: SshTarget | null,
): OspatchError {
  if (/Host key verification failed|no matching host key type found/.test(log)) {
    return mismatch(target, trustedKeys(target), offeredKey(log));
  }
  if (/^Load key .*: |signing failed.*agent refused|Could not open a connection to your authentication/m.test(log)) {
    const why = /(?:Load key .*?|signing failed for \S+ .*?): (.{1,100})$/m.exec(log)?.[1] ?? 'it cannot sign';
    return unavailable(
      `the key "${target.identity}" of the worker cannot be used by the OpenSSH client: ${plainText(why, MAX_REASON)}`,
      'try it by hand as the user the worker runs as',
    );
  }
  const goodbye = /Received disconnect from .*?: (Access denied .{1,200})$/m.exec(log)?.[1] ?? '';
  const refused = accountRefused(target, `${banner.trim()} ${goodbye}`.trim());
  if (refused !== null) return refused;
  // At the beginning of a line: the rest may be words of the server.
  if (/^\S+@\S+: Permission denied \(|Too many authentication failures/m.test(log)) {
    return authFailed(target, banner, authOutcome(log));
  }
  const unable = /Unable to negotiate with .*?: (.{1,200})$/m.exec(log)?.[1];
  if (unable !== undefined)
    return unreachable(target, `it and the OpenSSH client disagree: ${plainText(unable, MAX_REASON)}`);
  // The reason known to the jump host is not in this client's log.
  if (jump !== null && !log.includes('Remote protocol version')) {
    return unreachable(target, `${describeMachine(jump)} cannot connect to it`);
  }
  const known = REASONS.find(([pattern]) => pattern.test(log))?.[1];
  return unreachable(target, known ?? (plainText(lastWords(log), MAX_REASON) || 'the OpenSSH client gave no reason'));
}

function authOutcome(log: string): AuthOutcome {
  const left = /Permission denied \(([^)]{1,200})\)/.exec(log)?.[1]?.split(',') ?? null;
  return { left, partial: /Authenticated using "publickey" with partial success/.test(log) };
}

/** Types and fingerprints of the trusted keys, formatted. */
function trustedKeys({ hostKeys }: SshTarget): string {
  const trusted = hostKeys.filter((entry) => !entry.startsWith('@revoked'));
  return trusted
    .map((entry) => {
      const [base64 = '', type] = entry.split(/\s+/).reverse().slice(0, 2);
      const authority = entry.startsWith('@cert-authority') ? 'a certificate of the authority ' : '';
      return `${authority}${type} ${fingerprint(Buffer.from(base64, 'base64'))}`;
    })
    .join(' or ');
}

function offeredKey(log: string): string {
  const [, type, print] = /Server host (?:key|certificate): (\S+) (SHA256:[A-Za-z0-9+/]+)/.exec(log) ?? [];
  if (type === undefined || print === undefined) return 'no key of that type';
  const invalid = /Certificate invalid: (.{1,100})$/m.exec(log)?.[1];
  const why = /REVOKED/.test(log) ? ', which is revoked' : invalid === undefined ? '' : ` (certificate ${invalid})`;
  return `${plainText(type, 60)} ${print}${plainText(why, MAX_REASON)}`;
}

/** The last line that is not debug output. */
function lastWords(log: string): string {
  const lines = log.split('\n').filter((line) => line.trim() !== '' && !/^debug\d: /.test(line));
  return lines.at(-1) ?? '';
}
