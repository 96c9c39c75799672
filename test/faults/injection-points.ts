/** Waits until a node patch reaches a certain point, as seen by Temporal and by the node itself. */
import type { Client } from '@temporalio/client';
import type { LabNode } from '../support/local-stack';
import { waitFor } from '../support/wait-for';
import { KUBERNETES_CONDITIONS, KUBERNETES_LINGER_MS } from './kubernetes-injection-points';
import type { KubernetesInjectionPoint } from './kubernetes-injection-points';
import type { KubernetesScenario } from './kubernetes-scenario';
import { activities, begun, completed, scheduled } from './node-history';
import { listens } from '../support/listens';
import { dpkgLog, jobHas, rebootRequested } from './node-view';
import type { Random } from './random';

/** In the order of a patch with a reboot. */
export const STEPS = ['preflight', 'refresh', 'apply', 'verify', 'reboot sent', 'node down', 'node back'] as const;
export type Step = (typeof STEPS)[number];
type InjectionPoint = `${'before' | 'during' | 'after'} ${Step}`;
export type Moment = InjectionPoint | KubernetesInjectionPoint;

export const MOMENTS: readonly InjectionPoint[] = STEPS.flatMap((step): InjectionPoint[] => [
  `before ${step}`,
  `during ${step}`,
  `after ${step}`,
]);

/** A poll of the node is free, one of Temporal is not. */
const NODE_POLL_MS = 25;
const TEMPORAL_POLL_MS = 100;
const TIMEOUT_MS = 300_000;

/** Sources in which a moment is detected. */
export interface Watched {
  cluster: string;
  node: LabNode;
  client: Client;
  random: Random;
  /** Only where the node is a Kubernetes node. */
  kubernetes: KubernetesScenario | undefined;
  /** Number of boots at the start of the patch. */
  bootsBefore: number;
}

/**
 * Waits for `moment`. `during` moments lie a random time within the step. Steps that last some hundred milliseconds
 * (the facts of preflight, verify) may be just over on return. Returns a description of the moment.
 */
export async function reach(moment: Moment, watched: Watched): Promise<string> {
  const pollMs = ASK_TEMPORAL.has(moment) ? TEMPORAL_POLL_MS : NODE_POLL_MS;
  await waitFor(() => CONDITIONS[moment](watched), { what: moment, timeoutMs: TIMEOUT_MS, pollMs });
  const [least, most] = LINGER_MS[moment] ?? [0, 0];
  const ms = watched.random.between(least, most);
  if (ms === 0) return moment;
  await new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
  return `${moment} + ${ms} ms`;
}

/** Largest random offset of a moment into the step; slow packages, mirrors and boots make the steps that long. */
const LINGER_MS: Partial<Record<Moment, [number, number]>> = {
  ...KUBERNETES_LINGER_MS,
  'during refresh': [0, 2_000],
  'during apply': [0, 6_000],
  'after reboot sent': [100, 900],
  'during node down': [0, 1_500],
  'after node back': [0, 3_000],
};

type Condition = (watched: Watched) => boolean | Promise<boolean>;

function answersOnSsh({ node: { host, port } }: Watched): Promise<boolean> {
  return listens({ host, port });
}

/** Stays true: the shutdown itself may be over before the next poll. */
function wentDown({ node, bootsBefore }: Watched): boolean {
  return !node.running || node.bootCount > bootsBefore;
}

const CONDITIONS: Record<Moment, Condition> = {
  ...KUBERNETES_CONDITIONS,
  'before preflight': async (watched) => (await activities(watched)) !== null,
  'during preflight': (watched) => begun(watched, 'preflight'),
  'after preflight': (watched) => completed(watched, 'preflight'),
  'before refresh': ({ node }) => jobHas(node, 'plan', 'parameters'),
  'during refresh': ({ node }) => jobHas(node, 'plan', 'started'),
  'after refresh': ({ node }) => jobHas(node, 'plan', 'rc'),
  'before apply': (watched) => scheduled(watched, 'apply'),
  'during apply': ({ node }) => / (upgrade|unpack|configure) /.test(dpkgLog(node)),
  'after apply': ({ node }) => jobHas(node, 'apply', 'rc'),
  'before verify': (watched) => completed(watched, 'apply'),
  'during verify': (watched) => begun(watched, 'readFacts'),
  'after verify': (watched) => completed(watched, 'readFacts'),
  'before reboot sent': (watched) => scheduled(watched, 'reboot'),
  'during reboot sent': (watched) => rebootRequested(watched.node) || wentDown(watched),
  'after reboot sent': (watched) => rebootRequested(watched.node) || wentDown(watched),
  'before node down': async (watched) => wentDown(watched) || !(await answersOnSsh(watched)),
  'during node down': wentDown,
  'after node down': ({ node, bootsBefore }) => node.bootCount > bootsBefore,
  'before node back': ({ node, bootsBefore }) => node.bootCount > bootsBefore && node.initPid !== undefined,
  'during node back': (watched) => watched.node.bootCount > watched.bootsBefore && answersOnSsh(watched),
  'after node back': (watched) => watched.node.bootCount > watched.bootsBefore && answersOnSsh(watched),
};

const ASK_TEMPORAL = new Set<Moment>([
  ...(Object.keys(KUBERNETES_CONDITIONS) as KubernetesInjectionPoint[]),
  'before preflight',
  'during preflight',
  'after preflight',
  'before apply',
  'before verify',
  'during verify',
  'after verify',
  'before reboot sent',
]);
