/** Why one member of a cluster is not patched, not rebooted, or not as new as it could be. */
import { senderText } from '../shared/verification';
import { alarmText } from './members-at-rest';
import type { MemberStatus } from '../cluster/member';
import { isNode, memberNameOf } from '../cluster/member';
import type { NodeStatus } from '../node/status';
import { isLost, lockAt } from '../node/status';
import { isSelfManaged } from '../cluster/state';
import { someOf } from '../run/describe-hold';
import { explainNoRun, whyBootPending } from './cluster';
import type { Explanation, ExplanationKind, LiveNode } from './explanation';
import type { Situation } from './situation';
import { explanation, forReason } from './explanation';
import { explainInWork } from './in-work';
import { explainRun } from './run';

/** All that keeps the member from being patched, rebooted and up to date; null: the cluster has no such member. */
export function explainNode(situation: Situation, name: string): Explanation[] | null {
  const row = situation.status.nodes.find((one) => one.name === name);
  if (row === undefined) return null;
  const own = [
    ...inWork(situation, row),
    ...(isNode(row) ? [...locked(situation, row), ...quarantined(situation, row), ...alarmed(situation, row)] : []),
    ...turn(situation, row),
    ...lastEnd(situation, row),
    ...(isNode(row) ? [...reboot(situation, row), ...restart(situation, row)] : []),
    ...cordon(situation, row),
    ...keptBack(situation, row),
    ...hidden(row),
  ];
  const all = [...own, ...atRest(situation, row, own.length === 0)];
  return all.length > 0 ? all : [explanation('in-work', `nothing holds ${name} up`, situation.status.explanation)];
}

function inWork(situation: Situation, row: MemberStatus): Explanation[] {
  const { status } = situation;
  const member = status.current.find(({ node }) => node === row.name);
  if (member === undefined) {
    if (row.state !== 'patching') return [];
    if (row.lastError === null || !isLost(row)) return [inStep(row, recordedStep(situation))];
    const change = [`ospatch release ${status.cluster} ${row.name}`];
    return [explanation('unreachable', `the patch of ${row.name} does not end`, row.lastError.message, { change })];
  }
  const waits = explainInWork(situation, member);
  if (waits.length > 0) return waits;
  return [inStep(row, member)];
}

type InStep = Pick<LiveNode, 'step' | 'done' | 'total'> & { startedAt: string | null };

/** Of one of so many members in work that nobody has read its heartbeats. */
function recordedStep({ record }: Situation): InStep {
  const isOpen = record !== null && record.endedAt === '';
  const step = isOpen ? (record.steps.at(-1)?.step ?? null) : null;
  return { step, done: null, total: null, startedAt: isOpen ? record.startedAt : null };
}

function inStep({ name }: MemberStatus, { step, done, total, startedAt }: InStep): Explanation {
  const count = step === 'apply' && total !== null ? ` (${done ?? 0} of ${total} packages)` : '';
  const because = step === null ? 'its patch begins' : `it is in its step ${step}${count}`;
  return explanation('in-work', `the patch of ${name} has not ended`, because, { since: startedAt });
}

function locked({ status, nowMs }: Situation, row: NodeStatus): Explanation[] {
  const lock = lockAt(row, nowMs);
  if (lock === null) return [];
  return [
    explanation('locked', `no run patches ${row.name}`, `${senderText(lock)} has locked it${forReason(lock.reason)}`, {
      ...{ since: lock.at, until: lock.until },
      change: [`ospatch unlock ${status.cluster} ${row.name}`],
    }),
  ];
}

function alarmed({ status }: Situation, { name, hostKeyAlarm }: NodeStatus): Explanation[] {
  if (hostKeyAlarm === undefined) return [];
  return [
    explanation('host-key-alarm', `somebody else may have answered in place of ${name}`, alarmText(hostKeyAlarm), {
      change: [`ospatch patch ${status.cluster} --nodes ${name}`],
    }),
  ];
}

