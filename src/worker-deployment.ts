/**
 * Worker Deployment Versioning of Temporal: each version of ospatch is a version of one deployment, and Temporal hands a
 * run to the workers of the version that began it. Off unless a deployment is named.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import type { WorkerDeploymentOptions } from '@temporalio/worker';
import { OspatchError } from './domain/shared/errors';
import { BUNDLE } from './workflow-code';

/** The one setting that switches versioning on: the name of the deployment. */
export const DEPLOYMENT_SETTING = 'OSPATCH_WORKER_DEPLOYMENT';

const DIGEST_CHARS = 8;

/** Null: workers are not versioned. @throws OspatchError `Usage` */
export function deploymentNameFromEnv(env: Readonly<Record<string, string | undefined>>): string | null {
  const name = env[DEPLOYMENT_SETTING] ?? '';
  if (name === '') return null;
  // Temporal itself takes no dot and no colon, which are in the names that it makes of these.
  if (/^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/.test(name)) return name;
  throw new OspatchError({
    type: 'Usage',
    message: `${DEPLOYMENT_SETTING}: found ${JSON.stringify(name)}; allowed: at most 100 letters, digits, hyphens and underscores`,
    remedy: 'name the deployment of all workers of this namespace, e.g. ospatch',
  });
}

/** `0.1.0-1a2b3c4d`: the version, and what tells two builds of it apart. `code` is the workflow bundle. */
export function buildIdOf(version: string, code: string | Buffer): string {
  return `${version}-${createHash('sha256').update(code).digest('hex').slice(0, DIGEST_CHARS)}`;
}

/** Of a worker that runs the workflow bundle of this package. @throws OspatchError `Usage` when it has not been built */
export function deploymentOptions(
  deploymentName: string,
  version: string,
): WorkerDeploymentOptions & { useWorkerVersioning: true } {
  if (!existsSync(BUNDLE)) {
    const message = `${DEPLOYMENT_SETTING} is set, and this package has no workflow bundle whose version could be determined`;
    throw new OspatchError({ type: 'Usage', message, remedy: 'build ospatch, or unset the variable' });
  }
  return {
    version: { deploymentName, buildId: buildIdOf(version, readFileSync(BUNDLE)) },
    useWorkerVersioning: true,
    // Runs and node patches end on the version that began them; `workflows/index.ts` says what the cluster does.
    defaultVersioningBehavior: 'PINNED',
  };
}
