/** Units that failed while a node was patched, split into those affected by the patch and unrelated ones. */
import type { ErrorInfo } from '../shared/errors';
import type { NodeWarning } from './warning';

/** A failed unit, or one that systemd restarts in a loop, as reported by the node. */
export interface FailedUnit {
  name: string;
  /** Timers, sockets and paths that start the unit. */
  triggeredBy: string[];
  /** systemd's Result: exit-code, timeout, start-limit-hit, ... */
  result: string;
  /** The unit file, its program or one of its libraries was written since the last package transaction began. */
  changed: boolean;
  /** Created at run time (`systemd-run`), so not part of a package. */
  transient: boolean;
}

/** The units in the facts of a node. */
interface UnitFacts {
  failedUnits: string[];
  failedUnitDetails?: FailedUnit[];
  restartingUnits?: string[];
  unitsUnknown?: true;
}

export interface NewlyFailed {
  /** Failed because of the patch, or possibly so. */
  broken: string[];
  /** Failed for a reason unrelated to the patch. */
  own: string[];
  /** Fail and are restarted in a loop. */
  restarting: string[];
  /** Have failed; whether they had failed before is unknown, because the node did not report in time. */
  unknown: string[];
}

const MAX_NAMES = 5;

/** The units that failed between two readings of the facts. */
export function newlyFailed(before: UnitFacts, after: UnitFacts): NewlyFailed {
  const wasBad = new Set([...before.failedUnits, ...(before.restartingUnits ?? [])]);
  const details = new Map((after.failedUnitDetails ?? []).map((unit) => [unit.name, unit]));
  const failed = after.failedUnits.filter((name) => !wasBad.has(name));
  const restarting = (after.restartingUnits ?? []).filter((name) => !wasBad.has(name));
  const isChanged = (name: string): boolean => !OF_A_USER.test(name) && details.get(name)?.changed === true;
  if (before.unitsUnknown === true) {
    const unknown = [...failed, ...restarting].filter((name) => !isChanged(name));
    return { broken: [...failed, ...restarting].filter(isChanged), own: [], restarting: [], unknown };
  }
  const isOwn = (name: string): boolean => failsForItself(name, details.get(name));
  return {
    broken: [
      ...failed.filter((name) => !isOwn(name)),
      // A service broken by its own update may be restarted forever.
      ...restarting.filter(isChanged),
    ],
    own: failed.filter((name) => isOwn(name)),
    restarting: restarting.filter((name) => !isChanged(name)),
    unknown: [],
  };
}

/**
 * User managers, their directories and mounts, login sessions, and dumps of crashed programs: they fail for reasons of
 * their users, also after systemd itself was patched.
 */
const OF_A_USER =
  /^(?:user(?:-runtime-dir)?@\d+\.service|(?:session|user)-[^.]*\.(?:scope|slice)|run-user-\d+[^.]*\.mount|systemd-coredump@.*\.service)$/;

/** Whoever may connect to a socket can make systemd close it by many connections. */
const FLOODED = 'trigger-limit-hit';

function failsForItself(name: string, unit: FailedUnit | undefined): boolean {
  if (OF_A_USER.test(name)) return true;
  if (unit?.changed === true) return false;
  if (unit?.transient === true || unit?.result === FLOODED) return true;
  if (unit === undefined) return false;
  // A timer starts the unit now and then; a socket starts an instance per connection.
  return unit.triggeredBy.some(
    (trigger) => trigger.endsWith('.timer') || (trigger.endsWith('.socket') && name.includes('@')),
  );
}

/**
 * Whether reading the facts again after a moment may give another result: units between two restarts or just failed, or
 * units that a busy node did not report.
 */
export function mayRecover(before: UnitFacts, after: UnitFacts): boolean {
  const { broken, restarting } = newlyFailed(before, after);
  return broken.length > 0 || restarting.length > 0 || after.unitsUnknown === true;
}

/** Null: no unit failed because of the patch. */
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

/** Failed units that do not fail the patch. */
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