function quarantined(situation: Situation, row: NodeStatus): Explanation[] {
  const { status } = situation;
  const { name, quarantine } = row;
  if (quarantine === undefined) return [];
  const because = `it is quarantined: ${quarantine.message}`;
  return [
    explanation('quarantined', `no run logs in to ${name} until it shows a trusted host key`, because, {
      since: endOf(situation, row),
      change: [
        ...(quarantine.remedy === undefined ? [] : [quarantine.remedy]),
        `ospatch patch ${status.cluster} --nodes ${name}`,
      ],
    }),
  ];
}

/** A member of the run in progress whose turn has not come. */
function turn(situation: Situation, row: MemberStatus): Explanation[] {
  const { status } = situation;
  const { run } = status;
  if (run === null || row.state !== 'waiting' || status.current.some(({ node }) => node === row.name)) return [];
  const upcoming = run.detail?.upcoming ?? [];
  const place = upcoming.indexOf(row.name);
  const before = upcoming.slice(0, Math.max(0, place));
  const because =
    place === 0
      ? `it is the next one of run ${run.number}`
      : place > 0
        ? `${someOf(before)} ${before.length === 1 ? 'comes' : 'come'} first in run ${run.number}`
        : `more than ${upcoming.length} others come first in run ${run.number}`;
  const what = `${row.name} is not patched yet`;
  const aside = status.queued.find(({ state }) => state === 'set-aside');
  // Of a run that is set aside, nobody says which nodes it has.
  const isElsewhere = place < 0 && aside !== undefined;
  const isAllKnown = (run.detail?.waitingCount ?? 0) <= upcoming.length;
  const turnOf = isElsewhere
    ? `${isAllKnown ? '' : `run ${run.number}, or in `}run ${aside.run}, which is set aside for run ${run.number}`
    : `run ${run.number}`;
  const own = explanation(
    'turn',
    what,
    isElsewhere || (place < 0 && upcoming.length === 0) ? `it waits for its turn in ${turnOf}` : because,
    {
      since: run.startedAt,
      change: [`\`ospatch skip ${status.cluster} ${row.name}\` leaves it out`],
    },
  );
  return [own, ...explainNoRun(situation), ...explainRun(situation)];
}

const ENDED: Readonly<
  Partial<Record<MemberStatus['state'], { kind: ExplanationKind; what: (name: string) => string }>>
> = {
  failed: { kind: 'failed', what: (name) => `${name} is not patched` },
  skipped: { kind: 'skipped', what: (name) => `${name} was left out` },
  'not-tried': { kind: 'not-tried', what: (name) => `${name} was not tried` },
};

function lastEnd(situation: Situation, row: MemberStatus): Explanation[] {
  const { status } = situation;
  const { cluster, run } = status;
  const ended = ENDED[row.state];
  if (ended === undefined || (isNode(row) && row.quarantine !== undefined)) return [];
  const { lastError, lastOutcome, name } = row;
  const kind = lastOutcome === 'cancelled' ? 'cancelled' : ended.kind;
  const because = lastError === null ? `its last patch ended as ${lastOutcome ?? row.state}` : lastError.message;
  const isOfRun = run !== null && situation.record?.run === run.number && run.state !== 'cancelling';
  const again = isOfRun ? `ospatch retry ${cluster} ${name}` : `ospatch patch ${cluster} --nodes ${name}`;
  return [
    explanation(kind, ended.what(name), because, {
      since: endOf(situation, row),
      change: [...(lastError?.remedy === undefined ? [] : [lastError.remedy]), again],
    }),
  ];
}

/** When the last patch of the member ended, from its own record; null: not known. */
function endOf({ record, events }: Situation, { name, lastOutcome }: MemberStatus): string | null {
  if (record !== null && record.endedAt !== '' && record.outcome === lastOutcome) return record.endedAt;
  const named = events.findLast(
    ({ kind, nodes, message }) => kind === 'nodes' && nodes.includes(name) && !/^run \d+: [^;]* started$/.test(message),
  );
  return named?.at ?? null;
}

