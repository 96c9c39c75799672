/**
 * A fleet drawn at random, with failures, outages that nobody planned and people who steer its run. Its simulated activities
 * write down every breach of a limit at the moment it happens.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubernetesActivities } from '../../../src/contract/activities/kubernetes';
import type { NodeActivities } from '../../../src/contract/activities/node';
import type { AuditRecord, ClusterActivities } from '../../../src/contract/activities/cluster';
import type { NodeSpec, Rollout, SelfManagedSpec } from '../../../src/domain/spec/types';
import type { Random } from '../../faults/random';
import { clusterSpec, nodeSpec, rollout } from '../../support/builders';
import type { TestCluster } from '../harness';
import { disagreements } from '../../support/run-records';
import { kubernetesPolicy } from '../simulated-kubernetes';

const COMMANDS = [
  'pause',
  'resume',
  'cancelRun',
  'skip',
  'retry',
  'setConcurrency',
  'setMaxFailures',
  'lock',
  'unlock',
  'outage',
  'recovery',
] as const;
type Command = (typeof COMMANDS)[number];

export interface Step {
  do: Command;
  node: string;
  count: number;
}

/** Everything that is drawn, so that a failed fleet can be read. */
export interface Plan {
  nodes: Pick<NodeSpec, 'name' | 'role' | 'zone'>[];
  rollout: Partial<Rollout>;
  kubernetes: boolean;
  failing: string[];
  rebooting: string[];
  upToDate: string[];
  steps: Step[];
}

function someOf(random: Random, names: readonly string[], oneIn: number): string[] {
  return names.filter(() => random.between(1, oneIn) === 1);
}

export function drawPlan(random: Random): Plan {
  const workers = random.between(2, 7);
  const planes = random.pick([0, 0, 1, 3]);
  const names = [
    ...Array.from({ length: planes }, (_, at) => `cp-${at + 1}`),
    ...Array.from({ length: workers }, (_, at) => `w-${at + 1}`),
  ];
  const nodes = names.map((name) => ({
    name,
    role: name.startsWith('cp') ? ('control-plane' as const) : ('worker' as const),
    zone: random.pick(['a', 'b', 'c']),
  }));
  const stages: NonNullable<Rollout['stages']> = [{ nodes: 1 }, { nodes: '50%' }, { nodes: '100%' }];
  return {
    nodes,
    kubernetes: random.between(1, 4) > 1,
    rollout: {
      concurrency: random.between(1, 4),
      maxFailures: random.between(0, 4),
      onExceeded: random.pick(['stop', 'pause']),
      zones: random.pick(['any', 'any', 'one-at-a-time']),
      order: random.pick(['workers-first', 'control-planes-first']),
      ...random.pick([{}, { maxUnavailable: random.between(1, 3) }, { maxUnavailable: random.between(1, 3) }]),
      ...random.pick([{}, {}, { stages }]),
    },
    failing: someOf(random, names, 5),
    rebooting: someOf(random, names, 2),
    upToDate: someOf(random, names, 5),
    steps: Array.from({ length: random.between(0, 8) }, () => ({
      do: random.pick(COMMANDS),
      node: random.pick(names),
      count: random.between(1, 4),
    })),
  };
}

interface OpenPatch {
  role: string;
  zone: string | undefined;
}

export class SimulatedFleet {
  /** What must not have happened. */
  readonly breaches: string[] = [];
  readonly ended: AuditRecord[] = [];
  /** Node patches begun, by node. */
  readonly begun = new Map<string, number>();
  /** Retries that were accepted, by node. */
  readonly retries = new Map<string, number>();
  private readonly tokens = new Set<string>();
  private readonly open = new Map<string, OpenPatch>();
  /** Highest concurrency that anybody has allowed so far: a lower one ends no patch. */
  private mostConcurrent: number;
  /** Nodes that others have taken out of service, in each of the last two answers. */
  private readonly foreign: ReadonlySet<string>[] = [];

  constructor(
    readonly plan: Plan,
    private readonly cluster: TestCluster,
    private readonly random: Random,
  ) {
    this.mostConcurrent = Number(plan.rollout.concurrency);
    for (const name of plan.failing) {
      const error = { type: 'Policy' as const, message: `${name} fails` };
      if (random.between(0, 1) === 0) cluster.nodes.node(name).preflightError = error;
      else cluster.nodes.node(name).failsIn = { step: 'apply', error };
    }
    for (const name of plan.rebooting) cluster.nodes.node(name).requiresReboot = true;
    for (const name of plan.upToDate) cluster.nodes.node(name).pending = [];
  }

  spec(): SelfManagedSpec {
    const { nodes, rollout: more, kubernetes } = this.plan;
    const base = clusterSpec([], { rollout: rollout(more) }, this.cluster.name);
    const specs = nodes.map(({ name, role, zone }) =>
      nodeSpec(name, { role, ...(zone === undefined ? {} : { zone }) }),
    );
    return { ...base, nodes: specs, ...(kubernetes ? { kubernetes: kubernetesPolicy() } : {}) };
  }

