/** Outdated code: processes that still run code replaced on disk. A node counts as patched once there are none. */
import { shellLine, shellWord } from '../shared/shell-words';
import type { NodeWarning } from './warning';

/** By name, at most {@link MAX_OUTDATED} of a kind. */
export interface OutdatedCode {
  /** systemd units, OpenRC services, `systemd-manager`, and `init` for PID 1. */
  services: string[];
  /** Units of user managers, e.g. `web.service of alice`, and the managers: `systemd of alice`. Absent: none. */
  userServices?: string[];
  /** Login sessions and the processes started in them, e.g. `alice (session 3)`. */
  sessions: string[];
  /** Containers on the file system of the node, and container shims. */
  containers: string[];
  /** Processes that belong to none of these. */
  processes: string[];
  /** Per service, why `systemctl restart` is not the remedy. Absent: no blockers. */
  blockers?: { service: string; blocker: RestartBlocker; pids?: number[] }[];
}

/** In display order. `left`: processes of an earlier start of the service that have not ended. */
export const RESTART_BLOCKERS = [
  'reboot',
  'runtime',
  'masked',
  'masked-runtime',
  'gone',
  'unreadable',
  'left',
  'refuses',
  'connection',
  'logins',
  'transient',
  'task',
] as const;
export type RestartBlocker = (typeof RESTART_BLOCKERS)[number];

/** Maximum that a node reports per kind; there may be more. */
export const MAX_OUTDATED = 100;

/** Names in a sentence; the rest is counted. */
const MAX_NAMES = 8;

/** Limits for names in commands to paste, because stored remedies are cut. */
const MAX_IN_COMMAND = 4;
const MAX_COMMAND_CHARS = 50;
const MAX_ONE_COMMAND_CHARS = 100;
const MAX_CHAINED = 2;
const MAX_UNMASK_CHARS = 110;

/** Prefix of a user manager among the user services. */
const USER_MANAGER = 'systemd of ';

const NOTHING: OutdatedCode = { services: [], sessions: [], containers: [], processes: [] };

type Kind = Exclude<keyof OutdatedCode, 'blockers'>;

const KINDS: readonly (readonly [kind: Kind, one: string, many: string])[] = [
  ['services', 'service', 'services'],
  ['userServices', "service of a user's manager", "services of users' managers"],
  ['sessions', 'login', 'logins'],
  ['containers', 'container', 'containers'],
  ['processes', 'process', 'processes'],
];

/** Facts of an older helper have no `outdated`. */
export function runsOutdated({ outdated }: { outdated?: OutdatedCode }): boolean {
  return outdated !== undefined && KINDS.some(([kind]) => (outdated[kind]?.length ?? 0) > 0);
}

/** How many services, logins, containers and processes; undefined: none, or not known. */
export function countOutdated(outdated: OutdatedCode | undefined): number | undefined {
  const count = KINDS.reduce((sum, [kind]) => sum + (outdated?.[kind]?.length ?? 0), 0);
  return count === 0 ? undefined : count;
}

/** Without what users have started: a user keeps such processes as long as they like, and may start them after every boot. */
export function systemRunsOutdated({ outdated }: { outdated?: OutdatedCode }): boolean {
  if (outdated === undefined) return false;
  return outdated.services.length + outdated.containers.length + outdated.processes.length > 0;
}

/** E.g. `2 services (a.service, b.service) and 1 login (alice (session 3))`; empty when there is none. */
export function describeOutdated(outdated: OutdatedCode): string {
  const parts = KINDS.filter(([kind]) => (outdated[kind]?.length ?? 0) > 0).map(([kind, one, many]) => {
    const names = outdated[kind] ?? [];
    const count = names.length >= MAX_OUTDATED ? `${MAX_OUTDATED} or more` : String(names.length);
    const rest = names.length - MAX_NAMES;
    const shown = names.slice(0, MAX_NAMES).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
    return `${count} ${names.length === 1 ? one : many} (${shown})`;
  });
  return [...parts.slice(0, -2), parts.slice(-2).join(' and ')].join(', ');
}

