/** Markdown for the Temporal UI about node groups of EKS. */
import { NO_VALUE, readableTimes, text } from './markdown';
import type { NodeGroupRecord } from '../eks/record';
import type { NodeGroupStatus } from '../eks/status';
import type { RunTrigger } from '../run/run';

/** One row per node group, in the order given. */
export function nodeGroupTable(groups: readonly NodeGroupStatus[]): string[] {
  const rows = groups.map((group) => {
    const cells = [
      group.name,
      group.state,
      group.lastAppliedPatchTime ?? NO_VALUE,
      group.patchedVersion ?? NO_VALUE,
      group.releaseBefore ?? NO_VALUE,
      group.kubernetesVersion ?? NO_VALUE,
      healthOf(group),
      group.lastError?.message ?? '',
    ];
    return `| ${cells.map(text).join(' | ')} |`;
  });
  return [
    '| Node group | State | Last Applied Patch Time | Patched Version | Before | Kubernetes | Health | Last error |',
    '|---|---|---|---|---|---|---|---|',
    ...rows,
  ];
}

/** The details of a node group update workflow. */
export function renderNodegroupUpdate(cluster: string, trigger: RunTrigger, result: NodeGroupRecord): string {
  const { before, after, updateId, error } = result;
  const last = after ?? before;
  const ended = result.endedAt === '' ? '' : `: ${result.outcome}`;
  const release = after === null ? before?.release : `${before?.release ?? NO_VALUE} → ${after.release}`;
  const lines = [
    `**${text(result.node)}** of ${text(cluster)}, run ${result.run} (${trigger})${ended}`,
    '',
    '| Step | Started | Seconds |',
    '|---|---|---|',
    ...result.steps.map((step) => `| ${step.step} | ${step.startedAt} | ${(step.durationMs / 1000).toFixed(1)} |`),
    ...(release === undefined ? [] : ['', `**Release:** ${text(release)}`]),
    ...(last === null ? [] : ['', `**Kubernetes:** ${text(last.kubernetesVersion)}`]),
    ...(updateId === null ? [] : ['', `**Update at AWS:** ${text(updateId)}`]),
    ...(last?.health ?? []).flatMap((issue) => ['', `**Health:** ${text(issue)}`]),
    ...(error === null ? [] : ['', `**${error.type}:** ${text(error.message)}`]),
  ];
  return readableTimes(lines.join('\n'));
}

/** `ok`, or the codes of the health issues. */
export function healthOf({ health }: NodeGroupStatus): string {
  if (health === null) return NO_VALUE;
  return health.length === 0 ? 'ok' : health.map((issue) => issue.split(':')[0]).join(', ');
}
