/** Short-lived workflows that inspect nodes through the workers, which hold the keys. One of them uncordons a node. */
import type { IgnoredRebootOwner } from '../../domain/node/reboot-owners';
import { ownersOf } from '../../domain/node/reboot-owners';
import type { KubernetesTarget } from '../../contract/activities/kubernetes';
import type { ReadLogInput } from '../../contract/activities/node';
import type { InspectionPolicy, NodeInspection } from '../../domain/inspection/node';
import { failedInspection } from '../../domain/inspection/node';
import type { DrainCheck, KubernetesInspection } from '../../domain/inspection/drain';
import { withDrain } from '../../domain/inspection/drain';
import type { ErrorInfo } from '../../domain/shared/errors';
import type { KubernetesPolicy } from '../../domain/kubernetes/types';
import { apiSilent } from '../../domain/kubernetes/drain-record';
import type { IneffectiveReboot } from '../../domain/node/reboot';
import type { NodeAddress } from '../../domain/cluster/task-queues';
import { noWorkerAtSite } from '../../domain/cluster/task-queues';
import type { NodeTarget } from '../../domain/spec/types';
import type { Options } from '../shared/activity-options';
import {
  API_ANSWERS_WITHIN_MS,
  SITE_ANSWERS_WITHIN,
  inspection,
  kubernetesInspection,
  optionsFor,
} from '../shared/activity-options';
import { isNotTakenUp, isTimeout, failureOf, toInspectionError } from '../shared/failures';
import { kubernetesTarget, machineOf } from '../node/drain';
import { tellCluster } from '../shared/node-action';
import { failOnBadInput } from '../shared/short-lived';
import { defined } from '../../domain/shared/defined';

export interface InspectNodesInput {
  targets: NodeAddress[];
  policy: InspectionPolicy;
  /** Limit for the facts of a node, in milliseconds. */
  factsLimitMs: number;
  /** Limit for its pending packages, in milliseconds. */
  planLimitMs: number;
  /** How long one node may be unreachable, in milliseconds. */
  unreachableTimeoutMs: number;
  /** Absent: drains are not inspected. */
  kubernetes?: KubernetesPolicy;
  /** Leaves no trace on the nodes. Absent: see `inspectNode`. */
  changeNothing?: true;
  /** By node name: the last reboot that did not clear its reasons. */
  ineffectiveReboots?: Record<string, IneffectiveReboot>;
}

/** Inspects all nodes at the same time; the caller limits their number. One failure does not affect other nodes. */
export async function inspectNodes(input: InspectNodesInput): Promise<NodeInspection[]> {
  return failOnBadInput(() => inspectAll(input));
}

function inspectAll({
  targets,
  kubernetes,
  ineffectiveReboots,
  ...input
}: InspectNodesInput): Promise<NodeInspection[]> {
  return Promise.all(
    targets.map(async (node): Promise<NodeInspection> => {
      try {
        const inspected = await inspection.inspectNode.executeWithOptions(inspectionOptions(node, 'inspection'), [
          { ...input, target: targetOf(node), ...ineffectiveRebootOf(node, ineffectiveReboots) },
        ]);
        const machine = inspected.facts === null ? null : machineOf(inspected.facts);
        if (kubernetes === undefined || machine === null) return inspected;
        return withDrain(
          inspected,
          await inspectDrain(node, machine, kubernetes, input.unreachableTimeoutMs, input.policy.rebootOwners?.ignore),
        );
      } catch (failure) {
        return failedInspection(node.name, notInspectedReason(failure, node, 'the inspection'));
      }
    }),
  );
}

export interface InspectKubernetesInput {
  cluster: string;
  kubernetes: KubernetesPolicy;
  /** Any node of the cluster: its drain preview shows what would fail the patch of every node. */
  probe: NodeAddress;
  ignoredOwners?: IgnoredRebootOwner[];
  unreachableTimeoutMs: number;
}

export async function inspectKubernetes(input: InspectKubernetesInput): Promise<KubernetesInspection> {
  return failOnBadInput(() => inspectCluster(input));
}

async function inspectCluster(input: InspectKubernetesInput): Promise<KubernetesInspection> {
  const { cluster, kubernetes, probe } = input;
  const { access } = kubernetesTarget(cluster, probe, kubernetes);
  const api = { ...probe, name: cluster };
  try {
    const options = inspectionOptions(api, 'stale cordons');
    const staleCordons = await kubernetesInspection.findStaleCordons.executeWithOptions(options, [{ cluster, access }]);
    const preview = await inspectDrain(probe, null, kubernetes, input.unreachableTimeoutMs, input.ignoredOwners);
    const forbids = !preview.ok && preview.error.type === 'Policy' ? preview.error : null;
    return { staleCordons, error: forbids };
  } catch (failure) {
    return {
      staleCordons: null,
      error: notInspectedReason(failure, api, 'the inspection of Kubernetes'),
    };
  }
}

