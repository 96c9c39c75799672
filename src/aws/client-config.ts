/** Configuration of the AWS SDK clients: timeouts, few retries, and the credentials of the worker. */
import type { EksAccess } from '../domain/eks/node-groups';
import { defined } from '../domain/shared/defined';

const CONNECT_TIMEOUT_MS = 5_000;

/** Attempts of the SDK for throttled or lost calls, before the caller retries. */
const ATTEMPTS = 3;

export function clientConfig(
  { region, profile, endpoint }: Pick<EksAccess, 'region' | 'profile' | 'endpoint'>,
  requestTimeoutMs: number,
) {
  // Suppresses a warning to all users of Node.js 20 about requirements of later SDK versions.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';
  return {
    region,
    maxAttempts: ATTEMPTS,
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: requestTimeoutMs,
      throwOnRequestTimeout: true,
    },
    // Passed to the default chain: a new client reads renewed credential files again.
    ignoreCache: true,
    ...defined({ profile, endpoint }),
  };
}
