/** A look at a node that changes nothing: is it reachable, may it be patched, and what is pending. */
import { OspatchError } from '../domain/shared/errors';
import type { NodeFacts, PackageChange, PatchPlan } from '../domain/node/report';
import type { NodeWarning } from '../domain/node/warning';
import { mergeWarnings } from '../domain/node/warning';
import type { PackagePolicy } from '../domain/spec/package-policy';
import type { UncuredReboot } from '../domain/node/reboot';
import { discountUncured } from '../domain/node/reboot';
import { lookAt } from './look';
import { packageManager } from './package-managers';
import { acceptPlan, managerOf } from './preflight';
import type { Session } from './session';
import { assertSupported } from './supported-systems';

/**
 * `uncured`: what the last reboot of the node did not remedy, so that no run reboots it for that.
 *
 * @throws OspatchError whatever stands in the way of a patch
 */
export async function checkReadiness(
  session: Session,
  packages?: PackagePolicy,
  uncured: UncuredReboot | null = null,
): Promise<{ facts: NodeFacts; changes: PackageChange[]; warnings: NodeWarning[] }> {
  const reading = await lookAt(session);
  assertSupported(session.node.name, reading);
  const facts = discountUncured(reading.facts, uncured);
  const { changes, warnings } = await readPending(session, facts, packages);
  return { facts, changes, warnings: mergeWarnings(warnings, facts.warnings) };
}

/**
 * What a patch would do by the package lists the node has.
 *
 * @throws OspatchError `Policy`, `HelperProtocol`, what the package manager says, or what reaching the node may say
 */
export async function readPending(session: Session, facts: NodeFacts, packages?: PackagePolicy): Promise<PatchPlan> {
  const manager = packageManager(managerOf(facts));
  const answer = await session.reachability.whenReachable(() => session.node.pending(packages));
  if (answer.state !== 'done') {
    throw new OspatchError({ type: 'HelperProtocol', message: `${session.node.name} does not say what is pending.` });
  }
  if (answer.rc !== 0) {
    const log = answer.result.replace(/^out /gm, '');
    throw new OspatchError(manager.classify({ node: session.node.name, phase: 'plan', rc: answer.rc, log }));
  }
  return acceptPlan(session.node.name, manager, answer.result, facts, packages);
}
