import type { ErrorInfo, ErrorType } from '../shared/errors';
import type { IneffectiveReboot } from './reboot';
import type { NodeRole } from '../spec/types';
import type { NodeWarning } from './warning';
import { plainText } from '../shared/text';
import { defined } from '../shared/defined';

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

/** What the cluster knows about any of its members. Kept for years for each, so it stays small. Times are ISO 8601. */
export interface CommonStatus {
  name: string;
  state: NodeState;
  lastOutcome: NodeOutcome | null;
  /** When an apply that changed at least one package ended, even if the reboot after it failed. */
  lastAppliedPatchTime: string | null;
  /** OS version read by the last successful check or verify, e.g. `Debian GNU/Linux 12.15`. */
  patchedVersion: string | null;
  lastCheckedTime: string | null;
  lastError: NodeError | null;
  /** Of the last reading, the most important first, at most 5. */
  warnings: NodeWarning[];
}

export interface NodeStatus extends CommonStatus {
  kind: 'node';
  role: NodeRole;
  bootPatch: BootPatch;
  kernel: string | null;
  pendingUpdates: number | null;
  rebootRequired: boolean | null;
  /** Something on the node runs code that was replaced on disk. Absent: no, or not known. */
  restartRequired?: true;
  packageSetDigest: string | null;
  /** Of the machine that was read last. Absent: it does not say, or was not read yet. */
  machineId?: string;
  /**
   * The host-key mismatch after which the node is not connected to by itself, until what it is trusted by has changed or
   * somebody asks for this very node. Absent: not in quarantine.
   */
  quarantine?: NodeError;
  /** What the last reboot did not remedy. Absent: nothing. */
  ineffectiveReboot?: IneffectiveReboot;
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
}

/** The end of the patch of any member of a cluster, as small as the cluster keeps it. */
export interface CommonSettled {
  /** Its name. */
  node: string;
  outcome: NodeOutcome;
  /** When it was changed; null when it was not. */
  appliedAt: string | null;
  error: NodeError | null;
  /** Run id of the workflow that holds the full record; null when none was started. */
  workflowRunId: string | null;
}

export interface NodeSettled extends CommonSettled {
  kind: 'node';
  packagesChanged: number;
  reboots: number;
  /** The last successful reading; null when the node could not be read. */
  reading: NodeReading | null;
  /** What the last reboot did not remedy. Absent: nothing. */
  ineffectiveReboot?: IneffectiveReboot;
  /** Updates that wait on a node that was not read to its end. Absent: not known, or part of the reading. */
  pendingUpdates?: number;
}

export function newNodeStatus(name: string, role: NodeRole, bootPatch: BootPatch): NodeStatus {
  return {
    kind: 'node',
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

export function released({ quarantine: _, ...status }: NodeStatus): NodeStatus {
  return status;
}

/** In work, and unreachable for so long that its run no longer waits for it alone. */
export function isLost({ state, lastError }: Pick<NodeStatus, 'state' | 'lastError'>): boolean {
  return state === 'patching' && lastError?.type === 'UnreachableAfterChange';
}

/** Characters of an error message that a status keeps. */
export const MAX_ERROR_MESSAGE = 500;

/** Cuts an error down to what a status keeps. */
export function toNodeError(error: ErrorInfo): NodeError {
  return {
    type: error.type,
    message: plainText(error.message, MAX_ERROR_MESSAGE),
    ...defined({ remedy: error.remedy === undefined ? undefined : plainText(error.remedy, 200) }),
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
    kernel: reading.kernel,
    pendingUpdates: reading.pendingUpdates ?? status.pendingUpdates,
    rebootRequired: reading.rebootRequired,
    ...defined({ restartRequired: reading.restartRequired === true ? (true as const) : undefined }),
    packageSetDigest: reading.packageSetDigest,
    ...defined({ machineId: reading.machineId }),
    lastCheckedTime: reading.at,
    warnings: reading.warnings,
  };
}

/**
 * A reading outside a run: it settles reboots and restarts that somebody did by hand, and finds services that run old
 * code after somebody has changed packages by hand.
 */
export function afterReading(status: NodeStatus, reading: NodeReading): NodeStatus {
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

export function afterPatch(status: NodeStatus, settled: NodeSettled): NodeStatus {
  const read = settled.reading === null ? status : withReading(status, settled.reading);
  const counted = { ...read, pendingUpdates: pendingAfter(status, settled) };
  const known = afterConnecting(withIneffectiveReboot(counted, settled), settled);
  const isShutOut = known.quarantine !== undefined;
  return {
    ...known,
    state: isShutOut ? 'failed' : (stateAfter(settled) ?? stateOfUntouched(known)),
    lastOutcome: settled.outcome,
    bootPatch: bootPatchAfter(status.bootPatch, settled.outcome),
    lastAppliedPatchTime: settled.appliedAt ?? status.lastAppliedPatchTime,
    lastError: known.quarantine ?? settled.error,
  };
}

/** A patch that has read the node says what its last reboot did not remedy. */
function withIneffectiveReboot(status: NodeStatus, { reading, ineffectiveReboot }: NodeSettled): NodeStatus {
  if (reading === null) return status;
  return ineffectiveReboot === undefined ? withoutIneffectiveReboot(status) : { ...status, ineffectiveReboot };
}

function withoutIneffectiveReboot({ ineffectiveReboot: _, ...status }: NodeStatus): NodeStatus {
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

/** Null: the run has left everything as it was. */
export function stateAfter({ outcome, appliedAt }: CommonSettled): NodeState | null {
  if (outcome === 'not-tried') return null;
  if (outcome !== 'cancelled') return outcome;
  // A cancelled patch that did change something must not look fine.
  return appliedAt === null ? null : 'failed';
}

/** A required reboot stays visible until it is done, also when later runs do not reach the node; so do restarts. */
function stateOfUntouched({ rebootRequired, restartRequired }: NodeStatus): NodeState {
  return rebootRequired === true ? 'reboot-pending' : restartRequired ? 'restart-pending' : 'not-tried';
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
