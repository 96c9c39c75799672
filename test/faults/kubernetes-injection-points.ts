/** Moments of a node patch that are visible in Kubernetes, as seen by Temporal and the API server. */
import type { Followed } from './node-history';
import { begun, completed, scheduled } from './node-history';
import type { KubernetesScenario } from './kubernetes-scenario';

/** In the order of a patch; packages and reboot come between `drain` and `healthy`. */
const KUBERNETES_STEPS = ['cordon', 'drain', 'healthy', 'uncordon'] as const;
export type KubernetesInjectionPoint = `${'before' | 'during' | 'after'} ${(typeof KUBERNETES_STEPS)[number]}`;

export const KUBERNETES_MOMENTS: readonly KubernetesInjectionPoint[] = KUBERNETES_STEPS.flatMap(
  (step): KubernetesInjectionPoint[] => [`before ${step}`, `during ${step}`, `after ${step}`],
);

type Watched = Followed & { kubernetes: KubernetesScenario | undefined };

/** Cordon and uncordon take a few hundredths of a second, so they may be over when their moment is detected. */
export const KUBERNETES_CONDITIONS: Record<KubernetesInjectionPoint, (watched: Watched) => Promise<boolean>> = {
  'before cordon': (watched) => begun(watched, 'drainPreview'),
  'during cordon': (watched) => scheduled(watched, 'cordon'),
  'after cordon': (watched) => isCordoned(watched),
  'before drain': (watched) => scheduled(watched, 'drain'),
  'during drain': (watched) => aPodLeaves(watched),
  'after drain': (watched) => completed(watched, 'drain'),
  'before healthy': (watched) => scheduled(watched, 'awaitHealthy'),
  'during healthy': (watched) => begun(watched, 'awaitHealthy'),
  'after healthy': (watched) => completed(watched, 'awaitHealthy'),
  'before uncordon': (watched) => scheduled(watched, 'uncordon'),
  'during uncordon': (watched) => begun(watched, 'uncordon'),
  'after uncordon': (watched) => completed(watched, 'uncordon'),
};

/** Two pods leave at once, as the first is replaced at once, and the third seconds later. */
export const KUBERNETES_LINGER_MS: Partial<Record<KubernetesInjectionPoint, [number, number]>> = {
  'during drain': [0, 2_500],
  'during healthy': [0, 4_000],
};

async function isCordoned({ kubernetes }: Watched): Promise<boolean> {
  return (await kubernetes?.node())?.spec?.unschedulable === true;
}

/** Stays true: pods may be gone before the next poll. */
function aPodLeaves({ kubernetes }: Watched): Promise<boolean> {
  return Promise.resolve((kubernetes?.sightings().left ?? 0) > 0);
}
