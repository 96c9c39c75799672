/** Pods that arrive on a node during its drain: from a scheduler with a stale cache, or deliberately. */
import type { PodView } from '../../domain/kubernetes/pod-filter';

/**
 * A scheduler that reconnects to its API server may take half a minute to notice the cordon, and bind evicted pods to
 * the node again. Pods that still return after all these pauses were placed there deliberately.
 */
const PAUSES_MS = [0, 1_000, 2_000, 4_000, 8_000, 16_000];

interface Returns {
  /** How many pods of this controller were evicted after arriving. */
  times: number;
  /** One of them has left since the last arrival. */
  hasLeft: boolean;
}

export interface NewPods {
  /** New pods that have to be evicted; pods that tolerate the cordon do not. */
  among(pods: Iterable<PodView>): PodView[];
  /** How long the pod is left alone before its eviction, in milliseconds; null: permanently. */
  pauseMs(pod: PodView): number | null;
  /** A pod has left the node. */
  left(pod: PodView): void;
}

/** `first`: the initial pods, which do not count as new. */
export function trackNewPods(first: readonly PodView[]): NewPods {
  const seen = new Set(first.map(({ uid }) => uid));
  const came = new Set<string>();
  const returns = new Map<string, Returns>();
  return {
    among(pods) {
      const found = [...pods].filter(({ uid, toleratesCordon }) => !seen.has(uid) && !toleratesCordon);
      for (const { uid } of found) {
        seen.add(uid);
        came.add(uid);
      }
      return found;
    },
    pauseMs(pod) {
      const key = ownerOf(pod);
      const own = returns.get(key) ?? { times: 0, hasLeft: false };
      if (own.hasLeft) own.times += 1;
      own.hasLeft = false;
      returns.set(key, own);
      return PAUSES_MS[own.times] ?? null;
    },
    left(pod) {
      if (!came.has(pod.uid)) return;
      const own = returns.get(ownerOf(pod));
      if (own !== undefined) own.hasLeft = true;
    },
  };
}

function ownerOf({ controller, namespace, name }: PodView): string {
  return controller?.uid ?? `${namespace}/${name}`;
}
