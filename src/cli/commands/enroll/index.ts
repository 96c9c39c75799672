import path from 'node:path';
import type { Command } from 'commander';
import type { LoadedCluster } from '../../../client/load/spec';
import { OspatchError, isOspatchError } from '../../../domain/shared/errors';
import type { NodeSpec } from '../../../domain/spec/types';
import type { ScannedHostKey } from '../../../ssh/builtin/scan';
import type { CliContext } from '../../io/context';
import { runCommand } from '../../io/errors';
import { outputOption } from '../../io/output';
import type { OutputFormat } from '../../io/output';
import type { ScannedNode } from '../../render/enroll';
import { fileOption, moreFilesArgument, requireSpecs, specSources } from '../../options/spec-source';
import { sourcesInCommand } from '../../../client/load/sources';
import type { ExpectedKeys } from './expected';

const EXAMPLES = `
Examples:
  ospatch enroll -f prod-eu.yaml
  ospatch enroll -f prod-eu.yaml --expect fingerprints.txt
  ospatch enroll -f prod-eu.yaml --yes

Compare the fingerprints with what the consoles of the nodes show: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub
With --expect the file has one line for each node, NAME SHA256:... or NAME TYPE BASE64, as read on its console or from
its cloud; a node that shows another key, or that the file does not name, is refused.
Keys are added to the known_hosts file beside the spec (ssh.knownHosts). A key that is known already is never replaced.
Jump hosts are read too; a node behind one is not: put its key into the file yourself.
The exit code is 1 when a node was unreachable or shows another key than the known one.`;

const SCAN_TIMEOUT_MS = 10_000;
const SCANS_AT_ONCE = 16;

interface EnrollOptions {
  yes?: boolean;
  expect?: string;
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
      'write without confirmation the keys whose fingerprints are in the file, and no others; - for standard input',
    )
    .option('--yes', 'write without confirmation: whoever answers at the address now is trusted blindly')
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action((files: string[], { yes = false, expect, output }: EnrollOptions, command: Command) =>
      runCommand(context, async () => {
        if (yes && expect !== undefined) throw bothWays();
        const source = await specSources(context, command, files);
        const { finishEnrolment } = await import('./finish.js');
        const { readExpected } = await import('./expected.js');
        const { fingerprint } = await import('../../../ssh/host-keys.js');
        // A one-time start in the past is irrelevant to host keys.
        const { clusters } = await requireSpecs(context, source, { requireHostKeys: false, isNew: false });
        const expected =
          expect === undefined
            ? null
            : await readExpected(
                expect === '-' ? expect : path.resolve(context.cwd, expect),
                context.stdin,
                fingerprint,
              );
        const scanned = await scanAll(clusters, expected);
        await finishEnrolment(context, scanned, {
          yes,
          isExpected: expected !== null,
          isJson: output === 'json',
          file: sourcesInCommand(source),
        });
      }),
    );
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

/** A node or a jump host. */
interface Machine {
  name: string;
  host: string;
  port: number;
  hostKeys: string[];
  /** The jump host in front of the machine; enrolment does not connect through it. */
  behind: string | null;
}

/** Jump hosts first, without duplicates. */
function machinesOf(nodes: readonly NodeSpec[]): Machine[] {
  const hops = new Map<string, Machine>();
  for (const { jump = [] } of nodes.map(({ ssh }) => ssh)) {
    for (const [index, { host, port, hostKeys }] of jump.entries()) {
      const key = JSON.stringify([host, port]);
      const behind = jump[index - 1]?.host ?? null;
      if (!hops.has(key)) hops.set(key, { name: `jump host ${host}`, host, port, hostKeys, behind });
    }
  }
  const own = nodes.map(({ name, host, ssh, hostKeys }) => {
    return { name, host, port: ssh.port, hostKeys, behind: ssh.jump?.at(-1)?.host ?? null };
  });
  return [...hops.values(), ...own];
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
    if (revoked.includes(key)) return { state: 'refused', type, fingerprint, why: 'has a host key that is @revoked' };
    if (hostKeys.includes(key)) return { state: 'known', fingerprint };
    if (pins.length > 0) return { state: 'refused', type, fingerprint, why: 'has another host key than the known one' };
    if (expected === null) return { state: 'new', type, base64, fingerprint };
    return await compare({ name, host, port }, { type, base64, fingerprint }, expected);
  } catch (error) {
    if (!isOspatchError(error)) throw error;
    // The scan error contains the address instead of the name.
    return { state: 'unreachable', why: error.message.replace(host, name) };
  }
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
  if (wanted.size === 0) return { state: 'refused', type, fingerprint, why: 'is not named in the file of --expect' };
  if (wanted.has(fingerprint)) return { state: 'new', ...shown };
  // The file may have the fingerprint of another of its keys.
  for (const other of HOST_KEY_TYPES.filter((one) => one !== type)) {
    const pins = [{ type: other, blob: Buffer.alloc(0) }];
    const found = await scanHostKey(machine.host, machine.port, SCAN_TIMEOUT_MS, pins).catch(() => null);
    if (found !== null && wanted.has(found.fingerprint)) return { state: 'new', ...found };
  }
  return { state: 'refused', type, fingerprint, why: 'has another host key than the file of --expect says' };
}

function bothWays(): OspatchError {
  return new OspatchError({
    type: 'Usage',
    message: '--expect and --yes contradict each other: one compares the keys, the other trusts whatever answers',
    remedy: 'omit --yes',
  });
}
