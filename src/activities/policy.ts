/** Tells what the policy of this worker allows, for `ospatch doctor`. */
import type { ClusterActivities, ExplainPolicyInput, PolicyAnswer } from '../contract/activities/cluster';
import { explainPolicy } from '../domain/policy/explain';
import { defined } from '../domain/shared/defined';
import { isOspatchError } from '../domain/shared/errors';
import { readWorkerTargets } from '../notifications/worker-file';
import type { PolicyFile } from '../policy/policy-file';
import type { LoadedPolicy } from '../policy/read-policy';
import { knowsHost } from '../policy/targets';
import { RetryLater } from '../retry/slot-release';

const MAX_DENIED = 100;

const NOTHING: PolicyAnswer = { policy: null, problem: null, denied: [], deniedCount: 0, rules: [] };

export function createPolicyActivities(
  file: PolicyFile,
  notificationsFile: string | null = null,
): Pick<ClusterActivities, 'explainPolicy'> {
  return {
    explainPolicy: (input) => {
      const targets = defined({ targetsUnknown: whyTargetsUnknown(notificationsFile) });
      try {
        const loaded = file.load();
        return Promise.resolve({ ...(loaded === null ? NOTHING : answer(loaded, input)), ...targets });
      } catch (error) {
        if (error instanceof RetryLater) return Promise.resolve({ ...NOTHING, ...targets, problem: error.waitingFor });
        throw error;
      }
    },
  };
}

function whyTargetsUnknown(file: string | null): string | undefined {
  try {
    readWorkerTargets(file);
    return undefined;
  } catch (error) {
    if (!isOspatchError(error)) throw error;
    return error.message;
  }
}

function answer(loaded: LoadedPolicy, { cluster, requests }: ExplainPolicyInput): PolicyAnswer {
  const { policy, digest, knownHosts } = loaded;
  const explained = explainPolicy(policy, { name: cluster }, requests, knowsHost(loaded)).requests;
  const denied = explained.filter(({ allowed }) => !allowed);
  return {
    policy: { digest, rules: policy.rules.length, knownHosts: knownHosts !== null },
    problem: null,
    denied: denied.slice(0, MAX_DENIED),
    deniedCount: denied.length,
    rules: [...new Set(explained.flatMap(({ allowed, rule }) => (allowed ? (rule ?? []) : [])))],
  };
}
