/** Parses the output of `kubectl drain` for a node. */
import type { ControlPlane } from '../../tools/kube/control-plane';
import { KubeApiError } from '../../tools/kube/kube-api';
import type { DrainPolicy } from '../../src/domain/kubernetes/types';
import { parseDuration } from '../../src/domain/shared/duration';

/** The server's answers to rejected evictions of single pods; other pods would be evicted. */
export interface ServerAnswers {
  /** Sorted `namespace/name`, as everywhere in this file. */
  held: string[];
  twoBudgets: string[];
}

export interface KubectlVerdict {
  evicts: string[];
  /** Rejected pods, by the ospatch option that would allow them. */
  refuses: Record<string, string[]>;
  /** Ignored DaemonSet pods. */
  leaves: string[];
  answers: ServerAnswers;
  output: string;
}

export function kubectlFlags(policy: Partial<DrainPolicy>): string[] {
  const seconds = (text: string | undefined) => (text === undefined ? undefined : parseDuration(text) / 1000);
  const { podSelector } = policy;
  const grace = seconds(policy.gracePeriod);
  const skip = seconds(policy.skipWaitForDeleteTimeout);
  return [
    ...(policy.ignoreDaemonsets === false ? [] : ['--ignore-daemonsets']),
    ...(policy.deleteEmptydirData === true ? ['--delete-emptydir-data'] : []),
    ...(policy.force === true ? ['--force'] : []),
    ...(policy.disableEviction === true ? ['--disable-eviction'] : []),
    ...(podSelector === undefined ? [] : [`--pod-selector=${podSelector}`]),
    ...(grace === undefined ? [] : [`--grace-period=${grace}`]),
    ...(skip === undefined ? [] : [`--skip-wait-for-delete-timeout=${skip}`]),
  ];
}

/**
 * The client-side dry run lists the pods at once and has no answers; the server-side one requests each eviction, and takes
 * minutes for a budget without observed generation, because the client library retries ten times.
 */
export async function kubectlDryRun(
  plane: ControlPlane,
  node: string,
  policy: Partial<DrainPolicy>,
  where: 'client' | 'server',
): Promise<KubectlVerdict> {
  const { output } = await plane.kubectl('drain', node, `--dry-run=${where}`, '--timeout=1s', ...kubectlFlags(policy));
  const evicts = matches(output, /evicting pod ([^ ]+) \((?:server )?dry run\)/g);
  const erring = (why: string) =>
    [
      ...output.matchAll(
        new RegExp(`error when evicting pods/"([^"]+)" -n "([^"]+)"(?: \\(will retry after 5s\\))?: ${why}`, 'g'),
      ),
    ].map(([, pod, namespace]) => `${namespace}/${pod}`);
  return {
    evicts,
    refuses: rejectionsOf(output),
    leaves: podsIn(/ignoring DaemonSet-managed Pods: ([^;\n]+)/.exec(output)?.[1] ?? ''),
    answers: {
      held: unique(erring('Cannot evict pod as it would violate')),
      twoBudgets: unique(erring('This pod has more than one PodDisruptionBudget')),
    },
    output,
  };
}

/** Requests each eviction like kubectl, but once. */
export async function serverAnswers(
  plane: ControlPlane,
  pods: readonly string[],
): Promise<ServerAnswers & { areObserved: boolean }> {
  const answers = { held: [] as string[], twoBudgets: [] as string[], areObserved: true };
  for (const pod of [...pods].sort()) {
    const [namespace = '', name = ''] = pod.split('/');
    const error = await plane.api.evict(namespace, name, { dryRun: ['All'] }).then(() => undefined, asApiError);
    if (error === undefined) continue;
    if (error.code === 429) answers.held.push(pod);
    else if (error.code === 500) answers.twoBudgets.push(pod);
    else if (!error.body.includes('NamespaceTerminating')) throw error;
    if (error.body.includes('still being processed')) answers.areObserved = false;
  }
  return answers;
}

function asApiError(error: unknown): KubeApiError {
  if (error instanceof KubeApiError) return error;
  throw error;
}

function rejectionsOf(output: string): Record<string, string[]> {
  const refuses: Record<string, string[]> = {};
  const [, errors = ''] = /unable to drain node "[^"]*" due to error: ([^\n]*), continuing command/.exec(output) ?? [];
  for (const clause of errors
    .replace(/^\[|\]$/g, '')
    .split('cannot delete ')
    .slice(1)) {
    const option = OPTIONS.find(([words]) => words.test(clause))?.[1] ?? clause;
    const pods = podsIn(clause.slice(clause.lastIndexOf(': ') + 2));
    refuses[option] = unique([...(refuses[option] ?? []), ...pods]);
  }
  return refuses;
}

const OPTIONS: [RegExp, keyof DrainPolicy][] = [
  [/^DaemonSet-managed Pods/, 'ignoreDaemonsets'],
  [/^Pods with local storage/, 'deleteEmptydirData'],
  [/^Pods that declare no controller/, 'force'],
  [/^daemonsets\.apps "[^"]*" not found/, 'force'],
];

function podsIn(list: string): string[] {
  return unique(
    list
      .split(', ')
      .map((one) => one.trim())
      .filter((one) => one !== ''),
  );
}

function matches(output: string, pattern: RegExp): string[] {
  return unique([...output.matchAll(pattern)].map(([, pod = '']) => pod));
}

function unique(list: string[]): string[] {
  return [...new Set(list)].sort();
}
