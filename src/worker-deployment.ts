/**
 * Worker Deployment Versioning of Temporal: each version of ospatch is a version of one deployment, and a run stays
 * with workers of the version that started it. Off unless a deployment name is set.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import type { WorkerDeploymentOptions } from '@temporalio/worker';
import { OspatchError } from './domain/shared/errors';
import { BUNDLE } from './workflow-code';

/** The setting that turns versioning on: the name of the deployment. */
export const DEPLOYMENT_SETTING = 'OSPATCH_WORKER_DEPLOYMENT';

const DIGEST_CHARS = 8;

/** Null: workers are not versioned. @throws OspatchError `Usage` */
export function deploymentNameFromEnv(env: Readonly<Record<string, string | undefined>>): string | null {
  const name = env[DEPLOYMENT_SETTING] ?? '';
  if (name === '') return null;
  // Temporal does not accept dots and colons, which it uses as separators.
  if (/^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/.test(name)) return name;
  throw new OspatchError({
    type: 'Usage',
    message: `${DEPLOYMENT_SETTING}: found ${JSON.stringify(name)}; allowed: at most 100 letters, digits, hyphens and underscores`,
    remedy: 'name the deployment of all workers of this namespace, e.g. ospatch',
  });
}

/** `0.1.0-1a2b3c4d`: the version, plus a digest that distinguishes builds. `code` is the workflow bundle. */
export function buildIdOf(version: string, code: string | Buffer): string {
  return `${version}-${createHash('sha256').update(code).digest('hex').slice(0, DIGEST_CHARS)}`;
}

/**
 * For a worker with the workflow bundle of this package. @throws OspatchError `Usage` when the package has not been
 * built
 */
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
    // Runs and node patches end on the version that started them; `workflows/index.ts` sets the behaviour of clusters.
    defaultVersioningBehavior: 'PINNED',
  };
}
