/**
 * The messages that a cluster accepts and its answers. Signals and updates share names and shapes, which are used by
 * the workflow, the client and the Temporal UI, where users type them by hand.
 */
import type { SpecChange } from '../spec/diff';
import type { BlackoutPeriod, MaintenanceWindow } from '../schedule/window';
import type { ClusterSpec } from '../spec/types';
import type { Amount } from '../spec/types';
import { MAX_NODES } from '../spec/types';
import { LABEL_SELECTOR_FORMAT, parseLabelSelector } from '../shared/label-selector';
import { INSTANT_FORMAT, amountFormat, isAmount, isInstant } from './message-values';
import type { ErrorInfo } from '../shared/errors';
import type { NodeInWork, RunDetail, RunOutcome, RunTrigger } from '../run/run';
import { isEks } from '../eks/node-groups';
import type { NodeStep } from '../node/report';
import type { MemberStatus } from './member';
import type { NodeError, NodeState } from '../node/status';
import type { StatusLine } from '../explain/explanation';
import type { RequestSignature } from './signature';
import { SIGNATURE_FORMAT, isSignature } from './signature';
import { plainText } from '../shared/text';
import type { Verification } from '../shared/verification';
import { whyUnreadable } from '../shared/unreadable';

export const SIGNALS = ['patchNow', 'pause', 'resume', 'cancelRun'] as const;
export type SignalName = (typeof SIGNALS)[number];

/** Stands for a sender who is not named. */
export const UNKNOWN_SENDER = 'an unnamed user';

/** Every message may name its sender and reason, and an id that makes repetitions harmless. */
export interface Message {
  /** At most 100 characters; the same id again gets the first answer and does nothing. */
  requestId?: string;
  by?: string;
  reason?: string;
  /** By the sender, of the whole message. */
  signature?: RequestSignature;
}

export interface PatchNowMessage extends Message {
  /** Names of the nodes; absent = all nodes. */
  nodes?: string[];
  /** Nodes whose labels match, instead of names. */
  selector?: string;
  /** The run does not start before, ISO 8601 with zone. */
  notBefore?: string;
  /** The run ends at the latest, as at the end of a window, and does not go on. ISO 8601 with zone. */
  deadline?: string;
  /** The run starts nodes outside of maintenance windows too, and during blackouts. */
  ignoreWindow?: boolean;
  /** Firing alerts do not hold the run. */
  ignoreAlerts?: boolean;
  /** Node patches at the same time in this run. */
  concurrency?: Amount;
}

export interface PatchNowAnswer {
  /** Number of the run that serves the request. */
  run: number;
  /** Of the request that the run serves: one that joins a waiting request gets the id of that one. Numbers may be given again after a reset or a recovery, ids are not. */
  requestId: string;
  /** False when the request waits, for run `after` to end or for a moment. */
  started: boolean;
  after: number | null;
  /** What the run waits for, in one clause. Absent: for nothing but the end of run `after`. */
  waitsFor?: string;
  /** When it starts, if nothing else is in progress then, ISO 8601. Absent: not known, or now. */
  startsAt?: string;
}

export interface PauseAnswer {
  paused: boolean;
  /** False when the cluster was already in the requested state. */
  changed: boolean;
  /** The pause in force; null when the cluster is not paused. */
  pause: Pause | null;
  /** The cluster was already paused and now has the reason of this request. Absent: the reason is unchanged. */
  newReason?: true;
}

export interface CancelRunAnswer {
  run: number;
  /** The queued follow-up run that is cancelled too; null when none was queued. */
  followUp: number | null;
  /** Other queued runs that are cancelled too. Absent: none. */
  alsoQueued?: number[];
  /** A suspended run that had made room for `run`, and is cancelled too. Absent: there is none. */
  setAside?: number;
}

export interface ReleaseAnswer {
  /** The step of the node patch whose wait was ended. */
  step: NodeStep;
}

export interface ApplySpecMessage extends Message {
  spec: ClusterSpec;
  /** Equal to the start argument's when this call created the cluster. */
  applyId: string;
}

/** Failure type with which an existing cluster answers an `applySpec` without a spec. */
export const SPEC_MISSING = 'SpecMissing';

export interface ApplySpecAnswer {
  result: 'created' | 'updated' | 'unchanged';
  changes: SpecChange[];
  /** One sentence when ospatch does not patch this cluster. */
  notice: string | null;
}

export interface RemoveAnswer {
  /** The run that is being cancelled first, if any. */
  run: number | null;
}

/** A request that was rejected, kept so that the sender of a signal can see the reason. */
export interface Rejection extends Verification {
  at: string;
  by: string;
  request: string;
  message: string;
}

