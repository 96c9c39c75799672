/** The status of an EKS node group in its cluster. */
import type { CommonSettled, CommonStatus } from '../node/status';
import { stateAfter, withDuration } from '../node/status';
import type { NodeWarning } from '../node/warning';

/** What the cluster knows about one node group. Its release is the Patched Version. Times are ISO 8601. */
export interface NodeGroupStatus extends CommonStatus {
  kind: 'node-group';
  /** Null: not read yet. */
  kubernetesVersion: string | null;
  /** The release before the last update; null when none is known. */
  releaseBefore: string | null;
  /** Health issues in AWS's words; empty: healthy. Null: not read yet. */
  health: string[] | null;
}

/** What AWS reported about a node group at `at`. */
export interface NodeGroupReading {
  at: string;
  release: string;
  kubernetesVersion: string;
  /** The release before the update of this run; null when nothing was updated. */
  releaseBefore: string | null;
  /** At most 5. */
  health: string[];
  /** At most 5. */
  warnings: NodeWarning[];
}

/** The end of one node group update, reduced to what the cluster keeps. */
export interface NodeGroupSettled extends CommonSettled {
  kind: 'node-group';
  /** The last reading; null when AWS did not answer. */
  reading: NodeGroupReading | null;
}

export function newNodeGroupStatus(name: string): NodeGroupStatus {
  return {
    kind: 'node-group',
    name,
    state: 'unknown',
    lastOutcome: null,
    lastAppliedPatchTime: null,
    patchedVersion: null,
    kubernetesVersion: null,
    releaseBefore: null,
    health: null,
    lastCheckedTime: null,
    lastError: null,
    warnings: [],
  };
}

export function afterUpdate(status: NodeGroupStatus, settled: NodeGroupSettled): NodeGroupStatus {
  return {
    ...(settled.reading === null ? status : withReading(status, settled.reading)),
    state: stateAfter(settled) ?? 'not-tried',
    lastOutcome: settled.outcome,
    lastAppliedPatchTime: settled.appliedAt ?? status.lastAppliedPatchTime,
    lastError: settled.error,
    ...withDuration(status, settled),
  };
}

function withReading(status: NodeGroupStatus, reading: NodeGroupReading): NodeGroupStatus {
  const { at, release, kubernetesVersion, releaseBefore, health, warnings } = reading;
  return {
    ...status,
    patchedVersion: release,
    kubernetesVersion,
    // An update that found nothing newer knows no previous release, but the last update did.
    releaseBefore: releaseBefore ?? status.releaseBefore,
    health,
    lastCheckedTime: at,
    warnings,
  };
}
