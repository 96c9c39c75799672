/** A login that succeeds and runs nothing: what the login shell or sshd says instead of the answer of a command. */
import { OspatchError } from '../domain/errors';
import type { ExecResult } from '../ssh/transport';

/** The error for such an answer; null when the account runs commands. */
export function noCommands(node: string, user: string, { code, stdout, stderr }: ExecResult): OspatchError | null {
  if (code === 0) return null;
  if (/account is currently not available/i.test(stdout.toString())) {
    return new OspatchError({
      type: 'AuthFailed',
      message: `${node} lets ${user} log in, but runs no commands for it: its login shell is nologin.`,
      remedy: `give it a shell on ${node} (usermod -s /bin/sh ${user}), or correct ssh.user`,
    });
  }
  if (/password change required|change your password now/i.test(stderr.toString())) {
    return new OspatchError({
      type: 'AuthFailed',
      message: `${node} lets ${user} log in, but runs no commands for it: its password has expired.`,
      remedy: `on ${node}: set a new password, or end its expiry (chage -M -1 -d -1 ${user})`,
    });
  }
  return null;
}
