import type { NodegroupReading } from '../eks/node-groups';
import type { ErrorInfo, ErrorType } from '../shared/errors';
import type { UncuredReboot } from './reboot';
import type { NodeRole } from '../spec/types';
import type { NodeWarning } from './warning';
import { plainText } from '../shared/text';

export const NODE_STATES = [
  'unknown',
  'up-to-date',
  'waiting',
  'patching',
  'patched',
  'restart-pending',
  'reboot-pending',
  'failed',
  'skipped',
  'not-tried',
] as const;
export type NodeState = (typeof NODE_STATES)[number];

/** How one node patch ended. */
export const NODE_OUTCOMES = [
  'up-to-date',
  'patched',
  'restart-pending',
  'reboot-pending',
  'failed',
  'skipped',
  'not-tried',
  'cancelled',
] as const;
export type NodeOutcome = (typeof NODE_OUTCOMES)[number];

/** Whether the node still has to be brought to the latest patch version because it entered the cluster. */
export type BootPatch = 'not-required' | 'pending' | 'done' | 'failed';

/** What the cluster knows about one node. Kept for years for every node, so it stays small. Times are ISO 8601. */
export interface NodeStatus {
  name: string;
  role: NodeRole;
  state: NodeState;
  lastOutcome: NodeOutcome | null;
  bootPatch: BootPatch;
  /** When an apply that changed at least one package ended, even if the reboot after it failed. */
  lastAppliedPatchTime: string | null;
  /** OS version read by the last successful check or verify, e.g. `Debian GNU/Linux 12.15`. */
  patchedVersion: string | null;
  kernel: string | null;
  pendingUpdates: number | null;
  rebootRequired: boolean | null;
  /** Something on the node runs code that was replaced on disk. Absent: no, or not known. */
  restartRequired?: true;
  packageSetDigest: string | null;
  /** Of the machine that was read last. Absent: it does not say, or was not read yet. */
  machineId?: string;
  lastCheckedTime: string | null;
  lastError: NodeError | null;
  /** Of the last reading, the most important first, at most 5. */
  warnings: NodeWarning[];
  /**
   * The host-key mismatch after which the node is not connected to by itself, until what it is trusted by has changed or
   * somebody asks for this very node. Absent: not in quarantine.
   */
  quarantine?: NodeError;
  /** What the last reboot did not remedy. Absent: nothing. */
  uncuredReboot?: UncuredReboot;
  /** Of a node group of EKS, whose release is the Patched Version. Absent: a node, or not read yet. */
  nodeGroup?: NodegroupReading;
}

export type NodeError = Pick<ErrorInfo, 'type' | 'message' | 'remedy'>;

/** What was read from a node at `at`. */
export interface NodeReading {
  at: string;
  osVersion: string;
  kernel: string;
  pendingUpdates: number | null;
  rebootRequired: boolean;
  /** Something runs code that was replaced on disk. Absent: no. */
  restartRequired?: true;
  packageSetDigest: string;
  machineId?: string;
  /** At most 5. */
  warnings: NodeWarning[];
  /** The node is a node group; what only a node has is empty then. */
  nodeGroup?: NodegroupReading;
}

/** The end of one node patch, as small as the cluster keeps it. */
export interface NodeSettled {
  node: string;
  outcome: NodeOutcome;
  /** When packages were changed; null when none were. */
  appliedAt: string | null;
  packagesChanged: number;
  reboots: number;
  /** The last successful reading; null when the node could not be read. */
  reading: NodeReading | null;
  error: NodeError | null;
  /** What the last reboot did not remedy. Absent: nothing. */
  uncuredReboot?: UncuredReboot;
  /** Updates that wait on a node that was not read to its end. Absent: not known, or part of the reading. */
  pendingUpdates?: number;
  /** Run id of the patchNode workflow that holds the full record; null when none was started. */
  workflowRunId: string | null;
}

export type NodeEvent =
  | { kind: 'queued' }
  | { kind: 'started' }
  | { kind: 'lost'; error: NodeError }
  | { kind: 'settled'; settled: NodeSettled }
  | { kind: 'read'; reading: NodeReading }
  | { kind: 'trust-changed' };

export function newNodeStatus(name: string, role: NodeRole, bootPatch: BootPatch): NodeStatus {
  return {
    name,
    role,
    state: 'unknown',
    lastOutcome: null,
    bootPatch,
    lastAppliedPatchTime: null,
    patchedVersion: null,
    kernel: null,
    pendingUpdates: null,
    rebootRequired: null,
    packageSetDigest: null,
    lastCheckedTime: null,
    lastError: null,
    warnings: [],
  };
}

/** The one door through which a node's status changes. */
export function transition(status: NodeStatus, event: NodeEvent): NodeStatus {
  switch (event.kind) {
    case 'queued':
      return { ...status, state: 'waiting' };
    case 'started':
      return { ...status, state: 'patching', lastError: null };
    case 'lost':
      return { ...status, state: 'patching', lastError: event.error };
    case 'read':
      return afterReading(status, event.reading);
    case 'settled':
      return afterPatch(status, event.settled);
    case 'trust-changed':
      return released(status);
  }
}

function released({ quarantine: _, ...status }: NodeStatus): NodeStatus {
  return status;
}

/** Characters of an error message that a status keeps. */
export const MAX_ERROR_MESSAGE = 500;

/** Cuts an error down to what a status keeps. */
export function toNodeError(error: ErrorInfo): NodeError {
  return {
    type: error.type,
    message: plainText(error.message, MAX_ERROR_MESSAGE),
    ...(error.remedy === undefined ? {} : { remedy: plainText(error.remedy, 200) }),
  };
}

