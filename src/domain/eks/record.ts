/** The record of one node group update, which is kept in the history of its workflow. */
import type { CommonRecord } from '../node/patch';
import { secondsOf } from '../node/patch';
import { toNodeError } from '../node/status';
import { MAX_STATUS_WARNINGS } from '../node/warning';
import { defined } from '../shared/defined';
import type { NodegroupFacts } from './node-groups';
import type { NodeGroupReading, NodeGroupSettled } from './status';

/** What is compared before and after. Times are ISO 8601. */
export interface NodeGroupSnapshot {
  at: string;
  release: string;
  kubernetesVersion: string;
  amiType: string;
  /** Health issues, each in AWS's words; empty: healthy. */
  health: string[];
}

export interface NodeGroupRecord extends CommonRecord {
  kind: 'node-group';
  before: NodeGroupSnapshot | null;
  after: NodeGroupSnapshot | null;
  /** Update id at AWS; null when no update was needed. */
  updateId: string | null;
  /** The update was started by someone else. */
  adopted: boolean;
}

export function nodeGroupSnapshot(facts: NodegroupFacts, at: string): NodeGroupSnapshot {
  const { releaseVersion, version, amiType, health } = facts;
  return { at, release: releaseVersion, kubernetesVersion: version, amiType, health };
}

/** The part of the record that the run and the cluster keep. `workflowRunId`: of the workflow that holds the record. */
export function toNodeGroupSettled(record: NodeGroupRecord, workflowRunId: string | null): NodeGroupSettled {
  return {
    kind: 'node-group',
    node: record.node,
    outcome: record.outcome,
    appliedAt: record.appliedAt,
    reading: toReading(record),
    error: record.error === null ? null : toNodeError(record.error),
    workflowRunId,
    // How long the rest of somebody else's update takes says little about the next one.
    ...defined({ seconds: record.updateId === null || record.adopted ? undefined : secondsOf(record) }),
  };
}

function toReading({ before, after, warnings }: NodeGroupRecord): NodeGroupReading | null {
  const last = after ?? before;
  if (last === null) return null;
  const { at, release, kubernetesVersion, health } = last;
  const releaseBefore = before === null || before.release === release ? null : before.release;
  return {
    at,
    release,
    kubernetesVersion,
    releaseBefore,
    health,
    warnings: warnings.slice(0, MAX_STATUS_WARNINGS),
  };
}
