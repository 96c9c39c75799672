/** All activity proxies, grouped by how a failure is met. The one place for their timeouts. */
import { ActivityCancellationType, proxyActivities, proxyLocalActivities } from '@temporalio/workflow';
import type { AlertActivities } from '../../contract/activities/alerts';
import type { ClusterActivities } from '../../contract/activities/cluster';
import type { KubernetesActivities } from '../../contract/activities/kubernetes';
import type { EksActivities } from '../../contract/activities/eks';
import type { NotificationActivities } from '../../contract/activities/notification';
import type { NodeActivities } from '../../contract/activities/node';
import { taskQueueOf } from '../../domain/cluster/task-queues';
import {
  END_WATCH_MS,
  HEARTBEAT_TIMEOUT_MS,
  INSPECTION_MS,
  INSPECTION_RETRIES_MS,
} from '../../domain/node/time-limits';
import { MINUTE_MS } from '../../domain/shared/time-units';
import { defined } from '../../domain/shared/defined';

/**
 * Far beyond any package transaction. It only bounds a single attempt: the retry finds the job on the node and goes on
 * following it, so nothing is ever killed by this.
 */
const ATTEMPT_TIMEOUT = '7 days';

/**
 * Retried without end: every failure that a retry cannot remedy is non-retryable already, and the time a node may be
 * unreachable is counted by the activity itself, so that hours without a worker do not count against the node. An activity
 * that only waits gives back its slot by such a failure, with the delay of its own until it looks again.
 */
const retry = { initialInterval: '1 second', maximumInterval: '30 seconds', backoffCoefficient: 2 } as const;

/** Steps that may be abandoned at once on cancellation: they wait or read, and follow no transaction. */
export const cancellable = proxyActivities<NodeActivities>({
  startToCloseTimeout: ATTEMPT_TIMEOUT,
  heartbeatTimeout: HEARTBEAT_TIMEOUT_MS,
  retry,
  cancellationType: ActivityCancellationType.TRY_CANCEL,
});

/** Steps that follow a package transaction to its end. Called in non-cancellable scopes only. */
export const uncancellable = proxyActivities<NodeActivities>({
  startToCloseTimeout: ATTEMPT_TIMEOUT,
  heartbeatTimeout: HEARTBEAT_TIMEOUT_MS,
  retry,
});

/**
 * Calls to a Kubernetes API server. A cancelled call has ended before the next one begins: a cordon that arrives after its
 * uncordon would stay.
 */
export const kubernetes = proxyActivities<KubernetesActivities>({
  startToCloseTimeout: ATTEMPT_TIMEOUT,
  heartbeatTimeout: HEARTBEAT_TIMEOUT_MS,
  retry,
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
});

/** Steps whose progress must be known even when they are cancelled: the activity itself reports the cancellation. */
export const reportsCancellation = proxyActivities<NodeActivities>({
  startToCloseTimeout: ATTEMPT_TIMEOUT,
  heartbeatTimeout: HEARTBEAT_TIMEOUT_MS,
  retry,
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
});

/** Steps that must not run twice, however the first attempt ends. */
export const singleAttempt = proxyActivities<Pick<NodeActivities, 'powerCycle'>>({
  startToCloseTimeout: '10 minutes',
  heartbeatTimeout: HEARTBEAT_TIMEOUT_MS,
  retry: { maximumAttempts: 1 },
});

/** Which nodes are out of service, before others are taken out of service too. An old answer is worth nothing. */
export const observation = proxyActivities<
  Pick<NodeActivities, 'unreachableNodes' | 'probeHostKeys'> & Pick<KubernetesActivities, 'outOfService'>
>({
  // Also where no worker takes it up: a run that is cancelled waits for the answer.
  scheduleToCloseTimeout: '2 minutes',
  heartbeatTimeout: '1 minute',
  retry: { maximumAttempts: 1 },
  cancellationType: ActivityCancellationType.TRY_CANCEL,
});

/** A look at the alerts: no answer is an answer too, so it is not tried for long. Also where no worker takes it up. */
export const alerts = proxyActivities<Pick<AlertActivities, 'readAlerts'>>({
  startToCloseTimeout: '30 seconds',
  scheduleToCloseTimeout: '1 minute',
  retry: { initialInterval: '1 second', maximumAttempts: 2 },
  cancellationType: ActivityCancellationType.TRY_CANCEL,
});

/** The same for as long as the answer does not change. Each attempt is a look, and the next one comes some seconds later. */
export const alertWatch = proxyActivities<Pick<AlertActivities, 'readAlerts'>>({
  startToCloseTimeout: '30 seconds',
  // Without a worker for so long, nothing is known any more.
  scheduleToStartTimeout: '2 minutes',
  retry: { initialInterval: '1 second', maximumInterval: '10 seconds' },
  cancellationType: ActivityCancellationType.TRY_CANCEL,
});

/** Silences are made before a node is taken out of service, which does not wait for them for long. */
export const silenceOnce = proxyActivities<Pick<AlertActivities, 'silenceNode' | 'endSilence'>>({
  startToCloseTimeout: '20 seconds',
  scheduleToCloseTimeout: '20 seconds',
  retry: { initialInterval: '1 second', maximumAttempts: 3 },
});

/** Renews silences; each attempt is one renewal. One that has begun ends before the silences are ended. */
export const silenceLease = proxyActivities<Pick<AlertActivities, 'silenceNode'>>({
  startToCloseTimeout: '30 seconds',
  retry,
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
});

