/** Markdown for the Temporal UI, where each workflow shows it under User Metadata. */
import { senderText } from '../shared/verification';
import { NO_VALUE, commandOrText, readableTimes, text } from './markdown';
import type { ClusterStatus } from '../cluster/messages';
import type { NodePatchResult } from '../node/patch';
import type { MemberKind, MemberSettled, MemberStatus } from '../cluster/member';
import { isNode, memberName, memberNameOf } from '../cluster/member';
import type { NodeState, NodeStatus } from '../node/status';
import { nodeGroupTable } from './node-group';
import { describeHold, someOf } from '../run/describe-hold';
import type { RunDetail, RunProgressPage, RunTrigger } from '../run/run';
import type { StatusLine } from '../explain/explanation';
import { describeLine, moreLines } from '../explain/status-line';
import { isoSecond } from '../shared/dates';

/** Names in one sentence; the rest is counted. */
const MAX_NAMES = 10;

/** More rows make the page slow; the worst come first and the rest is counted. */
const MAX_ROWS = 100;

/** Worst first: needs attention, in progress, fine. */
const SEVERITY: readonly NodeState[] = [
  'failed',
  'not-tried',
  'reboot-pending',
  'restart-pending',
  'skipped',
  'patching',
  'waiting',
  'unknown',
  'patched',
  'up-to-date',
];

/** What needs somebody or what is next, the rest of the summary, and the node table. */
export function renderCluster(status: ClusterStatus, lines: readonly StatusLine[]): string {
  const [first, ...rest] = lines;
  const sentence = first === undefined ? '' : text(describeLine(first));
  if (status.state === 'not-patchable') return `**${text(status.cluster)}** (${status.type}): ${sentence}`;
  const { run, lastRun, lastRejection } = status;
  const kind = status.type === 'eks' ? 'node-group' : 'node';
  const next = first?.change[0];
  const more = moreLines(rest);
  const paragraphs = [
    `**${sentence}**`,
    ...(next === undefined ? [] : [`**Next:** ${commandOrText(next)}`]),
    ...(more === null ? [] : [`**Also:** ${text(more)}`]),
    `**State:** ${status.state}${status.ready ? '' : ', not ready'}. **Next window:** ${windowText(status)}`,
    ...(status.loopError === null ? [] : [`**Error:** ${text(status.loopError)}`]),
    ...(status.reset === null ? [] : [`**Reset:** ${text(status.reset)}`]),
    ...(status.scheduleError === null ? [] : [`**Schedule error:** ${text(status.scheduleError)}`]),
    ...(run === null
      ? []
      : [
          `**Run ${run.number}** (${run.trigger}): ${run.state}, ${run.done} of ${run.total} ${memberNameOf(status.type)}s`,
          ...(run.detail === undefined ? [] : detailParagraphs(run.detail, kind)),
        ]),
    ...(lastRun === null
      ? []
      : [`**Last run:** ${lastRun.number} (${lastRun.trigger}), ${lastRun.outcome} at ${lastRun.endedAt}`]),
    ...(lastRejection === null
      ? []
      : [
          `**Last refusal:** ${text(lastRejection.request)} by ${text(senderText(lastRejection))} at ${lastRejection.at}: ${text(lastRejection.message)}`,
        ]),
    memberTable(status).join('\n'),
  ];
  return readableTimes(paragraphs.join('\n\n'));
}

/** The details of a run workflow. `end`: how it has ended; null: it has not. */
export function renderRunProgress(progress: RunProgressPage, kind: MemberKind, end: string | null = null): string {
  const rows = failedFirst(progress.settled).map((one) => `| ${settledCells(one).map(text).join(' | ')} |`);
  const ended = end === null ? '' : ` (${text(end)})`;
  const paragraphs = [
    `**Run ${progress.run}:** ${progress.done} of ${progress.total} ${memberName(kind)}s${ended}${inFlightOf(progress)}`,
    ...(end === null ? detailParagraphs(progress, kind) : []),
    [...RUN_HEADS[kind], ...rows].join('\n'),
  ];
  return readableTimes(paragraphs.join('\n\n'));
}

/** As many rows as a page can show: half of them for failures, the rest for those that have settled last. */
function failedFirst(settled: readonly MemberSettled[]): MemberSettled[] {
  if (settled.length <= MAX_ROWS) return [...settled];
  const failed = settled.filter(({ outcome }) => outcome === 'failed').slice(-MAX_ROWS / 2);
  const others = settled.filter(({ outcome }) => outcome !== 'failed');
  return [...failed, ...others.slice(failed.length - MAX_ROWS)];
}

/** What of a run with several places, stages or a budget is to be seen beyond its counts. */
function detailParagraphs(detail: RunDetail, kind: MemberKind): string[] {
  const { limits, failures, inFlightCount, lostCount, waitingCount, upcoming, hold, stage, stages } = detail;
  const lost = lostCount === 0 ? '' : `, ${lostCount} lost`;
  const parts = [
    `${inFlightCount} of ${limits.concurrency} places taken${lost}`,
    `${failures} failed, ${limits.maxFailures} may`,
    ...(stages > 1 ? [`stage ${stage} of ${stages}`] : []),
  ];
  const wait = hold === null ? '' : `, not yet: ${text(describeHold(hold, memberName(kind)))}`;
  const next = waitingCount === 0 ? [] : [`**Next:** ${text(someOf(upcoming, MAX_NAMES, waitingCount))}${wait}`];
  return [`**Limits:** ${parts.join('; ')}`, ...next];
}

