/** How a fault ended: in the words of ospatch, and by what the node itself has recorded. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { nodeRecord } from '../support/node-record';
import type { NodeState } from '../../src/domain/node/status';
import type { LabNode } from '../support/local-stack';
import { BOOT_LOG } from './fault-node';
import type { ExpectedInKubernetes } from './verify-kubernetes-outcome';
import { verifyKubernetesOutcome } from './verify-kubernetes-outcome';
import type { Scenario } from './scenario';

/** Longer than any package script of these tests takes. */
const LEFTOVERS_LIMIT_MS = 60_000;

export interface Expected {
  state: NodeState;
  /** Entries in apt's own log of the node, whoever made them. */
  transactions: number;
  /** Distinct boot ids that the node itself has recorded, less the first. */
  reboots: number;
  /** Reboots by ospatch, as the run says; default `reboots`. */
  ownReboots?: number;
  /** The sentence for the user; default none, which means that the node has no error. */
  sentence?: string | RegExp;
  /** Packages that dpkg had to configure more than once, because it was interrupted in the middle of them. */
  configuredTwice?: string[];
  /** What may be left on the node; default nothing. Lines as in {@link LEFTOVERS}. */
  left?: string[];
  /** Number of the run; default 1. */
  run?: number;
  /** Only for nodes of Kubernetes. Default: the node was drained once and given back. */
  kubernetes?: ExpectedInKubernetes;
}

export interface Outcome {
  state: NodeState;
  transactions: number;
  reboots: number;
  sentence: string | null;
}

/**
 * Waits for the end of the run and compares everything that is known about it with `expected`: `ospatch status`,
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

/** Times that apt has changed packages since the node was made. */
export function countTransactions(node: LabNode): number {
  return node.readFile('/var/log/apt/history.log').match(/^Start-Date:/gm)?.length ?? 0;
}

/** Packages whose configuration was begun more than once for the same version. */
export function configuredTwice(node: LabNode): string[] {
  const begun = [...node.readFile('/var/log/dpkg.log').matchAll(/^\S+ \S+ configure (\S+) (\S+)/gm)];
  const keys = begun.map(([, name = '', version = '']) => `${name.split(':')[0]} ${version}`);
  return [...new Set(keys.filter((key, index) => keys.indexOf(key) !== index))]
    .map((key) => key.split(' ')[0] ?? '')
    .sort();
}

/**
 * Prints one line for everything that should not be there: `unit NAME`, `process NAME`, `file PATH`, `lock NAME`,
 * `package NAME`, `journal NAME` (an interrupted dpkg), `reboot-required`, `failed-unit NAME`.
 */
const LEFTOVERS = `
systemctl list-units --all --plain --no-legend 'ospatch*' | sed 's/ .*//; s/^/unit /'
systemctl list-units --failed --plain --no-legend | sed 's/ .*//; s/^/failed-unit /'
for name in apt-get apt dpkg flock; do pgrep -x "$name" >/dev/null && echo "process $name"; done
pgrep -f 'libexec/[o]spatch-node' >/dev/null && echo 'process ospatch-node'
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

/** What a killed package manager has left behind may end a while after the run, so that what is left is waited for. */
async function settledLeftovers(node: LabNode, expected: readonly string[]): Promise<string[]> {
  const deadline = Date.now() + LEFTOVERS_LIMIT_MS;
  for (;;) {
    const left = await leftovers(node);
    if (isDeepStrictEqual(left, expected) || Date.now() > deadline) return left;
    await sleep(1_000);
  }
}

/** What is left on the node that should not be there, one line each; empty when all is well. */
export async function leftovers(node: LabNode): Promise<string[]> {
  const { code, stdout, stderr } = await node.exec(LEFTOVERS);
  const lines = stdout.split('\n').filter(Boolean);
  return code === 255 ? [`the node does not answer: ${stderr.trim()}`] : lines;
}
