/**
 * What can be said to a cluster and what it answers. The same words are signals and updates; the shapes are shared by
 * the workflow, the client and the Temporal UI, where people type them by hand.
 */
import type { SpecChange } from '../spec/diff';
import type { ClusterSpec } from '../spec/types';
import { MAX_NODES } from '../spec/types';
import type { ErrorInfo } from '../shared/errors';
import type { NodeInWork, RunOutcome, RunTrigger } from '../run/run';
import { isEks } from '../eks/node-groups';
import type { NodeStep } from '../node/report';
import type { MemberStatus } from './member';
import type { NodeError, NodeState } from '../node/status';
import { plainText } from '../shared/text';
import { whyUnreadable } from '../shared/unreadable';
import { defined } from '../shared/defined';

export const SIGNALS = ['patchNow', 'pause', 'resume', 'cancelRun'] as const;
export type SignalName = (typeof SIGNALS)[number];

/** Every message may say who sends it, why, and an id under which it counts only once. */
export interface Message {
  /** At most 100 characters; the same id again gets the first answer and does nothing. */
  requestId?: string;
  by?: string;
  reason?: string;
}

export interface PatchNowMessage extends Message {
  /** Names of the nodes; absent = all nodes. */
  nodes?: string[];
}

export interface PatchNowAnswer {
  /** Number of the run that carries the request out. */
  run: number;
  /** False when it waits for run `after` to end. */
  started: boolean;
  after: number | null;
}

export interface PauseAnswer {
  paused: boolean;
  /** False when it was so already. */
  changed: boolean;
  /** The pause in force; null: there is none. */
  pause: Pause | null;
  /** A cluster that was paused already now has the reason of this request. Absent: it does not. */
  newReason?: true;
}

export interface CancelRunAnswer {
  run: number;
  /** The run that was to follow it and is cancelled with it; null: none was asked for. */
  followUp: number | null;
}

export interface ReleaseAnswer {
  /** The step of the node patch whose wait was ended. */
  step: NodeStep;
}

export interface ApplySpecMessage extends Message {
  spec: ClusterSpec;
  /** Equal to the start argument's when this very call created the cluster. */
  applyId: string;
}

/** Type of the failure with which a cluster that is there already answers `applySpec` without a spec. */
export const SPEC_MISSING = 'SpecMissing';

export interface ApplySpecAnswer {
  result: 'created' | 'updated' | 'unchanged';
  changes: SpecChange[];
  /** One sentence when the cluster is not ours to patch. */
  notice: string | null;
}

export interface RemoveAnswer {
  /** The run that is being cancelled first, if any. */
  run: number | null;
}

/** Something that was asked for and not done, kept so that whoever sent a signal can see why. */
export interface Rejection {
  at: string;
  by: string;
  request: string;
  message: string;
}

/** Something that was asked for and done. */
export interface AcceptedRequest {
  at: string;
  /** `patchNow`, `pause`, `resume`, `cancelRun`, `applySpec` or `remove`. */
  request: string;
  by: string;
  reason: string | null;
  /** What came of it, e.g. `run 7`. */
  result: string;
}

/** Who paused the cluster, when and why: of those who did so while it was paused, the last who gave another reason. */
export interface Pause {
  at: string;
  by: string;
  reason: string | null;
  /** When the pause began. Absent: at `at`. */
  since?: string;
}

export interface RunSummary {
  number: number;
  trigger: RunTrigger;
  outcome: RunOutcome;
  by: string | null;
  reason: string | null;
  startedAt: string;
  endedAt: string;
  total: number;
  patched: number;
  upToDate: number;
  restartPending: number;
  rebootPending: number;
  failed: number;
  /** Left as they are by a policy, or removed before their turn. */
  skipped: number;
  /** Begun, and ended by the cancellation of the run. */
  cancelled: number;
  notTried: number;
  /** Who ended the run, if somebody did. */
  cancelledBy?: { by: string; reason: string | null };
  /** Why the run ended before its first node. Absent: it did not. */
  error?: NodeError;
}

