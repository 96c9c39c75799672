/** Short workflows that look at nodes through the workers, which hold the keys. One of them takes off a cordon. */
import type { KubernetesTarget } from '../../contract/activities/kubernetes';
import type { NodeCheck, ReadLogInput } from '../../contract/activities/node';
import type { DiagnosisPolicy, NodeDiagnosis } from '../../domain/inspection/node';
import { diagnoseFailure } from '../../domain/inspection/node';
import type { DrainCheck, KubernetesSeen } from '../../domain/inspection/drain';
import { withDrain } from '../../domain/inspection/drain';
import type { ErrorInfo } from '../../domain/shared/errors';
import type { KubernetesPolicy } from '../../domain/kubernetes/types';
import { apiSilent } from '../../domain/kubernetes/drain-record';
import type { PackagePolicy } from '../../domain/spec/package-policy';
import type { UncuredReboot } from '../../domain/node/reboot';
import type { InspectedNode } from '../../domain/cluster/task-queues';
import { noWorkerAtSite } from '../../domain/cluster/task-queues';
import type { NodeTarget } from '../../domain/spec/types';
import type { Options } from '../shared/activity-options';
import {
  API_ANSWERS_WITHIN_MS,
  SITE_ANSWERS_WITHIN,
  examination,
  inspection,
  inspectionInCluster,
  optionsFor,
} from '../shared/activity-options';
import { isNotTakenUp, isTimeout, toApplicationFailure, toErrorInfo } from '../shared/failures';
import { kubernetesTarget, machineOf } from '../node/drain';

export interface CheckClusterInput {
  targets: InspectedNode[];
  /** How long one node may be unreachable, in milliseconds. */
  unreachableTimeoutMs: number;
  /** The policy by which pending packages are counted; default: all. */
  packages?: PackagePolicy;
  /** Absent: what a drain would meet is not asked. */
  kubernetes?: KubernetesPolicy;
  /** By the name of the node: what its last reboot did not remedy. */
  uncuredReboots?: Record<string, UncuredReboot>;
}

export async function checkCluster(input: CheckClusterInput): Promise<NodeCheck[]> {
  const { unreachableTimeoutMs, packages, kubernetes, uncuredReboots } = input;
  return Promise.all(
    input.targets.map(async (node): Promise<NodeCheck> => {
      try {
        const check = await inspection.checkNode.executeWithOptions(lookOptions(node, 'check'), [
          {
            target: targetOf(node),
            unreachableTimeoutMs,
            ...(packages === undefined ? {} : { packages }),
            ...uncuredOf(node, uncuredReboots),
          },
        ]);
        if (!check.ok || kubernetes === undefined) return check;
        return { ...check, drain: await lookAtDrain(node, machineOf(check.facts), kubernetes, unreachableTimeoutMs) };
      } catch (failure) {
        return { node: node.name, ok: false, error: whyNotLooked(failure, node, 'the check') };
      }
    }),
  );
}

export interface ExamineNodesInput {
  targets: InspectedNode[];
  policy: DiagnosisPolicy;
  /** Longest time the facts of a node, and after them its pending packages, may take, in milliseconds. */
  limitMs: number;
  /** How long one node may be unreachable, in milliseconds. */
  unreachableTimeoutMs: number;
  /** As for a check. */
  kubernetes?: KubernetesPolicy;
  uncuredReboots?: Record<string, UncuredReboot>;
}

/** All at once: the caller bounds how many there are. A node that fails does not keep the others from being told. */
export async function examineNodes({
  targets,
  kubernetes,
  uncuredReboots,
  ...input
}: ExamineNodesInput): Promise<NodeDiagnosis[]> {
  return Promise.all(
    targets.map(async (node): Promise<NodeDiagnosis> => {
      try {
        const examined = await examination.examineNode.executeWithOptions(lookOptions(node, 'examination'), [
          { ...input, target: targetOf(node), ...uncuredOf(node, uncuredReboots) },
        ]);
        const { machine = null, ...diagnosis } = examined;
        if (kubernetes === undefined || machine === null) return diagnosis;
        return withDrain(diagnosis, await lookAtDrain(node, machine, kubernetes, input.unreachableTimeoutMs));
      } catch (failure) {
        return diagnoseFailure(node.name, whyNotLooked(failure, node, 'the examination'));
      }
    }),
  );
}

