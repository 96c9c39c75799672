/** The host keys of the first nodes: read, shown, confirmed. */
import path from 'node:path';
import { hmacSha1 } from '../../../client/load/host-keys';
import { hostKeysFor } from '../../../domain/trust/known-hosts';
import { fingerprint } from '../../../ssh/host-keys';
import type { CliContext } from '../../io/context';
import { readKnownHostsFile } from '../../io/known-hosts-file';
import { colors, print, printNote } from '../../io/output';
import type { Prompter } from '../../io/prompter';
import { REFUSED, renderNewKeys, renderTrouble } from '../../render/enroll';
import type { ScannedNode } from '../../render/enroll';
import type { ExpectedKeys } from '../enroll/expected';
import { expectedOf, readExpected } from '../enroll/expected';
import { scanMachine } from '../enroll/scan';
import { OspatchError } from '../../../domain/shared/errors';
import { mapConcurrently } from '../../../domain/shared/map-concurrently';
import { plural } from '../../../domain/shared/plural';
import type { InitAnswers } from './answers';
import type { InitOptions } from './options';
import type { KeyOptions } from './machines';
import { knownHostsLine, scanBehind } from './machines';

const SCANS_AT_ONCE = 16;

interface Enrolment {
  answers: InitAnswers;
  options: InitOptions;
  /** Path of the spec, for remedies. */
  file: string;
  knownHosts: string;
  keys: KeyOptions;
}

/**
 * The lines to add to known_hosts; null: the user declined.
 *
 * @throws OspatchError `Unreachable`, `HostKeyMismatch` when a machine cannot be enrolled and nobody is asked
 */
export async function confirmHostKeys(
  context: CliContext,
  prompter: Prompter | null,
  enrolment: Enrolment,
): Promise<string[] | null> {
  const { options, file, knownHosts } = enrolment;
  const { expect } = options;
  const source = expect === undefined || expect === '-' ? expect : path.resolve(context.cwd, expect);
  const expected = source === undefined ? null : await readExpected(source, context.stdin, fingerprint);
  for (;;) {
    const text = await readKnownHostsFile(knownHosts);
    const scanning = scanAll(enrolment, text, expected, (found) => confirmJump(context, prompter, found, expected));
    const scanned = await (prompter === null ? scanning : prompter.during(scanning));
    if (scanned === null) return null;
    const trouble = scanned.filter(({ found }) => found.state === 'refused' || found.state === 'unreachable');
    for (const line of renderTrouble(trouble, colors(context, 'stderr'), path.relative(context.cwd, file)))
      printNote(context, line);
    if (trouble.length > 0) {
      if (prompter !== null && (await prompter.confirm('try again?', true))) continue;
      throw notEnrolled(trouble);
    }
    const known = scanned.filter(({ found }) => found.state === 'known' || found.state === 'trusted').length;
    if (known > 0) print(context, `kept: the host ${known === 1 ? 'key' : 'keys'} of ${plural(known, 'machine')}`);
    const fresh = scanned.filter(({ found }) => found.state === 'new');
    if (!(await isConfirmed(context, prompter, fresh, expected))) return null;
    return fresh.flatMap(({ host, port, found }) =>
      found.state === 'new' ? [knownHostsLine({ host, port }, `${found.type} ${found.base64}`)] : [],
    );
  }
}

async function isConfirmed(
  context: CliContext,
  prompter: Prompter | null,
  fresh: readonly ScannedNode[],
  expected: ExpectedKeys | null,
): Promise<boolean> {
  if (fresh.length === 0) return true;
  print(context, renderNewKeys(fresh, colors(context)));
  if (expected !== null) return true;
  if (prompter === null) {
    printNote(
      context,
      'warning: --yes trusts these keys blindly, whoever has answered: compare them with the consoles',
    );
    return true;
  }
  printNote(context, 'compare with the consoles: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub');
  return prompter.confirm(fresh.length === 1 ? 'is this its key?' : 'are these their keys?');
}

/** Nobody logs in to a jump host before its key is confirmed. */
async function confirmJump(
  context: CliContext,
  prompter: Prompter | null,
  jump: ScannedNode,
  expected: ExpectedKeys | null,
): Promise<boolean> {
  return jump.found.state === 'new' ? isConfirmed(context, prompter, [jump], expected) : true;
}

/** Null: the key of the jump host was declined. */
async function scanAll(
  { answers, knownHosts, keys }: Enrolment,
  text: string,
  expected: ExpectedKeys | null,
  mayUse: (jump: ScannedNode) => Promise<boolean>,
): Promise<ScannedNode[] | null> {
  const { cluster, nodes, jump, admin, identity } = answers;
  const keysOf = (host: string, port: number): string[] => hostKeysFor(text, host, port, hmacSha1).keys;
  const scanned: ScannedNode[] = [];
  let through: Parameters<typeof scanBehind>[0] | null = null;
  if (jump !== null) {
    const { host, port } = jump;
    const hostKeys = keysOf(host, port);
    const name = `jump host ${host}`;
    const found = await scanMachine({ name, host, port, hostKeys, behind: null }, text, expected);
    const hop = { cluster, node: name, host, port, knownHostsPath: knownHosts, found };
    scanned.push(hop);
    if (found.state === 'refused' || found.state === 'unreachable') return scanned;
    if (!(await mayUse(hop))) return null;
    const trusted = found.state === 'new' ? [`${found.type} ${found.base64}`] : hostKeys;
    through = { ...jump, hostKeys: trusted, identity: admin?.identity ?? identity };
  }
  const rest = await mapConcurrently(nodes, SCANS_AT_ONCE, async ({ name, host, port }): Promise<ScannedNode> => {
    const hostKeys = keysOf(host, port);
    const behind = jump === null ? null : jump.host;
    const direct = await scanMachine({ name, host, port, hostKeys, behind }, text, expected);
    const found =
      through !== null && direct.state === 'unreachable'
        ? checked(await scanBehind(through, { name, host, port }, keys), { name, host, port }, text, expected)
        : direct;
    return { cluster, node: name, host, port, knownHostsPath: knownHosts, found };
  });
  return [...scanned, ...rest];
}

/** What was read through a jump host is compared as every other key. */
export function checked(
  found: ScannedNode['found'],
  machine: { name: string; host: string; port: number },
  knownHosts: string,
  expected: ExpectedKeys | null,
): ScannedNode['found'] {
  if (found.state !== 'new') return found;
  const { type, base64, fingerprint: print } = found;
  const refused = (why: string): ScannedNode['found'] => ({ state: 'refused', type, fingerprint: print, why });
  const { revoked } = hostKeysFor(knownHosts, machine.host, machine.port, hmacSha1);
  if (revoked.includes(`${type} ${base64}`)) return refused(REFUSED.revoked);
  if (expected === null) return found;
  const wanted = expectedOf(expected, machine);
  if (wanted.size === 0) return refused(REFUSED.notNamed);
  return wanted.has(print) ? found : refused(REFUSED.expected);
}

function notEnrolled(trouble: readonly ScannedNode[]): OspatchError {
  const names = trouble.map(({ node }) => node).join(', ');
  const isRefused = trouble.some(({ found }) => found.state === 'refused');
  return new OspatchError({
    type: isRefused ? 'HostKeyMismatch' : 'Unreachable',
    message: `${names} cannot be enrolled, so nothing was written`,
    remedy: 'correct what the lines above say, or leave these nodes out and add them to the spec later',
  });
}
