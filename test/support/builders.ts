/** Minimal builders: a test shows only the fields it is about. */
import { randomBytes } from 'node:crypto';
import { DEFAULT_PACKAGE_POLICY } from '../../src/domain/spec/package-policy';
import type { NodeFacts, PackageChange, PatchPlan } from '../../src/domain/node/report';
import type { LoopContext } from '../../src/domain/cluster/decide';
import type { ActiveRun, ClusterState } from '../../src/domain/cluster/state';
import { startRun } from '../../src/domain/cluster/state';
import type { NodeSettled } from '../../src/domain/node/status';
import { limitsOf } from '../../src/domain/run/limits';
import type { NodeRunPolicy } from '../../src/domain/run/run';
import type { CalendarAhead, MaintenanceWindow } from '../../src/domain/schedule/window';
import type { NodeSpec, Patching, Rollout, SelfManagedSpec } from '../../src/domain/spec/types';
import { ok } from '../../src/domain/inspection/finding';
import { worstOf } from '../../src/domain/shared/severity';
import type { NodeInspection } from '../../src/domain/inspection/node';

/** The public part of a new host key. `bytes`: length of the key itself. */
export function randomHostKey(type = 'ssh-ed25519', bytes = 32): string {
  const fields = [Buffer.from(type), randomBytes(bytes)];
  const blob = fields.map((field) =>
    Buffer.concat([Buffer.from([0, 0, field.length >> 8, field.length & 255]), field]),
  );
  return `${type} ${Buffer.concat(blob).toString('base64')}`;
}

export function nodeSpec(name: string, more: Partial<NodeSpec> = {}): NodeSpec {
  return {
    name,
    host: `${name}.example`,
    role: name.startsWith('cp') ? 'control-plane' : 'worker',
    ssh: { user: 'ospatch', port: 22, identity: 'demo', helper: 'auto' },
    hostKeys: ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDvls8SS4rvP2QdSSVl5t9lsRoJShV8y9UXzljMSEYea'],
    ...more,
  };
}

/** What `onFailure: stop` and `onFailure: continue` are short for. */
export const STOP_ON_FAILURE = { maxFailures: 0, onExceeded: 'stop' } as const;
export const CONTINUE_ON_FAILURE = { maxFailures: '100%', onExceeded: 'stop' } as const;

/** One node at a time, and none after a failure. */
export function rollout(more: Partial<Rollout> = {}): Rollout {
  return { order: 'workers-first', concurrency: 1, zones: 'any', ...STOP_ON_FAILURE, ...more };
}

/** The same for a run of `nodes` nodes. */
export function runPolicy(nodes: number, more: Partial<NodeRunPolicy> = {}): NodeRunPolicy {
  return {
    ...{ kind: 'node', rebootIfRequired: true, withoutDrain: false, prefetch: false, unreachableTimeoutMs: 600_000 },
    limits: limitsOf(rollout(), nodes, nodes),
    rolesApart: true,
    stages: [{ size: nodes, soakMs: 0, concurrency: null }],
    ...more,
  };
}

export function clusterSpec(
  names: string[] = ['cp-1', 'w-1', 'w-2'],
  patching: Partial<Patching> = {},
  name = 'demo',
): SelfManagedSpec {
  return {
    apiVersion: 'ospatch/v1',
    name,
    type: 'self-managed',
    patching: {
      patchOnBoot: false,
      rebootIfRequired: true,
      timeZone: 'UTC',
      rollout: rollout(),
      onWindowEnd: 'finish-node',
      maxRunAge: '14d',
      prefetch: 'before-drain',
      unreachableTimeout: '10m',
      lockTimeout: '2h',
      withoutDrain: false,
      packages: DEFAULT_PACKAGE_POLICY,
      ...patching,
    },
    nodes: names.map((one) => nodeSpec(one)),
  };
}

/** A window without an end, in which a run may begin for an hour. */
export function windowAt(start: string, more: Partial<MaintenanceWindow> = {}): MaintenanceWindow {
  const startBy = new Date(Date.parse(start) + 3_600_000).toISOString();
  return { start, end: null, cutoff: null, startBy, ...more };
}

/** Windows to come, without blackouts. */
export function ahead(windows: MaintenanceWindow[], more: Partial<CalendarAhead> = {}): CalendarAhead {
  return { windows, removed: [], blackouts: [], until: null, ...more };
}

/** The loop of a cluster with no work in progress. */
export const IDLE: LoopContext = {
  runWorkflowRunning: false,
  continueAsNewDue: false,
  runPutDown: false,
  refreshingFacts: false,
  prefetching: false,
};

/** Starts the next run of nodes, which stops at the first failure. */
export function beginRun(state: ClusterState, nodes: string[], startedAt = '2027-01-01T00:00:00.000Z'): ActiveRun {
  return startRun(state, {
    ...{ number: state.nextRun, trigger: 'on-demand', startedAt, by: null, reason: null, nodes: [...nodes] },
    policy: runPolicy(nodes.length),
  });
}

export function nodeFacts(more: Partial<NodeFacts> = {}): NodeFacts {
  return {
    protocol: 1,
    os: { id: 'debian', versionId: '12', codename: 'bookworm', prettyName: 'Debian GNU/Linux 12 (bookworm)' },
    osVersion: 'Debian GNU/Linux 12.15',
    packageManager: 'apt',
    arch: 'amd64',
    kernelRunning: '6.1.0-44-amd64',
    kernelNewest: null,
    bootId: 'aaaaaaaa-0000-4000-8000-000000000001',
    container: null,
    reboot: { required: false, reasons: [] },
    packages: { count: 200, digest: 'sha256:0123456789abcdef', problems: [] },
    lockHolder: null,
    job: null,
    diskFreeMiB: { root: 10_000, var: 10_000, boot: 500 },
    freeInodes: { '/': 500_000, '/run': 100_000 },
    systemState: 'running',
    failedUnits: [],
    otherUpdaters: [],
    rebootOwners: [],
    kubernetesAgents: [],
    warnings: [],
    clock: '2027-01-01T00:00:00Z',
    ...more,
  };
}

export function patchPlan(...names: string[]): PatchPlan {
  return { changes: names.map((name) => packageChange(name)), keptBack: [], warnings: [], digest: 'd'.repeat(64) };
}

export function packageChange(name: string): PackageChange {
  return { name, from: '1.0', to: '1.1' };
}

export function settled(node: string, more: Partial<NodeSettled> = {}): NodeSettled {
  return {
    kind: 'node',
    node,
    outcome: 'patched',
    appliedAt: '2027-01-01T00:05:00.000Z',
    packagesChanged: 3,
    reboots: 0,
    reading: {
      at: '2027-01-01T00:05:01.000Z',
      osVersion: 'Debian GNU/Linux 12.15',
      kernel: '6.1.0-44-amd64',
      pendingUpdates: 0,
      rebootRequired: false,
      packageSetDigest: 'sha256:0123456789abcdef',
      warnings: [],
    },
    error: null,
    workflowRunId: null,
    ...more,
  };
}

/** A patchable node by default. */
export function nodeInspection(
  node: string,
  { findings = [ok('ready', 'can be patched')], ...more }: Partial<NodeInspection> = {},
): NodeInspection {
  const verdict = worstOf(findings);
  const found = { node, verdict, os: 'Debian GNU/Linux 12.15', pending: 0, findings };
  return { ...found, facts: nodeFacts(), plan: patchPlan(), drain: null, error: null, ...more };
}
