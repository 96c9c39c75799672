/** Findings about the policies of the workers that serve a cluster. */
import type { ExplainedRequest } from '../policy/explain';
import type { ErrorInfo } from '../shared/errors';
import { plural } from '../shared/plural';
import { plainText } from '../shared/text';
import type { Finding } from './finding';
import { ok, problem, warning } from './finding';

/** As `PolicyAnswer` of the contract. */
interface AnswerSeen {
  policy: { digest: string; rules: number; knownHosts: boolean } | null;
  problem: string | null;
  denied: ExplainedRequest[];
  deniedCount: number;
  rules: string[];
  targetsUnknown?: string;
}

/** The answer of the workers of one task queue, or why there is none. */
export type PolicySeen = { taskQueue: string } & ({ answer: AnswerSeen } | { error: ErrorInfo });

const MAX_NODES_NAMED = 3;

/** Of workers that have to name the targets of notifications, because the spec has none. */
export function targetFindings(seen: readonly PolicySeen[], taskQueue: string): Finding[] {
  return seen.flatMap((one) => {
    if (one.taskQueue !== taskQueue || 'error' in one || one.answer.targetsUnknown === undefined) return [];
    const message = `the workers of ${plainText(taskQueue, 100)} cannot name the targets of notifications: ${one.answer.targetsUnknown}`;
    return [warning('notifications', message, 'correct the file on the worker, or add notifications to the spec')];
  });
}

export function policyFindings(seen: readonly PolicySeen[]): Finding[] {
  return seen.flatMap((one) => findingsOf(one));
}

function findingsOf(seen: PolicySeen): Finding[] {
  const workers = `the workers of ${plainText(seen.taskQueue, 100)}`;
  if ('error' in seen) {
    const { message, remedy = null } = seen.error;
    return [warning('policy', `what the policy of ${workers} allows is not known: ${message}`, remedy)];
  }
  const { policy, problem: unusable, denied, deniedCount, rules } = seen.answer;
  if (unusable !== null) {
    const remedy = 'ask the owner of the worker to correct it; ospatch policy validate FILE shows what is wrong';
    return [problem('policy', `${workers} answer no request: they wait for ${unusable}`, remedy)];
  }
  if (policy === null)
    return [ok('policy', `${workers} have no policy (OSPATCH_POLICY): whatever they are asked for is allowed`)];
  const which = `the policy of ${workers} (digest ${policy.digest}, ${plural(policy.rules, 'rule')}${policy.knownHosts ? ', known_hosts' : ''})`;
  if (deniedCount === 0) return [ok('policy', `${which} allows all that the spec needs, by ${rules.join(', ')}`)];
  const found = groups(denied).map(({ what, nodes, rule }) => {
    const named = nodes.length === 0 ? '' : `${nodesText(nodes)}: `;
    const remedy =
      rule === null
        ? 'ask the owner of the worker to add the cluster to a rule'
        : `ask the owner of the worker to allow it in the rule ${rule}, or change the spec`;
    return problem('policy', `${which} denies ${named}${what}`, remedy);
  });
  const more = deniedCount - denied.length;
  return more === 0 ? found : [...found, problem('policy', `${which} denies ${plural(more, 'more request')}`, null)];
}

interface DeniedGroup {
  what: string;
  rule: string | null;
  nodes: string[];
}

/** The same fields of many nodes are one finding. */
function groups(denied: readonly ExplainedRequest[]): DeniedGroup[] {
  const found = new Map<string, DeniedGroup>();
  for (const { kind, node, rule, fields } of denied) {
    const wrong = fields.filter(({ missing }) => missing.length > 0);
    const what = wrong.map(({ path, value, missing }) => `${path} ${value} (${missing.join(', ')})`).join('; ');
    const text = `${kind === 'login' ? '' : `${kind}: `}${plainText(what, 500)}`;
    const key = JSON.stringify([rule, text]);
    const group = found.get(key) ?? { what: text, rule, nodes: [] };
    if (node !== null) group.nodes.push(node);
    found.set(key, group);
  }
  return [...found.values()];
}

function nodesText(nodes: readonly string[]): string {
  const more = nodes.length - MAX_NODES_NAMED;
  return `${nodes.slice(0, MAX_NODES_NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
