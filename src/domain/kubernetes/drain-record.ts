/** The drain of a node as part of its patch: errors and the record. */
import { formatDuration, parseDuration } from '../shared/duration';
import type { ErrorInfo } from '../shared/errors';
import type { BlockedPod, DrainPreview, DrainReport } from './types';
import { MAX_ERROR_MESSAGE } from '../node/status';
import { plainText } from '../shared/text';

/** Blockers named in a message; the rest is counted. */
const MAX_LISTED = 3;
/** Pods kept in the record of a node patch. */
const MAX_KEPT = 5;

/** The drain in the record of a node patch. */
export interface DrainRecord {
  /** Name of the node in Kubernetes. */
  nodeName: string;
  /** Who had cordoned the node before; a cordon of others is never removed. */
  cordonedBefore: DrainPreview['cordonedBy'];
  /** Null: the drain did not complete. */
  state: DrainReport['state'] | null;
  evicted: number;
  /** Since when the node has been cordoned, ISO 8601. Absent: it is not, by this patch. */
  cordonedAt?: string;
  /** Pods left at the end, at most 5. */
  blocked: BlockedPod[];
}

export function newDrainRecord(nodeName: string, cordonedBefore: DrainPreview['cordonedBy']): DrainRecord {
  return { nodeName, cordonedBefore, state: null, evicted: 0, blocked: [] };
}

/** Adds up the evictions of several drains; the state is that of the last drain. */
export function noteDrain(record: DrainRecord, { state, evicted, blocked }: DrainReport): void {
  record.state = state;
  record.evicted += evicted;
  record.blocked = blocked.slice(0, MAX_KEPT);
}

/** Why a node must not be drained; null when a drain may start. */
export function drainBlocked(cluster: string, node: string, { blockers }: DrainPreview): ErrorInfo | null {
  if (blockers.length === 0) return null;
  return {
    type: 'DrainBlocked',
    message: `${node} cannot be drained: ${listed(blockers)}`,
    remedy: `\`ospatch check ${cluster}\` lists all blockers; remove them, then patch ${node} again`,
    details: { blockers: blockers.slice(0, 20).map((one) => plainText(one, MAX_ERROR_MESSAGE)) },
  };
}

/** The drain of a node exceeded its timeout. */
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

/** Without a machine id the Kubernetes node cannot be verified. */
export function noMachineId(node: string): ErrorInfo {
  return {
    type: 'WrongNode',
    message: `${node} reports no machine id, so ospatch cannot verify that the Kubernetes node is the same machine`,
    remedy: `check that /etc/machine-id of ${node} holds an id (\`systemd-machine-id-setup\`) and that its helper is of this version`,
  };
}

/** The API server did not report whether the node was left cordoned. */
export function apiSilent(node: string, timeoutMs: number): ErrorInfo {
  return {
    type: 'KubernetesApi',
    message: `the Kubernetes API did not report within ${formatDuration(timeoutMs)} whether ${node} was left cordoned`,
    remedy: 'check that the worker reaches the API server; `ospatch doctor` shows the cause',
  };
}

/** The node could not be uncordoned; added to an earlier error, if any. */
export function leftCordoned(cluster: string, node: string, why: ErrorInfo, before: ErrorInfo | null): ErrorInfo {
  const remedy = `ospatch uncordon ${cluster} ${node}`;
  if (before === null) {
    return { type: why.type, message: `${node} is left cordoned: ${why.message}`, remedy };
  }
  const tail = `; ${node} is left cordoned (${plainText(why.message, 150)})`;
  return { ...before, message: `${plainText(before.message, MAX_ERROR_MESSAGE - tail.length)}${tail}`, remedy };
}

/**
 * Why a node must stay cordoned: an abandoned job may still be running on it, or the state of the node is unknown. Null
 * when the node may be uncordoned.
 */
export function reasonToStayCordoned(error: ErrorInfo | null): 'running' | 'unknown' | null {
  if (error === null) return null;
  if (error.details?.['stillRuns'] === true) return 'running';
  if (error.details?.['goingDown'] === true) return 'unknown';
  return error.type === 'UnreachableAfterChange' || error.type === 'Unreachable' ? 'unknown' : null;
}

/** Adds to an error that the node stays cordoned, why, and how to end that. */
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
