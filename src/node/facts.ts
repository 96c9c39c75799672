/** Parses the output of the helper's `facts` verb. */
import { bootWarnings } from '../domain/node/boot';
import type { FailedUnit } from '../domain/node/failed-units';
import type { LockKind, NodeFacts } from '../domain/node/report';
import { LOCK_KINDS } from '../domain/node/report';
import type { NodeWarning } from '../domain/node/warning';
import { osEndOfLife } from '../domain/node/end-of-life';
import type { OutdatedCode } from '../domain/node/outdated-code';
import { RESTART_BLOCKERS, outdatedWarnings } from '../domain/node/outdated-code';
import { plainText } from '../domain/shared/text';
import { parseBoot } from './boot-facts';
import { defined } from '../domain/shared/defined';

/** The facts, plus the data that decides whether the system is supported. */
export interface FactsReading {
  facts: NodeFacts;
  /** VARIANT_ID of os-release, e.g. `coreos`; empty when there is none. */
  variant: string;
  /** The image-based update system (`ostree`, `transactional-update`); null for a package-based system. */
  imageBased: string | null;
  systemd: boolean;
}

const MAX_VALUE = 300;
const MAX_VALUES = 100;
/** Several times as many as helpers report. */
const MAX_KEYS = 500;

/** Free space of a file system that did not answer, which must not count as full. */
const UNKNOWN_FREE_MIB = 1_000_000_000;

/** Processes named in a message; the rest is counted. */
const MAX_PROCESSES = 5;

/** Debian's VERSION_ID is only the major version; the point release is in /etc/debian_version. */
const POINT_RELEASE = /^\d+(?:\.\d+)+$/;

/** Null when the answer is incomplete: its last line must be `end`. */
export function parseFacts(protocol: number, text: string, nowMs = Date.now()): FactsReading | null {
  const lines = text.split('\n');
  if (lines.at(-1) !== '' || lines.at(-2) !== 'end') return null;
  const values = new Map<string, string[]>();
  for (const line of lines) {
    const at = line.indexOf('=');
    if (at === -1) continue;
    const key = line.slice(0, at);
    const list = values.get(key) ?? [];
    if (list.length === 0 && values.size >= MAX_KEYS) continue;
    if (list.length < MAX_VALUES) list.push(plainText(line.slice(at + 1), MAX_VALUE));
    values.set(key, list);
  }
  const all = (key: string): string[] => values.get(key) ?? [];
  const one = (key: string): string => all(key)[0] ?? '';
  const optional = (key: string): string | null => all(key)[0] ?? null;
  const mebibytes = (key: string, otherwise: number): number =>
    optional(key) === null ? otherwise : Math.floor(count(one(key)) / 1024);

  const os = {
    id: one('os_id'),
    versionId: one('os_version_id'),
    codename: one('os_codename'),
    prettyName: one('os_pretty_name'),
  };
  const rootFree = mebibytes('disk_root_kib', UNKNOWN_FREE_MIB);
  const reasons = [...new Set(all('reboot_reason'))];
  const restarting = all('restarting_unit');
  const stamp = optional('reboot_stamp');
  const kernelBootId = optional('kernel_boot_id');
  const boot = parseBoot(all);
  const userServices = all('outdated_user_service');
  const blockers = all('outdated_blocker').flatMap((line) => parseBlocker(line) ?? []);
  const outdated: OutdatedCode = {
    services: all('outdated_service'),
    ...defined({ userServices: userServices.length === 0 ? undefined : userServices }),
    sessions: all('outdated_session'),
    containers: all('outdated_container'),
    processes: all('outdated_process'),
    ...defined({ blockers: blockers.length === 0 ? undefined : blockers }),
  };
  const job = optional('job');
  const facts: NodeFacts = {
    protocol,
    os,
    osVersion: osVersion(os, one('debian_version')),
    packageManager: one('package_manager'),
    arch: one('arch'),
    kernelRunning: one('kernel_running'),
    kernelNewest: optional('kernel_newest'),
    bootId: one('boot_id'),
    ...defined({ kernelBootId: kernelBootId ?? undefined, boot: boot ?? undefined }),
    machineId: optional('machine_id'),
    container: optional('container'),
    reboot: { required: reasons.length > 0, reasons, ...defined({ stamp: stamp ?? undefined }) },
    packages: {
      count: count(one('packages_count')),
      digest: `sha256:${one('packages_digest')}`,
      // A running transaction does not count as interrupted.
      problems: [...all('package_problem'), ...(job === null ? all('package_interrupted') : [])],
    },
    lockKind: lockKind(optional('lock_kind')),
    lockHolder: optional('lock_holder') ?? optional('updater_running'),
    job,
    diskFreeMiB: {
      root: rootFree,
      var: mebibytes('disk_var_kib', rootFree),
      boot: mebibytes('disk_boot_kib', rootFree),
    },
    freeInodes: freeInodes(one),
    systemState: optional('system_state') ?? 'unknown',
    failedUnits: all('failed_unit'),
    ...defined({
      restartingUnits: restarting.length === 0 ? undefined : restarting,
      unitsUnknown: all('slow_part').some((part) => part.startsWith('systemctl list-units'))
        ? (true as const)
        : undefined,
    }),
    failedUnitDetails: all('unit_detail').map((line) => parseFailedUnit(line)),
    otherUpdaters: all('other_updater'),
    rebootOwners: all('reboot_owner'),
    kubernetesAgents: all('kubernetes_agent'),
    outdated,
    warnings: [
      ...needrestartWarnings(all('outdated_unknown')),
      ...leftRunning(all('left_running')),
      ...slowParts(all('slow_part')),
      ...packageWarnings(all('package_warning')),
      ...rebootSchedules(all('reboot_schedule')),
    ],
    clock: one('clock'),
  };
  facts.warnings.push(...bootWarnings(facts));
  const ended = osEndOfLife(
    { ...os, supportEnd: all('support_end').toSorted().at(-1) ?? null, isExtended: all('extended_support').length > 0 },
    nowMs,
  );
  if (ended !== null) facts.warnings.push(ended);
  // There may be many, and the status of a node keeps only the first warnings.
  facts.warnings.push(...outdatedWarnings(outdated));
  return { facts, variant: one('os_variant'), imageBased: optional('image_based'), systemd: one('systemd') === 'yes' };
}

