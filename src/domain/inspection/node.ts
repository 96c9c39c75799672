/** Findings about a node: what was observed, and the consequences for patching. */
import { formatDuration } from '../shared/duration';
import type { DrainCheck } from './drain';
import type { ErrorInfo } from '../shared/errors';
import type { Finding } from './finding';
import type { Severity } from '../shared/severity';
import { findingOfError, findingOfWarning, ok, problem, warning } from './finding';
import { worstFirst, worstOf } from '../shared/severity';
import { AUTOREMOVE, CLEAN, REPAIR, UNHOLD } from '../node/repair-commands';
import type { NodeFacts, PatchPlan } from '../node/report';
import { findBlockers } from '../node/blockers';
import { ignoredOwnerText, splitOwners } from '../node/reboot-owners';
import { mergeWarnings } from '../node/warning';
import type { Patching } from '../spec/types';
import { plainText } from '../shared/text';
import { DAY_MS, MINUTE_MS } from '../shared/time-units';

/** Clock offset that gets a warning. */
const CLOCK_NOTICE_MS = MINUTE_MS;
/** Clock offset beyond which signatures of package sources may be rejected. */
export const CLOCK_LIMIT_MS = DAY_MS;

/** A large update may need more than the minimum that a run requires. */
const DISK_NOTICE_MIB = 1_024;
/** Room for one more kernel with its initramfs. */
const BOOT_NOTICE_MIB = 150;

/** Names shown of a list; the rest is counted. */
const MAX_NAMES = 5;
const MAX_TEXT = 600;

/** The parts of the cluster policy that findings about a node depend on. */
export type InspectionPolicy = Pick<Patching, 'withoutDrain' | 'rebootIfRequired' | 'packages' | 'rebootOwners'>;

/** What was observed on a node; null for what could not be read. */
export interface NodeObservation {
  facts: NodeFacts | null;
  /** The node's clock minus the worker's, in milliseconds. */
  clockAheadMs: number | null;
  /** What a patch would do according to the node's current package lists. */
  plan: PatchPlan | null;
  /** Path of the helper if it was installed just now; null when it was there already. */
  helperPlaced: string | null;
  /** The error that ended the inspection early, or would fail a run. */
  error: ErrorInfo | null;
  /** The exceeded time limit in milliseconds; null when the inspection completed. */
  timedOutMs: number | null;
}

/** What a run would meet on a node or EKS node group. */
export interface InspectionSummary {
  /** Name of the node or node group. */
  node: string;
  /** The worst of the findings. */
  verdict: Severity;
  /** OS version, or the release of a node group; null when it could not be read. */
  os: string | null;
  /** Packages that a patch would change, by the node's current package lists; null when unreadable. */
  pending: number | null;
  /** Worst first, never empty. */
  findings: Finding[];
}

/** The inspection of a node; null for what could not be read. */
export interface NodeInspection extends InspectionSummary {
  facts: NodeFacts | null;
  /** By the node's current package lists; a very long plan is cut. */
  plan: PatchPlan | null;
  /** Null when nodes are not drained, or the drain was not inspected. */
  drain: DrainCheck | null;
  /** The error that ended the inspection early, or would fail a run. */
  error: ErrorInfo | null;
}

/** Longer plans are cut, because the inspections of many nodes share one message. */
const MAX_PLAN_ENTRIES = 300;

export function toInspection(node: string, observed: NodeObservation, policy: InspectionPolicy): NodeInspection {
  const { facts, plan, error } = observed;
  const found: Finding[] = [];
  // A damaged package database explains why there is no plan, and a run repairs the database first.
  const problems = facts?.packages.problems ?? [];
  const isExplained = error?.type === 'PackagesBroken' && problems.length > 0 && !problems.some(isBeyondRepair);
  if (error !== null && !isExplained) found.push(findingOfError(error));
  if (observed.timedOutMs !== null) found.push(slowFinding(node, observed.timedOutMs, facts !== null));
  if (facts !== null) {
    found.push(...machineFindings(node, facts, observed.clockAheadMs), ...policyFindings(node, facts, policy));
    found.push(...packageFindings(node, facts, plan, error), ...rebootFindings(facts, policy));
    found.push(...mergeWarnings(plan?.warnings ?? [], facts.warnings).map(findingOfWarning));
  }
  if (observed.helperPlaced !== null) found.push(ok('helper', `the helper was installed as ${observed.helperPlaced}`));
  if (facts !== null && worstOf(found) === 'ok') found.unshift(ok('ready', describeReady(facts, plan)));
  return inspection(node, found, observed);
}

/** The inspection of a node that could not be inspected. */
export function failedInspection(node: string, error: ErrorInfo): NodeInspection {
  return inspection(node, [findingOfError(error)], { facts: null, plan: null, error });
}

/** The inspection without its large fields. */
export function summaryOf({ node, verdict, os, pending, findings }: InspectionSummary): InspectionSummary {
  return { node, verdict, os, pending, findings };
}

