/** Inspection of a Kubernetes cluster, and uncordon, through the workers that reach its API server. */
import { randomUUID } from 'node:crypto';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { KubernetesInspection } from '../domain/inspection/drain';
import { kubernetesFindings } from '../domain/inspection/drain';
import { OspatchError, isOspatchError } from '../domain/shared/errors';
import type { Finding } from '../domain/inspection/finding';
import { findingOfError } from '../domain/inspection/finding';
import { WORKFLOW_PRIORITIES } from '../contract/priorities';
import { WORKFLOW_TYPES, inspectionWorkflowId, nodeWorkflowId } from '../contract/workflow-ids';
import { notPatchableReason, rejectionInfo } from '../domain/cluster/messages';
import type { NodeAddress } from '../domain/cluster/task-queues';
import { nodeAddresses } from '../domain/cluster/task-queues';
import type { ClusterSpec, SelfManagedSpec } from '../domain/spec/types';
import { defined } from '../domain/shared/defined';
import type { TemporalCalls } from './temporal-calls';
import { readLiveStatus } from './live-status';

/** Above the limits of all activities. */
const LIMIT_MS = 3 * 60_000;
const UNREACHABLE_MS = 10_000;

/**
 * Removes a stale cordon of ospatch. `false`: there was none; cordons of others are kept.
 *
 * @throws OspatchError `Refused` while a run works on the node, `NotFound`, `NoWorker`, `KubernetesApi`
 */
export async function requestUncordon(
  calls: TemporalCalls,
  spec: ClusterSpec,
  name: string,
  { by, reason }: { by: string; reason?: string },
): Promise<boolean> {
  if (spec.type !== 'self-managed') throw new OspatchError(rejectionInfo(notPatchableReason(spec.type) ?? ''));
  const cluster = spec.name;
  const { kubernetes } = spec;
  const node = nodeAddresses(spec).find((one) => one.name === name);
  if (node === undefined) {
    throw new OspatchError({
      type: 'NotFound',
      message: `cluster ${cluster} has no node ${name}`,
      remedy: `\`ospatch status ${cluster}\` shows its nodes; one that left the spec is uncordoned with \`kubectl uncordon\``,
    });
  }
  if (kubernetes === undefined) {
    throw new OspatchError({
      type: 'Refused',
      message: `the spec of cluster ${cluster} has no section kubernetes, so ospatch cordons none of its nodes`,
      remedy: 'use `kubectl uncordon`',
    });
  }
  await calls.ensureWorker();
  const { client, taskQueue } = calls.session;
  try {
    return await calls.call(
      cluster,
      () =>
        client.workflow.execute<(input: unknown) => Promise<boolean>>(WORKFLOW_TYPES.uncordonNode, {
          // The lock of the node: a run working on the node uncordons it itself.
          workflowId: nodeWorkflowId(cluster, name),
          taskQueue,
          args: [{ cluster, kubernetes, node, by, ...defined({ reason }) }],
          priority: { priorityKey: WORKFLOW_PRIORITIES.uncordonNode },
          workflowExecutionTimeout: LIMIT_MS,
          staticSummary: `${name}: uncordon, requested by ${by}`,
        }),
      LIMIT_MS,
    );
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    throw new OspatchError(
      {
        type: 'Refused',
        message: `a run is working on ${name} and uncordons the node itself when the work is done`,
        remedy: `see \`ospatch status ${cluster}\`, or end the run with \`ospatch cancel ${cluster}\``,
      },
      { cause: error },
    );
  }
}

/** Through the workers that reach `probe`, any node of the cluster. `usable`: drains of its nodes can be previewed. */
export async function requestKubernetesFindings(
  calls: TemporalCalls,
  { spec, probe, by }: { spec: SelfManagedSpec; probe: NodeAddress | undefined; by: string },
): Promise<{ findings: Finding[]; usable: boolean }> {
  const { kubernetes, name: cluster } = spec;
  if (kubernetes === undefined || probe === undefined) return { findings: [], usable: false };
  const { client, taskQueue } = calls.session;
  const ignoredOwners = spec.patching.rebootOwners?.ignore;
  const input = {
    ...{ cluster, kubernetes, probe, unreachableTimeoutMs: UNREACHABLE_MS },
    ...defined({ ignoredOwners }),
  };
  try {
    const [seen, inWork] = await Promise.all([
      calls.call(
        cluster,
        () =>
          client.workflow.execute<(input: unknown) => Promise<KubernetesInspection>>(WORKFLOW_TYPES.inspectKubernetes, {
            workflowId: inspectionWorkflowId(cluster, randomUUID()),
            taskQueue,
            args: [input],
            priority: { priorityKey: WORKFLOW_PRIORITIES.inspectKubernetes },
            workflowExecutionTimeout: LIMIT_MS,
            staticSummary: `inspection of Kubernetes of cluster ${cluster}, requested by ${by}`,
          }),
        LIMIT_MS,
      ),
      nodesInWork(calls, cluster),
    ]);
    return {
      findings: kubernetesFindings(cluster, seen, inWork),
      usable: seen.staleCordons !== null && seen.error === null,
    };
  } catch (error) {
    if (!isOspatchError(error)) throw error;
    return { findings: [findingOfError(error.toInfo(), 'kubernetes')], usable: false };
  }
}

async function nodesInWork(calls: TemporalCalls, cluster: string): Promise<ReadonlySet<string>> {
  try {
    const { current } = await calls.call(cluster, () => readLiveStatus(calls.session, cluster));
    return new Set(current.map(({ node }) => node));
  } catch (error) {
    // Not applied, or no answer: no node is known to be in progress.
    if (isOspatchError(error)) return new Set();
    throw error;
  }
}
