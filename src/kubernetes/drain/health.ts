/** The health of a node in Kubernetes, before the drain and after the patch. */
import { OspatchError } from '../../domain/shared/errors';
import type { KubernetesBaseline } from '../../domain/kubernetes/types';
import type { PodView } from '../../domain/kubernetes/pod-filter';
import { hasEnded, isDaemonSetPod } from '../../domain/kubernetes/pod-filter';
import type { NodeView } from '../client/api';
import { isSameId } from './node-identity';
import type { MachineIdentity } from '../../domain/kubernetes/types';
import type { KubeSession } from '../session';

const PRESSURE = ['MemoryPressure', 'DiskPressure', 'PIDPressure', 'NetworkUnavailable'];

const LOOK_EVERY_MS = 2_000;

/**
 * How long a node must stay healthy. Right after a boot the API may still report the pod states from before, until the
 * kubelet has updated them.
 */
const SETTLED_MS = 5_000;

/** Maximum names of each kind in a message. */
const MAX_NAMED = 5;

export async function readBaselineOf({ reach }: KubeSession, node: NodeView): Promise<KubernetesBaseline> {
  const pods = await reach((api) => api.podsOfNode(node.name));
  return { ready: isReady(node), pressure: pressureOf(node), daemonsetsNotReady: daemonSetsNotReady(pods) };
}

export interface HealthOptions {
  machine: MachineIdentity;
  baseline: KubernetesBaseline;
  timeoutMs: number;
  /** Default 5 s. */
  settledMs?: number;
}

/**
 * @throws OspatchError `Unhealthy` with the missing condition, `WrongNode` when the Node object belongs to another
 * machine
 */
export async function awaitHealthy(
  session: KubeSession,
  { machine, baseline, timeoutMs, settledMs = SETTLED_MS }: HealthOptions,
): Promise<void> {
  const { target, now, show, pause } = session;
  const until = now() + timeoutMs;
  let healthySince: number | null = null;
  for (;;) {
    const missing = await unmetCondition(session, machine, baseline);
    if (missing === null) {
      healthySince ??= now();
      if (now() - healthySince >= settledMs) return;
    } else {
      healthySince = null;
      if (now() >= until) {
        throw new OspatchError({
          type: 'Unhealthy',
          message: `${target.node} is not healthy in Kubernetes: ${missing}`,
          remedy: `see kubectl describe node ${target.nodeName}, and the kubelet's journal on ${target.node}`,
        });
      }
    }
    show({ waitingFor: missing ?? undefined });
    await pause(missing === null ? Math.min(LOOK_EVERY_MS, settledMs) : LOOK_EVERY_MS);
  }
}

/** One clause; null: the node is as healthy as before. */
async function unmetCondition(
  { reach, target }: KubeSession,
  machine: MachineIdentity,
  baseline: KubernetesBaseline,
): Promise<string | null> {
  const node = await reach((api) => api.readNode(target.nodeName));
  if (node === null) return `there is no Node object ${target.nodeName}`;
  if (!isSameId(node.machineId, machine.machineId)) {
    throw new OspatchError({
      type: 'WrongNode',
      message: `the Node object ${target.nodeName} is of another machine than ${target.node}: machine id ${node.machineId}, not ${machine.machineId}`,
      remedy: `check the kubernetesName of node ${target.node} in the spec`,
    });
  }
  if (!isSameId(node.bootId, machine.bootId)) return 'the kubelet has not reported since the boot';
  if (!isReady(node)) return `the node is not Ready${reason(node.conditions['Ready']?.message)}`;
  const pressure = pressureOf(node).filter((type) => !baseline.pressure.includes(type));
  if (pressure.length > 0) return `the node has ${pressure.join(' and ')} and had not before`;
  const pods = await reach((api) => api.podsOfNode(target.nodeName));
  const waiting = daemonSetsNotReady(pods).filter((name) => !baseline.daemonsetsNotReady.includes(name));
  if (waiting.length === 0) return null;
  const named = waiting.slice(0, MAX_NAMED).join(', ');
  const more = waiting.length > MAX_NAMED ? ` and ${waiting.length - MAX_NAMED} more` : '';
  return `its pods of DaemonSet ${named}${more} are not ready`;
}

function reason(message: string | undefined): string {
  return message === undefined || message === '' ? '' : ` (${message})`;
}

function isReady(node: NodeView): boolean {
  return node.conditions['Ready']?.status === 'True';
}

function pressureOf({ conditions }: NodeView): string[] {
  return PRESSURE.filter((type) => conditions[type]?.status === 'True');
}

/** As `namespace/daemonset`. A terminating pod will be replaced. */
function daemonSetsNotReady(pods: readonly PodView[]): string[] {
  const names = pods
    .filter((pod) => isDaemonSetPod(pod) && !hasEnded(pod) && !pod.ready)
    .map(({ namespace, controller }) => `${namespace}/${controller?.name ?? ''}`);
  return [...new Set(names)].sort();
}
