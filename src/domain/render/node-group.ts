/** Markdown for the Temporal UI about node groups of EKS. */
import { NO_VALUE, text } from './markdown';
import type { NodePatchResult } from '../node/patch';
import type { NodeStatus } from '../node/status';
import type { RunTrigger } from '../run/run';

/** One row per node group, in the order given. */
export function nodeGroupTable(groups: readonly NodeStatus[]): string[] {
  const rows = groups.map((group) => {
    const cells = [
      group.name,
      group.state,
      group.lastAppliedPatchTime ?? NO_VALUE,
      group.patchedVersion ?? NO_VALUE,
      group.nodeGroup?.releaseBefore ?? NO_VALUE,
      group.nodeGroup?.version ?? NO_VALUE,
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

/** What the update of a node group shows of itself. */
export function renderNodegroupUpdate(cluster: string, trigger: RunTrigger, result: NodePatchResult): string {
  const { nodeGroup, before, after, error } = result;
  const ended = result.endedAt === '' ? '' : `: ${result.outcome}`;
  const release = after === null ? before?.osVersion : `${before?.osVersion ?? NO_VALUE} → ${after.osVersion}`;
  return [
    `**${text(result.node)}** of ${text(cluster)}, run ${result.run} (${trigger})${ended}`,
    '',
    '| Step | Started | Seconds |',
    '|---|---|---|',
    ...result.steps.map((step) => `| ${step.step} | ${step.startedAt} | ${(step.durationMs / 1000).toFixed(1)} |`),
    ...(release === undefined ? [] : ['', `**Release:** ${text(release)}`]),
    ...(nodeGroup === undefined ? [] : ['', `**Kubernetes:** ${text(nodeGroup.version)}`]),
    ...(nodeGroup?.updateId ? ['', `**Update at AWS:** ${text(nodeGroup.updateId)}`] : []),
    ...(nodeGroup?.health ?? []).flatMap((issue) => ['', `**Health:** ${text(issue)}`]),
    ...(error === null ? [] : ['', `**${error.type}:** ${text(error.message)}`]),
  ].join('\n');
}

/** `ok`, or the health issues by their codes. */
export function healthOf({ nodeGroup }: NodeStatus): string {
  if (nodeGroup === undefined) return NO_VALUE;
  return nodeGroup.health.length === 0 ? 'ok' : nodeGroup.health.map((issue) => issue.split(':')[0]).join(', ');
}
