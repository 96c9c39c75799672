/** How the clients of AWS's SDK are set up: bounded calls, repeated a few times, with the credentials of the worker. */
import type { EksAccess } from '../domain/eks/node-groups';
import { defined } from '../domain/shared/defined';

const CONNECT_TIMEOUT_MS = 5_000;

/** What is throttled or lost is repeated so often by the SDK, then by whoever asks. */
const ATTEMPTS = 3;

export function clientConfig(
  { region, profile, endpoint }: Pick<EksAccess, 'region' | 'profile' | 'endpoint'>,
  requestTimeoutMs: number,
) {
  // It would tell every user of Node.js 20 what versions after the pinned one will need.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';
  return {
    region,
    maxAttempts: ATTEMPTS,
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: requestTimeoutMs,
      throwOnRequestTimeout: true,
    },
    // Handed on to the default chain: a file whose keys were renewed meanwhile is read again by a new client.
    ignoreCache: true,
    ...defined({ profile, endpoint }),
  };
}
