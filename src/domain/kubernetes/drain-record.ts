/** What the drain of a node means for its patch: the errors, and the record that is kept. */
import { formatDuration, parseDuration } from '../shared/duration';
import type { ErrorInfo } from '../shared/errors';
import type { BlockedPod, DrainPreview, DrainReport } from './types';
import { MAX_ERROR_MESSAGE } from '../node/status';
import { plainText } from '../shared/text';

/** Named in a message; the rest is counted. */
const MAX_LISTED = 3;
/** Kept in the record of a node patch. */
const MAX_KEPT = 5;

/** What a node patch keeps of the drain of its node. */
export interface DrainRecord {
  /** The node's name in Kubernetes. */
  nodeName: string;
  /** Who had the node cordoned before; a cordon of others is never taken off. */
  cordonedBefore: DrainPreview['cordonedBy'];
  /** Null: the drain did not come to an end. */
  state: DrainReport['state'] | null;
  evicted: number;
  /** Pods that were still there in the end, at most 5. */
  blocked: BlockedPod[];
}

export function newDrainRecord(nodeName: string, cordonedBefore: DrainPreview['cordonedBy']): DrainRecord {
  return { nodeName, cordonedBefore, state: null, evicted: 0, blocked: [] };
}

/** Of several drains of a node the evictions are added, and the last one says how it ended. */
export function noteDrain(record: DrainRecord, { state, evicted, blocked }: DrainReport): void {
  record.state = state;
  record.evicted += evicted;
  record.blocked = blocked.slice(0, MAX_KEPT);
}

/** Why a node must not be drained at all; null when it may. */
export function drainBlocked(cluster: string, node: string, { blockers }: DrainPreview): ErrorInfo | null {
  if (blockers.length === 0) return null;
  return {
    type: 'DrainBlocked',
    message: `${node} cannot be drained: ${listed(blockers)}`,
    remedy: `\`ospatch check ${cluster}\` lists all blockers; remove them, then patch ${node} again`,
    details: { blockers: blockers.slice(0, 20).map((one) => plainText(one, MAX_ERROR_MESSAGE)) },
  };
}

/** The drain of a node took longer than it may. */
export function drainTimeout(node: string, timeout: string, { blocked }: DrainReport): ErrorInfo {
  const pods = blocked.map(({ namespace, name, why }) => `${namespace}/${name}: ${why}`);
  const left = pods.length === 0 ? '' : `; still there: ${listed(pods)}`;
  return {
    type: 'DrainTimeout',
    message: `${node} was not drained within ${formatDuration(parseDuration(timeout))}${left}`,
    remedy:
      'resolve the blockers of the named pods, or allow more with kubernetes.drain.timeout or kubernetes.drain.onDrainTimeout',
    details: { blocked: blocked.slice(0, 20) },
  };
}

/** Without the machine's id nobody can tell which node of Kubernetes it is. */
export function noMachineId(node: string): ErrorInfo {
  return {
    type: 'WrongNode',
    message: `${node} reports no machine id, so ospatch cannot verify that the Kubernetes node is the same machine`,
    remedy: `check that /etc/machine-id of ${node} holds an id (\`systemd-machine-id-setup\`) and that its helper is of this version`,
  };
}

/** The API server could not be asked whether the node was left cordoned. */
export function apiSilent(node: string, timeoutMs: number): ErrorInfo {
  return {
    type: 'KubernetesApi',
    message: `the Kubernetes API did not report within ${formatDuration(timeoutMs)} whether ${node} was left cordoned`,
    remedy: 'check that the worker reaches the API server; `ospatch doctor` shows the cause',
  };
}

/** What was to be taken off is still on: said in addition to what else went wrong. */
export function leftCordoned(cluster: string, node: string, why: ErrorInfo, before: ErrorInfo | null): ErrorInfo {
  const remedy = `ospatch uncordon ${cluster} ${node}`;
  if (before === null) {
    return { type: why.type, message: `${node} is left cordoned: ${why.message}`, remedy };
  }
  const tail = `; ${node} is left cordoned (${plainText(why.message, 150)})`;
  return { ...before, message: `${plainText(before.message, MAX_ERROR_MESSAGE - tail.length)}${tail}`, remedy };
}

/**
 * Why a node must not be given back to Kubernetes: our job on it was given up and may still be at work, or nobody knows
 * how the node is. Null: it may.
 */
export function reasonToStayCordoned(error: ErrorInfo | null): 'running' | 'unknown' | null {
  if (error === null) return null;
  if (error.details?.['stillRuns'] === true) return 'running';
  if (error.details?.['goingDown'] === true) return 'unknown';
  return error.type === 'UnreachableAfterChange' || error.type === 'Unreachable' ? 'unknown' : null;
}

/** Says that the node stays cordoned, why, and what ends that. */
export function staysCordoned(cluster: string, node: string, why: 'running' | 'unknown', before: ErrorInfo): ErrorInfo {
  const tail = why === 'running' ? `; ${node} stays cordoned` : `; its state is unknown, so ${node} stays cordoned`;
  const first = before.remedy === undefined ? '' : `${before.remedy}; `;
  const then = why === 'running' ? 'when it has ended' : 'when it is back';
  return {
    ...before,
    message: `${plainText(before.message, MAX_ERROR_MESSAGE - tail.length)}${tail}`,
    remedy: `${first}${then}, \`ospatch uncordon ${cluster} ${node}\` or patch it again`,
  };
}

function listed(parts: readonly string[]): string {
  const shown = parts.slice(0, MAX_LISTED).join('; ');
  return parts.length <= MAX_LISTED ? shown : `${shown}; and ${parts.length - MAX_LISTED} more`;
}
