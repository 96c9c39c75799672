/**
 * When a release of a distribution gets its last update. What the node itself says counts first; these are the dates that
 * the distributions have published for those that do not say.
 */
import type { NodeWarning } from './node-warning';

/** What `/etc/os-release` says, and what else the node knows of the end. */
export interface OsLifecycle {
  id: string;
  versionId: string;
  codename: string;
  prettyName: string;
  /** `YYYY-MM-DD`, by the node: SUPPORT_END of os-release, or its package distro-info-data. Null: it does not say. */
  supportEnd: string | null;
  /** A subscription extends the life of the release, e.g. Ubuntu Pro. */
  isExtended: boolean;
}

/** By the id of os-release and the version. Debian: its long-term support; SLES and EL: their general support. */
const ENDS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  debian: { 8: '2020-06-30', 9: '2022-06-30', 10: '2024-06-30', 11: '2026-08-31', 12: '2028-06-30', 13: '2030-06-30' },
  ubuntu: {
    '14.04': '2019-04-30',
    '16.04': '2021-04-30',
    '18.04': '2023-05-31',
    '20.04': '2025-05-31',
    '22.04': '2027-06-01',
    '23.10': '2024-07-11',
    '24.04': '2029-05-31',
    '24.10': '2025-07-10',
    '25.04': '2026-01-15',
    '25.10': '2026-07-31',
  },
  alpine: {
    '3.15': '2023-11-01',
    '3.16': '2024-05-23',
    '3.17': '2024-11-22',
    '3.18': '2025-05-09',
    '3.19': '2025-11-01',
    '3.20': '2026-04-01',
    '3.21': '2026-11-01',
    '3.22': '2027-05-01',
    '3.23': '2027-11-01',
  },
  rhel: { 6: '2020-11-30', 7: '2024-06-30', 8: '2029-05-31', 9: '2032-05-31', 10: '2035-05-31' },
  rocky: { 8: '2029-05-31', 9: '2032-05-31', 10: '2035-05-31' },
  almalinux: { 8: '2029-05-31', 9: '2032-05-31', 10: '2035-05-31' },
  ol: { 7: '2024-12-31', 8: '2029-07-31', 9: '2032-06-30' },
  centos: { 6: '2020-11-30', 7: '2024-06-30' },
  amzn: { 2: '2026-06-30', 2018: '2023-12-31', 2023: '2029-06-30' },
  sles: {
    '12.5': '2024-10-31',
    '15.3': '2022-12-31',
    '15.4': '2023-12-31',
    '15.5': '2024-12-31',
    '15.6': '2025-12-31',
    '15.7': '2031-07-31',
  },
  'opensuse-leap': { '15.4': '2023-12-07', '15.5': '2024-12-31', '15.6': '2026-04-30' },
};

/** CentOS Linux and CentOS Stream share id and version. */
const CENTOS_8 = { linux: '2021-12-31', stream: '2024-05-31' };
const CENTOS_STREAM_9 = '2027-05-31';

/** Null: the release still gets updates, as far as is known. */
export function osEndOfLife(os: OsLifecycle, nowMs: number): NodeWarning | null {
  if (os.isExtended) return null;
  const end = endOf(os);
  // The day itself is still covered.
  if (end === null || nowMs < Date.parse(`${end}T00:00:00Z`) + 86_400_000) return null;
  const name = os.prettyName === '' ? `${os.id} ${os.versionId}` : os.prettyName;
  return {
    kind: 'end-of-life',
    message: `${name} reached its end of life on ${end}: it gets no more updates, and being at its latest version says nothing of known holes.`,
    remedy: 'upgrade the node to a supported release, or subscribe to the extended support of its vendor',
  };
}

/** The later of what the node says and what is published: an old list on the node knows of no extension. */
function endOf(os: OsLifecycle): string | null {
  const said = os.supportEnd !== null && /^\d{4}-\d{2}-\d{2}$/.test(os.supportEnd) ? os.supportEnd : null;
  const published = publishedEnd(os);
  if (said === null || Number.isNaN(Date.parse(said))) return published;
  return published !== null && published > said ? published : said;
}

function publishedEnd({ id, versionId, prettyName }: OsLifecycle): string | null {
  const major = versionId.replace(/\..*/, '');
  if (id === 'centos' && major === '8') return /stream/i.test(prettyName) ? CENTOS_8.stream : CENTOS_8.linux;
  if (id === 'centos' && major === '9') return CENTOS_STREAM_9;
  const ends = Object.hasOwn(ENDS, id) ? ENDS[id] : undefined;
  const minor = /^\d+\.\d+/.exec(versionId)?.[0] ?? versionId;
  return ends?.[minor] ?? ends?.[major] ?? null;
}