export interface ExamineKubernetesInput {
  cluster: string;
  kubernetes: KubernetesPolicy;
  /** Any node of the cluster: through it is found what would end the patch of every node. */
  probe: InspectedNode;
  unreachableTimeoutMs: number;
}

export async function examineKubernetes(input: ExamineKubernetesInput): Promise<KubernetesSeen> {
  const { cluster, kubernetes, probe } = input;
  const { access } = kubernetesTarget(cluster, probe, kubernetes);
  const sited = { ...probe, name: cluster };
  try {
    const options = lookOptions(sited, 'nodes that were left cordoned');
    const leftovers = await inspectionInCluster.findLeftovers.executeWithOptions(options, [{ cluster, access }]);
    const preview = await lookAtDrain(probe, null, kubernetes, input.unreachableTimeoutMs);
    const forbids = !preview.ok && preview.error.type === 'Policy' ? preview.error : null;
    return { leftovers, error: forbids };
  } catch (failure) {
    return {
      leftovers: null,
      error: whyNotLooked(failure, sited, 'the look at Kubernetes'),
    };
  }
}

export interface UncordonNodeInput {
  cluster: string;
  kubernetes: KubernetesPolicy;
  node: InspectedNode;
}

/** Runs under the id of a node patch, so that no run works on the node meanwhile. `false`: there was no cordon of ospatch. */
export async function uncordonNode({ cluster, kubernetes, node }: UncordonNodeInput): Promise<boolean> {
  const target: KubernetesTarget = kubernetesTarget(cluster, node, kubernetes);
  try {
    const options = lookOptions(node, 'uncordon');
    return await inspectionInCluster.uncordon.executeWithOptions(options, [{ target, owner: 'any' }]);
  } catch (failure) {
    const silent = isTimeout(failure) && !isNotTakenUp(failure);
    throw toApplicationFailure(
      silent ? apiSilent(node.name, API_ANSWERS_WITHIN_MS) : whyNotLooked(failure, node, 'the uncordon'),
    );
  }
}

/** `node` may tell by which workers the node is reached. */
export interface ReadNodeLogInput extends ReadLogInput {
  target: InspectedNode;
}

export async function readNodeLog(input: ReadNodeLogInput): Promise<{ log: string; truncated: boolean }> {
  const { target: node } = input;
  try {
    const options = lookOptions(node, 'read the log');
    return await inspection.readLog.executeWithOptions(options, [{ ...input, target: targetOf(node) }]);
  } catch (failure) {
    if (isNotTakenUp(failure)) throw toApplicationFailure(whyNotLooked(failure, node, 'reading the log'));
    throw failure;
  }
}

async function lookAtDrain(
  node: InspectedNode,
  machine: { machineId: string; bootId: string } | null,
  kubernetes: KubernetesPolicy,
  unreachableTimeoutMs: number,
): Promise<DrainCheck> {
  const target = kubernetesTarget(node.cluster, node, kubernetes);
  try {
    const options = lookOptions(node, 'what a drain would meet');
    const preview = await inspectionInCluster.drainPreview.executeWithOptions(options, [
      { target, machine, policy: kubernetes.drain, unreachableTimeoutMs },
    ]);
    return { ok: true, preview };
  } catch (failure) {
    return { ok: false, error: whyNotLooked(failure, node, 'the look at the drain') };
  }
}

type HasTaskQueue = { name: string; taskQueue?: string };

/** Somebody waits for the answer, so a site without a worker is one too. */
function lookOptions(
  node: HasTaskQueue,
  what: string,
): Options & { scheduleToStartTimeout?: typeof SITE_ANSWERS_WITHIN } {
  const options = optionsFor(node, {}, what);
  return node.taskQueue === undefined ? options : { ...options, scheduleToStartTimeout: SITE_ANSWERS_WITHIN };
}

function whyNotLooked(failure: unknown, { name, taskQueue }: HasTaskQueue, what: string): ErrorInfo {
  if (taskQueue !== undefined && isNotTakenUp(failure)) return noWorkerAtSite(name, taskQueue);
  return toErrorInfo(failure, `${what} of ${name}`);
}

function uncuredOf(
  { name }: InspectedNode,
  uncuredReboots: Record<string, UncuredReboot> = {},
): { uncuredReboot?: UncuredReboot } {
  const uncuredReboot = uncuredReboots[name];
  return uncuredReboot === undefined ? {} : { uncuredReboot };
}

function targetOf({ cluster, name, host, ssh, hostKeys }: InspectedNode): NodeTarget {
  return { cluster, name, host, ssh, hostKeys };
}
