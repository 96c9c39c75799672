/** What the members of a cluster need from a person: one line for all that need the same. */
import { senderText } from '../shared/verification';
import type { ClusterStatus } from '../cluster/messages';
import type { MemberStatus } from '../cluster/member';
import { isNode, memberNameOf } from '../cluster/member';
import type { NodeState, NodeStatus } from '../node/status';
import { isLost, lockAt } from '../node/status';
import { someOf } from '../run/describe-hold';
import { plural } from '../shared/plural';
import type { StatusLine } from './explanation';
import { forReason, line } from './explanation';

/** Names in a command; the rest follows once these are right. */
const MAX_IN_COMMAND = 10;

type Members = Pick<ClusterStatus, 'cluster' | 'type' | 'nodes' | 'run'>;

/** Those that cannot be reached after a change, on which a run waits. */
export function lostLines({ cluster, nodes }: Members, sinceOf: (name: string) => string | null): StatusLine[] {
  const lost = nodes.filter(isNode).filter(isLost);
  if (lost.length === 0) return [];
  const names = lost.map(({ name }) => name);
  const message = same(lost.map(({ lastError }) => lastError?.message ?? null));
  return [
    line('error', 'lost', `${someOf(names)} cannot be reached after a change`, message ?? 'a run waits for them', {
      since: earliest(names.map(sinceOf)),
      change: names.slice(0, 3).map((name) => `ospatch release ${cluster} ${name}`),
    }),
  ];
}

/** What is wrong with members on which nothing is in progress, what weighs most first. */
export function memberLines(status: Members, nowMs: number): StatusLine[] {
  return [
    ...quarantined(status),
    ...alarmed(status),
    ...failed(status),
    ...notTried(status),
    ...bootPatchFailed(status),
    ...skipped(status),
    ...reboots(status),
    ...restarts(status),
    ...locked(status, nowMs),
    ...unconfirmed(status),
  ];
}

function quarantined(status: Members): StatusLine[] {
  const nodes = status.nodes.filter(isNode).filter((node) => node.quarantine !== undefined && !isInWork(node));
  if (nodes.length === 0) return [];
  const names = nodes.map(({ name }) => name);
  const because = same(nodes.map(({ quarantine }) => quarantine?.message ?? null)) ?? 'their host keys are not trusted';
  const remedy = same(nodes.map(({ quarantine }) => quarantine?.remedy ?? null));
  return [
    line('error', 'quarantined', `${someOf(names)} ${isOrAre(names)} quarantined`, because, {
      since: sinceOf(nodes),
      change: [...(remedy === null ? [] : [remedy]), patchAgain(status, names)],
    }),
  ];
}

/** The clause after a node that shows a trusted key again. */
export function alarmText(message: string): string {
  return `it shows a trusted host key again, after: ${message}`;
}

function alarmed(status: Members): StatusLine[] {
  const nodes = status.nodes.filter(isNode).filter((node) => node.hostKeyAlarm !== undefined && !isInWork(node));
  if (nodes.length === 0) return [];
  const names = nodes.map(({ name }) => name);
  const because = same(nodes.map(({ hostKeyAlarm = '' }) => alarmText(hostKeyAlarm)));
  const what = `somebody else may have answered in place of ${someOf(names)}`;
  return [
    line('warning', 'host-key-alarm', what, because ?? 'they show trusted host keys again, after others', {
      change: [`to acknowledge: ${patchAgain(status, names)}`],
    }),
  ];
}

function failed(status: Members): StatusLine[] {
  const members = inState(status, 'failed').filter((row) => !isNode(row) || row.quarantine === undefined);
  if (members.length === 0) return [];
  const names = members.map(({ name }) => name);
  const [first = ''] = names;
  const message = same(members.map(({ lastError }) => lastError?.message ?? null));
  const remedy = same(members.map(({ lastError }) => lastError?.remedy ?? null));
  const isInRun = status.run !== null && status.run.state !== 'cancelling';
  const explained = `ospatch explain ${status.cluster} ${first}`;
  const again = isInRun && names.length === 1 ? `ospatch retry ${status.cluster} ${first}` : patchAgain(status, names);
  return [
    line('error', 'failed', `${someOf(names)} failed`, message ?? 'for different reasons', {
      since: sinceOf(members),
      change: [remedy ?? explained, again],
    }),
  ];
}

/** Beside those of the last run, which its own line counts. */
function notTried(status: Members): StatusLine[] {
  const names = inState(status, 'not-tried').map(({ name }) => name);
  if (names.length === 0 || status.run !== null) return [];
  return [
    line('warning', 'not-tried', `${someOf(names)} ${wasOrWere(names)} not tried`, 'a run ended before their turn', {
      since: sinceOf(inState(status, 'not-tried')),
      change: [patchAgain(status, names)],
    }),
  ];
}

function bootPatchFailed(status: Members): StatusLine[] {
  const nodes = status.nodes.filter(isNode);
  const names = nodes
    .filter((node) => node.bootPatch === 'failed' && !isInWork(node) && node.state !== 'failed')
    .map(({ name }) => name);
  if (names.length === 0) return [];
  const what = `the boot patch of ${someOf(names)} was not done`;
  return [
    line('warning', 'boot-patch-failed', what, 'a boot patch is not repeated by itself', {
      change: [patchAgain(status, names)],
    }),
  ];
}