function inspection(
  node: string,
  found: Finding[],
  { facts, plan, error }: Pick<NodeObservation, 'facts' | 'plan' | 'error'>,
): NodeInspection {
  const findings = worstFirst(found).map(({ message, remedy, ...rest }) => ({
    ...rest,
    message: plainText(message, MAX_TEXT),
    remedy: remedy === null ? null : plainText(remedy, MAX_TEXT),
  }));
  return {
    node,
    verdict: worstOf(findings),
    os: facts === null ? null : facts.osVersion,
    pending: plan === null ? null : plan.changes.length,
    findings,
    facts,
    plan: plan === null ? null : withinLimit(plan),
    drain: null,
    error,
  };
}

function withinLimit(plan: PatchPlan): PatchPlan {
  const { changes, keptBack } = plan;
  return { ...plan, changes: changes.slice(0, MAX_PLAN_ENTRIES), keptBack: keptBack.slice(0, MAX_PLAN_ENTRIES) };
}

/** A run waits longer than an interactive inspection, but not for a node that does not answer at all. */
function slowFinding(node: string, limitMs: number, isReached: boolean): Finding {
  const time = formatDuration(limitMs);
  const remedy = `log in to ${node} and check why commands hang: load, a full disk, sudo or a directory service`;
  if (!isReached) return problem('reachable', `${node} did not answer within ${time}`, remedy);
  return warning('packages', `${node} did not list its pending packages within ${time}`, remedy);
}

function machineFindings(node: string, facts: NodeFacts, clockAheadMs: number | null): Finding[] {
  const found: Finding[] = [];
  const { failedUnits, systemState, diskFreeMiB } = facts;
  if (clockAheadMs !== null) found.push(...clockFindings(node, clockAheadMs));
  const { root, var: varFree, boot } = diskFreeMiB;
  // A lack of space that blocks a run has a finding of its own.
  if (findBlockers(node, facts, true).disk === null && Math.min(root, varFree) < DISK_NOTICE_MIB) {
    const [free, where] = root <= varFree ? [root, '/'] : [varFree, '/var'];
    found.push(
      warning('disk', `only ${free} MiB are free on ${where}; a large update may need more`, freeSome(node, facts)),
    );
  }
  if (boot < BOOT_NOTICE_MIB && boot !== root) {
    const remedy = `remove old kernels on ${node}${AUTOREMOVE[facts.packageManager] ?? ''}`;
    found.push(warning('disk', `only ${boot} MiB are free on /boot; a new kernel may not fit`, remedy));
  }
  if (failedUnits.length > 0) {
    const units = failedUnits.length === 1 ? 'unit has' : 'units have';
    found.push(
      warning(
        'units',
        `${failedUnits.length} ${units} failed (${list(failedUnits)}); a run only counts units that its changes made fail`,
        `check \`systemctl status ${failedUnits[0] ?? ''}\` on ${node}`,
      ),
    );
  }
  if (facts.kernelBootId !== undefined) {
    const message = `the node is a container (${facts.container ?? 'of an unknown kind'}) that shows the boot id of its host; a restart is detected by the start time of its init`;
    found.push(ok('boot', message));
  }
  if (!SETTLED.has(systemState)) {
    const message = `systemd is in the state "${systemState}", not in "running"`;
    found.push(warning('units', message, `check \`systemctl list-jobs\` on ${node}`));
  }
  return found;
}

/** systemd states that need no finding, or that failed units already explain. */
const SETTLED: ReadonlySet<string> = new Set(['running', 'degraded', 'unknown']);

/** E.g. `2d ahead of that of the worker`. */
export function clockDifference(aheadMs: number): string {
  const off = Math.abs(aheadMs);
  const unit = off > 2 * DAY_MS ? DAY_MS : 1_000;
  return `${formatDuration(Math.round(off / unit) * unit)} ${aheadMs > 0 ? 'ahead of' : 'behind'} that of the worker`;
}

function clockFindings(node: string, aheadMs: number): Finding[] {
  const off = Math.abs(aheadMs);
  if (off <= CLOCK_NOTICE_MS) return [];
  const how = clockDifference(aheadMs);
  const remedy = `switch time synchronisation on, e.g. \`timedatectl set-ntp true\` on ${node}, and check the worker's clock too`;
  if (off <= CLOCK_LIMIT_MS) return [warning('clock', `the clock is ${how}`, remedy)];
  return [problem('clock', `the clock is ${how}; signatures of package sources may not be accepted`, remedy)];
}

