/** The phases that change packages: apply and repair. */
import type { ErrorInfo } from '../domain/shared/errors';
import { OspatchError } from '../domain/shared/errors';
import type { PackagePolicy } from '../domain/spec/package-policy';
import type { ApplyReport, PhaseOutcome } from '../domain/node/report';
import type { JobEnd } from './job/follow';
import { followJob } from './job/follow';
import { DEFAULT_LOCK_TIMEOUT_MS } from '../domain/node/time-limits';
import { RC_PLAN_CHANGED } from './helper/exit-codes';
import { lockWait, lockWaitIn } from './lock';
import type { PackageManagerName } from './package-managers';
import { packageManager } from './package-managers';
import type { PackageManager } from './package-managers/types';
import type { Session } from './session';
import { defined } from '../domain/shared/defined';

/** Short, so that progress appears soon; the end of a job is noticed at once in any case. */
const FIRST_WAIT_SECONDS = 3;

/** Higher codes are signal numbers of killed processes. */
const MAX_EXIT_CODE = 128;

/**
 * States in which a package needs to be unpacked again: dpkg's abbreviations for half-installed and reinst-required,
 * apk's entries in its database, and the helper's messages for rpm.
 */
const UNPACK_AGAIN = /\((?:.H.|..R|files are missing|its script failed|its scripts may not have run)\)$/;

/** Whether a transaction that unpacks the package again resolves the problem. */
export function isToBeUnpackedAgain(problem: string): boolean {
  return UNPACK_AGAIN.test(problem);
}

export interface JobNumber {
  token: string;
  number: number;
}

export interface PackageWork {
  /** The package manager of the node, from its facts. */
  manager: PackageManagerName;
  packages?: PackagePolicy | undefined;
  /** Limit for waiting for locks of other programs; default: {@link DEFAULT_LOCK_TIMEOUT_MS}. */
  lockTimeoutMs?: number | undefined;
  /** From this moment on, epoch milliseconds, the transaction is not begun; undefined: no limit. */
  beginByMs?: number | undefined;
}

/**
 * Applies the planned set of changes, once per job number, whatever is killed.
 *
 * @throws OspatchError `PlanChanged` when the pending set differs (nothing was changed), or any connection error. A
 *   failure of the package manager is part of the report, because packages may have changed.
 */
export async function applyPlan(
  session: Session,
  job: JobNumber,
  plan: { digest: string; count: number },
  { manager: name, packages, lockTimeoutMs, beginByMs }: PackageWork,
): Promise<PhaseOutcome<ApplyReport>> {
  const manager = packageManager(name);
  const progress = new ApplyProgress(session, manager, plan.count);
  const parameters = {
    ...{ expect: plan.digest, packages, waitSeconds: FIRST_WAIT_SECONDS, beginByMs },
    lockTimeoutMs: lockTimeout(lockTimeoutMs, beginByMs, session.now()),
  };
  const end = await followJob(session, { ...job, phase: 'apply' }, parameters, (line) => progress.read(line));
  if (end.state === 'done' && end.rc === RC_PLAN_CHANGED) {
    throw planChanged(session.node.name);
  }
  return toOutcome(session, manager, 'apply', end);
}

/** A transaction that waits for a lock changes nothing until it has the lock, which has to be in time. */
function lockTimeout(configuredMs: number | undefined, beginByMs: number | undefined, now: number): number | undefined {
  if (beginByMs === undefined) return configuredMs;
  return Math.min(configuredMs ?? DEFAULT_LOCK_TIMEOUT_MS, Math.max(1_000, beginByMs - now));
}

export function planChanged(node: string): OspatchError {
  return new OspatchError({
    type: 'PlanChanged',
    message: `the set of pending packages on ${node} has changed since it was planned`,
    remedy: 'patch the node again',
  });
}

/** Completes an interrupted transaction. */
export async function repairPackages(
  session: Session,
  job: JobNumber,
  { manager, packages, lockTimeoutMs }: PackageWork,
): Promise<PhaseOutcome<ApplyReport>> {
  const parameters = { packages, lockTimeoutMs, waitSeconds: FIRST_WAIT_SECONDS };
  const end = await followJob(session, { ...job, phase: 'repair' }, parameters, (line) => showLock(session, line));
  return toOutcome(session, packageManager(manager), 'repair', end);
}

function toOutcome(
  session: Session,
  manager: PackageManager,
  phase: 'apply' | 'repair',
  end: JobEnd,
): PhaseOutcome<ApplyReport> {
  if (end.state === 'interrupted') return end;
  const { changes, keptConfigFiles, problems, warnings } = manager.parseReport(end.result);
  const node = session.node.name;
  let error: ErrorInfo | null = null;
  if (end.rc !== 0) {
    const damaged = problems.length > 0 || end.rc > MAX_EXIT_CODE;
    // The record of a patch has the failure, not its retry class.
    error = new OspatchError(manager.classify({ node, phase, rc: end.rc, log: end.log, damaged })).toInfo();
  } else if (problems.length > 0) {
    error = {
      type: 'PackagesBroken',
      message: `packages on ${node} are not fully installed after ${phase}: ${problems.slice(0, 5).join(', ')}`,
      remedy: `${manager.words.repair} on ${node}, then patch the node again`,
      details: { problems: problems.slice(0, 50) },
    };
  }
  // Half-installed: a transaction that unpacks the package again resolves this.
  if (error !== null && problems.length > 0 && problems.every(isToBeUnpackedAgain)) {
    error = { ...error, details: { ...error.details, unpackAgain: true } };
  }
  const unfinished = end.rc > MAX_EXIT_CODE || (end.rc !== 0 && problems.length > 0);
  const { logBytes, endedAgo } = end;
  return {
    state: 'done',
    result: {
      changes,
      keptConfigFiles,
      warnings,
      error,
      ...defined({ unfinished: unfinished || undefined }),
      logBytes,
      endedAgo,
    },
  };
}

/** Displays the lock holder that the helper waits for; false when the line does not contain one. */
export function showLock(session: Session, line: string): boolean {
  const waitingFor = lockWaitIn(line);
  if (waitingFor === null) return false;
  session.show({ waitingFor });
  return true;
}

/** Finished packages, and the lock that the job waits for. */
class ApplyProgress {
  private done = 0;

  constructor(
    private readonly session: Session,
    private readonly driver: PackageManager,
    private readonly total: number,
  ) {
    session.show({ done: 0, total });
  }

  read(line: string): void {
    if (showLock(this.session, line)) return;
    const progress = this.driver.readProgress(line);
    switch (progress?.event) {
      case 'lock-held':
        this.session.show({ waitingFor: lockWait('package', progress.by) });
        break;
      case 'package-started':
        this.session.show({ waitingFor: undefined });
        break;
      case 'package-finished':
        this.done = Math.min(this.total, this.done + 1);
        this.session.show({ done: this.done, total: this.total, waitingFor: undefined });
        break;
      case undefined:
        break;
    }
  }
}
