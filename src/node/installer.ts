/** The shell script with which an administrator or configuration management installs the helper as root. */
import { type InstallStep, installSteps } from './helper/install-steps';
import type { HelperScript } from './helper/script';

const END = 'OSPATCH_HELPER_END';

/** Needs POSIX sh and sha256sum; changes only the helper's own file. Idempotent. */
export function installerScript(helper: HelperScript): string {
  const { before, write, after } = installSteps(helper);
  return `#!/bin/sh
# Installs the ospatch node helper. Run as root.
set -eu
umask 022
${before.map(line).join('\n')}
${write.command} <<'${END}'
${helper.content.toString()}${END}
${after.map(line).join('\n')}
echo 'installed ${helper.path}'
`;
}

/** A failed command prints its own error; comparisons have none. */
function line({ command, failure }: InstallStep): string {
  if (failure === 'exposed') {
    return `${command} || { echo "users other than root can change this, so the helper is not installed: $e" >&2; echo "fix: chown root:root and chmod go-w, for each such directory; or a directory in the place of a link" >&2; exit 1; }`;
  }
  if (failure !== 'digest') return command;
  return `${command} || { echo 'the helper is incomplete; nothing was changed' >&2; exit 1; }`;
}
