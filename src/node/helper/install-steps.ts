/** How the helper gets to its place: written beside it, checked there, then renamed, so no half file is ever run. */
import { findExposed, withDirectories } from '../exposed';
import { HELPER_DIR, type HelperScript } from './script';

export interface InstallStep {
  /** POSIX sh on one line, without a single quote. */
  command: string;
  /** What has failed when the command fails; null: nothing of importance. */
  failure: 'exposed' | 'directory' | 'write' | 'digest' | null;
}

export interface InstallSteps {
  before: InstallStep[];
  /** Its standard input is the content of the helper. */
  write: InstallStep;
  after: InstallStep[];
}

/** For root with umask 022. */
export function installSteps({ digest, path }: HelperScript): InstallSteps {
  return {
    before: [
      // Directories made below those of root, with this umask, are root's too.
      { command: `e=$(${findExposed(withDirectories(HELPER_DIR))})`, failure: null },
      { command: '[ -z "$e" ]', failure: 'exposed' },
      { command: `mkdir -p ${HELPER_DIR}`, failure: 'directory' },
      { command: `new=$(mktemp ${HELPER_DIR}/.ospatch-node.XXXXXX)`, failure: 'write' },
      { command: 'trap "rm -f $new" EXIT', failure: null },
    ],
    write: { command: 'cat >"$new"', failure: 'write' },
    after: [
      { command: `[ "$(sha256sum <"$new" | cut -c1-64)" = ${digest} ]`, failure: 'digest' },
      { command: 'chmod 0755 "$new"', failure: 'write' },
      { command: 'chown 0:0 "$new"', failure: 'write' },
      { command: `mv -f "$new" ${path}`, failure: 'write' },
      { command: `if command -v restorecon >/dev/null 2>&1; then restorecon ${path}; fi`, failure: null },
    ],
  };
}