/** One warning per required action; none when no outdated code runs. */
export function outdatedWarnings(outdated: OutdatedCode): NodeWarning[] {
  return pendingRestarts(outdated).map(({ part, why, remedy }) => {
    const count = KINDS.reduce((sum, [kind]) => sum + (part[kind]?.length ?? 0), 0);
    const verb = count === 1 ? 'runs' : 'run';
    return {
      kind: 'restart-pending',
      message: `${describeOutdated(part)} still ${verb} code that was replaced on disk${why === '' ? '' : `: ${why}`}`,
      remedy,
    };
  });
}

interface PendingRestart {
  part: OutdatedCode;
  /** What is special about these processes; empty when nothing is. */
  why: string;
  remedy: string;
}

function pendingRestarts(outdated: OutdatedCode): PendingRestart[] {
  const { services, sessions, containers, processes, userServices = [], blockers = [] } = outdated;
  const remedies: PendingRestart[] = [];
  const plain = services.filter((name) => !blockers.some(({ service }) => service === name));
  if (plain.length > 0) remedies.push({ part: { ...NOTHING, services: plain }, why: '', remedy: restartByHand(plain) });
  for (const blocker of RESTART_BLOCKERS) {
    const found = blockers.filter((one) => one.blocker === blocker && services.includes(one.service));
    if (found.length === 0) continue;
    const part = { ...NOTHING, services: found.map(({ service }) => service) };
    remedies.push({
      part,
      ...blockerRemedy(
        blocker,
        part.services,
        found.flatMap(({ pids = [] }) => pids),
      ),
    });
  }
  const managers = userServices.filter((name) => name.startsWith(USER_MANAGER));
  const units = userServices.filter((name) => !name.startsWith(USER_MANAGER));
  if (units.length > 0) {
    const remedy = `\`${shortened(units, restartOfUser)}\` on the node, a restart of that user's manager, or a reboot`;
    remedies.push({ part: { ...NOTHING, userServices: units }, why: '', remedy });
  }
  if (managers.length > 0) {
    const remedy = `\`${shortened(managers, reexecOfUser)}\` on the node, or a reboot`;
    remedies.push({ part: { ...NOTHING, userServices: managers }, why: '', remedy });
  }
  if (sessions.length > 0) {
    remedies.push({
      part: { ...NOTHING, sessions },
      why: '',
      remedy: `ends when they log out, ${terminated(sessions)}or by a reboot`,
    });
  }
  if (containers.length > 0) {
    const remedy = 'stop these containers or pods and start them again, or reboot the node';
    remedies.push({ part: { ...NOTHING, containers }, why: '', remedy });
  }
  if (processes.length > 0) {
    const remedy = 'stop them and start them again the way they were started, or reboot the node';
    remedies.push({ part: { ...NOTHING, processes }, why: '', remedy });
  }
  return remedies;
}

/** Names without a unit suffix are OpenRC services. */
function restartByHand(services: readonly string[]): string {
  const names = services.filter((name) => name !== 'init' && name !== 'systemd-manager');
  if (names.length === 0) return '`systemctl daemon-reexec` on the node, patching.restartServices, or a reboot';
  if (names.every((name) => !name.includes('.'))) {
    const command = shortened(names, (name) => `rc-service ${shellWord(name)} restart`);
    return `\`${command}\`${names.length > MAX_CHAINED ? ' and so on' : ''} on the node, patching.restartServices, or a reboot`;
  }
  const more = fitting(names, MAX_ONE_COMMAND_CHARS).length < services.length ? ' and so on' : '';
  const command = `systemctl restart ${named(names, MAX_ONE_COMMAND_CHARS)}`;
  return `\`${command}\`${more} on the node, patching.restartServices, or a reboot`;
}

