import path from 'node:path';
import type { Command } from 'commander';
import type { LoadedCluster } from '../../../client/load/spec';
import { OspatchError, isOspatchError } from '../../../domain/shared/errors';
import type { ScannedHostKey } from '../../../ssh/builtin/scan';
import type { CliContext } from '../../io/context';
import { runCommand } from '../../io/errors';
import { outputOption } from '../../io/output';
import type { OutputFormat } from '../../io/output';
import { REFUSED } from '../../render/enroll';
import type { ScannedNode } from '../../render/enroll';
import { ListOption } from '../../options/repeated';
import { fileOption, moreFilesArgument, requireSpecs, specSources } from '../../options/spec-source';
import { sourcesInCommand } from '../../../client/load/sources';
import type { ExpectedKeys } from './expected';
import { machinesOf } from './machines';
import type { Machine } from './machines';

const EXAMPLES = `
Examples:
  ospatch enroll -f prod-eu.yaml
  ospatch enroll -f prod-eu.yaml --expect fingerprints.txt
  ospatch enroll -f prod-eu.yaml --yes
  ospatch enroll -f prod-eu.yaml --replace w-1          # w-1 was rebuilt and has new host keys

Compare the fingerprints with what the consoles of the nodes show: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub
With --expect the file has one line for each node, NAME SHA256:... or NAME TYPE BASE64, as read on its console or from
its cloud; a node that shows another key, or that the file does not name, is refused.
Keys are added to the known_hosts file beside the spec (ssh.knownHosts). A key that is known already is replaced with
--replace only: in known_hosts, in the spec, in the known_hosts file of OSPATCH_POLICY, and in the cluster in force, where it
ends the quarantine of the node. Without a terminal, --replace needs --expect with the fingerprint or a file of them.
Jump hosts are read too; a node behind one is not: put its key into the file yourself.
The exit code is 1 when a node was unreachable or shows another key than the known one.`;

const SCAN_TIMEOUT_MS = 10_000;
const SCANS_AT_ONCE = 16;

interface EnrollOptions {
  yes?: boolean;
  expect?: string;
  replace: readonly string[];
  apply: boolean;
  output: OutputFormat;
}

export function registerEnroll(program: Command, context: CliContext): void {
  program
    .command('enroll')
    .description('read the host keys of new nodes, show their fingerprints and write known_hosts after confirmation')
    .addArgument(moreFilesArgument())
    .addOption(fileOption())
    .option(
      '--expect <file>',
      'write without confirmation the keys whose fingerprints are in the file, and no others; - for standard input; with --replace also a fingerprint itself',
    )
    .addOption(
      new ListOption(
        '--replace <node>',
        'this node, or jump host by its address, was rebuilt: replace its host keys; may be given several times',
      )
        .default([])
        .argParser((name, earlier: string[]) => [...earlier, name]),
    )
    .option('--no-apply', 'with --replace: change the files only, not the cluster in force')
    .option('--yes', 'write without confirmation: whoever answers at the address now is trusted blindly')
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action((files: string[], options: EnrollOptions, command: Command) =>
      runCommand(context, () => enroll(context, command, files, options)),
    );
}

async function enroll(
  context: CliContext,
  command: Command,
  files: readonly string[],
  { yes = false, expect, replace, apply, output }: EnrollOptions,
): Promise<void> {
  if (replace.length > 0 && yes && expect === undefined) throw blindReplacement();
  if (replace.length === 0 && yes && expect !== undefined) throw bothWays();
  if (replace.length === 0 && !apply) throw noApplyAlone();
  const source = await specSources(context, command, files);
  const isJson = output === 'json';
  if (replace.length > 0) {
    const { replaceKeys } = await import('./replace.js');
    const expected = expect === undefined ? null : await expectedOfReplaced(context, expect, replace);
    return replaceKeys(context, command, source, { names: replace, expected, isJson, apply });
  }
  const expected = expect === undefined ? null : await expectedKeys(context, expect);
  const { finishEnrolment } = await import('./finish.js');
  // A one-time start in the past is irrelevant to host keys.
  const { clusters } = await requireSpecs(context, source, { requireHostKeys: false, isNew: false });
  const scanned = await scanAll(clusters, expected);
  const file = sourcesInCommand(source);
  await finishEnrolment(context, scanned, { yes, isExpected: expected !== null, isJson, file });
}

async function expectedOfReplaced(
  context: CliContext,
  expect: string,
  replace: readonly string[],
): Promise<ExpectedKeys | string> {
  const { isFingerprint } = await import('./expected.js');
  if (!isFingerprint(expect)) return expectedKeys(context, expect);
  if (replace.length === 1) return expect;
  throw oneFingerprint(replace.length);
}

async function expectedKeys(context: CliContext, expect: string): Promise<ExpectedKeys> {
  const { readExpected } = await import('./expected.js');
  const { fingerprint } = await import('../../../ssh/host-keys.js');
  const file = expect === '-' ? expect : path.resolve(context.cwd, expect);
  return readExpected(file, context.stdin, fingerprint);
}

async function scanAll(clusters: readonly LoadedCluster[], expected: ExpectedKeys | null): Promise<ScannedNode[]> {
  const { readKnownHostsFile } = await import('../../io/known-hosts-file.js');
  const work: { cluster: LoadedCluster; machine: Machine; knownHosts: string }[] = [];
  for (const cluster of clusters) {
    if (cluster.spec.type !== 'self-managed') continue;
    const knownHosts = await readKnownHostsFile(cluster.knownHostsPath);
    work.push(...machinesOf(cluster.spec.nodes).map((machine) => ({ cluster, machine, knownHosts })));
  }
  const { mapConcurrently } = await import('../../../domain/shared/map-concurrently.js');
  return mapConcurrently(work, SCANS_AT_ONCE, async ({ cluster, machine, knownHosts }) => {
    const found = await scan(machine, knownHosts, expected);
    const { spec, knownHostsPath } = cluster;
    const { name: node, host, port } = machine;
    return { cluster: spec.name, node, host, port, knownHostsPath, found };
  });
}

