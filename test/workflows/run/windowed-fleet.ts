/** A cluster whose nodes are slow and whose windows end, and the passing of time in it. */
import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { Worker } from '@temporalio/worker';
import type { ApplyInput } from '../../../src/contract/activities/node';
import type { ClusterHistory, StatusPage } from '../../../src/domain/cluster/messages';
import type { Patching, SelfManagedSpec } from '../../../src/domain/spec/types';
import { clusterSpec } from '../../support/builders';
import { nodesOf } from '../../support/members';
import { workflowBundle } from '../../support/workflow-bundle';
import type { Harness, TestCluster } from '../harness';

export const NODES = ['w-1', 'w-2', 'w-3', 'w-4', 'w-5'];
export const NIGHTLY = { cron: '0 2 * * *', duration: '1h', cutoff: 'forecast', startWithin: '1h' } as const;

const DAY_MS = 24 * 3_600_000;

export function windowSpec(cluster: TestCluster, patching: Partial<Patching> = {}, names = NODES): SelfManagedSpec {
  return clusterSpec(names, { schedule: [NIGHTLY], ...patching }, cluster.name);
}

/** The same on demand only. */
export function unscheduled(spec: SelfManagedSpec): SelfManagedSpec {
  const patching = { ...spec.patching };
  delete patching.schedule;
  return { ...spec, patching };
}

/** Each transaction takes 25 minutes of the clock of the server. */
export function slowly(cluster: TestCluster, isSlow: (node: string) => boolean = () => true): object {
  const { apply } = cluster.activities();
  return {
    apply: (input: ApplyInput) => {
      if (isSlow(input.target.name)) tryAgainAfter('25 minutes', 1);
      return apply(input);
    },
  };
}

/** Inside of an activity: fails its first `attempts` attempts, so that it takes so much longer by the clock of the server. */
export function tryAgainAfter(
  nextRetryDelay: '10 minutes' | '25 minutes' | '30 minutes' | '1 hour',
  attempts: number,
): void {
  if (Context.current().info.attempt <= attempts)
    throw ApplicationFailure.create({ message: 'not done yet', nextRetryDelay });
}

/** Runs `body` with a cluster whose transactions take 25 minutes each. `activities`: overrides. */
export function withSlowNodesOn(
  harness: () => Harness,
): (body: (cluster: TestCluster) => Promise<void>, activities?: (cluster: TestCluster) => object) => Promise<void> {
  return async (body, activities = () => ({})) => {
    const cluster = harness().newCluster();
    try {
      await harness().withWorkerFor(cluster, () => body(cluster), { ...slowly(cluster), ...activities(cluster) });
    } finally {
      await cluster.handle.terminate().catch(() => undefined);
    }
  };
}

export function count(status: StatusPage, state: string): number {
  return nodesOf(status.nodes).filter((node) => node.state === state).length;
}

/** Lets time pass in steps, as far as the cluster is where it should be. */
export async function passUntil(
  cluster: TestCluster,
  what: string,
  wanted: (status: StatusPage) => boolean,
  step: '1 minute' | '30 minutes' | '6 hours' = '30 minutes',
): Promise<StatusPage> {
  for (let steps = 0; steps < 200; steps += 1) {
    const status = await cluster.status();
    if (wanted(status)) return status;
    await cluster.env.sleep(step);
  }
  throw new Error(`never: ${what}; ${JSON.stringify((await cluster.status()).run)}`);
}

/** Lets time pass until it is `hour:minute` in UTC for the next time. */
export async function passTo(cluster: TestCluster, hour: number, minute: number): Promise<void> {
  const now = await cluster.env.currentTimeMs();
  const at = Math.floor(now / DAY_MS) * DAY_MS + (hour * 60 + minute) * 60_000;
  await cluster.env.sleep((at > now ? at : at + DAY_MS) - now);
}

export async function windowsOf(cluster: TestCluster): Promise<string[]> {
  const { windows } = await cluster.handle.query<ClusterHistory>('history');
  return windows.map(({ result }) => result);
}

export function explain(cluster: TestCluster): Promise<string> {
  return cluster.handle.query<string>('explain');
}

/** What the workflow has done comes out again from its history. */
export async function replay(cluster: TestCluster): Promise<void> {
  const history = await cluster.handle.fetchHistory();
  await Worker.runReplayHistory({ workflowBundle: await workflowBundle() }, history, cluster.handle.workflowId);
}

export const isSuspended = ({ run }: StatusPage): boolean => run?.state === 'suspended';