function policyFindings(node: string, facts: NodeFacts, policy: InspectionPolicy): Finding[] {
  const ignore = policy.rebootOwners?.ignore;
  const { rebootOwners, kubernetes, disk } = findBlockers(node, facts, policy.withoutDrain, ignore);
  const found: Finding[] = splitOwners(facts.rebootOwners, ignore).ignored.map(({ owner, reason }) =>
    ok('reboot-owners', ignoredOwnerText(owner, reason)),
  );
  if (rebootOwners !== null) found.push(findingOfError(rebootOwners, 'reboot-owners'));
  if (kubernetes !== null) found.push(findingOfError(kubernetes, 'kubernetes'));
  if (disk !== null) found.push(findingOfError(disk, 'disk'));
  if (facts.otherUpdaters.length > 0) {
    const names = facts.otherUpdaters.join(' and ');
    found.push(
      warning(
        'other-updaters',
        `${names} also ${facts.otherUpdaters.length === 1 ? 'patches' : 'patch'} this node, outside of windows and rollout order`,
        `switch ${names} off on ${node}${updaterCommand(facts.otherUpdaters)}; a run waits while it holds the package lock`,
      ),
    );
  }
  return found;
}

/** systemd units to disable, by updater. */
const UPDATER_UNITS: readonly (readonly [pattern: RegExp, unit: string])[] = [
  [/^unattended-upgrades/, 'apt-daily-upgrade.timer'],
  [/^dnf-automatic/, 'dnf-automatic.timer'],
];

function updaterCommand(updaters: readonly string[]): string {
  const units = UPDATER_UNITS.filter(([pattern]) => updaters.some((one) => pattern.test(one))).map(([, unit]) => unit);
  return units.length === 0 ? '' : ` (\`systemctl disable --now ${units.join(' ')}\`)`;
}

/** Damage to the database as a whole, not to single packages; a repair moves damaged journal entries aside. */
function isBeyondRepair(problem: string): boolean {
  return (
    /^dpkg cannot read its database: (?!.*\/dpkg\/updates\/)/.test(problem) ||
    problem.includes('/dpkg/status does not name')
  );
}

function packageFindings(node: string, facts: NodeFacts, plan: PatchPlan | null, error: ErrorInfo | null): Finding[] {
  const found: Finding[] = [];
  const { packages, lockHolder, lockKind = 'package', job } = facts;
  if (packages.problems.some(isBeyondRepair)) {
    // The planning error names the intact copy.
    if (error?.type === 'PackagesBroken') return found;
    const message = `the package database is damaged (${list(packages.problems)}), and a run cannot repair that`;
    found.push(
      problem('packages', message, `restore it on ${node} from its copy (/var/lib/dpkg/status-old) or a backup`),
    );
  } else if (packages.problems.length > 0) {
    found.push(
      warning(
        'packages',
        `the package database is damaged (${list(packages.problems)}); the next run repairs it first`,
        `patch the node, or repair the database by hand on ${node}${REPAIR[facts.packageManager] ?? ''}`,
      ),
    );
  }
  if (job !== null) {
    const name = job === 'unknown' || job === '' ? 'an ospatch job' : `the ospatch job ${job}`;
    found.push(
      warning(
        'job',
        `${name} is still running, started by a run in progress or left behind by a killed one; the next run waits for its end`,
        `let it finish; \`journalctl -u ospatch-job\` on ${node} shows its progress`,
      ),
    );
  } else if (lockHolder !== null) {
    const message = `the ${lockKind} lock is held by ${lockHolder}; a run waits for it`;
    found.push(warning('package-lock', message, `let it finish, or see what it waits for on ${node}`));
  }
  const held = (plan?.keptBack ?? []).filter(({ reason }) => reason === 'held').map(({ name }) => name);
  if (held.length > 0) {
    const has = held.length === 1 ? 'package has an update and is' : 'packages have an update and are';
    found.push(
      warning(
        'held-packages',
        `${held.length} ${has} held, so not patched (${list(held)})`,
        `unhold the packages to be patched on ${node}${UNHOLD[facts.packageManager] ?? ''}`,
      ),
    );
  }
  return found;
}

function rebootFindings({ reboot }: NodeFacts, { rebootIfRequired }: InspectionPolicy): Finding[] {
  if (!reboot.required) return [];
  const why = reboot.reasons.length === 0 ? '' : ` (${list(reboot.reasons)})`;
  if (rebootIfRequired) {
    return [
      warning(
        'reboot',
        `a reboot is pending${why}; the next run reboots the node`,
        'patch the node, or reboot it by hand',
      ),
    ];
  }
  return [
    warning(
      'reboot',
      `a reboot is pending${why}, and patching.rebootIfRequired is false, so no run reboots the node`,
      'reboot the node by hand, or set patching.rebootIfRequired: true',
    ),
  ];
}

function describeReady(facts: NodeFacts, plan: PatchPlan | null): string {
  const count = plan?.changes.length ?? 0;
  const pending = count === 0 ? 'nothing pending' : `${count} package${count === 1 ? '' : 's'} pending`;
  return `can be patched: ${facts.osVersion}, ${pending}`;
}

function freeSome(node: string, { packageManager }: NodeFacts): string {
  return `free some space on ${node}${CLEAN[packageManager] ?? ''}`;
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, MAX_NAMES).join(', ');
  return names.length <= MAX_NAMES ? shown : `${shown} and ${names.length - MAX_NAMES} more`;
}
