/** One run by node. */
import type { RunReport } from '../../client/cluster-client';
import type { PatchRecord } from '../../domain/cluster/member';
import type { NodeGroupRecord } from '../../domain/eks/record';
import type { NodePatchResult } from '../../domain/node/patch';
import type { PackageChange } from '../../domain/node/report';
import { colorOutcome } from './history';
import { recordFields as nodeGroupFields } from './node-groups';
import { colorState } from './member-cells';
import { cancelledBy, countOutcomes } from './status';
import { wrapIndented } from './columns';
import type { Colors } from './table';
import { renderFields } from './table';
import { formatElapsed, formatTime, formatTook, oneLine, ownZone } from './text';
import { plural } from '../../domain/shared/plural';

type NodeOfRun = RunReport['nodes'][number];

export function renderRun(cluster: string, report: RunReport, color: Colors, zone: string = ownZone()): string {
  const nodes = report.nodes.map((node) => renderNode(node, color, zone));
  const note = color.dim(`Times are in ${zone}; set TZ for another zone.`);
  return wrapIndented([heading(cluster, report, color, zone), ...nodes, note].join('\n\n'), color.columns);
}

function heading(cluster: string, { run, summary }: RunReport, color: Colors, zone: string): string {
  if (summary === null) return `${color.bold(`Run ${run} of ${cluster}`)}: in progress, or older than the last 20 runs`;
  const { trigger, by, reason, startedAt, endedAt } = summary;
  const who = by === null ? '' : ` by ${oneLine(by)}`;
  const why = reason === null ? '' : `: ${oneLine(reason)}`;
  const took = formatElapsed(startedAt, Date.parse(endedAt));
  return [
    `${color.bold(`Run ${run} of ${cluster}`)} (${trigger}${who})${why}`,
    `${colorOutcome(summary, color)}${cancelledBy(summary)} at ${formatTime(endedAt, zone)} after ${took}: ${countOutcomes(summary)}`,
  ].join('\n');
}

function renderNode({ settled, record }: NodeOfRun, color: Colors, zone: string): string {
  const { node, outcome, error } = settled;
  const state = outcome === 'cancelled' ? color.yellow(outcome) : colorState(outcome, outcome, color);
  const fields: [string, string][] =
    record === null
      ? shortFields(settled)
      : record.kind === 'node'
        ? recordFields(record, zone)
        : groupFields(record, zone);
  for (const { message } of record?.warnings ?? settled.reading?.warnings ?? []) {
    fields.push(['Warning', oneLine(message)]);
  }
  if (error?.type === 'NotTried') fields.push(['Reason', oneLine(error.message)]);
  else if (error !== null) fields.push(['Error', `${error.type}: ${oneLine(error.message)}`]);
  if (error?.remedy !== undefined) fields.push(['Fix', oneLine(error.remedy)]);
  const lines = fields.length === 0 ? [] : renderFields(fields, indented(color)).split('\n');
  const packages = (record?.kind === 'node' ? record.changes : []).map((change) => `  ${renderPackage(change)}`);
  return [
    `${color.bold(oneLine(node))}  ${state}`,
    ...lines.map((line) => `  ${line}`),
    ...packages.map((line) => `  ${line}`),
  ].join('\n');
}

/** The fields that remain when Temporal no longer has the full record. */
function shortFields(settled: NodeOfRun['settled']): [string, string][] {
  // A node that was not tried has only a reason.
  if (settled.workflowRunId === null) return [];
  if (settled.kind === 'node-group') {
    return settled.reading === null ? [] : [['Release', oneLine(settled.reading.release)]];
  }
  const { packagesChanged, reboots, reading } = settled;
  const version: [string, string][] =
    reading === null
      ? []
      : [
          ['OS', oneLine(reading.osVersion)],
          ['Kernel', oneLine(reading.kernel)],
        ];
  return [
    ...version,
    ['Reboots', String(reboots)],
    ['Packages', `${plural(packagesChanged, 'package')} changed; the list is past its retention`],
  ];
}

function groupFields(record: NodeGroupRecord, zone: string): [string, string][] {
  const fields: [string, string | null][] = [
    startedField(record, zone),
    ...nodeGroupFields(record),
    stepsField(record),
  ];
  return fields.flatMap(([name, value]) => (value === null ? [] : [[name, oneLine(value)] as [string, string]]));
}

function startedField({ startedAt, endedAt }: PatchRecord, zone: string): [string, string] {
  return ['Started', `${formatTime(startedAt, zone)}, took ${formatElapsed(startedAt, Date.parse(endedAt))}`];
}

function stepsField({ steps }: PatchRecord): [string, string | null] {
  return ['Steps', steps.map((step) => `${step.step} ${formatTook(step.durationMs)}`).join(', ') || null];
}

function recordFields(record: NodePatchResult, zone: string): [string, string][] {
  const { before, after, rebootReasons, keptBack, keptConfigFiles, changes, pendingUpdates } = record;
  const digest = (after ?? before)?.packageSetDigest;
  const fields: [string, string | null][] = [
    startedField(record, zone),
    ['OS', moved(before?.osVersion, after?.osVersion)],
    ['Kernel', moved(before?.kernel, after?.kernel)],
    ['Boot id', moved(before?.bootId, after?.bootId)],
    ['Reboots', `${record.reboots}${rebootReasons.length === 0 ? '' : ` (${oneLine(rebootReasons.join('; '))})`}`],
    stepsField(record),
    ['Package set', digest === undefined ? null : oneLine(digest)],
    ['Still pending', pendingUpdates === null || pendingUpdates === 0 ? null : String(pendingUpdates)],
    ['Kept back', keptBack.map(({ name, reason }) => `${name} (${reason})`).join(', ') || null],
    ['Config kept', keptConfigFiles.join(', ') || null],
    ['Restarted', describeRestarts(record)],
    ['Drain', describeDrain(record)],
    ['Packages', changes.length === 0 ? 'none changed' : `${changes.length} changed`],
  ];
  return fields.flatMap(([name, value]) => (value === null ? [] : [[name, oneLine(value)] as [string, string]]));
}

function describeRestarts({ restarts }: NodePatchResult): string | null {
  if (restarts === undefined) return null;
  const skipped = restarts.skipped.map(({ name, reason }) => `${name} (${reason})`);
  return `${restarts.restarted.join(', ') || 'nothing'}${skipped.length === 0 ? '' : `; not: ${skipped.join(', ')}`}`;
}

function describeDrain({ drain }: NodePatchResult): string | null {
  if (drain === undefined) return null;
  const left = drain.blocked.map(({ namespace, name, why }) => `${namespace}/${name}: ${why}`);
  const cordoned = drain.cordonedBefore === 'others' ? ', cordoned by others before and left so' : '';
  return `${drain.state ?? 'not ended'}, ${plural(drain.evicted, 'pod')} evicted${cordoned}${left.length === 0 ? '' : `; still there: ${left.join('; ')}`}`;
}

function moved(before: string | undefined, after: string | undefined): string | null {
  if (before === undefined) return after ?? null;
  return after === undefined || after === before ? before : `${before} -> ${after}`;
}

function renderPackage({ name, arch, from, to }: PackageChange): string {
  const title = oneLine(arch === undefined ? name : `${name}:${arch}`);
  if (from === null) return `${title} ${oneLine(to)} (new)`;
  return to === null ? `${title} ${oneLine(from)} (removed)` : `${title} ${oneLine(from)} -> ${oneLine(to)}`;
}

/** What stands below a node begins two columns to the right. */
function indented(color: Colors): Colors {
  return color.columns === undefined ? color : { ...color, columns: Math.max(1, color.columns - 2) };
}
