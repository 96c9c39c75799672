/** Stuck clusters: the cause, and the remedy. */
import type { ErrorInfo } from '../shared/errors';
import { plainText, withoutFullStop } from '../shared/text';
import { isKeyMissing, isStartNotEncrypted } from '../shared/unreadable';
import { SAME_KEYS } from './workers';
import type { WorkerVersion } from './workers';

/**
 * `nondeterminism`: the history does not match the code of the workers. `missing-key`: the workers cannot decrypt a
 * payload of the cluster. `not-encrypted`: the workers require encryption, and the workflow was started without.
 * `unreadable-start`: neither the workers nor this client can decode the workflow input.
 * `failing`: the workflow code fails for another reason. `timing-out`: workers start the workflow task and do not
 * complete it. `ended`: the workflow has ended although nobody removed the cluster. `paused-on-server`: the workflow or
 * one of its activities is paused in Temporal, which is not `ospatch pause`. `no-worker`: the workflow is on a task
 * queue that no worker polls. `id-taken`: a foreign workflow runs under the workflow id.
 */
export const STUCK_KINDS = [
  'nondeterminism',
  'missing-key',
  'not-encrypted',
  'unreadable-start',
  'failing',
  'timing-out',
  'ended',
  'paused-on-server',
  'no-worker',
  'id-taken',
] as const;
export type StuckKind = (typeof STUCK_KINDS)[number];

export interface StuckCluster {
  cluster: string;
  kind: StuckKind;
  /** One sentence that names the cluster and the cause. */
  message: string;
  remedy: string;
  /** Of a closed workflow: `recover` has no state to start from. */
  neverBegan?: boolean;
}

/** Temporal's view of a workflow without progress. Times are ISO 8601. */
export type StuckCause =
  /**
   * `message` of the failure; null when it cannot be decoded here. `attempt` of the workflow task; null for a query.
   * `isStartUnreadable`: the workflow input cannot be decoded here either. `failureKey`, `startKey`: the encryption keys of
   * an undecodable failure and of the workflow input.
   */
  | {
      kind: 'task-failed';
      isNondeterminism: boolean;
      message: string | null;
      attempt: number | null;
      isStartUnreadable?: boolean;
      failureKey?: string | null;
      startKey?: string | null;
    }
  /** `version`: the one that the workflow is pinned to. */
  | { kind: 'no-version'; taskQueue: string; version: WorkerVersion }
  | { kind: 'task-timed-out'; attempt: number }
  /** `unusable`: why the workflow input is no recoverable state. */
  | { kind: 'ended'; how: HowEnded; at: string | null; message: string | null; unusable?: string | null }
  /** `taskQueue`: of the workflow; the workers poll another one. */
  | { kind: 'no-worker'; taskQueue: string }
  /** `type`: of the foreign workflow. */
  | { kind: 'id-taken'; type: string }
  | ({ kind: 'paused-on-server' } & ServerPause)
  | ({ kind: 'activity-paused'; activity: string; activityId: string } & ServerPause);

/** Who paused the workflow or activity in Temporal, as far as the server reports. */
interface ServerPause {
  by: string | null;
  at: string | null;
  reason: string | null;
}

export type HowEnded = 'terminated' | 'failed' | 'timed-out' | 'cancelled' | 'completed';

const MAX_CAUSE = 400;

export function describeStuck(cluster: string, obstacle: StuckCause): StuckCluster {
  const recover = `\`ospatch recover ${cluster}\``;
  return describe(obstacle, {
    cluster,
    name: `cluster ${cluster}`,
    workflowId: `cluster/${cluster}`,
    otherwise: `restart the cluster with ${recover}`,
    restart: `${recover} restarts the cluster with its last known state; \`ospatch remove ${cluster}\` gives the cluster up`,
    giveUpStart: giveUp(cluster),
  });
}