  activities(): Partial<NodeActivities & KubernetesActivities & ClusterActivities> {
    const nodes = this.cluster.nodes.activities();
    const kubernetes = this.cluster.kubernetes.activities();
    const cluster = this.cluster.nodes.clusterActivities();
    const taking = async <T>(work: () => Promise<T>): Promise<T> => {
      await sleep(this.random.between(1, 60));
      return work();
    };
    return {
      preflight: (input) => {
        this.begin(input.target.name, input.token);
        return taking(() => nodes.preflight(input));
      },
      prefetch: (input) => taking(() => nodes.prefetch(input)),
      apply: (input) => taking(() => nodes.apply(input)),
      reboot: (input) => taking(() => nodes.reboot(input)),
      cordon: async (input) => {
        const baseline = await kubernetes.cordon(input);
        this.cordoned(input.target.nodeName);
        return baseline;
      },
      drain: (input) => taking(() => kubernetes.drain(input)),
      outOfService: async (input) => {
        const { down } = this.cluster.kubernetes;
        const answer = await kubernetes.outOfService(input);
        this.foreign.unshift(new Set(down));
        this.foreign.splice(2);
        return answer;
      },
      recordAudit: (record) => {
        this.open.delete(record.result.node);
        this.ended.push(record);
        return cluster.recordAudit(record);
      },
    };
  }

  /** Carries out what a person, or the world, does. What the cluster refuses changes nothing. */
  async carryOut({ do: command, node, count }: Step): Promise<void> {
    const { kubernetes, nodes, handle } = this.cluster;
    const send = (name: string, message: object): Promise<boolean> =>
      handle.executeUpdate(name, { args: [{ reason: 'random', ...message }] }).then(
        () => true,
        () => false,
      );
    switch (command) {
      case 'outage':
        kubernetes.down.add(node);
        nodes.node(node).isDown = true;
        return;
      case 'recovery':
        return this.recover();
      case 'retry':
        nodes.node(node).preflightError = null;
        nodes.node(node).failsIn = null;
        // Counted before: it may begin before the answer is there.
        this.retries.set(node, (this.retries.get(node) ?? 0) + 1);
        await send(command, { node });
        return;
      case 'setConcurrency':
        this.mostConcurrent = Math.max(this.mostConcurrent, count);
        await send(command, { concurrency: count });
        return;
      case 'setMaxFailures':
        await send(command, { maxFailures: count });
        return;
      case 'skip':
      case 'lock':
      case 'unlock':
        await send(command, { node });
        return;
      case 'pause':
      case 'resume':
      case 'cancelRun':
        await send(command, {});
    }
  }

  /** Whatever was down is back. */
  recover(): void {
    this.cluster.kubernetes.down.clear();
    for (const { name } of this.plan.nodes) this.cluster.nodes.node(name).isDown = false;
  }

  /** What is wrong after the run has ended. */
  async verifyEnd(): Promise<string[]> {
    const { nodes, lastRun } = await this.cluster.status();
    const wrong = [...this.breaches];
    for (const { name, state } of nodes)
      if (state === 'waiting' || state === 'patching') wrong.push(`${name} ended as ${state}`);
    if (this.cluster.kubernetes.cordons.size > 0)
      wrong.push(`left cordoned: ${String([...this.cluster.kubernetes.cordons.keys()])}`);
    if (this.open.size > 0) wrong.push(`without an end: ${String([...this.open.keys()])}`);
    const {
      total = 0,
      patched = 0,
      upToDate = 0,
      restartPending = 0,
      rebootPending = 0,
      failed = 0,
      skipped = 0,
      cancelled = 0,
      notTried = 0,
    } = lastRun ?? {};
    if (total !== this.plan.nodes.length) wrong.push(`a run of ${total} nodes`);
    const changed = patched + restartPending + rebootPending;
    const settled = changed + upToDate + failed + skipped + cancelled + notTried;
    if (settled !== total) wrong.push(`${settled} of ${total} nodes were settled: ${JSON.stringify(lastRun)}`);
    wrong.push(...(await disagreements(this.cluster, lastRun?.number ?? 0)));
    for (const [name, times] of this.begun) {
      const sentBack = this.ended.filter(({ result }) => result.node === name && result.outcome === 'not-tried').length;
      const allowed = 1 + (this.retries.get(name) ?? 0) + sentBack;
      if (times > allowed) wrong.push(`${name} was begun ${times} times, and may be ${allowed} times`);
    }
    return wrong;
  }

  private begin(name: string, token: string): void {
    if (this.tokens.has(token)) return;
    this.tokens.add(token);
    this.begun.set(name, (this.begun.get(name) ?? 0) + 1);
    if (this.open.has(name)) this.breaches.push(`${name} was begun while it was being patched`);
    const node = this.plan.nodes.find((one) => one.name === name);
    this.open.set(name, { role: node?.role ?? '', zone: node?.zone });
    const open = [...this.open.values()];
    const names = String([...this.open.keys()]);
    if (open.length > this.mostConcurrent) this.breaches.push(`${names} at the same time, of ${this.mostConcurrent}`);
    if (open.filter(({ role }) => role === 'control-plane').length > 1) this.breaches.push(`control planes ${names}`);
    if (new Set(open.map(({ role }) => role)).size > 1) this.breaches.push(`nodes of two roles: ${names}`);
    if (this.plan.rollout.zones === 'one-at-a-time' && new Set(open.map(({ zone }) => zone)).size > 1)
      this.breaches.push(`nodes of two zones: ${names}`);
  }

  /** An outage of the moment may not have been seen yet; one of the answer before the last has been. */
  private cordoned(name: string): void {
    const limit = this.plan.rollout.maxUnavailable;
    const [last, before] = this.foreign;
    if (limit === undefined) return;
    if (last === undefined) {
      this.breaches.push(`${name} was cordoned before anybody had looked`);
      return;
    }
    const { cordons, down } = this.cluster.kubernetes;
    const known = [...last].filter((one) => (before ?? last).has(one) && down.has(one) && !cordons.has(one));
    const out = [...cordons.keys(), ...known];
    const takesNoFurther = last.has(name) || (before?.has(name) ?? false);
    if (out.length > Number(limit) && !takesNoFurther)
      this.breaches.push(`${String(out)} out of service, of ${limit}, with ${name} as the last`);
  }
}
