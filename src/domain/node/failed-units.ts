/** Units that failed while a node was patched: through the work, or for reasons of their own. */
import type { ErrorInfo } from '../shared/errors';
import type { NodeWarning } from './warning';

/** What a node tells of a unit that has failed, or that is started again and again. */
export interface FailedUnit {
  name: string;
  /** Timers, sockets and paths that start it. */
  triggeredBy: string[];
  /** Result of systemd: exit-code, timeout, start-limit-hit, ... */
  result: string;
  /** Its unit file, its program or a library of that was written since the last package transaction began. */
  changed: boolean;
  /** Made by a program at run time (`systemd-run`), so no package has brought it. */
  transient: boolean;
}

/** What the facts of a node say of its units. */
interface UnitFacts {
  failedUnits: string[];
  failedUnitDetails?: FailedUnit[];
  restartingUnits?: string[];
  unitsUnknown?: true;
}

export interface NewlyFailed {
  /** Failed through the work, or so that nobody can say that it was not. */
  broken: string[];
  /** Failed, and would have without the work. */
  own: string[];
  /** Fail and are started again all the time. */
  restarting: string[];
  /** Have failed; the node did not tell in time whether they had before. */
  unknown: string[];
}

const MAX_NAMES = 5;

/** The units that failed between two looks at a node. */
export function newlyFailed(before: UnitFacts, after: UnitFacts): NewlyFailed {
  const wasBad = new Set([...before.failedUnits, ...(before.restartingUnits ?? [])]);
  const details = new Map((after.failedUnitDetails ?? []).map((unit) => [unit.name, unit]));
  const failed = after.failedUnits.filter((name) => !wasBad.has(name));
  const restarting = (after.restartingUnits ?? []).filter((name) => !wasBad.has(name));
  const isChanged = (name: string): boolean => details.get(name)?.changed === true;
  if (before.unitsUnknown === true) {
    const unknown = [...failed, ...restarting].filter((name) => !isChanged(name));
    return { broken: [...failed, ...restarting].filter(isChanged), own: [], restarting: [], unknown };
  }
  const isOwn = (name: string): boolean => failsForItself(name, details.get(name));
  return {
    broken: [
      ...failed.filter((name) => !isOwn(name)),
      // A service that its own update has broken may be started for ever.
      ...restarting.filter(isChanged),
    ],
    own: failed.filter((name) => isOwn(name)),
    restarting: restarting.filter((name) => !isChanged(name)),
    unknown: [],
  };
}

/** The manager of a user, what a user has started, and logins: they end as their people want. */
const OF_A_USER = /^(?:user(?:-runtime-dir)?@\d+\.service|session-[^.]*\.scope)$/;

function failsForItself(name: string, unit: FailedUnit | undefined): boolean {
  if (unit?.changed === true) return false;
  if (OF_A_USER.test(name) || unit?.transient === true) return true;
  if (unit === undefined) return false;
  // A timer starts it now and then; a socket starts an instance for each connection.
  return unit.triggeredBy.some(
    (trigger) => trigger.endsWith('.timer') || (trigger.endsWith('.socket') && name.includes('@')),
  );
}

/**
 * Whether another look after a moment may find something else: units that are between two tries, or have just been given
 * up, or that a busy node did not tell of.
 */
export function mayRecover(before: UnitFacts, after: UnitFacts): boolean {
  const { broken, restarting } = newlyFailed(before, after);
  return broken.length > 0 || restarting.length > 0 || after.unitsUnknown === true;
}

/** Null: none has failed through the work. */
export function findBrokenUnits(node: string, before: UnitFacts, after: UnitFacts): ErrorInfo | null {
  const { broken } = newlyFailed(before, after);
  if (broken.length === 0) return null;
  return {
    type: 'Unhealthy',
    message:
      before.unitsUnknown === true
        ? `${node} is degraded: ${list(broken)} ${broken.length === 1 ? 'has' : 'have'} failed, and what ${broken.length === 1 ? 'it runs' : 'they run'} was changed by the last package transaction`
        : `${node} is degraded: ${list(broken)} failed and had not failed before`,
    remedy: `see journalctl -u ${broken[0] ?? ''} on ${node}`,
  };
}

/** What failed meanwhile without stopping the work. */
export function unitWarnings(before: UnitFacts, after: UnitFacts): NodeWarning[] {
  const { own, restarting, unknown } = newlyFailed(before, after);
  const details = new Map((after.failedUnitDetails ?? []).map((unit) => [unit.name, unit]));
  const warnings: NodeWarning[] = [];
  if (own.length > 0) {
    const shown = own.map((name) => {
      const trigger = details.get(name)?.triggeredBy.find((one) => one.endsWith('.timer') || one.endsWith('.socket'));
      return trigger === undefined ? name : `${name} (started by ${trigger})`;
    });
    warnings.push({
      kind: 'units-failed',
      message: `${list(shown)} failed while the node was patched, for unrelated reasons: nothing that ${own.length === 1 ? 'it runs' : 'they run'} was changed`,
      remedy: `see \`journalctl -u ${own[0] ?? ''}\` on the node`,
    });
  }
  if (restarting.length > 0) {
    warnings.push({
      kind: 'units-failed',
      message: `${list(restarting)} ${restarting.length === 1 ? 'fails' : 'fail'} and ${restarting.length === 1 ? 'is' : 'are'} restarted in a loop, which was not the case before`,
      remedy: `see \`journalctl -u ${restarting[0] ?? ''}\` on the node`,
    });
  }
  if (unknown.length > 0) {
    warnings.push({
      kind: 'units-failed',
      message: `${list(unknown)} ${unknown.length === 1 ? 'has' : 'have'} failed; whether that was the case before the patch is unknown, because the node did not answer in time`,
      remedy: `see \`journalctl -u ${unknown[0] ?? ''}\` on the node`,
    });
  }
  if (after.unitsUnknown === true) {
    warnings.push({
      kind: 'units-failed',
      message:
        'whether services failed while the node was patched is not known, because the node did not answer in time',
      remedy: 'see `systemctl --failed` on the node',
    });
  }
  return warnings;
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, MAX_NAMES).join(', ');
  return names.length <= MAX_NAMES ? shown : `${shown} and ${names.length - MAX_NAMES} more`;
}
