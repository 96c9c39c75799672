/**
 * End of support of EKS image lines: after it, the newest release stays the newest, whatever vulnerabilities are found.
 * Sources: the EKS release calendar (docs.aws.amazon.com/eks/latest/userguide/kubernetes-versions.html) and its page on
 * Amazon Linux 2.
 */
import type { NodeWarning } from '../node/warning';

/** End of standard and extended support of each EKS Kubernetes version; images are released until the latter. */
const KUBERNETES: Readonly<Record<string, readonly [standard: string, extended: string]>> = {
  '1.22': ['2023-06-04', '2024-09-01'],
  '1.23': ['2023-10-11', '2024-10-11'],
  '1.24': ['2024-01-31', '2025-01-31'],
  '1.25': ['2024-05-01', '2025-05-01'],
  '1.26': ['2024-06-11', '2025-06-11'],
  '1.27': ['2024-07-24', '2025-07-24'],
  '1.28': ['2024-11-26', '2025-11-26'],
  '1.29': ['2025-03-23', '2026-03-23'],
  '1.30': ['2025-07-23', '2026-07-23'],
  '1.31': ['2025-11-26', '2026-11-26'],
  '1.32': ['2026-03-23', '2027-03-23'],
  '1.33': ['2026-07-29', '2027-07-29'],
  '1.34': ['2026-12-02', '2027-12-02'],
  '1.35': ['2027-03-27', '2028-03-27'],
};
const OLDEST_KNOWN_MINOR = 22;

/** Image families that AWS has ended, with the date of their last release. */
const FAMILIES: readonly { types: RegExp; name: string; ended: string; successor: string }[] = [
  {
    types: /^AL2_/,
    name: 'Amazon Linux 2 images for EKS',
    ended: '2025-11-26',
    successor: 'a node group of AL2023 or Bottlerocket',
  },
];

/** The end-of-life warning for a node group with this image at `nowMs`; null while releases are expected. */
export function eksEndOfLife(
  { amiType, version }: { amiType: string; version: string },
  nowMs: number,
): NodeWarning | null {
  const family = FAMILIES.find(({ types, ended }) => types.test(amiType) && isOver(ended, nowMs));
  if (family !== undefined) {
    return {
      kind: 'end-of-life',
      message: `AWS has released no ${family.name} since ${family.ended}, so the newest release receives no more fixes`,
      remedy: `move its pods to ${family.successor}`,
    };
  }
  const [, minor] = /^1\.(\d{1,3})$/.exec(version) ?? [];
  if (minor === undefined) return null;
  const [standard, extended] = KUBERNETES[version] ?? [];
  const ended = {
    kind: 'end-of-life',
    remedy: 'update the control plane to a supported Kubernetes version, then its node groups',
  } as const;
  if (extended === undefined || standard === undefined) {
    if (Number(minor) >= OLDEST_KNOWN_MINOR) return null;
    return {
      ...ended,
      message: `EKS ended all support of Kubernetes ${version} before 2024-09-01, so its newest image gets no more fixes`,
    };
  }
  if (isOver(extended, nowMs)) {
    return {
      ...ended,
      message: `EKS ended all support of Kubernetes ${version} on ${extended}, so its newest image gets no more fixes`,
    };
  }
  if (!isOver(standard, nowMs)) return null;
  return {
    ...ended,
    message: `EKS ended the standard support of Kubernetes ${version} on ${standard}; the extended one, for which the cluster has to be enrolled, ends on ${extended}`,
  };
}

/** Support includes the last day. */
function isOver(day: string, nowMs: number): boolean {
  return nowMs >= Date.parse(`${day}T00:00:00Z`) + 86_400_000;
}
