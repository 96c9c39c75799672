/** Becoming root on a node: a root login already is, anybody else goes through `sudo -n`. */
import { OspatchError } from '../domain/errors';
import { plainText } from '../domain/text';
import type { ExecResult } from '../ssh/transport';
import { redactSecrets } from './sanitize';

/** `env` because not every login shell can set a variable for one command; sudo's messages are read. */
const SUDO = 'env LC_ALL=C sudo -n ';

/** What stands before a command so that it runs as root. */
export function privilegePrefix(user: string): string {
  return user === 'root' ? '' : SUDO;
}

/** The last line of standard error, without the name of the program. */
export function sudoReason({ stderr }: ExecResult): string {
  const line = redactSecrets(stderr.toString()).trim().split('\n').at(-1) ?? '';
  return plainText(line.replace(/^(?:sudo|env|sh): (?:\d+: )?(?:exec: )?/, ''), 200).replace(/\.$/, '');
}

/** What sudo says, and what a person does about it. The first match counts. */
const REASONS: readonly [RegExp, (node: string, user: string) => { what?: string; remedy: string }][] = [
  [
    /'?sudo'?: (?:No such file|not found)|can't execute 'sudo'/,
    (node, user) => ({
      what: `there is no sudo on ${node}, and ${user} is not root`,
      remedy: `install sudo on ${node}, or log in as root (ssh.user)`,
    }),
  ],
  [
    /must have a tty/,
    (node, user) => ({
      remedy: `add "Defaults:${user} !requiretty" to the sudoers of ${node}; \`ospatch sudoers --user ${user}\` prints it with the rule`,
    }),
  ],
  [
    /account.*(?:expired|locked)|account validation failure|password.*expired/i,
    (node, user) => ({ remedy: `renew the account ${user} on ${node} (chage -l ${user} shows it)` }),
  ],
  [
    /syntax error|unable to parse|parse error/,
    (node) => ({ remedy: `mend the sudoers of ${node} (visudo -c names the line)` }),
  ],
];

const PLACING_REMEDY =
  'with a narrow sudo rule set ssh.helper to preinstalled and have an administrator place the helper (`ospatch helper install`); otherwise let the user do everything without a password, or log in as root';

/** Sudo was asked, and did not run the helper or did not let it be placed. */
export function sudoDenied(
  node: string,
  user: string,
  result: ExecResult,
  doing: 'run' | 'place' = 'run',
): OspatchError {
  const reason = sudoReason(result) || `it ended with code ${result.code ?? result.signal ?? 'unknown'}`;
  const said = redactSecrets(result.stderr.toString());
  const known = REASONS.find(([pattern]) => pattern.test(said))?.[1](node, user);
  return new OspatchError({
    type: 'SudoDenied',
    message: `${known?.what ?? `sudo refuses to ${doing} the helper on ${node}: ${reason}`}.`,
    remedy:
      known?.remedy ??
      (doing === 'place' ? PLACING_REMEDY : undefined) ??
      `give ${user} the rule that \`ospatch sudoers --user ${user}\` prints, of this version of ospatch (docs/node.md), or log in as root`,
  });
}
