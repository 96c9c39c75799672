/** Rows, fields and checks of EKS node groups. */
import { isNewest } from '../../domain/eks/releases';
import type { EksInspection, NodegroupCheck, NodegroupFacts } from '../../domain/eks/node-groups';
import type { NodeGroupRecord } from '../../domain/eks/record';
import type { NodeGroupStatus } from '../../domain/eks/status';
import { wrapIndented } from './columns';
import type { Colors } from './table';
import { renderTable } from './table';
import { NONE, formatTime, oneLine } from './text';
import { plural } from '../../domain/shared/plural';
import { describeWarnings } from './warnings';

export const STATUS_HEAD = [
  ...['Node group', 'State', 'Last Applied Patch Time', 'Patched Version'],
  ...['Before', 'Kubernetes', 'Health', 'Last error'],
];

/** `state` and `error`: cells shared by all kinds of rows. */
export function statusRow(group: NodeGroupStatus, zone: string, state: string, error: string): string[] {
  return [
    oneLine(group.name),
    state,
    formatTime(group.lastAppliedPatchTime, zone),
    oneLine(group.patchedVersion, 60),
    oneLine(group.releaseBefore, 60),
    oneLine(group.kubernetesVersion, 20),
    healthCell(group.health),
    error,
  ];
}

/** What a run did to one node group, besides times. */
export function recordFields({ before, after, updateId, adopted }: NodeGroupRecord): [string, string | null][] {
  const from = before?.release;
  const to = after?.release;
  const last = after ?? before;
  const release = to === undefined || to === from ? (from ?? null) : `${from ?? NONE} -> ${to}`;
  const whose = adopted ? ' (started by someone else)' : '';
  return [
    ['Release', release],
    ['Kubernetes', last?.kubernetesVersion ?? null],
    ['AMI type', last?.amiType ?? null],
    ['Update', updateId === null ? 'none was needed' : `${updateId}${whose}`],
    ['Health', last === null ? null : last.health.join('; ') || 'ok'],
  ];
}

/** A table of all node groups, their health at AWS, and the reasons of groups that cannot be updated. */
export function renderNodeGroups({ error, groups, fargateProfiles }: EksInspection, color: Colors): string {
  const parts: string[] = [];
  const head = ['Node group', 'Updatable', 'Release', 'Kubernetes', 'Status', 'AMI type', 'Health'];
  if (groups.length > 0) {
    const rows = groups.map((group) => checkRow(group, color));
    parts.push(renderTable(head, rows, color));
  }
  const notes = groups.flatMap((group) => notesOn(group, color));
  if (notes.length > 0) parts.push(notes.join('\n'));
  if (error !== null) {
    const fix = error.remedy === undefined ? '' : `\n  ${color.bold('fix:')} ${oneLine(error.remedy, 500)}`;
    parts.push(`${color.red('AWS')}  ${oneLine(error.message, 700)}${fix}`);
    return wrapIndented(parts.join('\n\n'), color.columns);
  }
  if (fargateProfiles !== null && fargateProfiles.length > 0) {
    const names = fargateProfiles.slice(0, 10).map((name) => oneLine(name, 100));
    const more = fargateProfiles.length > 10 ? ', ...' : '';
    const which = `${plural(fargateProfiles.length, 'Fargate profile')} (${names.join(', ')}${more})`;
    parts.push(`${which} skipped: they are not node groups, and AWS patches what they run`);
  }
  const updatable = groups.flatMap((group) => (group.ok && group.skipReason === null ? [group.facts] : []));
  parts.push(`${updatable.length} of ${plural(groups.length, 'node group')} can be updated${preview(updatable)}`);
  return wrapIndented(parts.join('\n\n'), color.columns);
}

/** Summary of newer releases. */
function preview(groups: readonly NodegroupFacts[]): string {
  if (groups.length === 0) return '';
  const newest = groups.flatMap((facts) => (facts.newest === undefined ? [] : [{ ...facts, newest: facts.newest }]));
  const behind = newest.filter((facts) => !isNewest(facts.releaseVersion, facts.newest));
  const known = behind.map(({ name, newest: release }) => `${oneLine(name)} to ${oneLine(release, 60)}`).slice(0, 10);
  const rest = behind.length > 10 ? ' and others' : '';
  const sentence = known.length === 0 ? '' : `; a run updates ${known.join(', ')}${rest}`;
  if (newest.length === groups.length) {
    const ended = groups.filter((facts) => facts.endOfLife !== undefined).length;
    const all =
      ended === 0
        ? '; all run the newest release'
        : `; all run the newest release, ${ended} of them of a line that ends`;
    return sentence === '' ? all : sentence;
  }
  return `${sentence}; whether there is a newer release${newest.length === 0 ? '' : ' for the others'} is known only once an update is requested`;
}

/** 1 when a run would fail because of a finding. */
export function checkExitCode({ error, groups }: EksInspection): 0 | 1 {
  return error !== null || groups.some(({ ok }) => !ok) ? 1 : 0;
}

function checkRow(group: NodegroupCheck, color: Colors): string[] {
  const { facts } = group;
  const verdict = !group.ok ? color.red('no') : group.skipReason === null ? color.green('yes') : color.yellow('no');
  return [
    oneLine(group.node),
    verdict,
    oneLine(facts?.releaseVersion, 60),
    oneLine(facts?.version, 20),
    oneLine(facts?.status, 40),
    oneLine(facts?.amiType, 40),
    healthCell(facts?.health),
  ];
}

function notesOn(group: NodegroupCheck, color: Colors): string[] {
  const name = oneLine(group.node);
  const ended = group.facts?.endOfLife;
  const health = [
    ...(ended === undefined ? [] : describeWarnings(group.node, [ended], color)),
    ...(group.facts?.health ?? []).map((issue) => `${color.yellow(name)}  AWS reports: ${oneLine(issue)}`),
  ];
  if (!group.ok) {
    const { error } = group;
    const fix = error.remedy === undefined ? [] : [`  ${color.bold('fix:')} ${oneLine(error.remedy, 500)}`];
    return [...health, `${color.red(name)}  ${error.type}: ${oneLine(error.message, 500)}`, ...fix];
  }
  if (group.skipReason === null) return health;
  return [...health, `${color.yellow(name)}  skipped: ${oneLine(group.skipReason, 500)}`];
}

/** The codes of the health issues. */
function healthCell(health: readonly string[] | null | undefined): string {
  if (!health) return NONE;
  return health.length === 0 ? 'ok' : oneLine(health.map((issue) => issue.split(':')[0]).join(', '), 80);
}
