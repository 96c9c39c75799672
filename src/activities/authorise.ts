/** Asks the policy before an activity does anything, and gives the activity what the policy knows better than a message. */
import { isAddressIn } from '../domain/policy/addresses';
import type { Grant } from '../domain/policy/decide';
import { decidePolicy } from '../domain/policy/decide';
import { deniedInfo, outsideBounds } from '../domain/policy/denied';
import { listed } from '../domain/policy/request';
import { defined } from '../domain/shared/defined';
import { OspatchError } from '../domain/shared/errors';
import type { PolicyFile } from '../policy/policy-file';
import type { LoadedPolicy } from '../policy/read-policy';
import { boundTarget, withTarget } from '../policy/targets';
import { RetryLater } from '../retry/slot-release';
import type { Resolve } from '../ssh/addresses';
import { resolveHost } from '../ssh/addresses';
import type { Delivery, Authorise } from './guard';
import type { ActivityRequest } from './input/place';
import { policyDemands } from './policy-demands';

/** How soon a node is uncordoned after the policy allows that again. */
const ASK_AGAIN_MS = 60_000;

/** Steps that may have begun something on a node which goes on without the worker. */
const CHANGES: ReadonlySet<string> = new Set(['apply', 'repair', 'restart', 'reboot']);

/**
 * Allows an activity, or throws. The activity gets the host keys of the worker's known_hosts file, and the networks to which
 * a name is bound. While the policy cannot be used the activity waits, and so does the uncordon of a node until it is allowed
 * again.
 */
export function authoriseBy(
  file: PolicyFile,
  { resolve = resolveHost, askAgainMs = ASK_AGAIN_MS }: { resolve?: Resolve; askAgainMs?: number } = {},
): Authorise {
  return async (request, attempt) => {
    const loaded = file.load();
    if (loaded === null) return request.input;
    try {
      return await allowed(loaded, request, attempt, resolve);
    } catch (error) {
      throw error instanceof OspatchError && error.type === 'Denied'
        ? afterTheFact(request, attempt, error, askAgainMs)
        : error;
    }
  };
}

async function allowed(
  { policy, knownHosts }: LoadedPolicy,
  request: ActivityRequest,
  { taskQueue }: Delivery,
  resolve: Resolve,
): Promise<unknown> {
  const { activity, cluster } = request;
  let input: unknown = request.input;
  for (const [at, demands] of policyDemands(request).entries()) {
    const asked = { cluster, demands: [...demands, listed('taskQueues', 'taskQueue', taskQueue)] };
    const verdict = decidePolicy(policy, asked);
    if (!verdict.allowed) throw new OspatchError(deniedInfo(asked, verdict.denial));
    const grant = await choose(verdict.grants, resolve);
    if (activity === 'powerCycle') await checkNow(cluster, grant, resolve);
    input = withTarget(input, at, (target) => boundTarget(target, grant, knownHosts));
  }
  return input;
}

/** Of several rules that allow the names at addresses in their networks, the first whose networks have them now. */
async function choose([first, ...others]: readonly [Grant, ...Grant[]], resolve: Resolve): Promise<Grant> {
  if (first.limits.length === 0 || others.length === 0) return first;
  for (const grant of [first, ...others]) if (await holds(grant, resolve)) return grant;
  return first;
}

async function holds({ limits }: Grant, resolve: Resolve): Promise<boolean> {
  for (const { host, networks } of limits) {
    const addresses = await addressesOf(host, resolve);
    if (!addresses.some((address) => isAddressIn(address, networks))) return false;
  }
  return true;
}

/** A program gets the name, not an address: all its addresses must be allowed. */
async function checkNow(cluster: string, { rule, limits }: Grant, resolve: Resolve): Promise<void> {
  for (const { host, networks, path } of limits) {
    const addresses = await addressesOf(host, resolve);
    const isWithin = addresses.length > 0 && addresses.every((address) => isAddressIn(address, networks));
    if (!isWithin) throw new OspatchError(outsideBounds(host, { cluster, rule, path, networks }, addresses.length > 0));
  }
}

function addressesOf(host: string, resolve: Resolve): Promise<string[]> {
  return resolve(host).catch(() => []);
}

/**
 * A policy may change in the middle of a node patch. The way back into service is not given up: it waits until it is allowed
 * again, or until a person ends the wait with `ospatch release`. A node on which something may still run stays cordoned.
 */
function afterTheFact(
  request: ActivityRequest,
  { attempt, isRetried }: Delivery,
  denied: OspatchError,
  askAgainMs: number,
): Error {
  if (request.activity === 'uncordon' && isRetried) {
    const waitingFor = `the policy of the worker to allow the uncordon (${denied.message})`;
    const wait = { kind: 'policy', observedMs: 0, maxDelayMs: askAgainMs };
    return new RetryLater(wait, askAgainMs, waitingFor, { cause: denied });
  }
  if (!CHANGES.has(request.activity) || !(attempt > 1 || hasWatched(request.input))) return denied;
  const { message, remedy, details } = denied;
  return new OspatchError({
    type: 'Denied',
    message: `${message}; what was begun on the node may still be running`,
    ...defined({ remedy }),
    details: { ...details, goingDown: true },
  });
}

/** An earlier call of the same step has ended with a notice. */
function hasWatched(input: unknown): boolean {
  const { observedMs, jobMs } = input as { observedMs?: unknown; jobMs?: unknown };
  return observedMs !== undefined || jobMs !== undefined;
}
