/** The members of a cluster: nodes, or EKS node groups. */
import type { NodeGroupRecord } from '../eks/record';
import { toNodeGroupSettled } from '../eks/record';
import type { NodeGroupSettled, NodeGroupStatus } from '../eks/status';
import { afterUpdate } from '../eks/status';
import type { NodePatchResult } from '../node/patch';
import { toNodeSettled } from '../node/patch';
import { defined } from '../shared/defined';
import type { NodeError, NodeLock, NodeReading, NodeSettled, NodeState, NodeStatus } from '../node/status';
import { afterPatch, afterReading, acknowledged, released } from '../node/status';
import type { ClusterType } from '../spec/types';

export type MemberStatus = NodeStatus | NodeGroupStatus;
export type MemberSettled = NodeSettled | NodeGroupSettled;
/** The record of one member's workflow in one run. */
export type PatchRecord = NodePatchResult | NodeGroupRecord;
export type MemberKind = MemberStatus['kind'];

/** The member kind as shown to users. */
export type MemberName = 'node' | 'node group';

const NAMES: Readonly<Record<MemberKind, MemberName>> = { node: 'node', 'node-group': 'node group' };

export function memberName(kind: MemberKind): MemberName {
  return NAMES[kind];
}

/** The name of the members of a cluster of this type. */
export function memberNameOf(type: ClusterType): MemberName {
  return memberName(type === 'eks' ? 'node-group' : 'node');
}

export function isNode<T extends { kind: MemberKind }>(member: T): member is Extract<T, { kind: 'node' }> {
  return member.kind === 'node';
}

export type MemberEvent =
  | { kind: 'queued' }
  | { kind: 'started' }
  | { kind: 'lost'; error: NodeError }
  | { kind: 'settled'; settled: MemberSettled }
  /** Nodes only. */
  | { kind: 'read'; reading: NodeReading }
  | { kind: 'trust-changed' }
  /** By somebody. Of nodes only. */
  | { kind: 'uncordoned' }
  /** Of nodes only. Null: unlocked. */
  | { kind: 'locked'; lock: NodeLock | null };

/** The only function that changes the status of a member. Events of the other member kind are ignored. */
export function transition(status: NodeStatus, event: MemberEvent): NodeStatus;
export function transition(status: NodeGroupStatus, event: MemberEvent): NodeGroupStatus;
export function transition(status: MemberStatus, event: MemberEvent): MemberStatus;
export function transition(status: MemberStatus, event: MemberEvent): MemberStatus {
  switch (event.kind) {
    case 'queued':
      return { ...status, state: 'waiting' };
    case 'started':
      return { ...status, state: 'patching', lastError: null };
    case 'lost':
      return { ...status, state: 'patching', lastError: event.error };
    case 'settled':
      return afterSettling(status, event.settled);
    case 'read':
      return status.kind === 'node' ? afterReading(status, event.reading) : status;
    case 'trust-changed':
      return status.kind === 'node' ? acknowledged(released(status)) : status;
    case 'uncordoned':
      return status.kind === 'node' ? withoutCordon(status) : status;
    case 'locked':
      return status.kind === 'node' ? withLock(status, event.lock) : status;
  }
}

const NEEDS_SOMEBODY: ReadonlySet<NodeState> = new Set<NodeState>([
  'failed',
  'not-tried',
  'reboot-pending',
  'restart-pending',
  'skipped',
]);

/** Notes since when a member that was changed at `at` (ISO 8601) is in a state that needs somebody. */
export function withStateSince<M extends MemberStatus>(before: M, after: M, at: string): M {
  if (!NEEDS_SOMEBODY.has(after.state)) return after.stateSince === undefined ? after : (withoutSince(after) as M);
  const wasInRun = before.state === 'waiting' || before.state === 'patching';
  const isSame = wasInRun ? before.lastOutcome === after.lastOutcome : before.state === after.state;
  const since = isSame ? (before.stateSince ?? at) : at;
  return after.stateSince === since ? after : { ...after, stateSince: since };
}

function withoutSince({ stateSince: _, ...status }: MemberStatus): Omit<MemberStatus, 'stateSince'> {
  return status;
}

function withoutCordon({ cordonedAt: _, ...status }: NodeStatus): NodeStatus {
  return status;
}

function withLock({ lock: _, ...status }: NodeStatus, lock: NodeLock | null): NodeStatus {
  return { ...status, ...defined({ lock: lock ?? undefined }) };
}

function afterSettling(status: MemberStatus, settled: MemberSettled): MemberStatus {
  if (status.kind === 'node') return settled.kind === 'node' ? afterPatch(status, settled) : status;
  return settled.kind === 'node-group' ? afterUpdate(status, settled) : status;
}

/** The part of a record that the run and the cluster keep. `workflowRunId`: of the workflow that holds the record. */
export function toSettled(record: PatchRecord, workflowRunId: string | null): MemberSettled {
  return record.kind === 'node' ? toNodeSettled(record, workflowRunId) : toNodeGroupSettled(record, workflowRunId);
}

/** Whether `value` is the record of a node patch or of a node group update. */
export function isPatchRecord(value: unknown): value is PatchRecord {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, node, steps } = value as Partial<Record<keyof PatchRecord, unknown>>;
  return (kind === 'node' || kind === 'node-group') && typeof node === 'string' && Array.isArray(steps);
}
