/** Downloads the packages that are pending, on all nodes of a cluster, some time before its window. Changes nothing there. */
import { isCancellation, uuid4 } from '@temporalio/workflow';
import type { NodeReading } from '../../domain/node/status';
import { readingFromFacts } from '../../domain/node/reading';
import type { IneffectiveReboot } from '../../domain/node/reboot';
import type { NodePatchPolicy } from '../../domain/run/run';
import type { NodeSpec } from '../../domain/spec/types';
import { optionsFor, cancellable } from '../shared/activity-options';
import { toErrorInfo } from '../shared/failures';
import { failOnBadInput } from '../shared/short-lived';
import { defined } from '../../domain/shared/defined';
import { timestamp } from '../shared/timestamp';

/** Downloads share a mirror, so only a few nodes ask it at once. */
const AT_ONCE = 4;

export interface PrefetchNodesInput {
  cluster: string;
  /** The start of the window, ISO 8601. */
  window: string;
  nodes: NodeSpec[];
  policy: NodePatchPolicy;
  /** By node: the reboot that did not help, where the cluster remembers one. */
  ineffective: Record<string, IneffectiveReboot>;
}

export interface PrefetchedNode {
  node: string;
  /** Null: the node could not be read. */
  reading: NodeReading | null;
  /** Why the packages were not downloaded; null when they were, or nothing is pending. */
  error: string | null;
}

export async function prefetchNodes(input: PrefetchNodesInput): Promise<PrefetchedNode[]> {
  return failOnBadInput(() => prefetchAll(input));
}

async function prefetchAll(input: PrefetchNodesInput): Promise<PrefetchedNode[]> {
  const results: PrefetchedNode[] = [];
  const queue = [...input.nodes];
  const work = async (): Promise<void> => {
    for (let node = queue.shift(); node !== undefined; node = queue.shift()) {
      results.push(await prefetchNode(input, node));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return results;
}

async function prefetchNode(
  { cluster, policy, ineffective }: PrefetchNodesInput,
  node: NodeSpec,
): Promise<PrefetchedNode> {
  const { name, host, ssh, hostKeys } = node;
  const { packages, unreachableTimeoutMs } = policy;
  const input = {
    target: { cluster, name, host, ssh, hostKeys },
    token: uuid4().replaceAll('-', '').slice(0, 16),
    attempt: 1,
    ...defined({ packages }),
    unreachableTimeoutMs,
  };
  let reading: NodeReading | null = null;
  try {
    const { facts, plan, refused } = await cancellable.preflight.executeWithOptions(
      optionsFor(node, policy, 'what is pending?'),
      // Nothing is changed, so nothing that runs on the node speaks against it.
      [{ ...input, withoutDrain: true }],
    );
    // A plan without a digest was not made.
    reading = readingFromFacts(facts, ineffective[name] ?? null, timestamp(), plan.digest === '' ? null : plan);
    if (refused !== undefined) return { node: name, reading, error: refused.message };
    if (plan.pending === 0) return { node: name, reading, error: null };
    const work = { packageManager: facts.packageManager, planDigest: plan.digest, planned: plan.pending };
    await cancellable.prefetch.executeWithOptions(optionsFor(node, policy, `download ${plan.pending} packages`), [
      { ...input, ...work },
    ]);
    return { node: name, reading, error: null };
  } catch (failure) {
    if (isCancellation(failure)) throw failure;
    return { node: name, reading, error: toErrorInfo(failure, `the download on ${name}`).message };
  }
}
