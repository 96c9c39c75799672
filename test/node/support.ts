/** Shared set-up of the tests on real nodes. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { DefaultLogger } from '@temporalio/worker';
import { MockActivityEnvironment } from '@temporalio/testing';
import type { InspectInput } from '../../src/contract/activities/node';
import type { OnNode } from '../../src/activities/node';
import { createNodeActivities } from '../../src/activities/node';
import type { ErrorInfo } from '../../src/domain/shared/errors';
import type { Lab, LabNode, LabNodeOptions } from '../support/local-stack';
import { createLab } from '../support/local-stack';
import { waitFor } from '../support/wait-for';
import { createTransportPool } from '../../src/ssh/pool';
import type { NodeTarget } from '../../src/domain/spec/types';
import { RemoteNode } from '../../src/node/remote-node';
import type { ExecOptions, ExecResult, Transport, TransportPool } from '../../src/ssh/transport';

/** Building a lab may wait for the images of other suites. */
export const LAB_START_MS = 600_000;

const SSH_FAILED = 255;

export function token(): string {
  return randomBytes(8).toString('hex');
}

export function targetOf(node: LabNode, ssh: Partial<NodeTarget['ssh']> = {}): NodeTarget {
  return {
    cluster: 'lab',
    name: node.name,
    host: node.host,
    ssh: { user: 'root', port: node.port, identity: 'lab', helper: 'auto', ...ssh },
    hostKeys: [node.hostKey],
  };
}

/** The input of `inspectNode` in `check` and `doctor`. */
export function inspectInput(target: NodeTarget, more: Partial<InspectInput> = {}): InspectInput {
  return {
    target,
    policy: { withoutDrain: true, rebootIfRequired: true },
    factsLimitMs: 30_000,
    planLimitMs: 30_000,
    unreachableTimeoutMs: 5_000,
    ...more,
  };
}

/** Counts the round trips of a transport. */
class CountingTransport implements Transport {
  commands: string[] = [];

  constructor(private readonly inner: Transport) {}

  exec(command: string, options?: ExecOptions): Promise<ExecResult> {
    this.commands.push(command);
    return this.inner.exec(command, options);
  }

  close(): void {
    this.inner.close();
  }
}

export function transportTo(pool: TransportPool, target: NodeTarget): CountingTransport {
  const { name, host, ssh, hostKeys } = target;
  const { port, user, identity } = ssh;
  return new CountingTransport(pool.transport({ name, host, port, user, identity, hostKeys }));
}

export function remoteNode(pool: TransportPool, target: NodeTarget): RemoteNode {
  return new RemoteNode(target, transportTo(pool, target));
}

type ReturnOf<N extends keyof OnNode> = OnNode[N] extends (input: never) => Promise<infer R> ? R : never;

export interface ActivityRunner {
  run<N extends keyof OnNode>(name: N, input: Parameters<OnNode[N]>[0]): Promise<ReturnOf<N>>;
  /** All progress reported by heartbeat so far. */
  heartbeats: { done?: number; waitingFor?: string; unreachableMs: number }[];
}

/** Runs activities like a worker, each in an environment of its own. */
export function activityRunner(pool: TransportPool): ActivityRunner {
  const activities = createNodeActivities({
    pool,
    hookDir: null,
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
  });
  const heartbeats: ActivityRunner['heartbeats'] = [];
  return {
    heartbeats,
    run: async (name, input) => {
      const environment = new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });
      environment.on('heartbeat', (details) => heartbeats.push(details as ActivityRunner['heartbeats'][number]));
      const activity = activities[name] as (input: unknown) => Promise<never>;
      const answer: unknown = await environment.run(activity, input);
      return acceptable(answer) as never;
    },
  };
}

/** A rejecting preflight is a failure, as in the workflow. */
export function acceptable<T>(answer: T): T {
  const refused = (answer as { refused?: ErrorInfo } | null | undefined)?.refused;
  if (refused !== undefined) throw Object.assign(new Error(refused.message), refused);
  return answer;
}

/** The transactions in apt's own log on the node, by their packages. */
export function aptTransactions(node: LabNode): string[] {
  return readFileSync(`${node.rootDir}/var/log/apt/history.log`, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('Upgrade: ') || line.startsWith('Install: '));
}

/** The single output line of `command` on the node; the command itself may fail. */
export async function ask(node: LabNode, command: string): Promise<string> {
  const { code, stdout, stderr } = await node.exec(command);
  if (code === SSH_FAILED) throw new Error(`${command}: ${stderr}`);
  return stdout.trim();
}

export function until(what: string, condition: () => Promise<boolean>, timeoutMs = 90_000): Promise<boolean> {
  return waitFor(condition, { what, timeoutMs });
}
interface StartedLab {
  lab: Lab;
  /** The first node. */
  node: LabNode;
  pool: TransportPool;
  activities: ActivityRunner;
}

/** Starts a lab before the tests of the enclosing `describe`, and stops the lab after them. `prepare` sets the nodes up. */
export function useLab(nodes: LabNodeOptions[], prepare: (started: StartedLab) => unknown): void {
  let lab: Lab | undefined;
  let pool: TransportPool | undefined;

  beforeAll(async () => {
    lab = await createLab({ nodes });
    pool = createTransportPool({ keyDir: lab.keyDir });
    const [node] = lab.nodes;
    if (node === undefined) throw new Error('a lab needs a node');
    await prepare({ lab, node, pool, activities: activityRunner(pool) });
  }, LAB_START_MS);

  afterAll(async () => {
    pool?.close();
    await lab?.stop();
  });
}
