/** Which pending packages of a node are patched. Part of the spec, and of everything a run hands on to its nodes. */
export const PHASED_UPDATES = ['default', 'always', 'never'] as const;
export type PhasedUpdates = (typeof PHASED_UPDATES)[number];

/** What becomes of a node whose configuration hides security fixes. */
export const ON_HIDDEN = ['warn', 'fail'] as const;
export type OnHidden = (typeof ON_HIDDEN)[number];

export const ONLY = ['security'] as const;

/** More or longer globs than these are refused, here and by the helper. */
export const MAX_EXCLUDES = 100;
export const MAX_EXCLUDE_CHARS = 128;

/** Characters of package names and the wildcards * and ?; nothing that means something else to any shell. */
export const EXCLUDE_PATTERN = /^[A-Za-z0-9._+:*?][A-Za-z0-9._+:*?-]{0,127}$/;

export interface PackagePolicy {
  /** Only packages with a security fix; without it, all. Refused where nobody can tell which those are. */
  only?: (typeof ONLY)[number];
  /** Package names, with * and ?, that stay as they are. */
  exclude: string[];
  /** Patch kubelet and the container runtime of a Kubernetes node too. */
  includeKubernetes: boolean;
  /** Let the transaction remove packages that stand in its way or are replaced by others. */
  allowRemovals: boolean;
  /** Stay on the minor release (RHEL family). */
  keepMinor: boolean;
  /** What is done with updates that Ubuntu hands out in phases. */
  phasedUpdates: PhasedUpdates;
  /** Security fixes that the node's own configuration hides (default release, pins, holds); absent = warn. */
  onHidden?: OnHidden;
}

export const DEFAULT_PACKAGE_POLICY: PackagePolicy = {
  exclude: [],
  includeKubernetes: false,
  allowRemovals: false,
  keepMinor: false,
  phasedUpdates: 'default',
  onHidden: 'warn',
};
