/** Before anything changes on a node: may it be patched, is its package database healthy, and what would change. */
import { OspatchError } from '../domain/errors';
import type { PackagePolicy } from '../domain/package-policy';
import { DEFAULT_PACKAGE_POLICY } from '../domain/package-policy';
import type { ApplyReport, NodeFacts, PatchPlan, PreflightReport } from '../domain/node-report';
import { JOB_TIMEOUT_MS } from '../domain/time-limits';
import type { NodeReading } from './facts';
import { followJob, jobNeverEnds, pause } from './follow-job';
import type { PackageManagerName } from './package-managers';
import { knownManager, packageManager } from './package-managers';
import type { PackageManager } from './package-managers/types';
import type { Session } from './session';
import { refuseUnsafe, refuseUnsupported } from './support';
import { repairPackages } from './transaction';

export interface PreflightOptions {
  token: string;
  /** Number of the first job; tries count up from it. Every activity attempt gives another one. */
  firstJob: number;
  withoutDrain: boolean;
  packages?: PackagePolicy | undefined;
}

const FREE_PAUSE_MS = 5_000;

/** Mirrors are in the middle of an update now and then; the helper has tried three times by itself already. */
const PLAN_TRIES = 3;
const PLAN_PAUSE_MS = 15_000;

/**
 * Facts, repair if a transaction was interrupted, refreshed package lists, plan.
 *
 * @throws OspatchError `UnsupportedOs`, `Policy`, `DiskFull`, `PackagesBroken`, `Repository`, `PackageManager` or what
 *   reaching the node may say
 */
export async function preflightNode(session: Session, options: PreflightOptions): Promise<PreflightReport> {
  let { facts } = await usableNode(session, options.withoutDrain);
  let job = options.firstJob;
  let repaired: ApplyReport | null = null;
  if (facts.packages.problems.length > 0) {
    repaired = await repairFirst(session, options, job, facts);
    ({ facts } = await usableNode(session, options.withoutDrain));
    job += 1;
  }
  const plan = await makePlan(session, options, job, facts);
  return { facts, plan, repaired };
}

/** Facts of a node that may be patched and on which nobody else is at work now. */
async function usableNode(session: Session, withoutDrain: boolean): Promise<NodeReading> {
  const started = session.now();
  for (;;) {
    const reading = await session.outage.reach(() => session.node.facts());
    refuseUnsupported(session.node.name, reading);
    refuseUnsafe(session.node.name, reading, withoutDrain);
    const { job, lockHolder } = reading.facts;
    if (job === null && lockHolder === null) {
      session.show({ waitingFor: undefined });
      return reading;
    }
    if (job !== null && session.now() - started > JOB_TIMEOUT_MS) throw jobNeverEnds(session.node.name, job);
    session.show({
      waitingFor: job === null ? `package lock held by ${lockHolder}` : `the job ${job} on the node to end`,
    });
    await pause(session, FREE_PAUSE_MS);
  }
}

async function repairFirst(
  session: Session,
  { token, packages }: PreflightOptions,
  job: number,
  facts: NodeFacts,
): Promise<ApplyReport> {
  const manager = managerOf(facts);
  const outcome = await repairPackages(session, { token, number: job }, { manager, packages });
  if (outcome.state === 'done' && outcome.result.error === null) return outcome.result;
  const why = outcome.state === 'done' ? outcome.result.error?.message : 'the repair was interrupted';
  throw new OspatchError({
    type: 'PackagesBroken',
    message: `the package database of ${session.node.name} is damaged (${facts.packages.problems.slice(0, 3).join(', ')}) and could not be repaired: ${why ?? ''}`,
    remedy: `${packageManager(manager).words.repair} on ${session.node.name}`,
    ...(outcome.state === 'done' && outcome.result.error?.details !== undefined
      ? { details: outcome.result.error.details }
      : {}),
  });
}

async function makePlan(
  session: Session,
  { token, packages }: PreflightOptions,
  firstJob: number,
  facts: NodeFacts,
): Promise<PatchPlan> {
  const manager = packageManager(managerOf(facts));
  for (let tries = 1; ; tries += 1) {
    const job = { token, phase: 'plan', number: firstJob + tries - 1 } as const;
    const end = await followJob(session, job, { refresh: true, packages, waitSeconds: 20 });
    if (end.state === 'done' && end.rc === 0) {
      return acceptPlan(session.node.name, manager, end.result, facts, packages);
    }
    const error =
      end.state === 'done'
        ? manager.classify({ node: session.node.name, phase: 'plan', rc: end.rc, log: end.log })
        : ({
            type: 'PackageManager',
            message: `the plan on ${session.node.name} was interrupted.`,
            retry: 'transient',
          } as const);
    if (tries >= PLAN_TRIES || error.retry !== 'transient') throw new OspatchError(error);
    session.show({ waitingFor: `another try (${error.message.replace(/\.$/, '')})` });
    await pause(session, PLAN_PAUSE_MS);
  }
}

/** @throws OspatchError `UnsupportedOs`; the node's facts were checked before, so this is for the types */
export function managerOf(facts: NodeFacts): PackageManagerName {
  return knownManager(facts.packageManager);
}

/** @throws OspatchError `Policy` or `HelperProtocol` */
export function acceptPlan(
  node: string,
  manager: PackageManager,
  result: string,
  facts: NodeFacts,
  packages: PackagePolicy = DEFAULT_PACKAGE_POLICY,
): PatchPlan {
  const { plan, refusals, unparsed } = manager.parsePlan(result, facts.os, packages);
  if (refusals.length > 0) {
    throw new OspatchError({
      type: 'Policy',
      message: `the patch of ${node} ${refusals.join('; it ')}.`,
      remedy: `${manager.words.plan} and the package sources on ${node}`,
      details: { pendingUpdates: plan.changes.length },
    });
  }
  if (unparsed.length > 0) {
    throw new OspatchError({
      type: 'HelperProtocol',
      message: `the plan of ${node} cannot be understood: ${unparsed.slice(0, 3).join(' | ')}.`,
    });
  }
  return plan;
}