/** What a person waits for at a terminal: it answers soon or says why not. */
export const inspection = proxyActivities<NodeActivities>({
  startToCloseTimeout: INSPECTION_MS,
  scheduleToCloseTimeout: INSPECTION_RETRIES_MS,
  heartbeatTimeout: HEARTBEAT_TIMEOUT_MS,
  retry: { maximumAttempts: 2 },
});

/** The same for what a worker knows by itself. */
export const policyInspection = proxyActivities<Pick<ClusterActivities, 'explainPolicy'>>({
  startToCloseTimeout: '20 seconds',
  scheduleToStartTimeout: '20 seconds',
  retry: { maximumAttempts: 2 },
});

/** How long somebody at a terminal waits for a Kubernetes API server, in milliseconds. */
export const API_ANSWERS_WITHIN_MS = 90_000;

/** The same for a Kubernetes API server. */
export const kubernetesInspection = proxyActivities<KubernetesActivities>({
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: API_ANSWERS_WITHIN_MS,
  heartbeatTimeout: HEARTBEAT_TIMEOUT_MS,
  retry: { maximumAttempts: 2 },
});

/** A look at a node that is nice to have: tried once. */
export const refreshFactsOnce = proxyActivities<NodeActivities>({
  startToCloseTimeout: '2 minutes',
  scheduleToCloseTimeout: '10 minutes',
  heartbeatTimeout: HEARTBEAT_TIMEOUT_MS,
  retry: { maximumAttempts: 1 },
});

/** Questions to AWS that may be abandoned at once on cancellation. */
export const awsCancellable = proxyActivities<EksActivities>({
  startToCloseTimeout: ATTEMPT_TIMEOUT,
  heartbeatTimeout: HEARTBEAT_TIMEOUT_MS,
  retry,
  cancellationType: ActivityCancellationType.TRY_CANCEL,
});

/** An update that AWS has begun cannot be stopped, and is followed to its end. Called in non-cancellable scopes only. */
export const awsUncancellable = proxyActivities<EksActivities>({
  startToCloseTimeout: ATTEMPT_TIMEOUT,
  heartbeatTimeout: HEARTBEAT_TIMEOUT_MS,
  retry,
});

/** What a person waits for at a terminal. */
export const awsInspection = proxyActivities<EksActivities>({
  startToCloseTimeout: '75 seconds',
  scheduleToCloseTimeout: '150 seconds',
  heartbeatTimeout: HEARTBEAT_TIMEOUT_MS,
  retry: { maximumAttempts: 2 },
});

/**
 * Waits for the ends of other workflows. An attempt ends by itself some time before it would time out, which it does only
 * when its worker has died.
 */
export const workflowEnds = proxyActivities<Pick<ClusterActivities, 'awaitWorkflowClosed' | 'awaitNodePatches'>>({
  startToCloseTimeout: END_WATCH_MS + MINUTE_MS,
  retry,
  cancellationType: ActivityCancellationType.TRY_CANCEL,
});

/** What is left to do after a run workflow that was terminated; the cluster does not wait for it for long. */
export const cleanUp = proxyActivities<Pick<ClusterActivities, 'cancelChildren'>>({
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '5 minutes',
  retry: { initialInterval: '1 second', maximumInterval: '30 seconds', backoffCoefficient: 2 },
});

/** Windows and blackouts for which files on a worker are read. The cluster waits for the answer, so it is short. */
export const calendarFiles = proxyActivities<Pick<ClusterActivities, 'nextWindowsByFiles'>>({
  startToCloseTimeout: '30 seconds',
  scheduleToCloseTimeout: '1 minute',
  retry: { initialInterval: '1 second', maximumAttempts: 3 },
});

/**
 * How long a local activity takes at most, with its repetitions: one that is not over when the SDK prolongs its workflow task
 * does not replay. See `sandbox/local-activity-order.ts`.
 */
const LOCAL_ACTIVITY_LIMIT = '6 seconds' as const;

/** Pure computations whose answer belongs into the history. A failure is an answer too, so it is not retried for long. */
export const local = proxyLocalActivities<ClusterActivities & Pick<NotificationActivities, 'notificationDefaults'>>({
  startToCloseTimeout: LOCAL_ACTIVITY_LIMIT,
  scheduleToCloseTimeout: LOCAL_ACTIVITY_LIMIT,
  retry: { initialInterval: '300 ms', maximumAttempts: 3 },
});

/**
 * A message to somebody, for up to a day. What was overtaken by another message waits for an attempt in progress, which may arrive,
 * and otherwise ends at once.
 */
export const notifications = proxyActivities<Pick<NotificationActivities, 'notify'>>({
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '1 day',
  retry: { initialInterval: '5 seconds', maximumInterval: '10 minutes', backoffCoefficient: 2 },
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
});

/** The same for somebody who waits at a terminal for the answer of the target. */
export const notificationTest = proxyActivities<Pick<NotificationActivities, 'notify'>>({
  startToCloseTimeout: '1 minute',
  scheduleToStartTimeout: '20 seconds',
  retry: { maximumAttempts: 1 },
});

/** For looks at a node: a site whose workers have not taken one up by then has none, as far as anybody can wait. */
export const SITE_ANSWERS_WITHIN = '20 seconds' as const;

/** What every activity that reaches a node, or AWS, is started with. */
export interface Options {
  summary: string;
  taskQueue?: string;
}

/** `cluster` is whatever names the task queue of nodes that name none: the policy of a run, or a spec. */
export function optionsFor(
  node: { name: string; taskQueue?: string },
  cluster: { taskQueue?: string },
  what: string,
): Options {
  const taskQueue = taskQueueOf(node, cluster);
  return { summary: `${node.name}: ${what}`, ...defined({ taskQueue }) };
}
