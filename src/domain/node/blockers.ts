/** States of a node that block a patch. A run refuses such a node, and `doctor` reports the blockers beforehand. */
import type { ErrorInfo } from '../shared/errors';
import { CLEAN } from './repair-commands';
import type { IgnoredRebootOwner } from './reboot-owners';
import { splitOwners } from './reboot-owners';
import type { NodeFacts } from './report';

/** Enough for package lists and a few downloads; a disk that fills up during dpkg is far worse than a refusal. */
export const MIN_FREE_MIB = 300;

/** Unpacking a package needs an inode per file, briefly two; kernel headers have thousands of files. */
const MIN_FREE_INODES: Readonly<Record<string, number>> = {
  '/': 1_000,
  '/usr': 1_000,
  '/var': 1_000,
  '/run': 100,
  '/tmp': 100,
};

/** The possible blockers, in the order in which they are reported. */
export interface Blockers {
  rebootOwners: ErrorInfo | null;
  kubernetes: ErrorInfo | null;
  disk: ErrorInfo | null;
}

/**
 * `drained`: the policy allows patching a Kubernetes node, because the node is drained or workloads may be interrupted.
 */
export function findBlockers(
  node: string,
  facts: NodeFacts,
  drained: boolean,
  ignoredOwners: readonly IgnoredRebootOwner[] = [],
): Blockers {
  const { kubernetesAgents, diskFreeMiB } = facts;
  const { owners: rebootOwners } = splitOwners(facts.rebootOwners, ignoredOwners);
  const small = Object.entries({ '/': diskFreeMiB.root, '/var': diskFreeMiB.var }).find(
    ([, free]) => free < MIN_FREE_MIB,
  );
  return {
    rebootOwners:
      rebootOwners.length === 0
        ? null
        : {
            type: 'Policy',
            message: `${node} is also rebooted by ${rebootOwners.join(', ')}; two reboot owners would take nodes down at once`,
            remedy: `switch ${rebootOwners.join(' and ')} off on ${node}; patching.rebootOwners can ignore one for a reason`,
          },
    kubernetes:
      kubernetesAgents.length === 0 || drained
        ? null
        : {
            type: 'Policy',
            message: `${node} is a Kubernetes node (${kubernetesAgents.join(', ')} is active) and nothing would drain it`,
            remedy:
              'configure access to the cluster in `kubernetes`, so that its nodes are drained, or set `patching.withoutDrain: true` if its workloads may be interrupted',
          },
    disk:
      small === undefined
        ? noInodes(node, facts)
        : {
            type: 'DiskFull',
            message: `${node} has ${small[1]} MiB free on ${small[0]}; at least ${MIN_FREE_MIB} MiB are needed to patch it safely`,
            remedy: `free some space on ${node}${CLEAN[facts.packageManager] ?? ''}`,
          },
  };
}

function noInodes(node: string, { freeInodes }: NodeFacts): ErrorInfo | null {
  for (const [place, least] of Object.entries(MIN_FREE_INODES)) {
    const free = freeInodes[place];
    if (free === undefined || free >= least) continue;
    return {
      type: 'DiskFull',
      message: `${node} has ${free} inodes free on ${place}; at least ${least} are needed to patch it safely, whatever space is free`,
      remedy: `remove files on ${place} of ${node}; \`du --inodes -xd2 ${place} | sort -n | tail\` shows where they are`,
    };
  }
  return null;
}
