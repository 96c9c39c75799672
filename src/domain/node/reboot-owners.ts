/** Other programs that reboot the nodes of a cluster, and those that its spec lets be. */

import { defined } from '../shared/defined';

/** By their names in `patching.rebootOwners.ignore`. */
export const REBOOT_OWNERS = [
  'kured',
  'system-upgrade-controller',
  'rebootmgr',
  'unattended-upgrades',
  'dnf-automatic',
  'dnf-automatic-install',
  'dnf5-automatic',
  'yum-cron',
] as const;
export type RebootOwnerName = (typeof REBOOT_OWNERS)[number];

export interface IgnoredRebootOwner {
  name: RebootOwnerName;
  /** Why the two do not take nodes down at once; shown wherever the owner is found. */
  reason: string;
}

/** The policy for other reboot owners. */
export interface RebootOwnerPolicy {
  ignore: IgnoredRebootOwner[];
}

/** Where owners are looked for in Kubernetes. */
export interface KubernetesOwnerPolicy {
  /** Absent: {@link TRUSTED_NAMESPACES}. */
  trustedNamespaces?: string[];
  ignored?: IgnoredRebootOwner[];
}

/** Namespaces in which only administrators of the cluster create workloads. */
export const TRUSTED_NAMESPACES: readonly string[] = ['kube-system', 'kured', 'system-upgrade', 'cattle-system'];

/** Owners as found: a name, perhaps with details after a blank. */
export function splitOwners(
  found: readonly string[],
  ignored: readonly IgnoredRebootOwner[] = [],
): { owners: string[]; ignored: { owner: string; reason: string }[] } {
  const owners: string[] = [];
  const spared: { owner: string; reason: string }[] = [];
  for (const owner of found) {
    const rule = ignored.find(({ name }) => owner === name || owner.startsWith(`${name} `));
    if (rule === undefined) owners.push(owner);
    else spared.push({ owner, reason: rule.reason });
  }
  return { owners, ignored: spared };
}

/** One clause about an owner that the spec ignores. */
export function ignoredOwnerText(owner: string, reason: string): string {
  return `${owner} also reboots nodes, and patching.rebootOwners ignores it: ${reason}`;
}

/** The part of an activity's input that says which owners refuse a drain; absent when the defaults hold. */
export function ownersOf(
  { trustedNamespaces }: { trustedNamespaces?: string[] },
  ignored: IgnoredRebootOwner[] | undefined,
): { owners?: KubernetesOwnerPolicy } {
  if (trustedNamespaces === undefined && ignored === undefined) return {};
  return { owners: defined({ trustedNamespaces, ignored }) };
}