/** A request that was accepted and executed. */
export interface AcceptedRequest extends Verification {
  at: string;
  /** Name of the message: `patchNow`, `pause`, `applySpec`, `lock`, `release`, ... */
  request: string;
  /** Absent: the request is about no single node. */
  node?: string;
  by: string;
  reason: string | null;
  /** The result, e.g. `run 7`. */
  result: string;
}

/** Who paused the cluster, when and why. A repeated pause with another reason replaces sender and reason. */
export interface Pause extends Verification {
  at: string;
  by: string;
  reason: string | null;
  /** Start of the pause. Absent: `at`. */
  since?: string;
}

/** Who cancelled a run, and why. */
export interface Canceller extends Verification {
  by: string;
  reason: string | null;
}

export interface RunSummary extends Verification {
  number: number;
  /** Of the request that the run served. Absent: it served none. */
  requestId?: string;
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
  /** Skipped by a policy, or removed before their turn. */
  skipped: number;
  /** Started, and ended by the cancellation of the run. */
  cancelled: number;
  notTried: number;
  /** Who cancelled the run; absent when nobody did. */
  cancelledBy?: Canceller;
  /** Why the run ended before its first node. Absent: the run started nodes. */
  error?: NodeError;
}

export interface WindowRecord {
  at: string;
  /** `run N`, `run N, late`, `covered by run N`, `missed (paused)`, `missed (no worker was running in time)`. */
  result: string;
}

export type ClusterPhase = 'idle' | 'running' | 'paused' | 'waiting' | 'removing' | 'not-patchable';

/** The state of a cluster without its nodes. Times are ISO 8601 with zone. */
export interface ClusterSummary {
  cluster: string;
  /** Tells clusters of the same name apart. */
  createdAt: string;
  type: ClusterSpec['type'];
  state: ClusterPhase;
  /** The boot patch of no node is pending or failed. */
  ready: boolean;
  paused: Pause | null;
  timeZone: string | null;
  /** Null without a schedule, and as long as the next windows are not known. */
  nextWindow: MaintenanceWindow | null;
  /** Blackouts in force and to come, at most 40. */
  blackouts: BlackoutPeriod[];
  /** Why the next windows could not be computed; null when they could. */
  scheduleError: string | null;
  /** Why the cluster is inactive because of a fault in its own code; null when there is none. */
  loopError: string | null;
  /** What the status lacks because the workflow was reset in Temporal. */
  reset: string | null;
  run: RunStatus | null;
  /** Other runs that are not over, in the order in which they start, and those that were cancelled with `run`. */
  queued: QueuedRun[];
  lastRun: RunSummary | null;
  lastRejection: Rejection | null;
  /** What the cluster is doing, and why. */
  explanation: string;
  /** What is wrong or what is next, what weighs most first; at least one. */
  statusLines: StatusLine[];
  /** Nodes by state; states without nodes are omitted. */
  counts: Partial<Record<NodeState, number>>;
}

/** The state of a cluster with all nodes. */
export interface ClusterStatus extends Omit<ClusterSummary, 'explanation' | 'statusLines' | 'counts'> {
  nodes: MemberStatus[];
}

/** The requested slice of the nodes. */
export interface PageRequest {
  /** Index of the first node. Default 0. */
  from?: number;
  /** Maximum number of nodes; fewer when an answer would be too large. Default 100, at most 1,000. */
  limit?: number;
  /** Only nodes in this state. */
  state?: NodeState;
  /** `token` of an earlier answer: only nodes that have changed since then, as far as the cluster knows. */
  since?: string;
}

/** Answer of the `nodes` query. */
export interface NodesPage {
  total: number;
  nodes: MemberStatus[];
  /** `from` of the next page; null on the last page. */
  next: number | null;
}

/** Answer of the `status` query. */
export interface StatusPage extends ClusterSummary, Omit<NodesPage, 'total'> {
  /** Value for `since`; null: request all nodes the next time. */
  token: string | null;
  /** Nodes unchanged since `since` are omitted. */
  changedOnly: boolean;
}

/** A run that was requested and has not started, or one that has made room for the run in progress. */
export interface QueuedRun extends Verification {
  run: number;
  /** Absent: no request asked for it. */
  requestId?: string;
  /** `cancelled`: before or with the run in progress, after which its summary is filed. */
  state: 'queued' | 'set-aside' | 'cancelled';
  by: string | null;
  reason: string | null;
  /** Null: all nodes. */
  nodes: number | null;
  /** Of the request or, set aside, of the start. Null: not known. */
  requestedAt: string | null;
  /** The run that ends first. Null: none has to. */
  after: number | null;
  notBefore?: string;
  deadline?: string;
  /** When a run that is set aside ends as expired, unless it goes on before. Absent: never, or it is not set aside. */
  expiresAt?: string;
  ignoreWindow?: true;
  ignoreAlerts?: true;
  /** Of a cancelled one: one sentence. */
  message?: string;
}