function inFlightOf({ inFlight, inFlightCount }: RunProgressPage): string {
  if (inFlightCount === 0) return '';
  const shown = inFlight.slice(0, MAX_NAMES).map(({ node, state }) => `${text(node)} (${state})`);
  const more = inFlightCount - shown.length;
  return `, now ${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

const RUN_HEADS: Readonly<Record<MemberKind, readonly string[]>> = {
  node: ['| Node | Outcome | Packages | Reboots | Error |', '|---|---|---|---|---|'],
  'node-group': ['| Node group | Outcome | Release | Error |', '|---|---|---|---|'],
};

function settledCells(one: MemberSettled): string[] {
  const what =
    one.kind === 'node' ? [String(one.packagesChanged), String(one.reboots)] : [one.reading?.release ?? NO_VALUE];
  return [one.node, one.outcome, ...what, one.error?.message ?? ''];
}

/** The details of a node patch workflow. */
export function renderNodePatch(cluster: string, trigger: RunTrigger, result: NodePatchResult): string {
  const ended = result.endedAt !== '';
  const lines = [
    `**${text(result.node)}** of ${text(cluster)}, run ${result.run} (${trigger})${ended ? `: ${result.outcome}` : ''}`,
    '',
    '| Step | Started | Seconds |',
    '|---|---|---|',
    ...result.steps.map((step, at) => {
      const isOpen = !ended && at === result.steps.length - 1 && step.durationMs === 0;
      return `| ${step.step} | ${step.startedAt} | ${isOpen ? 'in progress' : (step.durationMs / 1000).toFixed(1)} |`;
    }),
    ...(result.before === null
      ? []
      : ['', `**Before:** ${text(result.before.osVersion)}, kernel ${text(result.before.kernel)}`]),
    ...(result.after === null
      ? []
      : ['', `**After:** ${text(result.after.osVersion)}, kernel ${text(result.after.kernel)}`]),
    ...(result.waitingFor === undefined ? [] : ['', `**Waiting for** ${text(result.waitingFor)}`]),
    ...(result.changes.length === 0 ? [] : ['', `**Packages changed:** ${result.changes.length}`]),
    ...renderDrain(result),
    ...result.warnings.flatMap(({ message }) => ['', `**Warning:** ${text(message)}`]),
    ...(result.error === null ? [] : ['', `**${result.error.type}:** ${text(result.error.message)}`]),
  ];
  return readableTimes(lines.join('\n'));
}

function renderDrain({ drain }: NodePatchResult): string[] {
  if (drain === undefined) return [];
  const pods = `${drain.evicted} pod${drain.evicted === 1 ? '' : 's'} evicted`;
  const cordoned = drain.cordonedBefore === 'others' ? ', cordoned by others before and left so' : '';
  const left = drain.blocked.map(({ namespace, name, why }) => `- ${text(`${namespace}/${name}: ${why}`)}`);
  return [
    '',
    `**Drain:** ${drain.state ?? 'not ended'}, ${pods}${cordoned}`,
    ...(left.length === 0 ? [] : ['', ...left]),
  ];
}

/** In the time zone of the schedule, and in UTC as all other times of the page. */
function windowText({ nextWindow, timeZone }: ClusterStatus): string {
  if (nextWindow === null) return 'none, on demand only';
  const { start, end } = nextWindow;
  const zone = timeZone === null ? '' : ` (${timeZone})`;
  const utc = start.endsWith('Z') ? '' : ` = ${isoSecond(Date.parse(start))}`;
  return `${start}${end === null ? '' : ` to ${end}`}${zone}${utc}`;
}

function memberTable({ type, nodes }: ClusterStatus): string[] {
  const shown = worstFirst(nodes);
  const hidden = nodes.length - shown.length;
  return [
    ...(type === 'eks'
      ? nodeGroupTable(shown.filter((row) => row.kind === 'node-group'))
      : nodeTable(shown.filter(isNode))),
    ...(hidden > 0 ? ['', `and ${hidden} more ${memberNameOf(type)}s (${countStates(nodes)})`] : []),
  ];
}

function nodeTable(nodes: readonly NodeStatus[]): string[] {
  const rows = nodes.map((node) => {
    const cells = [
      node.name,
      node.role,
      node.state,
      node.lastAppliedPatchTime ?? NO_VALUE,
      node.patchedVersion ?? NO_VALUE,
      node.kernel ?? NO_VALUE,
      node.pendingUpdates === null ? NO_VALUE : String(node.pendingUpdates),
      node.lastError?.message ?? '',
    ];
    return `| ${cells.map(text).join(' | ')} |`;
  });
  return [
    '| Node | Role | State | Last Applied Patch Time | Patched Version | Kernel | Pending | Last error |',
    '|---|---|---|---|---|---|---|---|',
    ...rows,
  ];
}

/** At most as many rows as a page can show. */
function worstFirst(nodes: readonly MemberStatus[]): MemberStatus[] {
  return [...nodes].sort((a, b) => SEVERITY.indexOf(a.state) - SEVERITY.indexOf(b.state)).slice(0, MAX_ROWS);
}

function countStates(nodes: readonly MemberStatus[]): string {
  return SEVERITY.map((state) => ({ state, count: nodes.filter((node) => node.state === state).length }))
    .filter(({ count }) => count > 0)
    .map(({ state, count }) => `${count} ${state}`)
    .join(', ');
}