export interface UncordonNodeInput {
  cluster: string;
  by: string;
  reason?: string;
  kubernetes: KubernetesPolicy;
  node: NodeAddress;
}

/**
 * Runs under the id of a node patch, so that no run works on the node at the same time. `false`: there was no cordon of
 * ospatch.
 */
export async function uncordonNode(input: UncordonNodeInput): Promise<boolean> {
  return failOnBadInput(() => uncordon(input));
}

async function uncordon({ cluster, kubernetes, node, by, reason }: UncordonNodeInput): Promise<boolean> {
  const target: KubernetesTarget = kubernetesTarget(cluster, node, kubernetes);
  try {
    const options = inspectionOptions(node, 'uncordon');
    const removed = await kubernetesInspection.uncordon.executeWithOptions(options, [{ target, owner: 'any' }]);
    const result = removed ? `${node.name} was uncordoned` : `${node.name} had no cordon of ospatch`;
    await tellCluster(cluster, { request: 'uncordon', node: node.name, by, ...defined({ reason }), result });
    return removed;
  } catch (failure) {
    const silent = isTimeout(failure) && !isNotTakenUp(failure);
    throw failureOf(
      silent ? apiSilent(node.name, API_ANSWERS_WITHIN_MS) : notInspectedReason(failure, node, 'the uncordon'),
    );
  }
}

/** `node` determines the task queue of the workers that reach it. */
export interface ReadNodeLogInput extends ReadLogInput {
  target: NodeAddress;
}

export async function readNodeLog(input: ReadNodeLogInput): Promise<{ log: string; truncated: boolean }> {
  return failOnBadInput(() => readLog(input));
}

async function readLog(input: ReadNodeLogInput): Promise<{ log: string; truncated: boolean }> {
  const { target: node } = input;
  try {
    const options = inspectionOptions(node, 'read the log');
    return await inspection.readLog.executeWithOptions(options, [{ ...input, target: targetOf(node) }]);
  } catch (failure) {
    throw failureOf(notInspectedReason(failure, node, 'reading the log'));
  }
}

async function inspectDrain(
  node: NodeAddress,
  machine: { machineId: string; bootId: string } | null,
  kubernetes: KubernetesPolicy,
  unreachableTimeoutMs: number,
  ignored: IgnoredRebootOwner[] | undefined,
): Promise<DrainCheck> {
  const target = kubernetesTarget(node.cluster, node, kubernetes);
  try {
    const options = inspectionOptions(node, 'drain preview');
    const preview = await kubernetesInspection.drainPreview.executeWithOptions(options, [
      { target, machine, policy: kubernetes.drain, ...ownersOf(kubernetes, ignored), unreachableTimeoutMs },
    ]);
    return { ok: true, preview };
  } catch (failure) {
    return { ok: false, error: notInspectedReason(failure, node, 'the inspection of the drain') };
  }
}

type HasTaskQueue = { name: string; taskQueue?: string };

/** An interactive command waits for the result, and a task queue without workers is a result too. */
function inspectionOptions(
  node: HasTaskQueue,
  what: string,
): Options & { scheduleToStartTimeout?: typeof SITE_ANSWERS_WITHIN } {
  const options = optionsFor(node, {}, what);
  return node.taskQueue === undefined ? options : { ...options, scheduleToStartTimeout: SITE_ANSWERS_WITHIN };
}

function notInspectedReason(failure: unknown, { name, taskQueue }: HasTaskQueue, what: string): ErrorInfo {
  if (taskQueue !== undefined && isNotTakenUp(failure)) return noWorkerAtSite(name, taskQueue);
  return toInspectionError(failure, `${what} of ${name}`);
}

function ineffectiveRebootOf(
  { name }: NodeAddress,
  ineffectiveReboots: Record<string, IneffectiveReboot> = {},
): { ineffectiveReboot?: IneffectiveReboot } {
  const ineffectiveReboot = ineffectiveReboots[name];
  return defined({ ineffectiveReboot });
}

function targetOf({ cluster, name, host, ssh, hostKeys }: NodeAddress): NodeTarget {
  return { cluster, name, host, ssh, hostKeys };
}
