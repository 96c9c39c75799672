/** The plan of a run of an EKS cluster: what AWS would be asked for, node group by node group, in their order. */
import { worstFirst } from '../../domain/shared/severity';
import type { EksPlan, PlannedNodeGroup } from '../../domain/eks/plan';
import { plural } from '../../domain/shared/plural';
import { asSentence } from '../../domain/shared/text';
import type { PlanView } from './plan';
import {
  beginOf,
  blockedFields,
  countedBy,
  planEnd,
  findingsOf,
  outcomeCell,
  turnCell,
  windowFields,
  wrapped,
} from './plan';
import type { Colors } from './table';
import { renderFields, renderTable } from './table';
import { oneLine } from './text';

const MAX_SENTENCE = 600;
const SPARE_COLUMNS = ['Kubernetes', 'When'];

export function renderEksPlan(plan: EksPlan, { color, zone }: PlanView): string {
  const { groups, cluster } = plan;
  const parts = [
    renderFields(fieldsOf(plan, zone), color),
    groups.length === 0 ? '' : groupTable(plan, { color, zone }),
    ...clusterFindings(plan, color),
    ...findingsOf({ cluster, nodes: groups.map((one) => ({ ...one, node: one.nodeGroup })) }, color),
    wrapped(
      `AWS was asked in read-only calls, and nothing was changed: a run asks again when the turn of a group has come. Times are in ${zone}.`,
      color,
    ),
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

function fieldsOf(plan: EksPlan, zone: string): [string, string][] {
  const { cluster, trigger, groups, limits } = plan;
  const after = limits.onExceeded === 'stop' ? 'the run stops' : 'the run waits for a decision';
  return [
    ['Plan', `next run of ${oneLine(cluster)} (${trigger}), ${plural(groups.length, 'node group')}, one at a time`],
    ...blockedFields(plan),
    ['Begins', beginOf(plan, zone)],
    ...windowFields(plan, zone),
    ['Ends', planEnd(plan, zone, 'node group')],
    ['Outcome', countedBy(groups, ({ outcome }) => outcome ?? 'unknown') || 'nothing to do'],
    ['Requests', requestsOf(groups)],
    ['Failures', `${limits.maxFailures} allowed; with more, ${after}`],
  ];
}

function requestsOf(groups: readonly PlannedNodeGroup[]): string {
  const asked = groups.flatMap(({ request }) => (request === null ? [] : [request]));
  if (asked.length === 0) return 'none: AWS is asked for no update';
  const forced = asked.some(({ force }) => force) ? ', also against PodDisruptionBudgets (eks.force)' : '';
  const count = asked.length === 1 ? 'an update of 1 node group' : `updates of ${plural(asked.length, 'node group')}`;
  return `${count} to the newest release of the Kubernetes version that each runs${forced}`;
}

function groupTable(plan: EksPlan, { color, zone }: Pick<PlanView, 'color' | 'zone'>): string {
  const head = ['Node group', 'When', 'Release', 'Newest', 'Kubernetes', 'Outcome', 'Note'];
  const rows = plan.groups.map((group) => [
    oneLine(group.nodeGroup),
    turnCell(group, plan, zone),
    oneLine(group.release, 60),
    group.newest === null ? '?' : oneLine(group.newest, 60),
    oneLine(group.kubernetesVersion, 20),
    outcomeCell(group, color),
    noteOf(group),
  ]);
  return renderTable(head, rows, color, SPARE_COLUMNS);
}

/** What was found stands below the table. */
function noteOf({ reason, findings }: PlannedNodeGroup): string {
  const isFound = findings.some(({ message }) => reason !== null && message.includes(reason));
  return reason === null || isFound ? '' : oneLine(reason, MAX_SENTENCE);
}

function clusterFindings({ findings }: EksPlan, color: Colors): string[] {
  const lines = worstFirst([...findings]).flatMap(({ severity, message, remedy }) => {
    const paint = severity === 'error' ? color.red : color.yellow;
    const line = `${paint('AWS')}  ${severity}: ${asSentence(oneLine(message, MAX_SENTENCE))}`;
    return remedy === null ? [line] : [line, `  ${color.bold('fix:')} ${oneLine(remedy, MAX_SENTENCE)}`];
  });
  return lines.length === 0 ? [] : [lines.map((line) => wrapped(line, color)).join('\n')];
}