export interface WindowRecord {
  at: string;
  /** `run N`, `run N, late`, `covered by run N`, `missed (paused)`, `missed (no worker ran until ...)`. */
  result: string;
}

export type ClusterPhase = 'idle' | 'running' | 'paused' | 'waiting' | 'removing' | 'not-patchable';

/** How a cluster stands, without its nodes. Times are ISO 8601 with zone. */
export interface ClusterSummary {
  cluster: string;
  /** A cluster of the same name with another value is another one. */
  createdAt: string;
  type: ClusterSpec['type'];
  state: ClusterPhase;
  /** The boot patch of no node is pending or failed. */
  ready: boolean;
  paused: Pause | null;
  timeZone: string | null;
  /** Start of the next window; null without a schedule. */
  nextWindow: string | null;
  /** Why the next windows cannot be told, if they cannot. */
  scheduleError: string | null;
  /** Why the cluster does nothing for now, when its own code is at fault. */
  loopError: string | null;
  run: RunStatus | null;
  lastRun: RunSummary | null;
  lastRejection: Rejection | null;
  /** What the cluster is doing now, and why. */
  explanation: string;
  /** Nodes by state; states that no node is in are left out. */
  counts: Partial<Record<NodeState, number>>;
}

/** The same with all nodes. */
export interface ClusterStatus extends Omit<ClusterSummary, 'explanation' | 'counts'> {
  nodes: MemberStatus[];
}

/** Which part of the nodes is asked for. */
export interface PageRequest {
  /** Place of the first node. Default 0. */
  from?: number;
  /** At most so many nodes; fewer when they do not fit into one answer. Default 100, at most 1,000. */
  limit?: number;
  /** Only nodes in this state. */
  state?: NodeState;
  /** `token` of an answer before: only nodes that have changed since, as far as the cluster knows. */
  since?: string;
}

/** Answer of the `nodes` query. */
export interface NodesPage {
  total: number;
  nodes: MemberStatus[];
  /** `from` of the next page; null: this is the last one. */
  next: number | null;
}

/** Answer of the `status` query. */
export interface StatusPage extends ClusterSummary, Omit<NodesPage, 'total'> {
  /** For `since`; null: ask for everything the next time. */
  token: string | null;
  /** Nodes that have not changed since `since` are left out. */
  changedOnly: boolean;
}

export interface RunStatus {
  number: number;
  trigger: RunTrigger;
  state: 'running' | 'paused' | 'cancelling';
  startedAt: string;
  done: number;
  total: number;
  /** While it is paused: nodes that are waited for all the same, at most 100. Absent: none. */
  lost?: NodeInWork[];
}

export interface ClusterHistory {
  /** Of the cluster; the runs of an earlier cluster of the same name are not among these. */
  createdAt: string;
  runs: RunSummary[];
  windows: WindowRecord[];
  /** The last 20 that were carried out. Why the last one that was not was refused stands in the status. */
  requests: AcceptedRequest[];
}

/** Bounds on what strangers may type. */
const MAX_WORD = 100;
const MAX_SENTENCE = 500;

/**
 * Reads the argument of a signal or update, whatever it is. Nothing at all is a valid message; what is not understood is
 * refused as a whole, in one sentence, and never guessed at.
 */
