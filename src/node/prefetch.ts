/** Downloading what a plan names before anything is drained or changed. */
import type { ErrorInfo } from '../domain/errors';
import { OspatchError } from '../domain/errors';
import type { JobEnd } from './follow-job';
import { followJob, pause } from './follow-job';
import { RC_PLAN_CHANGED } from './helper/exit-codes';
import { packageManager } from './package-managers';
import type { Session } from './session';
import type { JobNumber, PackageWork } from './transaction';
import { planChanged } from './transaction';

/** A mirror may be in the middle of an update of its own, and a download that was killed may be begun again. */
const TRIES = 3;
const PAUSE_MS = 15_000;
const WAIT_SECONDS = 20;

/**
 * Downloads the packages of the plan with this digest into the cache of the node's package manager. Tries count up from
 * the number of `job`, which has room for ten.
 *
 * @throws OspatchError `PlanChanged` when the node would now change another set, or what keeps the packages from being
 *   downloaded. Nothing was changed then.
 */
export async function prefetchPackages(
  session: Session,
  { token, number }: JobNumber,
  plan: { digest: string; count: number },
  { manager: name, packages }: PackageWork,
): Promise<void> {
  const manager = packageManager(name);
  const parameters = { expect: plan.digest, packages, waitSeconds: WAIT_SECONDS };
  for (let tries = 1; ; tries += 1) {
    let fetched = 0;
    session.show({ done: 0, total: plan.count });
    const job = { token, phase: 'fetch', number: number + tries - 1 } as const;
    const end = await followJob(session, job, parameters, (line) => {
      if (!manager.isFetched(line)) return;
      fetched = Math.min(plan.count, fetched + 1);
      session.show({ done: fetched, total: plan.count });
    });
    if (end.state === 'done' && end.rc === 0) return;
    if (end.state === 'done' && end.rc === RC_PLAN_CHANGED) throw planChanged(session.node.name);
    const error = errorOf(session.node.name, end, (failed) => manager.classify(failed));
    if (tries >= TRIES || (end.state === 'done' && error.type !== 'Repository')) throw new OspatchError(error);
    session.show({ waitingFor: `another try (${error.message.replace(/\.$/, '')})` });
    await pause(session, PAUSE_MS);
  }
}

function errorOf(
  node: string,
  end: JobEnd,
  classify: (failed: { node: string; phase: 'fetch'; rc: number; log: string }) => ErrorInfo,
): ErrorInfo {
  if (end.state === 'done') return classify({ node, phase: 'fetch', rc: end.rc, log: end.log });
  return { type: 'PackageManager', message: `the download of packages on ${node} was interrupted.` };
}
