/** Becoming root on a node: a root login already is, anybody else goes through `sudo -n`. */
import { OspatchError } from '../domain/errors';
import { plainText } from '../domain/text';
import type { ExecResult } from '../ssh/transport';

/** `env` because not every login shell can set a variable for one command; sudo's messages are read. */
const SUDO = 'env LC_ALL=C sudo -n ';

/** What stands before a command so that it runs as root. */
export function privilegePrefix(user: string): string {
  return user === 'root' ? '' : SUDO;
}

/** The last line of standard error, without the name of the program. */
export function sudoReason({ stderr }: ExecResult): string {
  const line = stderr.toString().trim().split('\n').at(-1) ?? '';
  return plainText(line.replace(/^(?:sudo|env): /, ''), 200).replace(/\.$/, '');
}

export function sudoDenied(node: string, result: ExecResult): OspatchError {
  const reason = sudoReason(result) || `it ended with code ${result.code ?? result.signal ?? 'unknown'}`;
  return new OspatchError({
    type: 'SudoDenied',
    message: `sudo refuses to run the helper on ${node}: ${reason}.`,
    remedy: 'allow it without a password (see docs/node.md for the sudoers rule), or log in as root',
  });
}
