import path from 'node:path';
import { Option } from 'commander';
import type { Command } from 'commander';
import type { LoadedCluster } from '../../../client/load/spec';
import { OspatchError } from '../../../domain/shared/errors';
import type { CliContext } from '../../io/context';
import { runCommand } from '../../io/errors';
import { outputOption } from '../../io/output';
import type { OutputFormat } from '../../io/output';
import type { ScannedNode } from '../../render/enroll';
import { ListOption } from '../../options/repeated';
import { fileOption, moreFilesArgument, requireSpecs, specSources } from '../../options/spec-source';
import { sourcesInCommand } from '../../../client/load/sources';
import { defaultDirectory } from '../../../worker-directories';
import type { ExpectedKeys } from './expected';
import { enrolledMachines } from './machines';
import type { EnrolledMachine } from './machines';

const EXAMPLES = `
Examples:
  ospatch enroll -f prod-eu.yaml
  ospatch enroll -f prod-eu.yaml --expect fingerprints.txt
  ospatch enroll -f prod-eu.yaml --yes
  ospatch enroll -f prod-eu.yaml --replace w-1          # w-1 was rebuilt and has new host keys

Compare the fingerprints with what the consoles of the nodes show: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub
With --expect the file has one line for each node, NAME SHA256:... or NAME TYPE BASE64, as read on its console or from
its cloud; a node that shows another key, and a new one that the file does not name, are refused.
Keys are added to the known_hosts file beside the spec (ssh.knownHosts). A key that is known already is replaced with
--replace only: in known_hosts, in the spec, in the known_hosts file of OSPATCH_POLICY, and in the cluster in force, where it
ends the quarantine of the node. What a changed file was before is kept beside it, as FILE.old. Without a terminal,
--replace needs --expect with the fingerprint or a file of them.
Jump hosts are read too; a node behind one is not: put its key into the file yourself.
The exit code is 1 when a node was unreachable or shows another key than the known one.`;

const SCANS_AT_ONCE = 16;

interface EnrollOptions {
  yes?: boolean;
  expect?: string;
  replace: readonly string[];
  apply: boolean;
  admin?: string;
  adminIdentity?: string;
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
    .addOption(
      new Option('--admin <user>', 'with --replace: prepare the node again, logged in as root or with full sudo -n'),
    )
    .option('--admin-identity <file>', 'private key for --admin (default: agent)')
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
  { yes = false, expect, replace, apply, admin: user, adminIdentity, output }: EnrollOptions,
): Promise<void> {
  if (replace.length > 0 && yes && expect === undefined) throw blindReplacement();
  if (replace.length === 0 && yes && expect !== undefined) throw bothWays();
  if (replace.length === 0 && !apply) throw onlyWithReplace('--no-apply');
  if (replace.length === 0 && user !== undefined) throw onlyWithReplace('--admin');
  if (user === undefined && adminIdentity !== undefined) throw onlyWithAdmin();
  const source = await specSources(context, command, files);
  const isJson = output === 'json';
  if (replace.length > 0) {
    const { replaceKeys } = await import('./replace.js');
    const expected = expect === undefined ? null : await expectedOfReplaced(context, expect, replace);
    const { adminOf } = await import('../init/collect.js');
    const keyDir = context.env['OSPATCH_KEY_DIR'] ?? defaultDirectory('keys', context.env);
    const admin = user === undefined ? null : await adminOf(context, user, adminIdentity, keyDir);
    return replaceKeys(context, command, source, { names: replace, expected, isJson, apply, admin });
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
  const work: { cluster: LoadedCluster; machine: EnrolledMachine; knownHosts: string }[] = [];
  for (const cluster of clusters) {
    if (cluster.spec.type !== 'self-managed') continue;
    const knownHosts = await readKnownHostsFile(cluster.knownHostsPath);
    work.push(...enrolledMachines(cluster.spec.nodes).map((machine) => ({ cluster, machine, knownHosts })));
  }
  const { mapConcurrently } = await import('../../../domain/shared/map-concurrently.js');
  const { scanMachine } = await import('./scan.js');
  return mapConcurrently(work, SCANS_AT_ONCE, async ({ cluster, machine, knownHosts }) => {
    const found = await scanMachine(machine, knownHosts, expected);
    const { spec, knownHostsPath } = cluster;
    const { name: node, host, port } = machine;
    return { cluster: spec.name, node, host, port, knownHostsPath, found };
  });
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

function onlyWithReplace(option: string): OspatchError {
  return new OspatchError({
    type: 'Usage',
    message: `${option} without --replace`,
    remedy: `leave out ${option}, or name the rebuilt node with --replace NODE`,
  });
}

function onlyWithAdmin(): OspatchError {
  return new OspatchError({
    type: 'Usage',
    message: '--admin-identity without --admin',
    remedy: 'name the user that logs in with this key, e.g. --admin root',
  });
}

function bothWays(): OspatchError {
  return new OspatchError({
    type: 'Usage',
    message: '--expect and --yes contradict each other: one compares the keys, the other trusts whatever answers',
    remedy: 'omit --yes',
  });
}