/** A stuck run workflow, or a stuck node patch that blocks its run. */
export function describeStuckRun(cluster: string, workflowId: string, obstacle: StuckCause): StuckCluster {
  const [, run] = /\/run\/(\d+)-[^/]*$/.exec(workflowId) ?? [];
  const [, node] = /\/node\/([^/]+)$/.exec(workflowId) ?? [];
  const end = `end it with \`temporal workflow terminate --workflow-id ${plainText(workflowId, 400)}\``;
  const then = run === undefined ? 'the run then continues' : 'the run then ends as failed';
  const what = run === undefined ? `the patch of ${plainText(node ?? workflowId, 253)}` : `run ${run}`;
  return describe(obstacle, {
    cluster,
    name: `${what} of cluster ${cluster}`,
    workflowId: plainText(workflowId, 400),
    otherwise: `${end}; ${then}`,
    restart: then,
    giveUpStart: end,
  });
}

interface Subject {
  cluster: string;
  /** As the subject of a sentence. */
  name: string;
  workflowId: string;
  /** The remedy when a worker does not help. */
  otherwise: string;
  /** The remedy when the workflow has ended. */
  restart: string;
  /** The remedy when the workflow input cannot be decoded. */
  giveUpStart: string;
}

function describe(
  obstacle: StuckCause,
  { cluster, name, workflowId, otherwise, restart, giveUpStart }: Subject,
): StuckCluster {
  switch (obstacle.kind) {
    case 'task-failed': {
      const { message, attempt, failureKey = null, startKey = null } = obstacle;
      const cause = `${attempt === null ? '' : ` (attempt ${attempt})`}: ${causeOf(message, failureKey)}`;
      if (obstacle.isNondeterminism) {
        return {
          ...{ cluster, kind: 'nondeterminism' },
          message: `${name} is stuck, because its history does not match the code of the workers${cause}`,
          remedy: `start workers of the version that ran ${cluster} before, or ${otherwise}`,
        };
      }
      if (message !== null && isKeyMissing(message)) {
        return {
          ...{ cluster, kind: 'missing-key' },
          message: `${name} is stuck, because the workers cannot read it${cause}`,
          remedy: 'give every worker the key (OSPATCH_ENCRYPTION_KEYS, docs/operations.md#encryption) and restart it',
        };
      }
      if (message !== null && isStartNotEncrypted(message)) {
        return {
          ...{ cluster, kind: 'not-encrypted' },
          message: `${name} is stuck, because its workflow was started without encryption, and the workers require encryption${attempt === null ? '' : ` (attempt ${attempt})`}`,
          remedy: `if ospatch started it, run workers without OSPATCH_ENCRYPTION_REQUIRED until it has continued as new (docs/security.md#messages-encryption-and-signatures); if not, ${giveUpStart}`,
        };
      }
      // The failure message is encrypted too.
      if (message === null && failureKey !== null && failureKey !== startKey) {
        const startedWith = startKey === null ? 'without encryption' : `with the key ${startKey}`;
        return {
          ...{ cluster, kind: 'missing-key' },
          message: `${name} is stuck, because its workflow fails on the workers, which encrypt with the key ${failureKey}; the workflow was started ${startedWith}`,
          remedy: `${SAME_KEYS}; the workflow continues when every worker has the key that it was started with`,
        };
      }
      if (obstacle.isStartUnreadable === true) {
        return {
          ...{ cluster, kind: 'unreadable-start' },
          message: `${name} is stuck, because the workers cannot read what its workflow was started with${cause}`,
          remedy: `start workers of the version that wrote it; if no ospatch did, ${giveUpStart}`,
        };
      }
      return {
        ...{ cluster, kind: 'failing' },
        message: `${name} is stuck, because its workflow code fails on the workers${cause}`,
        remedy: `see the log of the worker; start workers of another version, or ${otherwise}`,
      };
    }
    case 'task-timed-out':
      return {
        ...{ cluster, kind: 'timing-out' },
        message: `${name} is stuck, because the workers start its workflow task and do not complete it (attempt ${obstacle.attempt})`,
        remedy: `check the log of the worker, and whether the worker runs out of memory; then ${otherwise}`,
      };
    case 'ended': {
      const message = `the workflow of ${name} ${endOf(obstacle)}`;
      if (!obstacle.unusable) return { cluster, kind: 'ended', message, remedy: restart };
      return {
        ...{ cluster, kind: 'ended', neverBegan: true },
        message: `${message}; nothing of it can be recovered, because ${plainText(obstacle.unusable, 300)}`,
        remedy: `\`ospatch remove ${cluster}\` deletes what Temporal keeps of the workflow; \`ospatch apply -f FILE --discard-history\` creates the cluster`,
      };
    }
    case 'paused-on-server':
      return {
        ...{ cluster, kind: 'paused-on-server' },
        message: `the workflow of ${name} is paused on the Temporal server${pauseOf(obstacle)}, so it makes no progress and answers no queries`,
        remedy: `temporal workflow unpause --workflow-id ${workflowId}`,
      };
    case 'no-worker': {
      const taskQueue = plainText(obstacle.taskQueue, 200);
      return {
        ...{ cluster, kind: 'no-worker' },
        message: `${name} is stuck, because its workflow is on the task queue ${taskQueue}, which no worker polls`,
        remedy: `start \`ospatch worker --task-queue ${taskQueue}\`, or ${otherwise}`,
      };
    }
    case 'no-version': {
      const { deployment, buildId } = obstacle.version;
      return {
        ...{ cluster, kind: 'no-worker' },
        message: `${name} is stuck, because its workflow is pinned to version ${plainText(buildId, 100)} of the deployment ${plainText(deployment, 100)}, of which no worker polls the task queue ${plainText(obstacle.taskQueue, 200)}`,
        remedy: `start a worker of that version with OSPATCH_WORKER_DEPLOYMENT=${plainText(deployment, 100)}, or ${otherwise}`,
      };
    }
    case 'id-taken':
      return {
        ...{ cluster, kind: 'id-taken' },
        message: `${name} cannot begin, because a workflow of the type ${plainText(obstacle.type, 100)}, which is none of ospatch, runs under its id ${workflowId}`,
        remedy: `\`temporal workflow terminate --workflow-id ${workflowId}\` ends that workflow and frees the id`,
      };
    case 'activity-paused': {
      const { activity, activityId } = obstacle;
      return {
        ...{ cluster, kind: 'paused-on-server' },
        message: `${name} is stuck, because its activity ${plainText(activity, 60)} is paused on the Temporal server${pauseOf(obstacle)}`,
        remedy: `temporal activity unpause --workflow-id ${workflowId} --activity-id ${plainText(activityId, 60)}`,
      };
    }
  }
}

