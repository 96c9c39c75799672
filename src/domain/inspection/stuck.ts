/** Clusters that cannot go on by themselves: why, in words, and what a person does about it. */
import type { ErrorInfo } from '../shared/errors';
import { plainText, withoutFullStop } from '../shared/text';

/**
 * `nondeterminism`: its history and the code of the workers do not fit. `missing-key`: the workers cannot decrypt what
 * belongs to it. `unreadable-start`: neither they nor we can decode what its workflow was started with. `failing`: its code fails for another reason. `timing-out`: the workers begin its workflow task and do
 * not end it. `ended`: its workflow is over and nobody removed the cluster. `paused-on-server`: somebody paused its
 * workflow in Temporal, which is not `ospatch pause`.
 */
export const STUCK_KINDS = [
  'nondeterminism',
  'missing-key',
  'unreadable-start',
  'failing',
  'timing-out',
  'ended',
  'paused-on-server',
] as const;
export type StuckKind = (typeof STUCK_KINDS)[number];

export interface StuckCluster {
  cluster: string;
  kind: StuckKind;
  /** One sentence that names the cluster and the cause. */
  message: string;
  remedy: string;
}

/** What Temporal knows of a workflow that does not go on. Times are ISO 8601. */
export type StuckCause =
  /**
   * `message` of the failure; null when it cannot be read here. `attempt` of the workflow task; null = of a query.
   * `isStartUnreadable`: what the workflow was started with cannot be decoded here either.
   */
  | {
      kind: 'task-failed';
      isNondeterminism: boolean;
      message: string | null;
      attempt: number | null;
      isStartUnreadable?: boolean;
    }
  | { kind: 'task-timed-out'; attempt: number }
  | { kind: 'ended'; how: HowEnded; at: string | null; message: string | null }
  | { kind: 'paused-on-server'; by: string | null; at: string | null; reason: string | null };

export type HowEnded = 'terminated' | 'failed' | 'timed-out' | 'cancelled' | 'completed';

const MAX_CAUSE = 400;

/** As `src/encryption/codec.ts` says it, here or on a worker. */
const KEY_IS_MISSING = /payloads? in Temporal (?:is|are) encrypted/;

export function describeStuck(cluster: string, obstacle: StuckCause): StuckCluster {
  const recover = `\`ospatch recover ${cluster}\``;
  switch (obstacle.kind) {
    case 'task-failed': {
      const { message, attempt } = obstacle;
      const cause = `${attempt === null ? '' : ` (attempt ${attempt})`}: ${causeOf(message)}`;
      if (obstacle.isNondeterminism) {
        return {
          ...{ cluster, kind: 'nondeterminism' },
          message: `cluster ${cluster} is stuck, because its history does not match the code of the workers${cause}`,
          remedy: `start workers of the version that ran ${cluster} before, or restart the cluster with ${recover}`,
        };
      }
      if (message !== null && KEY_IS_MISSING.test(message)) {
        return {
          ...{ cluster, kind: 'missing-key' },
          message: `cluster ${cluster} is stuck, because the workers cannot read it${cause}`,
          remedy: 'give every worker the key (OSPATCH_ENCRYPTION_KEYS, docs/operations.md#encryption) and restart it',
        };
      }
      if (obstacle.isStartUnreadable === true) {
        return {
          ...{ cluster, kind: 'unreadable-start' },
          message: `cluster ${cluster} is stuck, because the workers cannot read what its workflow was started with${cause}`,
          remedy: `start workers of the version that wrote it; if no ospatch did, ${giveUp(cluster)}`,
        };
      }
      return {
        ...{ cluster, kind: 'failing' },
        message: `cluster ${cluster} is stuck, because its workflow code fails on the workers${cause}`,
        remedy: `see the log of the worker; start workers of another version, or restart the cluster with ${recover}`,
      };
    }
    case 'task-timed-out':
      return {
        ...{ cluster, kind: 'timing-out' },
        message: `cluster ${cluster} is stuck, because the workers start its workflow task and do not complete it (attempt ${obstacle.attempt})`,
        remedy: `check the log of the worker, and whether the worker runs out of memory; then ${recover}`,
      };
    case 'ended':
      return {
        ...{ cluster, kind: 'ended' },
        message: `the workflow of cluster ${cluster} ${endOf(obstacle)}`,
        remedy: `${recover} restarts the cluster with its last known state; \`ospatch remove ${cluster}\` gives the cluster up`,
      };
    case 'paused-on-server':
      return {
        ...{ cluster, kind: 'paused-on-server' },
        message: `the workflow of cluster ${cluster} is paused on the Temporal server${pauseOf(obstacle)}, so the cluster makes no progress and answers no queries`,
        remedy: `temporal workflow unpause --workflow-id cluster/${cluster}`,
      };
  }
}

/** Of a cluster whose workflow runs, and which there is nothing to recover of. */
export function giveUp(cluster: string): string {
  return `give the cluster up: \`temporal workflow terminate --workflow-id cluster/${cluster}\`, then \`ospatch remove ${cluster}\``;
}

/** Whether a failure is that of a payload which the sandbox of the workflows could not decode. */
export function isUnreadablePayload(message: string): boolean {
  return /a payload in Temporal (?:has the encoding|is no JSON)/.test(message);
}

/** The error of a question or request that meets such a cluster. */
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

function pauseOf({ by, at, reason }: Extract<StuckCause, { kind: 'paused-on-server' }>): string {
  const who = by === null ? '' : ` by ${plainText(by, 100)}`;
  const since = at === null ? '' : ` since ${at}`;
  return `${who}${since}${reason === null ? '' : ` (${plainText(reason, 200)})`}`;
}

function causeOf(message: string | null): string {
  const text = message === null ? 'the failure is encrypted, and cannot be read here' : plainText(message, MAX_CAUSE);
  return withoutFullStop(text);
}