function rebootSchedules(schedules: readonly string[]): NodeWarning[] {
  return schedules.map((schedule) => ({
    kind: 'other-updaters',
    message: `${schedule} reboots this node on a timer, even during a run`,
    remedy: 'remove the reboot from the schedule: a run reboots the node when a reboot is required',
  }));
}

/** `NAME RESULT CHANGED TRANSIENT TRIGGER...` */
function parseFailedUnit(line: string): FailedUnit {
  const [name = '', result = '', changed, transient, ...triggeredBy] = line.trim().split(' ');
  return { name, triggeredBy, result, changed: changed === 'yes', transient: transient === 'yes' };
}

/** `NAME BLOCKER [PID...]`; null for a blocker of a newer helper. */
function parseBlocker(line: string): NonNullable<OutdatedCode['blockers']>[number] | null {
  const [service = '', word, ...rest] = line.trim().split(' ');
  const blocker = RESTART_BLOCKERS.find((known) => known === word);
  if (blocker === undefined) return null;
  const pids = rest.filter((pid) => /^[1-9][0-9]{0,9}$/.test(pid)).map(Number);
  return { service, blocker, ...defined({ pids: pids.length === 0 ? undefined : pids }) };
}

function needrestartWarnings(unknown: readonly string[]): NodeWarning[] {
  if (unknown.length === 0) return [];
  return [
    {
      kind: 'facts-incomplete',
      message:
        'needrestart did not answer within 10 s, so replaced modules of services in Python, Perl, Ruby and Java were not detected',
      remedy: 'run `needrestart -b -l -r l` on the node and see what it waits for',
    },
  ];
}

/** By mount point; file systems without a fixed number of inodes are omitted. */
function freeInodes(one: (key: string) => string): NodeFacts['freeInodes'] {
  const found: NodeFacts['freeInodes'] = {};
  for (const place of ['root', 'var', 'usr', 'boot', 'run', 'tmp']) {
    const text = one(`disk_${place}_inodes`);
    if (text !== '') found[place === 'root' ? '/' : `/${place}`] = count(text);
  }
  return found;
}

/** Processes started by maintainer scripts outside of any service. */
function leftRunning(processes: readonly string[]): NodeWarning[] {
  if (processes.length === 0) return [];
  const shown = processes.slice(0, MAX_PROCESSES).join(', ');
  const more = processes.length > MAX_PROCESSES ? ` and ${processes.length - MAX_PROCESSES} more` : '';
  return [
    {
      kind: 'left-running',
      message: `maintainer scripts left processes running outside of any service: ${shown}${more}; the job that started them has ended`,
      remedy: 'start them as services (systemctl), or end them if nobody needs them; they block nothing',
    },
  ];
}

/** Commands that timed out, whose results are missing. */
function slowParts(parts: readonly string[]): NodeWarning[] {
  if (parts.length === 0) return [];
  return [
    {
      kind: 'facts-incomplete',
      message: `the node is slow, and these did not answer in time and were left out: ${[...new Set(parts)].slice(0, MAX_PROCESSES).join(', ')}`,
      remedy: 'run them by hand on the node and see what they wait for (load, a hung network file system)',
    },
  ];
}

/** Problems of a package database that is usable nevertheless. */
function packageWarnings(messages: readonly string[]): NodeWarning[] {
  return messages.map((message) => ({
    kind: 'other',
    message: `${message}, and no package source has it: its files cannot be shown apart from others`,
    remedy: 'get its package file and run `dpkg -i` on it',
  }));
}

function lockKind(text: string | null): LockKind {
  return LOCK_KINDS.find((kind) => kind === text) ?? 'package';
}

/** Untrusted input; anything other than a plain number counts as 0. */
function count(text: string): number {
  return /^\d{1,15}$/.test(text) ? Number(text) : 0;
}

function osVersion(os: NodeFacts['os'], debianVersion: string): string {
  // The pretty name of Alpine ends in the release.
  if (os.id === 'alpine' && POINT_RELEASE.test(os.versionId)) return `Alpine Linux ${os.versionId}`;
  if (os.id !== 'debian' || !POINT_RELEASE.test(debianVersion)) return os.prettyName;
  return `${os.prettyName.replace(/\s+\d+\b.*$/, '')} ${debianVersion}`;
}
