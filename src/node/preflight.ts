/** Checks a node before any change: whether it may be patched, its package database, and the plan. */
import type { ErrorInfo, ErrorType } from '../domain/shared/errors';
import { OspatchError, isOspatchError } from '../domain/shared/errors';
import type { PackagePolicy } from '../domain/spec/package-policy';
import { DEFAULT_PACKAGE_POLICY } from '../domain/spec/package-policy';
import { CLOCK_LIMIT_MS, clockDifference } from '../domain/inspection/node';
import { repairedWarning } from '../domain/node/warning';
import { findLackOfRoom } from '../domain/node/disk-space';
import { formatDuration } from '../domain/shared/duration';
import { DEFAULT_LOCK_TIMEOUT_MS, JOB_TIMEOUT_MS } from '../domain/node/time-limits';
import { SECOND_MS } from '../domain/shared/time-units';
import type { IgnoredRebootOwner } from '../domain/node/reboot-owners';
import type { ApplyReport, LockKind, NodeFacts, PatchPlan, PreflightReport } from '../domain/node/report';
import { LOCK_KINDS } from '../domain/node/report';
import type { FactsReading } from './facts';
import { followJob, jobNeverEnds, pauseFor } from './job/follow';
import { formatJobId } from './job/id';
import { lockWait } from './lock';
import { readFacts } from './read-facts';
import type { PackageManagerName } from './package-managers';
import { knownManager, packageManager } from './package-managers';
import type { PackageManager } from './package-managers/types';
import { splitRoom } from './plan-disk-space';
import type { Session } from './session';
import { assertSafe, assertSupported } from './supported-systems';
import { isToBeUnpackedAgain, repairPackages, showLock } from './transaction';
import { defined } from '../domain/shared/defined';

export interface PreflightOptions {
  token: string;
  /** Number of the first job; retries count up from it. Every activity attempt passes another number. */
  firstJob: number;
  withoutDrain: boolean;
  ignoredOwners?: readonly IgnoredRebootOwner[] | undefined;
  packages?: PackagePolicy | undefined;
  /** Limit for waiting for locks of other programs; default: {@link DEFAULT_LOCK_TIMEOUT_MS}. */
  lockTimeoutMs?: number | undefined;
}

const FREE_PAUSE_MS = 5_000;

/** Mirrors are occasionally in the middle of an update; the helper has already tried three times by itself. */
const PLAN_TRIES = 3;
const PLAN_PAUSE_MS = 15_000;

/** A plan finished without a watcher is used unless it is older than this, in seconds. */
const PLAN_FRESH_SECONDS = 300;

const MAX_NAMED_PROBLEMS = 3;

/** The preflight result with the full plan. */
export interface NodePreflight extends Omit<PreflightReport, 'plan'> {
  plan: PatchPlan;
}

/**
 * Reads facts, repairs an interrupted transaction, refreshes package lists and plans.
 *
 * @throws OspatchError `UnsupportedOs`, `Policy`, `DiskFull`, `PackagesBroken`, `Repository`, `PackageManager` or any
 *   connection error
 */
export async function preflightNode(session: Session, options: PreflightOptions): Promise<NodePreflight> {
  // If the previous attempt ended while waiting for a lock after its plan, wait for that lock before planning.
  let { facts } = await usableNode(session, options, session.others.waitedForLock ? LOCK_KINDS : ['package']);
  let job = options.firstJob;
  let repair: Repair = { report: null, error: null };
  if (session.jobs.repair !== undefined) {
    repair = await repairBefore(session, options, session.jobs.repair, facts);
    ({ facts } = await usableNode(session, options));
  }
  if (facts.packages.problems.length > 0) {
    repair = await repairFirst(session, options, job, facts);
    ({ facts } = await usableNode(session, options));
    job += 1;
  }
  const repaired = repair.report;
  if (repair.error !== null && !facts.packages.problems.every(isToBeUnpackedAgain)) {
    return { facts, plan: NO_PLAN, repaired, refused: repair.error };
  }
  let made: { plan: PatchPlan; refused: ErrorInfo | null };
  try {
    made = await makePlan(session, options, job, facts);
  } catch (error) {
    // Refreshed lists may be what the repair was missing; otherwise the repair error takes precedence.
    if (repair.error === null || !isOspatchError(error) || !SAME_CAUSE.has(error.type)) throw error;
    return { facts, plan: NO_PLAN, repaired, refused: repair.error };
  }
  const { plan } = made;
  // Maintainer scripts need the other locks too; without an update those locks do not matter.
  if (facts.lockHolder !== null && plan.changes.length > 0) {
    ({ facts } = await usableNode(session, options, LOCK_KINDS));
  }
  const planned = new Set(plan.changes.map(({ name }) => name));
  const isMended = facts.packages.problems.every((problem) => planned.has(packageOf(problem)));
  const refused = made.refused ?? (repair.error === null || isMended ? null : repair.error);
  return { facts, plan, repaired, ...defined({ refused: refused ?? undefined }) };
}

