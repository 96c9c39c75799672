/** The plan of a run: what it comes to as a whole, and its nodes in their order. */
import type { Finding } from '../../domain/inspection/finding';
import { worstFirst } from '../../domain/shared/severity';
import { someOf } from '../../domain/run/describe-hold';
import type { PlannedNode, RunPlan } from '../../domain/run/plan';
import { formatDuration } from '../../domain/shared/duration';
import { asSentence } from '../../domain/shared/text';
import { MINUTE_MS } from '../../domain/shared/time-units';
import type { MemberName } from '../../domain/cluster/member';
import type { Amount } from '../../domain/spec/types';
import { wrapText } from './columns';
import { FEW_NODES } from './listed';
import { restsOn } from './run-fields';
import { paint } from './status-line';
import type { Colors } from './table';
import { renderFields, renderTable } from './table';
import { NONE, formatStart, formatTime, oneLine } from './text';
import { plural } from '../../domain/shared/plural';

export interface PlanView {
  zone: string;
  color: Colors;
  /** Lists every node of a large cluster too. */
  all: boolean;
}

/** Of a large cluster so many are listed: the first ones, and of every kind of trouble. */
const MAX_LISTED = 10;
const MAX_SENTENCE = 600;
const MAX_FINDINGS = 20;
const MAX_RESTARTS = 3;
const SPARE_COLUMNS = ['Stage', 'Sec', 'Reboot'];

