/** Tells what the policy of this worker allows, for `ospatch doctor`. */
import type { ClusterActivities, ExplainPolicyInput, PolicyAnswer } from '../contract/activities/cluster';
import { explainPolicy } from '../domain/policy/explain';
import type { PolicyFile } from '../policy/policy-file';
import type { LoadedPolicy } from '../policy/read-policy';
import { knowsHost } from '../policy/targets';
import { RetryLater } from '../retry/slot-release';

const MAX_DENIED = 100;

const NOTHING: PolicyAnswer = { policy: null, problem: null, denied: [], deniedCount: 0, rules: [] };

export function createPolicyActivities(file: PolicyFile): Pick<ClusterActivities, 'explainPolicy'> {
  return {
    explainPolicy: (input) => {
      try {
        const loaded = file.load();
        return Promise.resolve(loaded === null ? NOTHING : answer(loaded, input));
      } catch (error) {
        if (error instanceof RetryLater) return Promise.resolve({ ...NOTHING, problem: error.waitingFor });
        throw error;
      }
    },
  };
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