function blockerRemedy(
  blocker: RestartBlocker,
  services: readonly string[],
  pids: readonly number[],
): Pick<PendingRestart, 'why' | 'remedy'> {
  const names = named(services);
  switch (blocker) {
    case 'reboot':
      return { why: 'only a reboot replaces that code', remedy: 'reboot the node' };
    case 'masked':
    case 'masked-runtime': {
      const unmask = `systemctl unmask ${blocker === 'masked' ? '' : '--runtime '}${names} && systemctl restart ${names}`;
      return {
        why: 'masked, so that systemd would not start it again',
        remedy: `\`systemctl stop ${names}\` if nobody needs it, else ${unmask.length > MAX_UNMASK_CHARS ? 'unmask and restart it' : `\`${unmask}\``}`,
      };
    }
    case 'gone':
      return {
        why: 'without a unit file, so that systemd could not start it again',
        remedy: `\`systemctl stop ${names}\` if nobody needs it, otherwise restore its package or unit file, then restart it`,
      };
    case 'unreadable':
      return {
        why: 'systemd cannot read the unit',
        remedy: `correct what \`systemd-analyze verify ${named(services.slice(0, 1))}\` reports, then \`systemctl daemon-reload\` and restart it`,
      };
    case 'refuses':
      return {
        why: 'the unit refuses to be stopped or started by hand',
        remedy: `restart it the way its documentation says (auditd: \`service auditd restart\`), or reboot the node`,
      };
    case 'transient':
      return {
        why: 'started by systemd-run',
        remedy: `wait until it ends, or, unless it is a task, \`systemctl restart ${names}\``,
      };
    case 'task':
      return { why: 'a task in progress', remedy: 'wait until it ends' };
    case 'logins':
      return {
        why: 'a restart would end the logins through it',
        remedy: `\`systemctl restart ${names}\` from the console, or a reboot`,
      };
    case 'left':
      return {
        why: 'processes left over from before its last start or stop, which a restart does not end',
        remedy: `${pids.length === 0 ? 'end these processes' : `\`kill ${pids.slice(0, MAX_NAMES).join(' ')}\` on the node`}, or wait until they end`,
      };
    case 'connection':
      return {
        why: 'a restart may interrupt connections, logins, machines or package changes',
        remedy: `reboot the node, or \`systemctl restart ${names}\` where that does no harm`,
      };
    case 'runtime':
      return {
        why: 'pods and containers depend on it',
        remedy: `drain the node, then \`systemctl restart ${names}\`; patching.restartServices does both in a cluster with kubernetes`,
      };
  }
}

/** `web.service of alice`. */
function ofUser(name: string): [unit: string, user: string] {
  const at = name.lastIndexOf(' of ');
  return [name.slice(0, at), name.slice(at + 4)];
}

/** Other services and sessions of a user depend on the user's bus and end with it. */
function restartOfUser(name: string): string {
  const [unit, user] = ofUser(name);
  if (unit.startsWith('dbus')) return `systemctl restart user@$(id -u ${shellWord(user)})`;
  return `systemctl --user -M ${shellWord(user)}@ restart ${shellWord(unit)}`;
}

function reexecOfUser(name: string): string {
  return `systemctl --user -M ${shellWord(ofUser(name)[1])}@ daemon-reexec`;
}

/** Session ids that `loginctl` can terminate. */
function terminated(sessions: readonly string[]): string {
  const ids = sessions.flatMap((text) => /\(session ([A-Za-z0-9]+)\)$/.exec(text)?.[1] ?? []);
  return ids.length === 0 ? '' : `by \`loginctl terminate-session ${ids.slice(0, MAX_IN_COMMAND).join(' ')}\`, `;
}

function named(names: readonly string[], maxChars = MAX_COMMAND_CHARS): string {
  return shellLine(fitting(names, maxChars));
}

/** The first commands, chained. */
function shortened(names: readonly string[], command: (name: string) => string): string {
  return names.slice(0, MAX_CHAINED).map(command).join('; ');
}

/** The names that fit into a remedy; at least one. */
function fitting(names: readonly string[], maxChars: number): string[] {
  const found: string[] = [];
  for (const name of names.slice(0, MAX_IN_COMMAND)) {
    if (found.length > 0 && [...found, name].join(' ').length > maxChars) break;
    found.push(name);
  }
  return found;
}

/** A patch with all packages installed is not complete while outdated code runs. */
export function outcomeWithOutdated<O extends string>(
  outcome: O,
  facts: { outdated?: OutdatedCode },
): O | 'restart-pending' {
  return (outcome === 'patched' || outcome === 'up-to-date') && runsOutdated(facts) ? 'restart-pending' : outcome;
}