/** What a failed node patch says in a list of workflows: the node, the cause and what to do. */
export function failureSentence(node: string, { message, remedy }: NodeError): string {
  const cause = message.replace(/\.$/, '');
  const named = cause.includes(node) ? cause : `${node}: ${cause}`;
  return remedy === undefined ? `${named}.` : `${named}; fix: ${remedy}.`;
}

function withReading({ restartRequired: _, ...status }: NodeStatus, reading: NodeReading): NodeStatus {
  return {
    ...status,
    patchedVersion: reading.osVersion,
    kernel: reading.kernel || null,
    pendingUpdates: reading.pendingUpdates ?? status.pendingUpdates,
    rebootRequired: reading.rebootRequired,
    ...(reading.restartRequired === true ? { restartRequired: true as const } : {}),
    packageSetDigest: reading.packageSetDigest || null,
    ...(reading.machineId === undefined ? {} : { machineId: reading.machineId }),
    lastCheckedTime: reading.at,
    warnings: reading.warnings,
    ...(reading.nodeGroup === undefined ? {} : { nodeGroup: withReleaseBefore(reading.nodeGroup, status) }),
  };
}

/** A look that found nothing to update knows no release before this one, but the last update did. */
function withReleaseBefore(reading: NodegroupReading, { nodeGroup }: NodeStatus): NodegroupReading {
  return { ...reading, releaseBefore: reading.releaseBefore ?? nodeGroup?.releaseBefore ?? null };
}

/**
 * A reading outside a run: it settles reboots and restarts that somebody did by hand, and finds services that run old
 * code after somebody has changed packages by hand.
 */
function afterReading(status: NodeStatus, reading: NodeReading): NodeStatus {
  const next = withReading(status, reading);
  const restart = reading.restartRequired === true;
  switch (status.state) {
    case 'reboot-pending':
      return reading.rebootRequired ? next : { ...next, state: restart ? 'restart-pending' : 'patched' };
    case 'restart-pending':
      return restart ? next : { ...next, state: 'patched' };
    case 'patched':
    case 'up-to-date':
      return restart ? { ...next, state: 'restart-pending' } : next;
    default:
      return next;
  }
}

function afterPatch(status: NodeStatus, settled: NodeSettled): NodeStatus {
  const read = settled.reading === null ? status : withReading(status, settled.reading);
  const counted = { ...read, pendingUpdates: pendingAfter(status, settled) };
  const known = afterConnecting(withUncured(counted, settled), settled);
  const isShutOut = known.quarantine !== undefined;
  return {
    ...known,
    state: isShutOut ? 'failed' : stateAfter(settled, known),
    lastOutcome: settled.outcome,
    bootPatch: bootPatchAfter(status.bootPatch, settled.outcome),
    lastAppliedPatchTime: settled.appliedAt ?? status.lastAppliedPatchTime,
    lastError: known.quarantine ?? settled.error,
  };
}

/** A patch that has read the node says what its last reboot did not remedy. */
function withUncured(status: NodeStatus, { reading, uncuredReboot }: NodeSettled): NodeStatus {
  if (reading === null) return status;
  return uncuredReboot === undefined ? withoutUncured(status) : { ...status, uncuredReboot };
}

function withoutUncured({ uncuredReboot: _, ...status }: NodeStatus): NodeStatus {
  return status;
}

/** What an earlier run has counted says nothing about a node that this one has failed on. */
function pendingAfter(status: NodeStatus, { outcome, reading, pendingUpdates }: NodeSettled): number | null {
  const counted = reading?.pendingUpdates ?? pendingUpdates ?? null;
  return counted === null && outcome !== 'failed' ? status.pendingUpdates : counted;
}

/** How a node patch may end without having found out whose host key it is. */
const PROVES_NOTHING: ReadonlySet<ErrorType> = new Set<ErrorType>([
  'Unreachable',
  'UnreachableAfterChange',
  'IdentityUnavailable',
  'Cancelled',
  'NotTried',
  'Internal',
]);

/** A node that shows another host key goes into quarantine; one that showed the trusted one is out of it. */
function afterConnecting(status: NodeStatus, { outcome, error, workflowRunId }: NodeSettled): NodeStatus {
  // Without a workflow of its own the node was not connected to, and nothing new is known.
  if (workflowRunId === null || outcome === 'not-tried' || outcome === 'skipped') return status;
  if (error?.type === 'HostKeyMismatch') return { ...status, quarantine: toNodeError(error) };
  return error !== null && PROVES_NOTHING.has(error.type) ? status : released(status);
}

function stateAfter(settled: NodeSettled, { rebootRequired, restartRequired }: NodeStatus): NodeState {
  const untouched = settled.outcome === 'not-tried' || (settled.outcome === 'cancelled' && settled.appliedAt === null);
  // A required reboot stays visible until it is done, also when later runs do not reach the node; so do restarts.
  if (untouched) return rebootRequired === true ? 'reboot-pending' : restartRequired ? 'restart-pending' : 'not-tried';
  // A cancelled node patch that did change the node must not look fine.
  if (settled.outcome === 'cancelled') return 'failed';
  return settled.outcome;
}

/** Its packages are at the latest patch version, whatever is left to restart. */
const BOOT_PATCHED: ReadonlySet<NodeOutcome> = new Set<NodeOutcome>([
  'patched',
  'up-to-date',
  'restart-pending',
  'reboot-pending',
]);

/**
 * A node whose boot patch was pending and did not get it counts as failed, also when its run stopped before it: were it
 * still pending, an idle cluster would start the next boot run at once and a stopped run would not stay stopped.
 */
function bootPatchAfter(before: BootPatch, outcome: NodeOutcome): BootPatch {
  if (before === 'not-required') return before;
  return BOOT_PATCHED.has(outcome) ? 'done' : before === 'done' ? before : 'failed';
}