export function renderPlan(plan: RunPlan, view: PlanView): string {
  const { color, zone } = view;
  const { nodes, note } = listedNodes(plan, view);
  const parts = [
    renderFields(fieldsOf(plan, view), color),
    nodeTable(plan, nodes, view),
    ...(note === null ? [] : [wrapped(note, color)]),
    ...findingsOf(plan, color),
    wrapped(footnote(plan, zone), color),
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

function fieldsOf(plan: RunPlan, view: PlanView): [string, string][] {
  const { rollout, limits, nodes, stages } = plan;
  const fields: [string, string][] = [
    ['Plan', `next run of ${oneLine(plan.cluster)} (${plan.trigger}), ${plural(nodes.length, 'node')}`],
    ...blockedFields(plan),
    ['Begins', beginOf(plan, view.zone)],
    ...windowFields(plan, view.zone),
    ['Ends', planEnd(plan, view.zone)],
    ['Outcome', countedBy(nodes, ({ outcome }) => outcome ?? 'unknown')],
    ['Packages', packagesOf(nodes)],
    ['Reboots', rebootsOf(plan)],
    ['Order', Array.isArray(rollout.order) ? 'as listed in the spec' : rollout.order],
    ['Concurrency', amount(rollout.concurrency, limits.concurrency)],
  ];
  if (rollout.maxUnavailable !== undefined && limits.maxUnavailable !== null)
    fields.push([
      'Unavailable',
      `at most ${amount(rollout.maxUnavailable, limits.maxUnavailable)}${outOfService(plan)}`,
    ]);
  const after = limits.onExceeded === 'stop' ? 'the run stops' : 'the run waits for a decision';
  fields.push(['Failures', `${amount(rollout.maxFailures, limits.maxFailures)} allowed; with more, ${after}`]);
  if (stages.length > 1) fields.push(['Stages', stages.map(describeStage).join('; ')]);
  return fields;
}

export function blockedFields({ blockers }: AnyPlan): [string, string][] {
  return blockers.map((one) => ['Blocked', oneLine(asSentence(one), MAX_SENTENCE)]);
}

function outOfService({ unavailable }: RunPlan): string {
  if (unavailable === null) return '; how many are now is not known';
  return unavailable.length === 0 ? '' : `; now ${unavailable.length} (${oneLine(someOf(unavailable))})`;
}

function amount(given: Amount, count: number): string {
  return typeof given === 'number' ? String(count) : `${given} = ${count}`;
}

function describeStage({ nodes, soakMs, concurrency }: RunPlan['stages'][number], at: number): string {
  const soak = soakMs === 0 ? '' : `, soak ${formatDuration(soakMs)}`;
  return `${at + 1}: ${plural(nodes, 'node')}${concurrency === null ? '' : `, ${concurrency} at a time`}${soak}`;
}

/** What plans of nodes and of node groups have in common. */
type AnyPlan = Pick<RunPlan, 'trigger' | 'startsAt' | 'at' | 'endsAt' | 'forecast' | 'windows' | 'blockers'>;

export function beginOf({ trigger, startsAt, at }: AnyPlan, zone: string): string {
  const when = `${formatStart(startsAt, zone)} ${zone}`;
  if (trigger === 'schedule') return `${when}, with the window`;
  return startsAt === at ? `now, if it is requested (${when})` : when;
}

export function windowFields({ windows }: AnyPlan, zone: string): [string, string][] {
  if (windows.every(({ end }) => end === null)) return [];
  return windows.map(({ start, end }) => [
    'Window',
    `${formatStart(start, zone)} to ${end === null ? 'the end of the run' : formatStart(end, zone)}`,
  ]);
}

export function planEnd({ endsAt, forecast, windows }: AnyPlan, zone: string, unit: MemberName = 'node'): string {
  if (endsAt === null) return `no ${unit} is reached`;
  const end = windows.at(-1)?.end ?? null;
  const leftMs = end === null ? 0 : Math.floor((Date.parse(end) - Date.parse(endsAt)) / MINUTE_MS) * MINUTE_MS;
  const left =
    end === null
      ? ''
      : `, ${formatDuration(Math.abs(leftMs))} ${leftMs < 0 ? 'after' : 'before'} the end of the window`;
  return `about ${formatStart(toMinute(endsAt), zone)}${left}${restsOn(forecast)}`;
}

function toMinute(iso: string): string {
  return `${iso.slice(0, 16)}:00.000Z`;
}

function packagesOf(nodes: readonly PlannedNode[]): string {
  const sum = (of: (node: PlannedNode) => number | null): number =>
    nodes.reduce((total, node) => total + (of(node) ?? 0), 0);
  const changed = nodes.filter(({ pending }) => (pending ?? 0) > 0).length;
  const unknown = nodes.filter(({ pending }) => pending === null).length;
  const unsaid = nodes.filter((node) => node.security === null && (node.pending ?? 0) > 0).length;
  const security =
    changed === 0
      ? ''
      : unsaid === changed
        ? ', how many of them security is not known'
        : `, ${sum((node) => node.security)} of them security${unsaid === 0 ? '' : ` (not known of ${plural(unsaid, 'node')})`}`;
  const rest = unknown === 0 ? '' : `; not known of ${plural(unknown, 'node')}`;
  const kept = sum(({ keptBack }) => keptBack.length);
  const back =
    kept === 0
      ? ''
      : `; ${kept} kept back (${countedBy(
          nodes.flatMap(({ keptBack }) => keptBack),
          ({ reason }) => reason,
        )})`;
  return `${sum(({ pending }) => pending)} pending on ${plural(changed, 'node')}${security}${back}${rest}`;
}

function rebootsOf({ nodes, rebootIfRequired }: RunPlan): string {
  const counts = countedBy(
    nodes.filter(({ reboot }) => reboot !== 'no'),
    ({ reboot }) => reboot,
  );
  if (counts === '') return 'none';
  return rebootIfRequired ? counts : `${counts}; not allowed, so such nodes stay reboot-pending`;
}

/** `3 failed, 1 skipped`, most first. */
export function countedBy<T>(items: readonly T[], keyOf: (item: T) => string): string {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(keyOf(item), (counts.get(keyOf(item)) ?? 0) + 1);
  return [...counts]
    .sort(([, one], [, other]) => other - one)
    .map(([key, count]) => `${count} ${key}`)
    .join(', ');
}

function listedNodes({ nodes, cluster }: RunPlan, { all }: PlanView): { nodes: PlannedNode[]; note: string | null } {
  if (all || nodes.length <= FEW_NODES) return { nodes: [...nodes], note: null };
  const counts = new Map<string, number>();
  const isListed = (node: PlannedNode, at: number): boolean => {
    const kind = isTrouble(node) ? (node.outcome ?? 'unknown') : null;
    if (kind === null) return at < MAX_LISTED;
    const count = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, count);
    return count <= MAX_LISTED;
  };
  const shown = nodes.filter(isListed);
  const hidden = countedBy(
    nodes.filter((node) => !shown.includes(node)),
    ({ outcome }) => outcome ?? 'unknown',
  );
  const note = hidden === '' ? null : `and ${hidden}; every node: ospatch plan ${cluster} --all`;
  return { nodes: shown, note };
}

/** Somebody may want to do something about the node before the run. */
function isTrouble({ outcome }: PlannedNode): boolean {
  return outcome === null || outcome === 'failed' || outcome === 'skipped' || outcome === 'not-tried';
}

function nodeTable(plan: RunPlan, nodes: readonly PlannedNode[], { color, zone }: PlanView): string {
  const isStaged = plan.stages.length > 1;
  const head = ['Node', ...(isStaged ? ['Stage'] : []), 'When', 'Pending', 'Sec', 'Reboot', 'Outcome', 'Note'];
  const rows = nodes.map((node) => [
    oneLine(node.node),
    ...(isStaged ? [String(node.stage)] : []),
    turnCell(node, plan, zone),
    node.pending === null ? '?' : String(node.pending),
    securityCell(node),
    node.reboot,
    outcomeCell(node, color),
    noteOf(node, color),
  ]);
  return renderTable(head, rows, color, SPARE_COLUMNS);
}

/** Of nothing pending nothing is a security fix, whoever does not say so. */
function securityCell({ pending, security }: PlannedNode): string {
  if (security !== null) return String(security);
  return pending === 0 ? NONE : '?';
}

/** `03:40-04:00`, on another day than the first `12-06 03:40-04:00`. */
export function turnCell(
  { startsAt, endsAt }: Pick<PlannedNode, 'startsAt' | 'endsAt'>,
  plan: AnyPlan,
  zone: string,
): string {
  if (startsAt === null || endsAt === null) return NONE;
  const [start, end] = [formatTime(startsAt, zone), formatTime(endsAt, zone)];
  const day = start.slice(0, 10) === formatTime(plan.startsAt, zone).slice(0, 10) ? '' : `${start.slice(5, 10)} `;
  return `${day}${start.slice(11, 16)}-${end.slice(11, 16)}`;
}

export function outcomeCell({ outcome }: Pick<PlannedNode, 'outcome'>, color: Colors): string {
  const text = outcome ?? 'unknown';
  if (outcome === 'failed') return color.red(text);
  if (outcome === 'patched' || outcome === 'up-to-date') return color.green(text);
  return outcome === null || outcome === 'skipped' || outcome === 'not-tried' ? color.yellow(text) : text;
}

function noteOf({ reason, keptBack, restarts, findings }: PlannedNode, { columns }: Colors): string {
  const most = columns === undefined ? Infinity : MAX_RESTARTS;
  // What was found stands below the table.
  const isFound = findings.some(({ message }) => message === reason);
  const parts = [
    ...(reason === null || isFound ? [] : [oneLine(reason)]),
    ...(keptBack.length === 0 ? [] : [`${keptBack.length} kept back (${countedBy(keptBack, (one) => one.reason)})`]),
    ...(restarts.length === 0
      ? []
      : [
          `outdated: ${oneLine(restarts.slice(0, most).join(', '))}${restarts.length > most ? ` and ${restarts.length - most} more` : ''}`,
        ]),
  ];
  return parts.join('; ');
}

interface Found {
  cluster: string;
  nodes: readonly { node: string; findings: readonly Finding[] }[];
}

/** What was found on the nodes; the same on several of them once. */
export function findingsOf({ nodes, cluster }: Found, color: Colors): string[] {
  const groups = new Map<string, { finding: Finding; names: string[] }>();
  for (const { node, findings } of nodes) {
    for (const finding of findings) {
      const key = JSON.stringify(finding).replaceAll(node, '\u0000');
      const group = groups.get(key) ?? { finding, names: [] };
      group.names.push(node);
      groups.set(key, group);
    }
  }
  // In a pipe nothing is cut.
  const most = color.columns === undefined ? Infinity : MAX_FINDINGS;
  const found = worstFirst([...groups.values()].map(({ finding, names }) => ({ ...finding, names })));
  const lines = found.slice(0, most).flatMap(({ severity, message, remedy, names }) => {
    const line = `${paint(severity, color)(oneLine(someOf(names)))}  ${severity}: ${asSentence(oneLine(message, MAX_SENTENCE))}`;
    return remedy === null ? [line] : [line, `  ${color.bold('fix:')} ${oneLine(remedy, MAX_SENTENCE)}`];
  });
  const more = found.length - most;
  if (more > 0) lines.push(`and ${plural(more, 'more finding')}: ospatch check ${cluster}`);
  return lines.length === 0 ? [] : [lines.map((line) => wrapped(line, color)).join('\n')];
}

function footnote({ nodes }: RunPlan, zone: string): string {
  const oldest = Math.max(0, ...nodes.map(({ listsAgeMs }) => listsAgeMs ?? 0));
  const age = oldest < MINUTE_MS ? '' : ` (up to ${formatDuration(Math.floor(oldest / MINUTE_MS) * MINUTE_MS)} old)`;
  return `Packages are by the package lists on the nodes${age}; a run refreshes them first and may find more. Nothing was changed. Times are in ${zone}.`;
}

export function wrapped(text: string, { columns = Infinity }: Colors): string {
  return wrapText(text, columns).join('\n');
}
