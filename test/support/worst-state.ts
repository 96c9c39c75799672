/** The largest possible state of a cluster, which continue-as-new must carry. */
import { randomBytes, randomUUID } from 'node:crypto';
import type { ClusterState } from '../../src/domain/cluster/state';
import { KEPT_EVENTS } from '../../src/domain/cluster/events';
import { KEPT_DURATIONS } from '../../src/domain/run/forecast';
import { newClusterState, note, settleNodes, startRun } from '../../src/domain/cluster/state';
import type { NodeSettled } from '../../src/domain/node/status';
import type { SelfManagedSpec } from '../../src/domain/spec/types';
import { clusterSpec, randomHostKey, runPolicy, settled } from './builders';

const HOST_KEYS = () => [
  randomHostKey('ssh-ed25519', 32),
  randomHostKey('ecdsa-sha2-nistp256', 65),
  randomHostKey('ssh-ed25519', 32),
];

const RANDOM = randomBytes(1 << 22);
let used = 0;

/** One call of the generator for all: the calls cost more than the bytes. */
export function random(bytes: number): Buffer {
  if (used + bytes > RANDOM.length) used = 0;
  used += bytes;
  return RANDOM.subarray(used - bytes, used);
}

const hex = (bytes: number): string => random(bytes).toString('hex');
const fingerprint = (): string => `SHA256:${random(32).toString('base64').slice(0, 43)}`;

export function largeSpec(nodes: number, name?: string): SelfManagedSpec {
  const names = Array.from({ length: nodes }, (_, at) => `worker-${hex(2)}-${at}.prod-eu.example.com`);
  const spec = clusterSpec(names, {}, name);
  return {
    ...spec,
    nodes: spec.nodes.map((node, at) => ({ ...node, host: `10.${at >> 8}.${at & 255}.7`, hostKeys: HOST_KEYS() })),
  };
}

/** The largest record of a failed node patch, different for every node. */
function failure(node: string, at: number): NodeSettled {
  return settled(node, {
    outcome: 'failed',
    appliedAt: new Date(Date.UTC(2027, 0, 3) + at * 61_337).toISOString(),
    packagesChanged: at % 400,
    reboots: at % 3,
    pendingUpdates: at % 311,
    workflowRunId: randomUUID(),
    reading: {
      at: new Date(Date.UTC(2027, 0, 3) + at * 62_411).toISOString(),
      osVersion: `Ubuntu 22.04.${at % 6}`,
      kernel: `5.15.0-${at % 40}-generic`,
      pendingUpdates: at % 311,
      rebootRequired: true,
      restartRequired: true,
      packageSetDigest: `sha256:${hex(8)}`,
      machineId: hex(16),
      warnings: Array.from({ length: 2 }, (_, n) => ({
        kind: 'units-failed' as const,
        message: `the unit job-${hex(8)}-${n}.service has failed since ${new Date(at * 1e6).toISOString()}: ${'exit-code '.repeat(20).trim()}`,
        remedy: `journalctl -u job-${hex(8)}.service`,
      })),
    },
    error: {
      type: 'HostKeyMismatch',
      message: `the host key of ${node} has changed: it shows ${fingerprint()} and ${fingerprint()}, trusted are ${fingerprint()} and ${fingerprint()}; ${at % 400} packages were changed.`,
      remedy: `if ${node} was installed anew: ospatch enroll --node ${node}`,
    },
    ineffectiveReboot: {
      bootId: randomUUID(),
      reasons: ['/run/reboot-required', `package linux-image-${at % 40}`],
      stamp: '2027-01-02T00:00:00Z',
    },
  });
}

/** As many events as are kept, each as long as it may be. */
function fillEvents(state: ClusterState): void {
  const at = '2027-01-03T01:00:00.000Z';
  const text = (): string => random(240).toString('base64');
  for (let count = 0; count < KEPT_EVENTS.actions; count += 1) {
    const by = `${hex(30)}@example.com`;
    note(state, { kind: 'action', request: 'applySpec', by, reason: text(), result: text() }, at);
    note(state, { kind: 'rejected', request: 'pause', by, message: text() }, at);
    note(state, { kind: 'run-suspended', run: count, message: text() }, at);
    note(state, { kind: 'window', window: '2027-01-03T00:00:00.000+01:00', result: text() }, at);
    note(state, { kind: 'unreachable', run: count, node: hex(100), message: text() }, at);
    const some = { count: 3, names: [hex(100), hex(100), hex(100)] };
    note(state, { kind: 'nodes', run: count, started: some, settled: { failed: some }, failure: text() }, at);
  }
}

/** All nodes have failed, and the run over them is suspended. */
export function worstState(nodes: number, name?: string): ClusterState {
  const spec = largeSpec(nodes, name);
  const state = newClusterState(spec, null, '2026-01-01T00:00:00.000Z');
  const names = spec.nodes.map(({ name }) => name);
  const run = startRun(state, {
    number: 1,
    trigger: 'on-demand',
    startedAt: '2027-01-03T00:00:00.000Z',
    by: 'ann@example.com',
    reason: 'x'.repeat(500),
    nodes: names,
    policy: runPolicy(names.length),
  });
  const cursor = names.map((name, at) => failure(name, at));
  settleNodes(state, run, cursor, '2027-01-03T01:00:00.000Z');
  fillEvents(state);
  state.nodes = state.nodes.map((node, at) => ({
    ...node,
    recentPatchSeconds: Array.from({ length: KEPT_DURATIONS }, (_, n) => 600 + random(2).readUInt16BE() + at + n),
  }));
  run.suspended = { settled: cursor, failures: names.length };
  return state;
}
