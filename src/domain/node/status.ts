import type { Verification } from '../shared/verification';
import type { ErrorInfo, ErrorType } from '../shared/errors';
import type { IneffectiveReboot } from './reboot';
import type { NodeRole } from '../spec/types';
import type { NodeWarning } from './warning';
import { plainText } from '../shared/text';
import type { PatchWork } from './work';
import { defined } from '../shared/defined';
import { KEPT_DURATIONS } from '../run/forecast';

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

/** The end of a node patch. */
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

/** Whether the node, which joined the cluster, still has to be brought to the latest patch version. */
export type BootPatch = 'not-required' | 'pending' | 'done' | 'failed';

/** The status common to all members, kept for years and therefore small. Times are ISO 8601. */
export interface CommonStatus {
  name: string;
  state: NodeState;
  lastOutcome: NodeOutcome | null;
  /** End of the last apply that changed at least one package, even if the reboot after it failed. */
  lastAppliedPatchTime: string | null;
  /** OS version from the last successful check or verify, e.g. `Debian GNU/Linux 12.15`. */
  patchedVersion: string | null;
  lastCheckedTime: string | null;
  lastError: NodeError | null;
  /** From the last reading, most important first, at most 5. */
  warnings: NodeWarning[];
  /** Since when the member is in a state that needs somebody, ISO 8601. Absent: it is in another state, or that is not known. */
  stateSince?: string;
  /** How long the last 3 patches took that changed something and succeeded, in seconds, newest last. Absent: there was none. */
  recentPatchSeconds?: number[];
}

export interface NodeStatus extends CommonStatus {
  kind: 'node';
  role: NodeRole;
  bootPatch: BootPatch;
  kernel: string | null;
  pendingUpdates: number | null;
  rebootRequired: boolean | null;
  /** Outdated code runs on the node. Absent: none, or unknown. */
  restartRequired?: true;
  /** Pending updates that fix a security problem. Absent: nothing on the node says so. */
  securityUpdates?: number;
  /** Services, logins, containers and processes that run outdated code. Absent: none, or unknown. */
  outdatedCount?: number;
  /** When the reboot that is required was first seen, ISO 8601. Absent: none is required, or that is not known. */
  rebootSince?: string;
  /** The same of outdated code. */
  restartSince?: string;
  /** When the cordon began that a patch has left on the node, ISO 8601. Absent: none has. */
  cordonedAt?: string;
  packageSetDigest: string | null;
  /** From the last reading. Absent: not reported, or not read yet. */
  machineId?: string;
  /** The address or the host keys have changed since the machine id was read. Absent: they have not. */
  machineUnconfirmed?: true;
  /**
   * The host-key mismatch because of which nobody logs in to the node, until it shows a trusted host key again, its
   * trusted host keys change, or a request names it. Absent: not quarantined.
   */
  quarantine?: NodeError;
  /**
   * A host-key mismatch that is over, because the node shows a trusted key again, until somebody acknowledges it with a
   * run that names the node or with other trusted keys. Absent: none.
   */
  hostKeyAlarm?: string;
  /** The last reboot that did not clear its reasons. Absent: none. */
  ineffectiveReboot?: IneffectiveReboot;
  /** Keeps runs from the node, until it ends. Absent: nothing does. */
  lock?: NodeLock;
}

export interface NodeLock extends Verification {
  at: string;
  by: string;
  reason: string | null;
  /** ISO 8601; null: until the node is unlocked. */
  until: string | null;
}

/** The lock that keeps runs from the node at `nowMs`; null: none does. */
export function lockAt({ lock }: Pick<NodeStatus, 'lock'>, nowMs: number): NodeLock | null {
  if (lock === undefined) return null;
  return lock.until !== null && Date.parse(lock.until) <= nowMs ? null : lock;
}

export type NodeError = Pick<ErrorInfo, 'type' | 'message' | 'remedy'>;

/** A reading of a node at `at`. */
export interface NodeReading {
  at: string;
  osVersion: string;
  kernel: string;
  pendingUpdates: number | null;
  rebootRequired: boolean;
  /** Outdated code runs. Absent: none. */
  restartRequired?: true;
  /** Pending updates that fix a security problem. Absent: not known. */
  securityUpdates?: number;
  /** What runs outdated code. Absent: nothing, or not known. */
  outdatedCount?: number;
  packageSetDigest: string;
  machineId?: string;
  /** At most 5. */
  warnings: NodeWarning[];
}

