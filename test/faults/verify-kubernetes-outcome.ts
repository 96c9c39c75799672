/** The outcome of a fault in Kubernetes: the node, the workload, and the record of an observer. */
import type { NodePatchResult } from '../../src/domain/node/patch';
import { isReady } from '../support/kube-objects';
import { MIN_AVAILABLE, REPLICAS } from './kubernetes-scenario';
import type { Scenario } from './scenario';

export interface ExpectedInKubernetes {
  /** Somebody else has cordoned the node; default false. */
  cordoned?: boolean;
  /** The owner of a cordon before the drain; default nobody. Null: there was no drain. */
  cordonedBefore?: 'nobody' | 'ospatch' | 'others' | null;
  /** Result of the run's drain; default `drained`. */
  drain?: 'drained' | null;
  /** Evictions reported by the run; default every pod of the workload. `and-late`: these, and pods bound to the node later. */
  evicted?: number | 'any' | 'and-late';
  /** Pods of the workload that moved during the scenario; default as many as were evicted. */
  left?: number | 'any';
}

/** Compares the state in Kubernetes with `expected`. */
export async function verifyKubernetesOutcome(
  { kubernetes }: Scenario,
  result: NodePatchResult,
  expected: ExpectedInKubernetes = {},
): Promise<void> {
  await kubernetes.whole();
  const node = await kubernetes.node();
  const { fewestReady, left, struck } = kubernetes.sightings();
  const { drain = 'drained', cordonedBefore = 'nobody' } = expected;
  const evicted =
    expected.evicted === 'and-late' ? Math.max(REPLICAS, result.drain?.evicted ?? 0) : (expected.evicted ?? REPLICAS);
  expect({
    cordoned: node.spec?.unschedulable === true,
    ready: isReady(node.status?.conditions),
    ours: Object.keys(node.metadata?.annotations ?? {}).filter((key) => key.startsWith('ospatch/')),
    budgetHeld: fewestReady >= MIN_AVAILABLE,
    struckByTheReboot: struck,
    left,
    drain:
      result.drain === undefined
        ? null
        : { cordonedBefore: result.drain.cordonedBefore, state: result.drain.state, evicted: result.drain.evicted },
  }).toEqual({
    cordoned: expected.cordoned ?? false,
    ready: true,
    ours: [],
    budgetHeld: true,
    struckByTheReboot: 0,
    left: orAny(expected.left ?? evicted),
    drain: cordonedBefore === null ? null : { cordonedBefore, state: drain, evicted: orAny(evicted) },
  });
}

function orAny(count: number | 'any'): unknown {
  return count === 'any' ? expect.any(Number) : count;
}