export interface RunStatus {
  number: number;
  /** Of the request that the run serves. Absent: it serves none. */
  requestId?: string;
  trigger: RunTrigger;
  /** `suspended`: between two maintenance windows. */
  state: 'running' | 'paused' | 'suspended' | 'cancelling';
  startedAt: string;
  done: number;
  total: number;
  /** Nodes are started in maintenance windows only. Absent: at any time. */
  bound?: true;
  /** When the run ends at the latest, as it was requested. Absent: there is no such moment. */
  deadline?: string;
  /** When a run that is suspended or paused ends as expired, unless it has gone on. Absent: never, or it is in progress. */
  expiresAt?: string;
  /** While paused: nodes unreachable after a change, which the run still waits for, at most 100. Absent: none. */
  lost?: NodeInWork[];
  /** Where the run stands among its limits. Absent: not known, because its workflow has not answered. */
  detail?: RunDetail;
}

/** Summaries of runs in a history. */
export const KEPT_RUNS = 20;

export interface ClusterHistory {
  /** Creation time of the cluster; runs of an earlier cluster of the same name are not included. */
  createdAt: string;
  runs: RunSummary[];
  windows: WindowRecord[];
  /** The last 70 accepted requests. The last rejected one is in the status. */
  requests: AcceptedRequest[];
}

/** Limits on untrusted text. */
export const MAX_WORD = 100;
export const MAX_SENTENCE = 500;

/** Fields of a `patchNow` beside those of every message. */
export const PATCH_FIELDS = 'nodes, selector, notBefore, deadline, ignoreWindow, ignoreAlerts, concurrency';

type PatchOption = 'selector' | 'notBefore' | 'deadline' | 'ignoreWindow' | 'ignoreAlerts' | 'concurrency';

/** What is wrong with an option of a `patchNow`, in one sentence; null: nothing. */
function optionProblem(key: PatchOption, value: unknown): string | null {
  switch (key) {
    case 'selector': {
      const parsed = typeof value === 'string' && value.length <= 1_000 ? parseLabelSelector(value) : null;
      return parsed?.ok === true ? null : `selector is ${describe(value)}; allowed: ${LABEL_SELECTOR_FORMAT}`;
    }
    case 'notBefore':
    case 'deadline':
      return isInstant(value) ? null : `${key} is ${describe(value)}; allowed: ${INSTANT_FORMAT}`;
    case 'ignoreWindow':
    case 'ignoreAlerts':
      return typeof value === 'boolean' ? null : `${key} is ${describe(value)}; allowed: true, false`;
    case 'concurrency':
      return isAmount(value, 1) ? null : `concurrency is ${describe(value)}; allowed: ${amountFormat(1)}`;
  }
}

/**
 * Parses the argument of a signal or update. An absent argument is a valid message. Unknown or malformed fields reject
 * the whole message with one sentence; nothing is guessed.
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
        const text = plainText(field, key === 'reason' ? MAX_SENTENCE : MAX_WORD);
        // A sender or a reason without a word is none.
        if (text !== '') message[key] = text;
        break;
      }
      case 'signature': {
        if (field === undefined || field === null) break;
        if (!isSignature(field)) return refuse(`signature is ${describe(field)}; allowed: ${SIGNATURE_FORMAT}`);
        message.signature = field;
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
      case 'selector':
      case 'notBefore':
      case 'deadline':
      case 'ignoreWindow':
      case 'ignoreAlerts':
      case 'concurrency': {
        if (field === undefined || field === null) break;
        const problem = optionProblem(key, field);
        if (problem !== null) return refuse(problem);
        Object.assign(message, { [key]: field });
        break;
      }
      default:
        return refuse(
          `unknown field ${plainText(key, MAX_WORD)}; allowed: requestId, by, reason, signature, ${PATCH_FIELDS}`,
        );
    }
  }
  return { ok: true, message };
}

/** Why the cluster cannot be patched, in one sentence; null when it can. */
export function rejectionOf(spec: ClusterSpec): string | null {
  if (spec.type !== 'eks' || isEks(spec)) return notPatchableReason(spec.type);
  return 'OS patching is not available for this EKS cluster: its spec does not name the cluster at AWS; apply a spec with eks.region and eks.cluster, and ospatch updates its node groups through AWS';
}

/** The same, decided by the type alone. */
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

/** Why the type of a cluster cannot change, in one sentence. */
export function typeChangeReason(from: ClusterSpec['type'], to: ClusterSpec['type']): string {
  return `the type of a cluster cannot be changed (from ${from} to ${to}); remove the cluster and apply it again`;
}

/** A rejection as error info. */
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

/** An untrusted value in a sentence. */
export function describe(value: unknown): string {
  const shown = typeof value === 'string' ? JSON.stringify(value) : Array.isArray(value) ? 'a list' : typeof value;
  return plainText(shown === 'object' ? 'an object' : typeof value === 'number' ? String(value) : shown, 60);
}
