import type { Command } from 'commander';
import type { LoadedCluster } from '../../../client/load/spec';
import { isOspatchError } from '../../../domain/shared/errors';
import type { NodeSpec } from '../../../domain/spec/types';
import type { ScannedHostKey } from '../../../ssh/builtin/scan';
import type { CliContext } from '../../io/context';
import { runCommand } from '../../io/errors';
import { outputOption } from '../../io/output';
import type { OutputFormat } from '../../io/output';
import type { ScannedNode } from '../../render/enroll';
import { fileOption, moreFilesArgument, requireSpecs, specSources } from '../../options/spec-source';
import { sourcesInCommand } from '../../../client/load/sources';

const EXAMPLES = `
Examples:
  ospatch enroll -f prod-eu.yaml
  ospatch enroll -f prod-eu.yaml --yes

Compare the fingerprints with what the consoles of the nodes show: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub
Keys are added to the known_hosts file beside the spec (ssh.knownHosts). A key that is known already is never replaced.
Jump hosts are read too; a node behind one is not: put its key into the file yourself.
The exit code is 1 when a node was unreachable or shows another key than the known one.`;

const SCAN_TIMEOUT_MS = 10_000;
const SCANS_AT_ONCE = 16;

interface EnrollOptions {
  yes?: boolean;
  output: OutputFormat;
}

export function registerEnroll(program: Command, context: CliContext): void {
  program
    .command('enroll')
    .description('read the host keys of new nodes, show their fingerprints and write known_hosts after confirmation')
    .addArgument(moreFilesArgument())
    .addOption(fileOption())
    .option('--yes', 'write without confirmation: whatever key the node presents now is trusted')
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action((files: string[], { yes = false, output }: EnrollOptions, command: Command) =>
      runCommand(context, async () => {
        const source = await specSources(context, command, files);
        const { finishEnrolment } = await import('./finish.js');
        // A one-time start in the past is irrelevant to host keys.
        const { clusters } = await requireSpecs(context, source, { requireHostKeys: false, isNew: false });
        const scanned = await scanAll(clusters);
        await finishEnrolment(context, scanned, { yes, isJson: output === 'json', file: sourcesInCommand(source) });
      }),
    );
}

async function scanAll(clusters: readonly LoadedCluster[]): Promise<ScannedNode[]> {
  const { readKnownHostsFile } = await import('../../io/known-hosts-file.js');
  const work: { cluster: LoadedCluster; machine: Machine; knownHosts: string }[] = [];
  for (const cluster of clusters) {
    if (cluster.spec.type !== 'self-managed') continue;
    const knownHosts = await readKnownHostsFile(cluster.knownHostsPath);
    work.push(...machinesOf(cluster.spec.nodes).map((machine) => ({ cluster, machine, knownHosts })));
  }
  const { mapConcurrently } = await import('../../../domain/shared/map-concurrently.js');
  return mapConcurrently(work, SCANS_AT_ONCE, async ({ cluster, machine, knownHosts }) => {
    const found = await scan(machine, knownHosts);
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
    return { state: 'new', type, base64, fingerprint };
  } catch (error) {
    if (!isOspatchError(error)) throw error;
    // The scan error contains the address instead of the name.
    return { state: 'unreachable', why: error.message.replace(host, name) };
  }
}