/** The end of the patch of any member, reduced to what the cluster keeps. */
export interface CommonSettled {
  /** Name of the member. */
  node: string;
  outcome: NodeOutcome;
  /** When the member was changed; null when it was not. */
  appliedAt: string | null;
  error: NodeError | null;
  /** Run id of the workflow that holds the full record; null when no workflow was started. */
  workflowRunId: string | null;
  /** From start to end of a patch that changed something and succeeded, in seconds. Absent: any other. */
  seconds?: number;
}

export interface NodeSettled extends CommonSettled {
  kind: 'node';
  packagesChanged: number;
  reboots: number;
  /** The last successful reading; null when the node could not be read. */
  reading: NodeReading | null;
  /** The last reboot that did not clear its reasons. Absent: none. */
  ineffectiveReboot?: IneffectiveReboot;
  /** Pending updates of a node without a complete reading. Absent: unknown, or part of the reading. */
  pendingUpdates?: number;
  /** When the cordon began that was left on the node, ISO 8601. Absent: none was. */
  cordonedAt?: string;
  /** For the totals of the cluster. Absent: nothing was done, or the cluster has counted it. */
  work?: PatchWork;
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

/** Somebody has looked at the host keys of the node, or has changed which are trusted. */
export function acknowledged({ hostKeyAlarm: _, ...status }: NodeStatus): NodeStatus {
  return status;
}

export function released({ quarantine: _, ...status }: NodeStatus): NodeStatus {
  return status;
}

/** The node shows a trusted key again: somebody may have answered in its place. */
function verified({ quarantine, ...status }: NodeStatus): NodeStatus {
  return { ...status, ...defined({ hostKeyAlarm: quarantine?.message ?? status.hostKeyAlarm }) };
}

/** In progress, and unreachable after a change for so long that the run no longer waits for this node alone. */
export function isLost({ state, lastError }: Pick<NodeStatus, 'state' | 'lastError'>): boolean {
  return state === 'patching' && lastError?.type === 'UnreachableAfterChange';
}

/** Characters kept of an error message. */
export const MAX_ERROR_MESSAGE = 500;

/** Cuts an error to what a status keeps. */
export function toNodeError(error: ErrorInfo): NodeError {
  return {
    type: error.type,
    message: plainText(error.message, MAX_ERROR_MESSAGE),
    ...defined({ remedy: error.remedy === undefined ? undefined : plainText(error.remedy, 200) }),
  };
}

/** The failure message of a node patch in a workflow list: node, cause and remedy. */
export function failureSentence(node: string, { message, remedy }: NodeError): string {
  const cause = message.replace(/\.$/, '');
  const named = cause.includes(node) ? cause : `${node}: ${cause}`;
  return remedy === undefined ? `${named}.` : `${named}; fix: ${remedy}.`;
}

function withReading(before: NodeStatus, reading: NodeReading): NodeStatus {
  const { restartRequired, rebootSince, restartSince, securityUpdates, ...status } = before;
  delete status.outdatedCount;
  const { pendingUpdates, rebootRequired, at } = reading;
  const reboot = status.rebootRequired === true ? (rebootSince ?? at) : at;
  const restart = restartRequired === true ? (restartSince ?? at) : at;
  return {
    ...status,
    ...defined({
      rebootSince: rebootRequired ? reboot : undefined,
      restartSince: reading.restartRequired === true ? restart : undefined,
      outdatedCount: reading.outdatedCount,
      securityUpdates: pendingUpdates === null ? securityUpdates : reading.securityUpdates,
    }),
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
 * A reading outside a run: it completes reboots and restarts done by hand, and detects services on outdated code after
 * manual package changes.
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
  const counted = withPending(read, pendingAfter(status, settled));
  const known = withCordon(afterConnecting(withIneffectiveReboot(counted, settled), settled), settled);
  const isShutOut = known.quarantine !== undefined;
  return {
    ...known,
    state: isShutOut ? 'failed' : (stateAfter(settled) ?? stateOfUntouched(known)),
    lastOutcome: settled.outcome,
    bootPatch: bootPatchAfter(status.bootPatch, settled.outcome),
    lastAppliedPatchTime: settled.appliedAt ?? status.lastAppliedPatchTime,
    lastError: known.quarantine ?? settled.error,
    ...withDuration(status, settled),
  };
}

/** How many of them fix a security problem is not known of another number. */
function withPending({ securityUpdates, ...status }: NodeStatus, pendingUpdates: number | null): NodeStatus {
  const isSame = pendingUpdates === status.pendingUpdates;
  return { ...status, pendingUpdates, ...defined({ securityUpdates: isSame ? securityUpdates : undefined }) };
}

/** A patch that drained the node or found it cordoned by ospatch says how it left the node. */
function withCordon(before: NodeStatus, { outcome, cordonedAt }: NodeSettled): NodeStatus {
  const { cordonedAt: known, ...status } = before;
  const isKept = cordonedAt === undefined && !UNCORDONS.has(outcome);
  return { ...status, ...defined({ cordonedAt: cordonedAt ?? (isKept ? known : undefined) }) };
}

/** No node patch ends so on a node that ospatch has cordoned. */
const UNCORDONS: ReadonlySet<NodeOutcome> = new Set<NodeOutcome>([
  'patched',
  'up-to-date',
  'restart-pending',
  'reboot-pending',
]);

/** The last durations, with that of the patch that has settled. */
export function withDuration(
  { recentPatchSeconds = [] }: Pick<CommonStatus, 'recentPatchSeconds'>,
  { seconds }: Pick<CommonSettled, 'seconds'>,
): Pick<CommonStatus, 'recentPatchSeconds'> {
  return defined({
    recentPatchSeconds: seconds === undefined ? undefined : [...recentPatchSeconds, seconds].slice(-KEPT_DURATIONS),
  });
}

/** A patch that read the node updates the ineffective reboot. */
function withIneffectiveReboot(status: NodeStatus, { reading, ineffectiveReboot }: NodeSettled): NodeStatus {
  if (reading === null) return status;
  return ineffectiveReboot === undefined ? withoutIneffectiveReboot(status) : { ...status, ineffectiveReboot };
}

function withoutIneffectiveReboot({ ineffectiveReboot: _, ...status }: NodeStatus): NodeStatus {
  return status;
}

/** The count of an earlier run no longer holds for a node on which this run failed. */
function pendingAfter(status: NodeStatus, { outcome, reading, pendingUpdates }: NodeSettled): number | null {
  const counted = reading?.pendingUpdates ?? pendingUpdates ?? null;
  return counted === null && outcome !== 'failed' ? status.pendingUpdates : counted;
}

/** Errors that leave the host key of the node unverified. */
const PROVES_NOTHING: ReadonlySet<ErrorType> = new Set<ErrorType>([
  'Unreachable',
  'UnreachableAfterChange',
  'IdentityUnavailable',
  'Cancelled',
  'NotTried',
  'WindowOver',
  'Internal',
]);

/** A host-key mismatch puts the node into quarantine; a verified host key ends the quarantine. */
function afterConnecting(status: NodeStatus, { outcome, error, workflowRunId }: NodeSettled): NodeStatus {
  // Without a workflow the node was not contacted.
  if (workflowRunId === null || outcome === 'not-tried' || outcome === 'skipped') return status;
  if (error?.type === 'HostKeyMismatch') return { ...status, quarantine: toNodeError(error) };
  return error !== null && PROVES_NOTHING.has(error.type) ? status : verified(status);
}

/** Null: the run changed nothing. */
export function stateAfter({ outcome, appliedAt }: CommonSettled): NodeState | null {
  if (outcome === 'not-tried') return null;
  if (outcome !== 'cancelled') return outcome;
  // A cancelled patch that changed packages must not look successful.
  return appliedAt === null ? null : 'failed';
}

/** A required reboot stays visible until done, even when later runs do not reach the node; the same for restarts. */
function stateOfUntouched({ rebootRequired, restartRequired }: NodeStatus): NodeState {
  return rebootRequired === true ? 'reboot-pending' : restartRequired ? 'restart-pending' : 'not-tried';
}

/** The packages are at the latest patch version, whatever still has to be restarted. */
const BOOT_PATCHED: ReadonlySet<NodeOutcome> = new Set<NodeOutcome>([
  'patched',
  'up-to-date',
  'restart-pending',
  'reboot-pending',
]);

/**
 * A pending boot patch that was not done counts as failed, even when the run stopped before the node: if it stayed
 * pending, an idle cluster would start the next boot run at once and a stopped run would not stay stopped.
 */
function bootPatchAfter(before: BootPatch, outcome: NodeOutcome): BootPatch {
  if (before === 'not-required') return before;
  return BOOT_PATCHED.has(outcome) ? 'done' : before === 'done' ? before : 'failed';
}
