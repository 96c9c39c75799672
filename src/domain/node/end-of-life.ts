/**
 * End of life of distribution releases. The date that the node reports takes precedence; the tables hold the published
 * dates for systems that report none.
 */
import type { NodeWarning } from './warning';

/** The fields of `/etc/os-release`, and what else the node reports about its end of life. */
export interface OsLifecycle {
  id: string;
  versionId: string;
  codename: string;
  prettyName: string;
  /** `YYYY-MM-DD`, from SUPPORT_END of os-release or the distro-info-data package. Null: not reported. */
  supportEnd: string | null;
  /** A subscription extends the life of the release, e.g. Ubuntu Pro. */
  isExtended: boolean;
}

interface Lifecycle {
  /** Publisher of the dates. */
  source: string;
  /** By the version in os-release, or its major version. */
  ends: Readonly<Record<string, string>>;
}

/**
 * By the id in os-release: the last day of free updates. Debian: long-term support; SLES and EL: general support. The
 * dates of Debian and Ubuntu are from distro-info-data 0.58; the others were compared with endoflife.date on
 * 2026-08-22.
 */
const LIFECYCLES: Readonly<Record<string, Lifecycle>> = {
  debian: {
    source: 'wiki.debian.org/LTS',
    ends: { 8: '2020-06-30', 9: '2022-06-30', 10: '2024-06-30', 11: '2026-08-31', 12: '2028-06-30', 13: '2030-06-30' },
  },
  ubuntu: {
    source: 'wiki.ubuntu.com/Releases',
    ends: {
      '14.04': '2019-04-25',
      '14.10': '2015-07-23',
      '15.04': '2016-02-04',
      '15.10': '2016-07-28',
      '16.04': '2021-04-30',
      '16.10': '2017-07-20',
      '17.04': '2018-01-13',
      '17.10': '2018-07-19',
      '18.04': '2023-05-31',
      '18.10': '2019-07-18',
      '19.04': '2020-01-23',
      '19.10': '2020-07-17',
      '20.04': '2025-05-29',
      '20.10': '2021-07-22',
      '21.04': '2022-01-20',
      '21.10': '2022-07-14',
      '22.04': '2027-06-01',
      '22.10': '2023-07-20',
      '23.04': '2024-01-25',
      '23.10': '2024-07-11',
      '24.04': '2029-05-31',
      '24.10': '2025-07-10',
      '25.04': '2026-01-15',
      '25.10': '2026-07-09',
      '26.04': '2031-05-29',
      '26.10': '2027-07-15',
    },
  },
  alpine: {
    source: 'alpinelinux.org/releases',
    ends: {
      '3.15': '2023-11-01',
      '3.16': '2024-05-23',
      '3.17': '2024-11-22',
      '3.18': '2025-05-09',
      '3.19': '2025-11-01',
      '3.20': '2026-04-01',
      '3.21': '2026-11-01',
      '3.22': '2027-05-01',
      '3.23': '2027-11-01',
      '3.24': '2028-06-01',
    },
  },
  rhel: {
    source: 'access.redhat.com/support/policy/updates/errata',
    ends: { 6: '2020-11-30', 7: '2024-06-30', 8: '2029-05-31', 9: '2032-05-31', 10: '2035-05-31' },
  },
  rocky: { source: 'wiki.rockylinux.org/rocky/version', ends: { 8: '2029-05-31', 9: '2032-05-31', 10: '2035-05-31' } },
  almalinux: {
    source: 'wiki.almalinux.org/release-notes',
    ends: { 8: '2029-05-31', 9: '2032-05-31', 10: '2035-05-31' },
  },
  ol: {
    source: 'oracle.com/a/ocom/docs/elsp-lifetime-069338.pdf',
    ends: { 6: '2021-03-31', 7: '2024-12-31', 8: '2029-07-31', 9: '2032-06-30' },
  },
  centos: { source: 'wiki.centos.org/About/Product', ends: { 6: '2020-11-30', 7: '2024-06-30', 8: '2021-12-31' } },
  amzn: {
    source: 'docs.aws.amazon.com/AL2/latest/relnotes/relnotes-al2.html',
    ends: { 2: '2026-06-30', 2018: '2023-12-31', 2023: '2029-06-30' },
  },
  sles: {
    source: 'suse.com/lifecycle',
    ends: {
      '12.5': '2024-10-31',
      '15.0': '2019-12-31',
      '15.1': '2021-01-31',
      '15.2': '2021-12-31',
      '15.3': '2022-12-31',
      '15.4': '2023-12-31',
      '15.5': '2024-12-31',
      '15.6': '2025-12-31',
      '15.7': '2031-07-31',
      '16.0': '2027-11-30',
    },
  },
  'opensuse-leap': {
    source: 'en.opensuse.org/Lifetime',
    ends: {
      '15.0': '2019-12-03',
      '15.1': '2021-02-02',
      '15.2': '2022-01-04',
      '15.3': '2022-12-31',
      '15.4': '2023-12-07',
      '15.5': '2024-12-31',
      '15.6': '2026-04-30',
      '16.0': '2027-10-31',
    },
  },
};

/** CentOS Linux and CentOS Stream share id and version. */
const CENTOS_STREAM: Lifecycle = {
  source: 'centos.org/centos-stream',
  ends: { 8: '2024-05-31', 9: '2027-05-31', 10: '2030-05-31' },
};

interface End {
  /** `YYYY-MM-DD` */
  day: string;
  source: string;
}

/** Null: the release is supported, or its end of life is unknown. */
export function osEndOfLife(os: OsLifecycle, nowMs: number): NodeWarning | null {
  if (os.isExtended) return null;
  const end = endOf(os);
  // Support includes the last day.
  if (end === null || nowMs < Date.parse(`${end.day}T00:00:00Z`) + 86_400_000) return null;
  const name = os.prettyName === '' ? `${os.id} ${os.versionId}` : os.prettyName;
  return {
    kind: 'end-of-life',
    message: `${name} reached its end of life on ${end.day} (${end.source}): without extended vendor support it gets no more updates, and its latest version may have known vulnerabilities`,
    remedy: "upgrade the node to a supported release, or subscribe to the vendor's extended support",
  };
}

/** The later of the reported and the published date: outdated data on the node may lack an extension. */
function endOf(os: OsLifecycle): End | null {
  const said = os.supportEnd !== null && /^\d{4}-\d{2}-\d{2}$/.test(os.supportEnd) ? os.supportEnd : null;
  const published = publishedEnd(os);
  if (said === null || Number.isNaN(Date.parse(said))) return published;
  return published !== null && published.day >= said ? published : { day: said, source: 'as reported by the node' };
}

function publishedEnd({ id, versionId, prettyName }: OsLifecycle): End | null {
  const lifecycle = id === 'centos' && /stream/i.test(prettyName) ? CENTOS_STREAM : lifecycleOf(id);
  if (lifecycle === null) return null;
  const { ends, source } = lifecycle;
  const major = versionId.replace(/\..*/, '');
  const minor = /^\d+\.\d+/.exec(versionId)?.[0] ?? versionId;
  const day = ends[minor] ?? ends[major];
  return day === undefined ? null : { day, source };
}

function lifecycleOf(id: string): Lifecycle | null {
  return Object.hasOwn(LIFECYCLES, id) ? (LIFECYCLES[id] ?? null) : null;
}