/** By a policy, which somebody has to change; a lock has a line of its own. */
function skipped(status: Members): StatusLine[] {
  const members = inState(status, 'skipped').filter(({ lastError }) => lastError?.type === 'Policy');
  if (members.length === 0) return [];
  const names = members.map(({ name }) => name);
  const message = same(members.map(({ lastError }) => lastError?.message ?? null));
  const remedy = same(members.map(({ lastError }) => lastError?.remedy ?? null));
  return [
    line('warning', 'skipped', `${someOf(names)} ${wasOrWere(names)} left out`, message ?? 'for different reasons', {
      since: sinceOf(members),
      change: [remedy ?? `ospatch explain ${status.cluster} ${names[0] ?? ''}`],
    }),
  ];
}

function reboots(status: Members): StatusLine[] {
  const members = inState(status, 'reboot-pending');
  if (members.length === 0) return [];
  const names = members.map(({ name }) => name);
  const isIneffective = members.some((row) => isNode(row) && row.ineffectiveReboot !== undefined);
  const [first = ''] = names;
  return [
    line(
      'warning',
      'reboot-pending',
      `${someOf(names)} ${names.length === 1 ? 'needs' : 'need'} a reboot`,
      isIneffective
        ? 'a reboot did not clear its reason'
        : `${names.length === 1 ? 'its' : 'their'} updates are installed and take effect with a reboot`,
      {
        since: sinceOf(members),
        change: isIneffective
          ? [`ospatch explain ${status.cluster} ${first}`]
          : [
              `reboot ${someOf(names)} by hand`,
              `set patching.rebootIfRequired: true, then ${patchAgain(status, names)}`,
            ],
      },
    ),
  ];
}

function restarts(status: Members): StatusLine[] {
  const members = inState(status, 'restart-pending');
  if (members.length === 0) return [];
  const names = members.map(({ name }) => name);
  const what = `${someOf(names)} ${names.length === 1 ? 'runs' : 'run'} outdated code`;
  return [
    line('warning', 'restart-pending', what, 'services still run code that was replaced', {
      since: sinceOf(members),
      change: [`ospatch explain ${status.cluster} ${names[0] ?? ''}`],
    }),
  ];
}

/** One line for each lock, up to three: each has its own reason and its own end. */
function locked({ cluster, nodes }: Members, nowMs: number): StatusLine[] {
  const all = nodes.filter(isNode).flatMap((node) => {
    const lock = lockAt(node, nowMs);
    return lock === null ? [] : [{ name: node.name, lock }];
  });
  const [first] = all;
  if (first === undefined) return [];
  const isOne = all.every(({ lock }) => lock.by === first.lock.by && lock.reason === first.lock.reason);
  const names = all.map(({ name }) => name);
  return [
    line(
      'warning',
      'locked',
      `${someOf(names)} ${isOrAre(names)} locked`,
      isOne ? `by ${senderText(first.lock)}${forReason(first.lock.reason)}` : 'for different reasons',
      {
        since: earliest(all.map(({ lock }) => lock.at)),
        until: all.length === 1 ? first.lock.until : null,
        change: [`ospatch unlock ${cluster} ${first.name}`],
      },
    ),
  ];
}

/** What is shown of them may be of another machine. */
function unconfirmed(status: Members): StatusLine[] {
  const names = status.nodes
    .filter((node) => isNode(node) && node.machineUnconfirmed === true && !isInWork(node))
    .map(({ name }) => name);
  if (names.length === 0) return [];
  const because = `${names.length === 1 ? 'its address or host key has' : 'their addresses or host keys have'} changed, and nobody has looked yet`;
  return [
    line(
      'warning',
      'machine-unconfirmed',
      `${someOf(names)} may be ${names.length === 1 ? 'another machine' : 'other machines'}`,
      because,
      {
        change: [patchAgain(status, names)],
      },
    ),
  ];
}

/** In work, or waiting for its turn, a member is nobody's task. */
function isInWork({ state }: MemberStatus): boolean {
  return state === 'patching' || state === 'waiting';
}

function inState({ nodes }: Members, state: NodeState): MemberStatus[] {
  return nodes.filter((node) => node.state === state);
}

function patchAgain({ cluster }: Members, names: readonly string[]): string {
  return `ospatch patch ${cluster} --nodes ${names.slice(0, MAX_IN_COMMAND).join(',')}`;
}

/** The text that all have; null: they differ, or have none. */
function same(texts: readonly (string | null)[]): string | null {
  const [first = null] = texts;
  return texts.every((text) => text === first) ? first : null;
}

function sinceOf(members: readonly Pick<NodeStatus, 'stateSince'>[]): string | null {
  return earliest(members.map(({ stateSince }) => stateSince ?? null));
}

/** Null when one is not known: then it may have been the first. */
function earliest(times: readonly (string | null)[]): string | null {
  return times.reduce(
    (first, time) => (first === null || time === null ? null : Date.parse(time) < Date.parse(first) ? time : first),
    times[0] ?? null,
  );
}

function isOrAre({ length }: readonly string[]): string {
  return length === 1 ? 'is' : 'are';
}

function wasOrWere({ length }: readonly string[]): string {
  return length === 1 ? 'was' : 'were';
}

/** `node`, `3 nodes`. */
export function countMembers({ type }: Pick<ClusterStatus, 'type'>, count: number): string {
  return plural(count, memberNameOf(type));
}