function reboot(situation: Situation, row: NodeStatus): Explanation[] {
  const { status, spec } = situation;
  const { name, rebootRequired, ineffectiveReboot, state } = row;
  const isDue = rebootRequired === true || state === 'reboot-pending';
  const what = `${name} is not rebooted`;
  if (ineffectiveReboot !== undefined) {
    const because = `its last reboot did not clear the reason (${someOf(ineffectiveReboot.reasons)}), so that it is not repeated`;
    const change = [`find out on ${name} what requests the reboot`];
    return [explanation('reboot-ineffective', what, because, { change })];
  }
  if (!isDue || state === 'patching') return [];
  const isAllowed = !isSelfManaged(spec) || spec.patching.rebootIfRequired;
  const again = `ospatch patch ${status.cluster} --nodes ${name}`;
  return isAllowed
    ? [
        explanation('reboot-pending', what, 'a reboot is required, and the next run reboots it', {
          change: [again],
        }),
      ]
    : [
        explanation('reboot-forbidden', what, 'a reboot is required, and patching.rebootIfRequired is false', {
          since: row.lastOutcome === 'reboot-pending' ? endOf(situation, row) : null,
          change: [`reboot ${name} by hand`, `set patching.rebootIfRequired: true, then ${again}`],
        }),
      ];
}

function restart(situation: Situation, row: NodeStatus): Explanation[] {
  const { status, spec } = situation;
  if (row.restartRequired !== true && row.state !== 'restart-pending') return [];
  const warning = row.warnings.find(({ kind }) => kind === 'restart-pending');
  const isAllowed = isSelfManaged(spec) && spec.patching.restartServices !== undefined;
  const why = warning?.message ?? 'services still run code that was replaced';
  const policy = isAllowed ? '' : ', and patching.restartServices allows no restart';
  const again = `ospatch patch ${status.cluster} --nodes ${row.name}`;
  return [
    explanation('restart-pending', `${row.name} runs outdated code`, `${why}${policy}`, {
      since: row.lastOutcome === 'restart-pending' ? endOf(situation, row) : null,
      change: [
        ...(warning?.remedy === undefined || warning.remedy === null ? [] : [warning.remedy]),
        isAllowed ? again : `set patching.restartServices, then ${again}`,
      ],
    }),
  ];
}

function cordon({ status, record }: Situation, row: MemberStatus): Explanation[] {
  const { name, lastError } = row;
  const what = `${name} is still cordoned`;
  const message = lastError?.message ?? '';
  if (/ (is left|stays) cordoned/.test(message)) {
    const change = [`ospatch uncordon ${status.cluster} ${name}`];
    return [explanation('cordoned', what, message, { since: record?.endedAt || null, change })];
  }
  if (record?.kind !== 'node' || record.drain?.cordonedBefore !== 'others') return [];
  const { nodeName } = record.drain;
  return [
    explanation(
      'cordoned',
      what,
      'somebody else had cordoned it before its last patch, and ospatch keeps the cordons of others',
      {
        change: [`kubectl uncordon ${nodeName}`],
      },
    ),
  ];
}

const KEPT_BACK: Readonly<Record<string, { why: string; change: string }>> = {
  held: { why: 'are held on the node', change: 'apt-mark unhold PACKAGE on the node' },
  pinned: { why: 'are pinned on the node', change: 'change the pin in /etc/apk/world on the node' },
  locked: { why: 'are locked on the node', change: 'remove the lock on the node' },
  excluded: { why: 'are excluded by the spec', change: 'patching.packages.exclude of the spec' },
  kubernetes: { why: 'belong to Kubernetes', change: 'patching.packages.includeKubernetes: true of the spec' },
  phased: {
    why: 'are phased updates that are not offered to this machine yet',
    change: 'patching.packages.phasedUpdates of the spec',
  },
  dependencies: {
    why: 'need other packages that may not be installed or removed',
    change: 'patching.packages.allowRemovals: true of the spec',
  },
};

