/** Removes helpers of earlier versions from a node, with their copies and rules. */
import { OspatchError } from '../domain/shared/errors';
import { plainText } from '../domain/shared/text';
import type { NodeTarget } from '../domain/spec/types';
import type { Transport } from '../ssh/transport';
import { exposedError, exposedPlace, findExposed, withDirectories } from './exposed';
import { HELPER_DIR, type HelperScript } from './helper/script';
import { privilegeOf, sudoDenied, sudoReason } from './privilege';

export interface Pruned {
  /** Paths that were removed, or would be. */
  removed: string[];
  kept: KeptHelper[];
}

export interface KeptHelper {
  path: string;
  /** `newer`: installed after this version's. `in-use`: a process was started from it. */
  reason: 'newer' | 'in-use';
}

const MARK = 'ospatch-prune:';

/**
 * For root. Holds the lock of jobs meanwhile, so that none starts; a job that lost its lock is found by the processes
 * that name its helper. Contains no single quote.
 */
function pruneScript({ path }: HelperScript, isDryRun: boolean): string {
  return [
    'umask 077',
    `say() { echo "${MARK}$*"; }`,
    `e=$(${findExposed(withDirectories(HELPER_DIR))})`,
    '[ -z "$e" ] || { say "exposed $e"; exit; }',
    `[ -f ${path} ] || { say missing; exit; }`,
    'if [ -e /var/lib/ospatch/lock ]; then exec 9</var/lib/ospatch/lock; flock -n 9 || { say busy; exit; }; fi',
    'all=$(cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" " ")',
    'seen=" "',
    // Rules first: none must be left for a file that is gone.
    'drop() { for f in "/etc/sudoers.d/ospatch-$v" "/etc/doas.d/ospatch-$v.conf" "$1" "/var/lib/ospatch/bin/ospatch-node-$v"*; do',
    `  [ -f "$f" ] || continue; ${isDryRun ? '' : 'rm -f "$f" || continue; '}say "removed $f"`,
    'done; }',
    `for file in ${HELPER_DIR}/ospatch-node-* /var/lib/ospatch/bin/ospatch-node-*; do`,
    '  v=${file##*/ospatch-node-}',
    '  v=${v%"${v#????????????}"}',
    '  case $v in *[!0-9a-f]*) continue ;; ????????????) ;; *) continue ;; esac',
    `  [ -f "$file" ] && [ "${HELPER_DIR}/ospatch-node-$v" != ${path} ] || continue`,
    '  case $seen in *" $v "*) continue ;; esac',
    '  seen="$seen$v "',
    `  if ! [ "$file" -ot ${path} ]; then say "kept newer $file"; continue; fi`,
    '  case $all in *"ospatch-node-$v"*) say "kept in-use $file"; continue ;; esac',
    `  drop "${HELPER_DIR}/ospatch-node-$v"`,
    'done',
    'say end',
  ].join('\n');
}

/**
 * Removes what is older than the helper of this version, unless a job uses it.
 *
 * @throws OspatchError `SudoDenied`, `HelperMissing`, `Busy`
 */
export async function pruneHelpers(
  target: Pick<NodeTarget, 'name' | 'ssh'>,
  transport: Transport,
  helper: HelperScript,
  isDryRun: boolean,
): Promise<Pruned> {
  const node = target.name;
  const { user } = target.ssh;
  const { setup, prefix } = privilegeOf(user);
  // On standard input, so that no process is named after a helper.
  const command = prefix === '' ? 'sh -s' : `sh -c '${setup}exec ${prefix}sh -s'`;
  const result = await transport.exec(command, { stdin: `${pruneScript(helper, isDryRun)}\n` });
  const lines = result.stdout
    .toString()
    .split('\n')
    .flatMap((line) => (line.startsWith(MARK) ? [plainText(line.slice(MARK.length), 300)] : []));
  const refused = refusal(node, helper, lines[0] ?? '');
  if (refused !== null) throw refused;
  if (lines.at(-1) !== 'end') {
    if (lines.length === 0 && prefix !== '') {
      throw sudoDenied({ node, user, path: helper.path, doing: 'place', call: null }, result);
    }
    throw new OspatchError({
      type: 'HelperMissing',
      message: `the helpers on ${node} could not be removed: ${sudoReason(result) || 'no reason was given'}`,
    });
  }
  const after = (word: string): string[] =>
    lines.flatMap((line) => (line.startsWith(`${word} `) ? [line.slice(word.length + 1)] : []));
  return {
    removed: after('removed'),
    kept: (['newer', 'in-use'] as const).flatMap((reason) => after(`kept ${reason}`).map((path) => ({ path, reason }))),
  };
}

function refusal(node: string, { path }: HelperScript, line: string): OspatchError | null {
  const exposed = line.startsWith('exposed ') ? exposedPlace(line) : null;
  if (exposed !== null) return exposedError(node, exposed);
  if (line === 'missing') {
    return new OspatchError({
      type: 'HelperMissing',
      message: `${node} has no helper of this version (${path}), so it is unknown which others are older, and nothing was removed`,
      remedy: `run the version of ospatch that the workers have, or place its helper first (\`ospatch helper install\`)`,
    });
  }
  if (line !== 'busy') return null;
  return new OspatchError({
    type: 'Busy',
    message: `a job is running on ${node}, so nothing was removed`,
    remedy: 'prune again when it has ended',
  });
}
