/** The inputs of activities, by the contract. */
import type { z } from 'zod';
import type { AlertActivities } from '../../contract/activities/alerts';
import type { ClusterActivities } from '../../contract/activities/cluster';
import type { EksActivities } from '../../contract/activities/eks';
import type { KubernetesActivities } from '../../contract/activities/kubernetes';
import type { NotificationActivities } from '../../contract/activities/notification';
import type { NodeActivities } from '../../contract/activities/node';

/** All activities of a worker. */
export type AllActivities = NodeActivities &
  ClusterActivities &
  KubernetesActivities &
  EksActivities &
  AlertActivities &
  NotificationActivities;

/** The only parameter of an activity; undefined: it has none. */
export type InputOf<F> = F extends () => unknown ? undefined : F extends (input: infer I) => unknown ? I : never;

/** One schema per activity of `A`. */
export type InputSchemas<A> = { [K in keyof A]: z.ZodType<InputOf<A[K]>> };
