/** Processes that run code which was replaced on disk since they were started: a node is patched when there are none. */
import type { NodeFacts } from './node-report';
import type { NodeWarning } from './node-warning';

/** Each by name, at most {@link MAX_OUTDATED} of a kind. */
export interface OutdatedCode {
  /** Units of systemd, services of OpenRC, `systemd-manager` and `init` for the first process. */
  services: string[];
  /** Logins and what their users have started, e.g. `alice (session 3)`. */
  sessions: string[];
  /** Containers on the file system of the node, and what keeps containers running (shims). */
  containers: string[];
  /** What belongs to none of these. */
  processes: string[];
}

/** What a node tells of one kind; it may have more. */
export const MAX_OUTDATED = 100;

/** Named in a sentence; the rest is counted. */
const MAX_NAMES = 8;

const KINDS: readonly (readonly [kind: keyof OutdatedCode, one: string, many: string])[] = [
  ['services', 'service', 'services'],
  ['sessions', 'login', 'logins'],
  ['containers', 'container', 'containers'],
  ['processes', 'process', 'processes'],
];

/** Facts of an older helper do not say. */
export function runsOutdated({ outdated }: Pick<NodeFacts, 'outdated'>): boolean {
  return outdated !== undefined && KINDS.some(([kind]) => outdated[kind].length > 0);
}

/** E.g. `2 services (a.service, b.service) and 1 login (alice (session 3))`; empty when there is nothing. */
export function describeOutdated(outdated: OutdatedCode): string {
  const parts = KINDS.filter(([kind]) => outdated[kind].length > 0).map(([kind, one, many]) => {
    const names = outdated[kind];
    const count = names.length >= MAX_OUTDATED ? `${MAX_OUTDATED} or more` : String(names.length);
    const rest = names.length - MAX_NAMES;
    const told = names.slice(0, MAX_NAMES).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
    return `${count} ${names.length === 1 ? one : many} (${told})`;
  });
  return [...parts.slice(0, -2), parts.slice(-2).join(' and ')].join(', ');
}

/** Null when nothing runs replaced code. */
export function outdatedWarning(outdated: OutdatedCode): NodeWarning | null {
  if (!runsOutdated({ outdated })) return null;
  const { services, sessions, containers, processes } = outdated;
  const count = services.length + sessions.length + containers.length + processes.length;
  return {
    kind: 'restart-pending',
    message: `${describeOutdated(outdated)} still ${count === 1 ? 'runs' : 'run'} code that was replaced on disk.`,
    remedy: remedyOf(outdated),
  };
}

function remedyOf({ services, sessions }: OutdatedCode): string {
  if (services.length > 0) {
    const names = services.filter((name) => name !== 'init' && name !== 'systemd-manager').slice(0, 4);
    const more = names.length < services.length ? ' and so on' : '';
    const command = names.length === 0 ? 'systemctl daemon-reexec' : `systemctl restart ${names.map(quoted).join(' ')}`;
    return `\`${command}\`${names.length === 0 ? '' : more} on the node, patching.restartServices, or a reboot`;
  }
  if (sessions.length > 0) return 'ends when they log in anew, or by a reboot';
  return 'start them anew on the node, or reboot it';
}

/** Escapes in names of units (`a\\x2db.service`) would be taken away by the shell that the command is pasted into. */
function quoted(name: string): string {
  return /^[A-Za-z0-9@._:-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`;
}

/** A patch whose packages are in place is not complete while something runs what they have replaced. */
export function outcomeWithOutdated<O extends string>(
  outcome: O,
  facts: Pick<NodeFacts, 'outdated'>,
): O | 'restart-pending' {
  return (outcome === 'patched' || outcome === 'up-to-date') && runsOutdated(facts) ? 'restart-pending' : outcome;
}