/** After a failed repair, a plan error of one of these types has the same cause. */
const SAME_CAUSE: ReadonlySet<ErrorType> = new Set(['PackagesBroken', 'PackageManager']);

const NO_PLAN: PatchPlan = { changes: [], keptBack: [], warnings: [], digest: '' };

interface Repair {
  report: ApplyReport | null;
  error: ErrorInfo | null;
}

/** From the format of apt and dpkg: `NAME is not fully installed (iHR)`. */
function packageOf(problem: string): string {
  return problem.split(' ', 1)[0] ?? '';
}

/** The facts of a node that may be patched and is not in use by others. `kinds`: the relevant locks. */
async function usableNode(
  session: Session,
  { token, withoutDrain, ignoredOwners, lockTimeoutMs = DEFAULT_LOCK_TIMEOUT_MS }: PreflightOptions,
  kinds: readonly LockKind[] = ['package'],
): Promise<FactsReading> {
  const { others, show, node, jobs } = session;
  for (;;) {
    const reading = await readFacts(session);
    assertSupported(node.name, reading);
    assertSafe(node.name, reading, withoutDrain, ignoredOwners);
    const { job, lockHolder, lockKind = 'package' } = reading.facts;
    const holder = kinds.includes(lockKind) ? lockHolder : null;
    // The job was started by an earlier attempt and waits for locks itself.
    if (job !== null && isOwn(session, token, job)) return reading;
    if (job === null && holder === null) {
      others.gone();
      show({ waitingFor: undefined });
      return reading;
    }
    // The plan of an earlier attempt may miss changes made by the other job.
    delete jobs.plan;
    if (job !== null) {
      const waitedMs = others.seen('job');
      if (waitedMs > JOB_TIMEOUT_MS) throw jobNeverEnds(node.name, job);
      await untilNextLook(session, `the job ${job} on the node to end`, JOB_TIMEOUT_MS - waitedMs);
    } else if (holder !== null) {
      const waitedMs = others.seen('lock');
      if (waitedMs >= lockTimeoutMs) throw lockedTooLong(node.name, lockKind, holder, lockTimeoutMs);
      await untilNextLook(session, lockWait(lockKind, holder), lockTimeoutMs - waitedMs);
    }
  }
}

function isOwn({ jobs }: Session, token: string, job: string): boolean {
  return (['plan', 'repair'] as const).some((phase) => {
    const number = jobs[phase];
    return number !== undefined && formatJobId({ token, phase, number }) === job;
  });
}

async function untilNextLook(session: Session, waitingFor: string, leftMs: number): Promise<void> {
  session.show({ waitingFor });
  session.others.pause(waitingFor, leftMs);
  await pauseFor(session, FREE_PAUSE_MS);
}

function lockedTooLong(node: string, kind: LockKind, holder: string, timeoutMs: number): OspatchError {
  return new OspatchError({
    type: 'Busy',
    message: `the ${kind} lock of ${node} has been held by ${holder} for ${formatDuration(timeoutMs)}`,
    remedy: `find out what ${holder} waits for on ${node} and end it, then patch the node again; patching.lockTimeout says how long a run waits`,
  });
}

/** The result of a repair started by an earlier attempt. Whether it was sufficient shows in the facts. */
async function repairBefore(
  session: Session,
  { token, packages, lockTimeoutMs }: PreflightOptions,
  number: number,
  facts: NodeFacts,
): Promise<Repair> {
  const work = { manager: managerOf(facts), packages, lockTimeoutMs };
  const outcome = await repairPackages(session, { token, number }, work);
  if (outcome.state !== 'done' || outcome.result.error !== null) return { report: null, error: null };
  const warning = repairedWarning('packages were repaired before the patch');
  return { report: { ...outcome.result, warnings: [...outcome.result.warnings, warning] }, error: null };
}

async function repairFirst(
  session: Session,
  { token, packages, lockTimeoutMs }: PreflightOptions,
  job: number,
  facts: NodeFacts,
): Promise<Repair> {
  const manager = managerOf(facts);
  session.jobs.repair = job;
  const outcome = await repairPackages(session, { token, number: job }, { manager, packages, lockTimeoutMs });
  const report = outcome.state === 'done' ? outcome.result : null;
  if (report !== null && report.error === null) {
    const found = facts.packages.problems.slice(0, MAX_NAMED_PROBLEMS).join(', ');
    const warning = repairedWarning(`packages were repaired before the patch: ${found}`);
    return { report: { ...report, warnings: [...report.warnings, warning] }, error: null };
  }
  const { message, remedy, details }: Partial<ErrorInfo> = report?.error ?? { message: 'the repair was interrupted' };
  const error: ErrorInfo = {
    type: 'PackagesBroken',
    message: `the package database of ${session.node.name} is damaged (${facts.packages.problems.slice(0, MAX_NAMED_PROBLEMS).join(', ')}) and could not be repaired: ${message ?? ''}`,
    // The repair has already been tried, so the remedy is that of its failure.
    remedy: remedy ?? `${packageManager(manager).words.repair} on ${session.node.name}`,
    ...defined({ details }),
  };
  return { report, error };
}

