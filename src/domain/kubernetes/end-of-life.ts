/** End of life of Kubernetes minor versions; ospatch never moves a node to another minor version. */
import type { NodeWarning } from '../node/warning';
import { plainText } from '../shared/text';

/** From kubernetes.io/releases/patch-releases, as of 2026-08-22. */
const ENDS: Readonly<Record<number, string>> = {
  26: '2024-02-28',
  27: '2024-07-16',
  28: '2024-10-22',
  29: '2025-02-28',
  30: '2025-07-15',
  31: '2025-11-11',
  32: '2026-02-28',
  33: '2026-06-28',
  34: '2026-10-27',
  35: '2027-02-28',
  36: '2027-06-28',
};
const OLDEST_KNOWN_MINOR = 26;

/** Upstream, k3s and RKE2, which share end dates. Other vendors support their builds for longer. */
const VERSION = /^v1\.(\d{1,3})\.\d+(\+(k3s|rke2r)\d+)?$/;

/** Null: the kubelet version is supported, or its end of life is unknown. */
export function kubeletEndOfLife(version: string, nowMs: number): NodeWarning | null {
  const [, found] = VERSION.exec(version) ?? [];
  if (found === undefined) return null;
  const minor = Number(found);
  const end = ENDS[minor] ?? null;
  if (end === null && minor > OLDEST_KNOWN_MINOR) return null;
  // Support includes the last day.
  if (end !== null && nowMs < Date.parse(`${end}T00:00:00Z`) + 86_400_000) return null;
  const when = end === null ? `before ${ENDS[OLDEST_KNOWN_MINOR]}` : `on ${end}`;
  return {
    kind: 'end-of-life',
    message: `its kubelet is ${plainText(version, 40)}: Kubernetes 1.${minor} reached its end of life ${when} and gets no more fixes, whatever is patched on the node`,
    remedy: 'upgrade the cluster to a supported Kubernetes version',
  };
}
