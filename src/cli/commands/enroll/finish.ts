/** The second half of `enroll`: shows the keys, asks for confirmation, writes. */
import { OspatchError } from '../../../domain/shared/errors';
import { knownHostsName } from '../../../domain/trust/known-hosts';
import { canAsk, confirm } from '../../io/confirm';
import type { CliContext } from '../../io/context';
import { appendKnownHosts } from '../../io/known-hosts-file';
import { colors, print, printJson, printNote } from '../../io/output';
import { renderNewKeys, renderTrouble } from '../../render/enroll';
import type { ScannedNode } from '../../render/enroll';
import { plural } from '../../../domain/shared/plural';

export interface EnrolmentOptions {
  yes: boolean;
  /** All new keys are those that the user has named. */
  isExpected?: boolean;
  isJson: boolean;
  /** The source of the specs as named by the user. */
  file: string;
}

interface WrittenFile {
  file: string;
  keys: number;
}

/** Offers the new keys, file by file. Sets exit code 1 when a node could not be enrolled or the user declined. */
export async function finishEnrolment(
  context: CliContext,
  scanned: readonly ScannedNode[],
  options: EnrolmentOptions,
): Promise<void> {
  const { isJson, file } = options;
  const fresh = scanned.filter(({ found }) => found.state === 'new');
  const trouble = scanned.filter(({ found }) => found.state === 'refused' || found.state === 'unreachable');
  const say = (line: string): void => (isJson ? printNote : print)(context, line);
  for (const line of renderTrouble(trouble, colors(context, 'stderr'), file)) printNote(context, line);
  if (trouble.length > 0) context.setExitCode(1);
  if (fresh.length > 0) say(renderNewKeys(fresh, colors(context)));
  const written: WrittenFile[] = [];
  if (options.yes && fresh.length > 0) printNote(context, blindly(fresh.length));
  for (const [path, lines] of groupByFile(fresh)) {
    if (!(await mayWrite(context, `write ${plural(lines.length, 'key')} to ${path}?`, options))) continue;
    await appendKnownHosts(path, lines);
    written.push({ file: path, keys: lines.length });
    say(`${plural(lines.length, 'key')} written to ${path}`);
  }
  const known = scanned.filter(({ found }) => found.state === 'known' || found.state === 'trusted').length;
  if (fresh.length === 0 && trouble.length === 0) say(`nothing to enrol: ${plural(known, 'node')} known, 0 new`);
  else if (trouble.length === 0 && written.length > 0) say(`next: ospatch apply -f ${file}`);
  if (isJson) printJson(context, { nodes: scanned.map(toJson), written });
}

function blindly(count: number): string {
  return `warning: --yes trusts ${count === 1 ? 'this key' : `these ${count} keys`} blindly, whoever has answered: compare the fingerprints with those of the consoles`;
}

async function mayWrite(
  context: CliContext,
  question: string,
  { yes, isExpected, file }: EnrolmentOptions,
): Promise<boolean> {
  if (yes || isExpected === true) return true;
  if (!canAsk(context)) {
    throw new OspatchError({
      type: 'Usage',
      message: 'new host keys have to be confirmed, and there is no terminal to confirm on',
      remedy: `put the fingerprints of the consoles into a file, then: ospatch enroll -f ${file} --expect FINGERPRINTS (--yes trusts whatever answers)`,
    });
  }
  if (await confirm(context, question)) return true;
  printNote(context, 'nothing was written');
  context.setExitCode(1);
  return false;
}

/** The lines to add to each known_hosts file; two clusters may share a node. */
function groupByFile(nodes: readonly ScannedNode[]): Map<string, string[]> {
  const files = new Map<string, Set<string>>();
  for (const { host, port, knownHostsPath, found } of nodes) {
    if (found.state !== 'new') continue;
    const lines = files.get(knownHostsPath) ?? new Set<string>();
    lines.add(`${knownHostsName(host, port)} ${found.type} ${found.base64}`);
    files.set(knownHostsPath, lines);
  }
  return new Map([...files].map(([path, lines]) => [path, [...lines]]));
}

function toJson({ cluster, node, host, port, found }: ScannedNode): Record<string, unknown> {
  const type = 'type' in found ? found.type : null;
  const fingerprint = 'fingerprint' in found ? found.fingerprint : null;
  return { cluster, node, host, port, state: found.state, type, fingerprint, why: 'why' in found ? found.why : null };
}
