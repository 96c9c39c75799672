/** Errors of an account that logs in but runs no commands, derived from the output of the login shell or sshd. */
import { OspatchError } from '../domain/shared/errors';
import { plainText, withoutFullStop } from '../domain/shared/text';
import { shellUserName } from '../domain/trust/user-name';
import type { ExecResult } from '../ssh/transport';
import { redactSecrets } from '../domain/shared/redact';

/** The error for such output; null when the account runs commands. */
export function loginShellError(node: string, user: string, { code, stdout, stderr }: ExecResult): OspatchError | null {
  if (code === 0) return null;
  if (/account is currently not available/i.test(stdout.toString())) {
    return new OspatchError({
      type: 'AuthFailed',
      message: `${node} lets ${user} log in, but runs no commands for it: its login shell is nologin`,
      remedy: `give it a shell on ${node} (usermod -s /bin/sh ${shellUserName(user)}), or correct ssh.user`,
    });
  }
  if (
    /password change required|change your password (?:now|immediately)|password has expired/i.test(stderr.toString())
  ) {
    return new OspatchError({
      type: 'AuthFailed',
      message: `${node} lets ${user} log in, but runs no commands for it: its password has expired`,
      remedy: `on ${node}: set a new password, or end its expiry (chage -M -1 -d -1 ${shellUserName(user)})`,
    });
  }
  return null;
}

/** The error for an account that does not run the requested command; `echoed` is the result of a test command. */
export function runsNothing(node: string, user: string, echoed: ExecResult): OspatchError {
  const { what, remedy } = diagnoseShell(node, user, echoed);
  return new OspatchError({
    type: 'AuthFailed',
    message: `${node} lets ${user} log in, but runs no commands for it: ${what}`,
    remedy,
  });
}

function diagnoseShell(
  node: string,
  user: string,
  { code, stdout, stderr }: ExecResult,
): { what: string; remedy: string } {
  const said = withoutFullStop(plainText(redactSecrets(`${stdout.toString()} ${stderr.toString()}`).trim(), 200));
  const forced = `look for ForceCommand in the sshd_config of ${node} and for command= in ~${user}/.ssh/authorized_keys, and exempt ${user} there, or correct ssh.user`;
  if (/allows sftp connections only/i.test(said)) {
    return { what: 'the account may only transfer files (ForceCommand internal-sftp)', remedy: forced };
  }
  // A start file that exits after a greeting is indistinguishable from another program in place of the shell.
  if (said !== '') {
    return {
      what:
        code === 0
          ? `another program runs instead and prints: ${said}`
          : `another program, or a start file of its shell, exits before them with code ${code} and prints: ${said}`,
      remedy: `look for exit, exec and set -e in ~${user}/.bashrc and the other start files on ${node}; then ${forced}`,
    };
  }
  if (code !== 0) {
    return {
      what: `its login shell exits at once with code ${code} and without output, like /bin/false`,
      remedy: `give it a shell on ${node} (usermod -s /bin/sh ${shellUserName(user)}), or correct ssh.user`,
    };
  }
  return {
    what: 'its login shell exits successfully without running them: another program runs instead',
    remedy: `look for an exec (fish, zsh, tmux, ...) in ~${user}/.bashrc and the other start files of its shell on ${node} and keep it from happening without a terminal; then ${forced}`,
  };
}