async function scan(
  { name, host, port, hostKeys, behind }: Machine,
  knownHosts: string,
  expected: ExpectedKeys | null,
): Promise<ScannedNode['found']> {
  const { scanHostKey } = await import('../../../ssh/builtin/scan.js');
  const { parsePins } = await import('../../../ssh/host-keys.js');
  const { hostKeysFor } = await import('../../../domain/trust/known-hosts.js');
  const { trustsAnything } = await import('../../../domain/trust/host-keys.js');
  const { hmacSha1 } = await import('../../../client/load/host-keys.js');
  if (hostKeys.some((entry) => entry.startsWith('@cert-authority'))) return { state: 'trusted' };
  if (behind !== null) {
    if (trustsAnything(hostKeys, false)) return { state: 'trusted' };
    const given = await keyGivenFor({ name, host, port }, expected);
    if (given !== null) return given;
    const why = `${name} is behind the jump host ${behind}, and \`ospatch enroll\` connects directly only; read its key on its console, or there with ssh-keyscan -p ${port} ${host}, and put it into known_hosts or hostKeys`;
    return { state: 'unreachable', why };
  }
  try {
    const pins = parsePins(hostKeys);
    const anyKey = (): Promise<ScannedHostKey> => scanHostKey(host, port, SCAN_TIMEOUT_MS);
    // Without a key of the known types the machine closes the connection; then its actual key is read for the report.
    const scanning = pins.length === 0 ? anyKey() : scanHostKey(host, port, SCAN_TIMEOUT_MS, pins).catch(anyKey);
    const { type, base64, fingerprint } = await scanning;
    const key = `${type} ${base64}`;
    const { revoked } = hostKeysFor(knownHosts, host, port, hmacSha1);
    if (revoked.includes(key)) return { state: 'refused', type, fingerprint, why: REFUSED.revoked };
    if (hostKeys.includes(key)) return { state: 'known', fingerprint };
    if (pins.length > 0) return { state: 'refused', type, fingerprint, why: REFUSED.known };
    if (expected === null) return { state: 'new', type, base64, fingerprint };
    return await compare({ name, host, port }, { type, base64, fingerprint }, expected);
  } catch (error) {
    if (!isOspatchError(error)) throw error;
    // The scan error contains the address instead of the name.
    return { state: 'unreachable', why: error.message.replace(host, name) };
  }
}

/** A machine that is not connected to is trusted by its whole key in the file of --expect, not by a fingerprint. */
async function keyGivenFor(
  machine: { name: string; host: string; port: number },
  expected: ExpectedKeys | null,
): Promise<ScannedNode['found'] | null> {
  if (expected === null) return null;
  const { expectedOf } = await import('./expected.js');
  const [print, key] = [...expectedOf(expected, machine)].find(([, one]) => one !== null) ?? [];
  if (print === undefined || key === undefined || key === null) return null;
  const [type = '', base64 = ''] = key.split(' ');
  return { state: 'new', type, base64, fingerprint: print };
}

/** The key that the machine shows and the file expects, of whatever type; every other one is refused. */
async function compare(
  machine: { name: string; host: string; port: number },
  shown: ScannedHostKey,
  expected: ExpectedKeys,
): Promise<ScannedNode['found']> {
  const { expectedOf } = await import('./expected.js');
  const { HOST_KEY_TYPES } = await import('../../../domain/trust/host-keys.js');
  const { scanHostKey } = await import('../../../ssh/builtin/scan.js');
  const wanted = expectedOf(expected, machine);
  const { type, fingerprint } = shown;
  if (wanted.size === 0) return { state: 'refused', type, fingerprint, why: REFUSED.notNamed };
  if (wanted.has(fingerprint)) return { state: 'new', ...shown };
  // The file may have the fingerprint of another of its keys.
  for (const other of HOST_KEY_TYPES.filter((one) => one !== type)) {
    const pins = [{ type: other, blob: Buffer.alloc(0) }];
    const found = await scanHostKey(machine.host, machine.port, SCAN_TIMEOUT_MS, pins).catch(() => null);
    if (found !== null && wanted.has(found.fingerprint)) return { state: 'new', ...found };
  }
  return { state: 'refused', type, fingerprint, why: REFUSED.expected };
}

function blindReplacement(): OspatchError {
  return new OspatchError({
    type: 'Usage',
    message:
      '--yes with --replace: a changed host key is never trusted blindly, because an attacker would show one too',
    remedy: 'read the fingerprint on the console of the node and give it with --expect FINGERPRINT',
  });
}

function oneFingerprint(nodes: number): OspatchError {
  return new OspatchError({
    type: 'Usage',
    message: `--expect: found one fingerprint for ${nodes} nodes; allowed: a fingerprint for one node of --replace, or a file with a line for each`,
    remedy: 'put lines of NAME SHA256:... into a file, and name that file',
  });
}

function noApplyAlone(): OspatchError {
  return new OspatchError({
    type: 'Usage',
    message: '--no-apply without --replace; enrolment never changes a cluster in force',
    remedy: 'leave out --no-apply',
  });
}

function bothWays(): OspatchError {
  return new OspatchError({
    type: 'Usage',
    message: '--expect and --yes contradict each other: one compares the keys, the other trusts whatever answers',
    remedy: 'omit --yes',
  });
}
