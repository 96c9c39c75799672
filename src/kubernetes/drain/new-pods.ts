/** Pods that come to a node while it is drained: by a scheduler that has not heard of the cordon, or on purpose. */
import type { PodView } from '../../domain/kubernetes/pod-filter';

/**
 * A scheduler that finds its API server again may take half a minute to hear of the cordon, and bind to the node what has
 * just left it. What still comes back after all of these was sent there on purpose.
 */
const PAUSES_MS = [0, 1_000, 2_000, 4_000, 8_000, 16_000];

interface Returns {
  /** How often pods of this controller were sent away after they had come. */
  times: number;
  /** Since they came last, one of them has left. */
  hasLeft: boolean;
}

export interface NewPods {
  /** Those that were not here before and have no business here; what tolerates the cordon has. */
  among(pods: Iterable<PodView>): PodView[];
  /** How long the pod is left alone before it is sent away, in milliseconds; null: for ever. */
  pauseMs(pod: PodView): number | null;
  /** A pod has left the node. */
  left(pod: PodView): void;
}

/** `first`: pods that are no newPods. */
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