/** The remedy for a cluster whose workflow holds no recoverable state. */
export function giveUp(cluster: string, isOpen = true): string {
  const end = isOpen ? `\`temporal workflow terminate --workflow-id cluster/${cluster}\`, then ` : '';
  return `give the cluster up: ${end}\`ospatch remove ${cluster}\``;
}

/** The error of a query or request to a stuck cluster. */
export function stuckInfo({ kind, message, remedy }: StuckCluster): ErrorInfo {
  return { type: 'Stuck', message, remedy, details: { kind } };
}

function endOf({ how, at, message }: Extract<StuckCause, { kind: 'ended' }>): string {
  const when = at === null ? '' : ` at ${at}`;
  const why = message === null || message === '' ? '' : `: ${causeOf(message)}`;
  switch (how) {
    case 'terminated':
      return `was terminated in Temporal${when}${why}`;
    case 'failed':
      return `failed${when}${why}`;
    case 'timed-out':
      return `exceeded its execution timeout${when}${why}`;
    case 'cancelled':
      return `was cancelled${when}, although the cluster was not removed`;
    case 'completed':
      return `completed${when}, although the cluster was not removed`;
  }
}

function pauseOf({ by, at, reason }: ServerPause): string {
  const who = by === null ? '' : ` by ${plainText(by, 100)}`;
  const since = at === null ? '' : ` since ${at}`;
  return `${who}${since}${reason === null ? '' : ` (${plainText(reason, 200)})`}`;
}

function causeOf(message: string | null, key: string | null = null): string {
  const encrypted = `the failure is encrypted${key === null ? '' : ` with the key ${key}`}, and cannot be read here`;
  const text = message === null ? encrypted : plainText(message, MAX_CAUSE);
  return withoutFullStop(text);
}
