import type { Command } from 'commander';
import type { LoadedCluster } from '../../client/load-spec';
import { isOspatchError } from '../../domain/errors';
import type { NodeSpec } from '../../domain/spec';
import type { ScannedHostKey } from '../../ssh/scan-host-key';
import type { CliContext } from '../context';
import { runCommand } from '../errors';
import { outputOption } from '../output';
import type { OutputFormat } from '../output';
import type { ScannedNode } from '../render/enroll';
import { fileOption, requireSpecs } from '../spec-source';

const EXAMPLES = `
Examples:
  ospatch enroll -f prod-eu.yaml
  ospatch enroll -f prod-eu.yaml --yes

Compare the fingerprints with what the consoles of the nodes show: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub
Keys are added to the known_hosts file beside the spec (ssh.knownHosts). A key that is known already is never replaced.
The exit code is 1 when a node was out of reach or shows another key than the known one.`;

const SCAN_TIMEOUT_MS = 10_000;
const SCANS_AT_ONCE = 16;

interface EnrollOptions {
  file: string;
  yes?: boolean;
  output: OutputFormat;
}

export function registerEnroll(program: Command, context: CliContext): void {
  program
    .command('enroll')
    .description('read the host keys of new nodes, show their fingerprints and write known_hosts after a yes')
    .addOption(fileOption())
    .option('--yes', 'write without asking: whatever key is on the wire now is trusted')
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action(({ file, yes = false, output }: EnrollOptions) =>
      runCommand(context, async () => {
        const { finishEnrolment } = require('../finish-enrolment') as typeof import('../finish-enrolment');
        // A single start in the past has nothing to do with host keys.
        const { clusters } = await requireSpecs(context, file, { requireHostKeys: false, isNew: false });
        const scanned = await scanAll(clusters);
        await finishEnrolment(context, scanned, { yes, isJson: output === 'json', file });
      }),
    );
}

async function scanAll(clusters: readonly LoadedCluster[]): Promise<ScannedNode[]> {
  const { readKnownHostsFile } = require('../known-hosts-file') as typeof import('../known-hosts-file');
  const work: { cluster: LoadedCluster; node: NodeSpec; knownHosts: string }[] = [];
  for (const cluster of clusters) {
    if (cluster.spec.type !== 'self-managed') continue;
    const knownHosts = await readKnownHostsFile(cluster.knownHostsPath);
    work.push(...cluster.spec.nodes.map((node) => ({ cluster, node, knownHosts })));
  }
  const scanned: ScannedNode[] = [];
  let next = 0;
  const scanner = async (): Promise<void> => {
    for (let at = next++; at < work.length; at = next++) {
      const item = work[at];
      if (item === undefined) return;
      const { cluster, node, knownHosts } = item;
      const found = await scan(node, knownHosts);
      const { spec, knownHostsPath } = cluster;
      scanned[at] = {
        cluster: spec.name,
        node: node.name,
        host: node.host,
        port: node.ssh.port,
        knownHostsPath,
        found,
      };
    }
  };
  await Promise.all(Array.from({ length: Math.min(SCANS_AT_ONCE, work.length) }, scanner));
  return scanned;
}

async function scan({ host, ssh, hostKeys, name }: NodeSpec, knownHosts: string): Promise<ScannedNode['found']> {
  const { scanHostKey } = require('../../ssh/scan-host-key') as typeof import('../../ssh/scan-host-key');
  const { parsePins } = require('../../ssh/host-keys') as typeof import('../../ssh/host-keys');
  const { hostKeysFor } = require('../../domain/known-hosts') as typeof import('../../domain/known-hosts');
  const { hmacSha1 } = require('../../client/load-host-keys') as typeof import('../../client/load-host-keys');
  try {
    const pins = parsePins(hostKeys);
    const anyKey = (): Promise<ScannedHostKey> => scanHostKey(host, ssh.port, SCAN_TIMEOUT_MS);
    // A machine without any key of the known types ends the connection, and then it matters which one it has.
    const scanning = pins.length === 0 ? anyKey() : scanHostKey(host, ssh.port, SCAN_TIMEOUT_MS, pins).catch(anyKey);
    const { type, base64, fingerprint } = await scanning;
    const key = `${type} ${base64}`;
    const { revoked } = hostKeysFor(knownHosts, host, ssh.port, hmacSha1);
    if (revoked.includes(key)) return { state: 'refused', type, fingerprint, why: 'has a host key that is @revoked' };
    if (hostKeys.includes(key)) return { state: 'known', fingerprint };
    if (hostKeys.length > 0)
      return { state: 'refused', type, fingerprint, why: 'has another host key than the known one' };
    return { state: 'new', type, base64, fingerprint };
  } catch (error) {
    if (!isOspatchError(error)) throw error;
    // The scan knows the address only.
    return { state: 'unreachable', why: error.message.replace(host, name) };
  }
}