async function makePlan(
  session: Session,
  { token, packages, lockTimeoutMs }: PreflightOptions,
  firstJob: number,
  facts: NodeFacts,
): Promise<{ plan: PatchPlan; refused: ErrorInfo | null }> {
  const { jobs } = session;
  const begun = jobs.plan;
  const manager = packageManager(managerOf(facts));
  const clock = wrongClock(session, facts);
  let failure: string | null = null;
  for (let tries = begun === undefined ? 1 : 0; ; tries += 1) {
    const number = tries === 0 && begun !== undefined ? begun : firstJob + tries - 1;
    jobs.plan = number;
    const job = { token, phase: 'plan', number } as const;
    const end = await followJob(session, job, { refresh: true, packages, lockTimeoutMs, waitSeconds: 20 }, (line) =>
      showLock(session, line),
    );
    delete jobs.plan;
    if (tries === 0 && end.state === 'done' && end.endedAgo > PLAN_FRESH_SECONDS) continue;
    if (end.state === 'done' && end.rc === 0) {
      const read = readPlan(session.node.name, manager, end.result, facts, packages);
      if (failure === null) return read;
      const warning = repairedWarning(`attempt ${tries} made the plan, after a failure: ${failure}`);
      return { ...read, plan: { ...read.plan, warnings: [...read.plan.warnings, warning] } };
    }
    const error =
      end.state === 'done'
        ? manager.classify({ node: session.node.name, phase: 'plan', rc: end.rc, log: end.log })
        : ({
            type: 'PackageManager',
            message: `the plan on ${session.node.name} was interrupted`,
            retry: 'transient',
          } as const);
    if (clock !== null && OF_TIME.has(error.type)) throw new OspatchError(clock(error));
    // The helper has already waited for locks.
    if (tries >= PLAN_TRIES || error.retry !== 'transient' || error.type === 'Busy') throw new OspatchError(error);
    failure = error.message;
    session.show({ waitingFor: `the next attempt (${failure})` });
    await pauseFor(session, PLAN_PAUSE_MS);
  }
}

/** Errors that a wrong clock causes for intact package sources: expired lists, keys and certificates. */
const OF_TIME: ReadonlySet<ErrorType> = new Set(['Repository', 'DecisionRequired']);

/** Null: the clock of the node is correct or unknown; else converts a possibly clock-related error. */
function wrongClock(session: Session, { clock }: NodeFacts): ((error: ErrorInfo) => ErrorInfo) | null {
  const aheadMs = Date.parse(clock) - session.now();
  if (Number.isNaN(aheadMs) || Math.abs(aheadMs) <= CLOCK_LIMIT_MS) return null;
  const { name } = session.node;
  return (error) => ({
    ...error,
    type: 'DecisionRequired',
    message: `${error.message}; the clock of ${name} is ${clockDifference(aheadMs)}`,
    remedy: `set the clock of ${name} (\`timedatectl set-ntp true\`), then patch it again`,
  });
}

/** @throws OspatchError `UnsupportedOs`; never for checked facts */
export function managerOf(facts: NodeFacts): PackageManagerName {
  return knownManager(facts.packageManager);
}

/** @throws OspatchError `Policy`, `DiskFull` or `HelperProtocol` */
export function acceptPlan(...args: Parameters<typeof readPlan>): PatchPlan {
  const { plan, refused } = readPlan(...args);
  if (refused !== null) throw new OspatchError(refused);
  return plan;
}

/** @throws OspatchError `HelperProtocol` */
function readPlan(
  node: string,
  manager: PackageManager,
  result: string,
  facts: NodeFacts,
  packages: PackagePolicy = DEFAULT_PACKAGE_POLICY,
): { plan: PatchPlan; refused: ErrorInfo | null } {
  const { room, rest } = splitRoom(result);
  const { plan: parsed, refusals, unparsed } = manager.parsePlan(rest, facts.os, packages);
  const age = /^lists-age (\d{1,12})$/m.exec(rest)?.[1];
  const plan = { ...parsed, ...defined({ listsAgeMs: age === undefined ? undefined : Number(age) * SECOND_MS }) };
  if (refusals.length > 0) {
    const refused: ErrorInfo = {
      type: 'Policy',
      message: `the patch of ${node} ${refusals.join('; it ')}`,
      remedy: `${manager.words.plan} and the package sources on ${node}`,
      details: { pendingUpdates: plan.changes.length },
    };
    return { plan, refused };
  }
  if (unparsed.length > 0) {
    throw new OspatchError({
      type: 'HelperProtocol',
      message: `the plan of ${node} cannot be parsed: ${unparsed.slice(0, 3).join(' | ')}`,
    });
  }
  const machine = { node, packageManager: facts.packageManager, loader: facts.boot?.loader ?? null };
  const lack = room === null || plan.changes.length === 0 ? null : findLackOfRoom(machine, room);
  return { plan, refused: lack === null ? null : { ...lack, details: { pendingUpdates: plan.changes.length } } };
}
