/** Which pending packages of a node are patched. Part of the spec and of the input of every run. */
export const PHASED_UPDATES = ['default', 'always', 'never'] as const;
export type PhasedUpdates = (typeof PHASED_UPDATES)[number];

/** What happens to a node whose configuration hides security fixes. */
export const ON_HIDDEN = ['warn', 'fail'] as const;
export type OnHidden = (typeof ON_HIDDEN)[number];

export const ONLY = ['security'] as const;

/** More or longer globs are rejected, here and by the helper. */
export const MAX_EXCLUDES = 100;
export const MAX_EXCLUDE_CHARS = 128;

/** Characters of package names and the wildcards * and ?; nothing else that a shell could interpret. */
export const EXCLUDE_PATTERN = /^[A-Za-z0-9._+:*?][A-Za-z0-9._+:*?-]{0,127}$/;

export interface PackagePolicy {
  /** Only packages with a security fix; absent: all. A node whose sources do not identify security fixes is refused. */
  only?: (typeof ONLY)[number];
  /** Package names, with * and ?, that are not updated. */
  exclude: string[];
  /** Also patch kubelet and the container runtime of a Kubernetes node. */
  includeKubernetes: boolean;
  /** Allow the transaction to remove conflicting and replaced packages. */
  allowRemovals: boolean;
  /** Stay on the minor release (RHEL family). */
  keepMinor: boolean;
  /** How Ubuntu's phased updates are treated. */
  phasedUpdates: PhasedUpdates;
  /**
   * What happens when the node's own configuration hides security fixes (default release, pins, holds); absent = warn.
   */
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
