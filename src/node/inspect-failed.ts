/** Reads the state of a node whose patch failed: what was changed, and what is pending. */
import type { FailedNodeFacts } from '../domain/node/report';
import type { PackagePolicy } from '../domain/spec/package-policy';
import { followJob } from './job/follow';
import { readFacts } from './read-facts';
import { packageManager } from './package-managers';
import { parseChangesSince } from './package-managers/report';
import { managerOf } from './preflight';
import type { Session } from './session';

/** Plans under the job's token with the node's current package lists; changes nothing. */
export async function inspectFailedNode(
  session: Session,
  { token, number, packages }: { token: string; number: number; packages?: PackagePolicy | undefined },
): Promise<FailedNodeFacts> {
  const { facts } = await readFacts(session);
  const manager = packageManager(managerOf(facts));
  const end = await followJob(session, { token, phase: 'plan', number }, { packages, waitSeconds: 20 });
  if (end.state !== 'done') return { facts, pending: null, changes: null };
  const { plan, unparsed } = manager.parsePlan(end.result, facts.os, packages);
  return {
    facts,
    pending: end.rc === 0 && unparsed.length === 0 ? plan.changes.length : null,
    changes: parseChangesSince(end.result),
  };
}