/** Packages with a newer version that the last plan left out. */
function keptBack({ record, time }: Situation, { name }: MemberStatus): Explanation[] {
  if (record?.kind !== 'node') return [];
  const reasons = [...new Set(record.keptBack.map(({ reason }) => reason))];
  return reasons.map((reason) => {
    const names = record.keptBack.filter((one) => one.reason === reason).map((one) => one.name);
    const { why, change } = KEPT_BACK[reason] ?? { why: `are kept back (${reason})`, change: null };
    return explanation(
      'kept-back',
      `${name} does not get the newest ${someOf(names)}`,
      `they ${why}, as of ${time(record.startedAt)}`,
      {
        change: change === null ? [] : [change],
      },
    );
  });
}

const HIDDEN: readonly string[] = ['hidden-updates', 'excluded-security', 'stale-lists', 'end-of-life'];

function hidden({ name, warnings }: MemberStatus): Explanation[] {
  return warnings
    .filter(({ kind }) => HIDDEN.includes(kind))
    .map(({ message, remedy }) =>
      explanation('hidden-updates', `${name} does not get every update`, message, {
        change: remedy === null ? [] : [remedy],
      }),
    );
}

/** A member that no run works on: what there is to do, and why no run does it now. */
function atRest(situation: Situation, row: MemberStatus, isFine: boolean): Explanation[] {
  if (row.state === 'waiting' || row.state === 'patching') return [];
  const boot = isNode(row) && row.bootPatch === 'pending' ? bootPending(situation, row) : [];
  return [...boot, ...asOfLastReading(situation, row, isFine), ...notInRun(situation, row), ...explainNoRun(situation)];
}

/** What is known of a member is as old as its last reading. */
function asOfLastReading({ status, time }: Situation, row: MemberStatus, isFine: boolean): Explanation[] {
  const { name, lastCheckedTime } = row;
  if (lastCheckedTime === null) {
    const because = `no run has read this ${memberNameOf(status.type)} yet`;
    return [explanation('never-checked', `nobody knows whether ${name} is up to date`, because)];
  }
  const pending = isNode(row) ? (row.pendingUpdates ?? 0) : 0;
  if (pending > 0) {
    const because = `${pending} ${pending === 1 ? 'update was' : 'updates were'} pending at ${time(lastCheckedTime)}`;
    const change = [`ospatch patch ${status.cluster} --nodes ${name}`];
    return [explanation('pending', `${name} is not up to date`, because, { change })];
  }
  if (!isFine) return [];
  return [
    explanation('nothing-to-do', `nothing is done on ${name}`, `nothing was pending at ${time(lastCheckedTime)}`),
  ];
}

const SETTLED_BY_RUN: readonly MemberStatus['state'][] = ['failed', 'skipped', 'not-tried'];

/** Whether a member that has settled belongs to the run in progress is known from its record. */
function notInRun({ status, record }: Situation, { name, state }: MemberStatus): Explanation[] {
  const { run, cluster } = status;
  if (run === null || record?.run === run.number || SETTLED_BY_RUN.includes(state)) return [];
  const because = `run ${run.number} is in progress, and ${name} is not one of its ${memberNameOf(status.type)}s`;
  const change = [`ospatch patch ${cluster} --nodes ${name} patches it after that run`];
  return [explanation('not-in-run', `${name} is not patched now`, because, { since: run.startedAt, change })];
}

function bootPending(situation: Situation, { name }: NodeStatus): Explanation[] {
  const { because, ...times } = whyBootPending(situation);
  return [explanation('boot-patch-pending', `the boot patch of ${name} has not begun`, because, times)];
}
