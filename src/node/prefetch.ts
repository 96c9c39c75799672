/** Downloads the packages of a plan before the node is drained or changed. */
import { OspatchError } from '../domain/shared/errors';
import { followJob } from './job/follow';
import { RC_PLAN_CHANGED } from './helper/exit-codes';
import { packageManager } from './package-managers';
import type { Session } from './session';
import type { JobNumber, PackageWork } from './transaction';
import { planChanged, showLock } from './transaction';

const WAIT_SECONDS = 20;

/**
 * Downloads the packages of the plan with this digest into the cache of the node's package manager. One attempt: the
 * package manager retries by itself, and a retry with refreshed lists is up to the caller.
 *
 * @throws OspatchError `PlanChanged` when the pending set differs from the plan, or the cause of a failed download.
 *   Nothing was changed.
 */
export async function prefetchPackages(
  session: Session,
  { token, number }: JobNumber,
  plan: { digest: string; count: number },
  { manager: name, packages, lockTimeoutMs }: PackageWork,
): Promise<void> {
  const manager = packageManager(name);
  const node = session.node.name;
  let fetched = 0;
  session.show({ done: 0, total: plan.count });
  const parameters = { expect: plan.digest, packages, lockTimeoutMs, waitSeconds: WAIT_SECONDS };
  const end = await followJob(session, { token, phase: 'fetch', number }, parameters, (line) => {
    if (showLock(session, line) || !manager.isFetched(line)) return;
    fetched = Math.min(plan.count, fetched + 1);
    session.show({ done: fetched, total: plan.count });
  });
  if (end.state === 'interrupted') {
    // The job was interrupted, for example by a reboot; the next attempt continues from the cache.
    throw new OspatchError({ type: 'Repository', message: `the download of packages on ${node} was interrupted` });
  }
  if (end.rc === RC_PLAN_CHANGED) throw planChanged(node);
  if (end.rc !== 0) throw new OspatchError(manager.classify({ node, phase: 'fetch', rc: end.rc, log: end.log }));
}