export function parseMessage(value: unknown): { ok: true; message: PatchNowMessage } | { ok: false; why: string } {
  if (value === undefined || value === null) return { ok: true, message: {} };
  const unread = whyUnreadable(value);
  if (unread !== null) return refuse(`the input cannot be read: ${unread}`);
  if (typeof value !== 'object' || Array.isArray(value)) {
    return refuse(`the input is ${describe(value)}; send nothing or an object such as {"by": "...", "reason": "..."}`);
  }
  const message: PatchNowMessage = {};
  for (const [key, field] of Object.entries(value)) {
    switch (key) {
      case 'requestId':
      case 'by':
      case 'reason': {
        if (field === undefined || field === null) break;
        if (typeof field !== 'string') return refuse(`${key} is ${describe(field)}; it must be text`);
        message[key] = plainText(field, key === 'reason' ? MAX_SENTENCE : MAX_WORD);
        break;
      }
      case 'nodes': {
        if (field === undefined || field === null) break;
        if (!isNameList(field))
          return refuse(
            `nodes is ${describe(field)}; allowed: a list of at most ${MAX_NODES} names of nodes, e.g. ["w-1"]`,
          );
        if (field.length === 0) return refuse('nodes is empty; name at least one node, or leave it out for all nodes');
        message.nodes = [...new Set(field)];
        break;
      }
      default:
        return refuse(`unknown field ${plainText(key, MAX_WORD)}; allowed: requestId, by, reason, nodes`);
    }
  }
  return { ok: true, message };
}

/**
 * Reads the argument of `applySpec`, whatever it is. The spec is anybody's guess; absent, it is the one that the same call
 * has started the cluster with.
 */
export function parseApplySpec(value: unknown): Omit<ApplySpecMessage, 'spec'> & { spec?: unknown } {
  const { spec, applyId, by, reason } =
    typeof value === 'object' && value !== null ? (value as Partial<Record<keyof ApplySpecMessage, unknown>>) : {};
  return {
    ...defined({ spec }),
    applyId: typeof applyId === 'string' ? applyId : 'none',
    ...defined({
      by: typeof by === 'string' ? plainText(by, MAX_WORD) : undefined,
      reason: typeof reason === 'string' ? plainText(reason, MAX_SENTENCE) : undefined,
    }),
  };
}

/** The sentence with which such a cluster refuses to be patched; null when it can be patched. */
export function rejectionOf(spec: ClusterSpec): string | null {
  if (spec.type !== 'eks' || isEks(spec)) return notPatchableReason(spec.type);
  return 'OS patching is not available for this EKS cluster: its spec does not name the cluster at AWS; apply a spec with eks.region and eks.cluster, and ospatch updates its node groups through AWS';
}

/** The same by the type alone. */
export function notPatchableReason(type: ClusterSpec['type']): string | null {
  switch (type) {
    case 'self-managed':
    case 'eks':
      return null;
    case 'imported':
      return 'OS patching is not available for an imported cluster: its nodes are managed by whoever created it; patch it there, or describe it as self-managed with its nodes and ssh access';
    case 'aks':
      return 'OS patching is not available for an AKS cluster: Azure patches its nodes; set the node OS upgrade channel in AKS instead';
    case 'gke':
      return 'OS patching is not available for a GKE cluster: Google patches its nodes; use node auto-upgrade and maintenance windows in GKE instead';
    case 'managed':
      return 'OS patching is not available for a managed Kubernetes cluster: the provider patches its nodes; use the update settings of the provider instead';
  }
}

/** The sentence with which a cluster refuses to become one of another type. */
export function typeChangeReason(from: ClusterSpec['type'], to: ClusterSpec['type']): string {
  return `the type of a cluster cannot be changed (from ${from} to ${to}); remove the cluster and apply it again`;
}

/** The error form of a refusal. */
export function rejectionInfo(message: string): ErrorInfo {
  return { type: 'Refused', message };
}

function refuse(why: string): { ok: false; why: string } {
  return { ok: false, why };
}

function isNameList(value: unknown): value is string[] {
  return (
    Array.isArray(value) &&
    value.length <= MAX_NODES &&
    value.every((name) => typeof name === 'string' && name.length <= 253)
  );
}

function describe(value: unknown): string {
  const shown = typeof value === 'string' ? JSON.stringify(value) : Array.isArray(value) ? 'a list' : typeof value;
  return plainText(shown === 'object' ? 'an object' : typeof value === 'number' ? String(value) : shown, 60);
}
