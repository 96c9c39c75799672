/** The outcome of a fault: as reported by ospatch, and as recorded by the node itself. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { nodeRecord } from '../support/node-record';
import type { NodeState } from '../../src/domain/node/status';
import type { LabNode } from '../support/local-stack';
import { BOOT_LOG } from './fault-node';
import type { ExpectedInKubernetes } from './verify-kubernetes-outcome';
import { verifyKubernetesOutcome } from './verify-kubernetes-outcome';
import type { Scenario } from './scenario';

/** Longer than any package script of these tests. */
const LEFTOVERS_LIMIT_MS = 60_000;

export interface Expected {
  state: NodeState;
  /** Entries in apt's own log of the node, by anybody. */
  transactions: number;
  /** Distinct boot ids recorded by the node itself, less the first. */
  reboots: number;
  /** Reboots by ospatch, as reported by the run; default `reboots`. */
  ownReboots?: number;
  /** The message for the user; default none, for a node without an error. */
  sentence?: string | RegExp;
  /** Packages that dpkg configured more than once, because of an interruption. */
  configuredTwice?: string[];
  /** Expected remains on the node; default none. Lines as in {@link LEFTOVERS}. */
  left?: string[];
  /** Number of the run; default 1. */
  run?: number;
  /** Only for Kubernetes nodes. Default: the node was drained once and uncordoned. */
  kubernetes?: ExpectedInKubernetes;
}

interface Outcome {
  state: NodeState;
  transactions: number;
  reboots: number;
  sentence: string | null;
}

/**
 * Waits for the end of the run and compares all its records with `expected`: `ospatch status`,
 * `ospatch history --run N`, the workflow's result in Temporal, the node's package logs, boot ids and leftovers, and for
 * nodes of Kubernetes the node and the workload there.
 */
export async function verifyOutcome(scenario: Scenario, expected: Expected): Promise<Outcome> {
  const run = expected.run ?? 1;
  const status = await scenario.ended(run);
  const inStatus = status.nodes.find(({ name }) => name === scenario.node.name);
  const inTemporal = await nodeRecord(scenario.client, scenario.cluster, scenario.node.name);
  const history = await scenario.cli('history', scenario.cluster, '--run', String(run));
  const sentence = inStatus?.lastError?.message ?? null;
  const boots = new Set(scenario.node.readFile(BOOT_LOG).split('\n').filter(Boolean));
  const seen: Outcome = {
    state: inStatus?.state ?? 'unknown',
    transactions: countTransactions(scenario.node),
    reboots: boots.size - 1,
    sentence,
  };
  expect({
    ...seen,
    ownReboots: inTemporal.reboots,
    configuredTwice: configuredTwice(scenario.node),
    left: scenario.node.running ? await settledLeftovers(scenario.node, expected.left ?? []) : [],
    inTemporal: inTemporal.error?.message ?? null,
    saysWhatIsLeft: sentence === null || (inStatus?.lastError?.remedy ?? '') !== '',
    inHistory:
      sentence === null ? !/^\s*Error\b/m.test(history.stdout) : oneLine(history.stdout).includes(oneLine(sentence)),
  }).toEqual({
    state: expected.state,
    transactions: expected.transactions,
    reboots: expected.reboots,
    sentence: expectedSentence(expected.sentence),
    ownReboots: expected.ownReboots ?? expected.reboots,
    configuredTwice: expected.configuredTwice ?? [],
    left: expected.left ?? [],
    inTemporal: expectedSentence(expected.sentence),
    saysWhatIsLeft: true,
    inHistory: true,
  });
  if (scenario.isOfKubernetes) await verifyKubernetesOutcome(scenario, inTemporal, expected.kubernetes);
  return seen;
}

function expectedSentence(sentence: string | RegExp | undefined): unknown {
  if (sentence === undefined) return null;
  return typeof sentence === 'string' ? sentence : expect.stringMatching(sentence);
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ');
}

/** Number of apt transactions since the creation of the node. */
export function countTransactions(node: LabNode): number {
  return node.readFile('/var/log/apt/history.log').match(/^Start-Date:/gm)?.length ?? 0;
}

/** Packages whose configuration was begun more than once for the same version. */
export function configuredTwice(node: LabNode): string[] {
  const configurations = [...node.readFile('/var/log/dpkg.log').matchAll(/^\S+ \S+ configure (\S+) (\S+)/gm)];
  const keys = configurations.map(([, name = '', version = '']) => `${name.split(':')[0]} ${version}`);
  return [...new Set(keys.filter((key, index) => keys.indexOf(key) !== index))]
    .map((key) => key.split(' ')[0] ?? '')
    .sort();
}

/**
 * Prints one line per unexpected remainder: `unit NAME`, `process NAME`, `file PATH`, `lock NAME`,
 * `package NAME`, `journal NAME` (an interrupted dpkg), `reboot-required`, `failed-unit NAME`.
 */
const LEFTOVERS = `
systemctl list-units --all --plain --no-legend 'ospatch*' | sed 's/ .*//; s/^/unit /'
systemctl list-units --failed --plain --no-legend | sed 's/ .*//; s/^/failed-unit /'
for name in apt-get apt dpkg flock; do pgrep -x "$name" >/dev/null && echo "process $name"; done
pgrep -f '/[o]spatch-node-' >/dev/null && echo 'process ospatch-node'
find /var/lib/ospatch -maxdepth 1 -name 'new.*' -printf 'file %p\\n' 2>/dev/null
find /run -maxdepth 1 -name 'ospatch-pending.*' -printf 'file %p\\n'
find /usr/local/libexec -name '.ospatch-node.*' -printf 'file %p\\n' 2>/dev/null
find /tmp /var/tmp -mindepth 1 -maxdepth 1 ! -name 'systemd-private-*' ! -name '.*-unix' -printf 'file %p\\n'
[ ! -e /var/lib/ospatch/lock ] || flock -n /var/lib/ospatch/lock true || echo 'lock ospatch'
apt-get -qq -o DPkg::Lock::Timeout=0 check >/dev/null 2>&1 || echo 'lock apt'
dpkg --audit | sed -n 's/^ \\([^ ]*\\).*/package \\1/p'
find /var/lib/dpkg/updates -type f -printf 'journal %f\\n'
[ ! -e /run/reboot-required ] || echo reboot-required
`;

/** Remains of a killed package manager may end a while after the run, so their end is awaited. */
async function settledLeftovers(node: LabNode, expected: readonly string[]): Promise<string[]> {
  const deadline = Date.now() + LEFTOVERS_LIMIT_MS;
  for (;;) {
    const left = await leftovers(node);
    if (isDeepStrictEqual(left, expected) || Date.now() > deadline) return left;
    await sleep(1_000);
  }
}

/** Unexpected remains on the node, one line each; empty on a clean node. */
async function leftovers(node: LabNode): Promise<string[]> {
  const { code, stdout, stderr } = await node.exec(LEFTOVERS);
  const lines = stdout.split('\n').filter(Boolean);
  return code === 255 ? [`the node does not answer: ${stderr.trim()}`] : lines;
}
