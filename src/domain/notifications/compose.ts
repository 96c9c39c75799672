/**
 * What a message says, for every kind of target: what happened, what was done to the nodes, what happens next and when, and the
 * commands that steer it. Composed where it is sent, never in a workflow.
 */
import type { NodeOutcome } from '../node/status';
import { plural } from '../shared/plural';
import { shellWord } from '../shared/shell-words';
import { asSentence, plainText } from '../shared/text';
import type { NamedMembers, RebootReport, Report, RunNotice, StuckReport, TroubledNode, WindowReport } from './report';

export interface SteeringCommand {
  /** What the command does, as the label in front of it. */
  what: string;
  command: string;
}

export interface ComposedMessage {
  level: 'info' | 'success' | 'warning' | 'error';
  /** One line without the name of the cluster. */
  title: string;
  /** Sentences. */
  text: string[];
  /** Nodes that need somebody, each with its sentences. */
  nodes: { name: string; text: string }[];
  /** What happens next, and when. Sentences. */
  next: string[];
  commands: SteeringCommand[];
}

export function composeMessage(cluster: string, report: Report): ComposedMessage {
  switch (report.kind) {
    case 'run':
      return ofRun(cluster, report);
    case 'window':
      return ofWindow(cluster, report);
    case 'reboot':
      return ofReboots(cluster, report);
    case 'stuck':
      return ofStuck(cluster, report);
    case 'test':
      return {
        level: 'info',
        title: 'Test message',
        text: [`${asWord(report.by)} has tested the notifications of ${cluster}. Nothing has happened to the cluster.`],
        nodes: [],
        next: ['Messages about the cluster arrive here in the same form.'],
        commands: [{ what: 'See what the cluster does', command: `ospatch status ${shellWord(cluster)}` }],
      };
  }
}

function ofRun(cluster: string, report: RunNotice): ComposedMessage {
  const { level, title } = headOf(report);
  const nodes = [
    ...report.quarantined.map((node) => described(node, 'is quarantined')),
    ...report.unreachable.map((node) => described(node, 'cannot be reached after a change')),
    ...report.failed
      .filter(({ name }) => !report.quarantined.some((one) => one.name === name))
      .map((node) => described(node, 'failed')),
  ];
  return {
    ...{ level, title, nodes },
    text: [beginning(report), ...progress(report), ...hidden(report)],
    next: nextOfRun(report),
    commands: commandsOfRun(cluster, report),
  };
}

function headOf(report: RunNotice): Pick<ComposedMessage, 'level' | 'title'> {
  const { run, end, waits, unit, total, members, quarantined, unreachable } = report;
  const failed = members.failed?.count ?? 0;
  if (end !== undefined) return headOfEnd(report, end.outcome, end.cancelledBy);
  if (waits?.kind === 'budget') {
    return {
      level: 'error',
      title: `Run ${run} waits for a decision: ${plural(waits.failures, unit)} failed, and ${waits.limit} may`,
    };
  }
  if (waits?.kind === 'paused') return { level: 'warning', title: `Run ${run} is paused` };
  if (quarantined.length > 0) {
    return { level: 'error', title: `Run ${run}: ${namesOf(quarantined)} ${isOrAre(quarantined)} quarantined` };
  }
  if (unreachable.length > 0) {
    return { level: 'error', title: `Run ${run}: ${namesOf(unreachable)} cannot be reached after a change` };
  }
  if (failed > 0) return { level: 'error', title: `Run ${run}: ${plural(failed, unit)} failed so far` };
  if (waits?.kind === 'window') return { level: 'info', title: `Run ${run} waits for its next maintenance window` };
  const members_ = total === null ? `all ${unit}s` : plural(total, unit);
  return { level: 'info', title: `Run ${run} started with ${members_}` };
}

function headOfEnd(
  { run, unit, total, members, end }: RunNotice,
  outcome: NonNullable<RunNotice['end']>['outcome'],
  cancelledBy: string | undefined,
): Pick<ComposedMessage, 'level' | 'title'> {
  const failed = members.failed?.count ?? 0;
  const of = total === null ? '' : ` of ${total}`;
  switch (outcome) {
    case 'succeeded': {
      const patched = members.patched?.count ?? 0;
      const pending = (members['reboot-pending']?.count ?? 0) + (members['restart-pending']?.count ?? 0);
      const what = patched + pending === 0 ? 'nothing had to be patched' : `${plural(patched + pending, unit)} patched`;
      return pending > 0
        ? {
            level: 'warning',
            title: `Run ${run} succeeded: ${what}, of which ${pending} ${pending === 1 ? 'waits' : 'wait'} for a restart`,
          }
        : { level: 'success', title: `Run ${run} succeeded: ${what}` };
    }
    case 'failed':
      return failed === 0 && end?.error !== undefined
        ? { level: 'error', title: `Run ${run} failed before its first ${unit}` }
        : { level: 'error', title: `Run ${run} failed: ${failed}${of} ${unit}s failed` };
    case 'stopped':
      return {
        level: 'error',
        title: `Run ${run} was stopped: ${plural(failed, unit)} failed, more than the run allows`,
      };
    case 'cancelled': {
      const who = cancelledBy === undefined ? '' : ` by ${asWord(cancelledBy)}`;
      return { level: 'warning', title: `Run ${run} was cancelled${who}` };
    }
    case 'expired':
      return { level: 'warning', title: `Run ${run} expired before all ${unit}s had their turn` };
  }
}

function beginning({ run, trigger, by, reason, startedAt, end }: RunNotice): string {
  const at = clock(startedAt);
  const why = reason === null ? '' : ` ("${plainText(reason, 200)}")`;
  const started =
    trigger === 'on-demand'
      ? `${by === null ? 'Somebody' : asWord(by)} requested run ${run}${why}, which started at ${at}`
      : trigger === 'boot'
        ? `Run ${run} started at ${at} to bring new nodes to the latest patch version`
        : `Run ${run} started on schedule at ${at}`;
  return end === undefined ? `${started}.` : `${started} and ended at ${clock(end.at)}.`;
}

const OUTCOMES: readonly [NodeOutcome, (count: number) => string][] = [
  ['patched', () => 'patched'],
  ['up-to-date', () => 'already up to date'],
  ['restart-pending', () => 'patched, with services that still run the old code'],
  ['reboot-pending', (count) => `patched and ${count === 1 ? 'waits' : 'wait'} for a reboot`],
  ['failed', () => 'failed'],
  ['skipped', () => 'skipped'],
  ['cancelled', () => 'ended by the cancellation'],
  ['not-tried', () => 'not tried'],
];

/** What was done to the nodes. */
function progress({ members, unit, total, end }: RunNotice): string[] {
  const parts = OUTCOMES.flatMap(([outcome, word]) => {
    const some = members[outcome];
    return some === undefined || some.count === 0 ? [] : [`${word(some.count)}: ${listed(some)}`];
  });
  const ended = Object.values(members).reduce((sum, { count }) => sum + count, 0);
  if (end?.error !== undefined) return [`No ${unit} was changed: ${asSentence(plainText(end.error, 300))}`];
  if (parts.length === 0) return end === undefined ? [`No ${unit} has ended yet.`] : [`The run had no ${unit}s.`];
  const lines = parts.map((part) => `${part.charAt(0).toUpperCase()}${part.slice(1)}.`);
  const left = total === null || end !== undefined ? 0 : Math.max(0, total - ended);
  return left === 0 ? lines : [...lines, `${plural(left, unit)} ${left === 1 ? 'has' : 'have'} not ended yet.`];
}

function hidden({ failed, members }: RunNotice): string[] {
  const more = (members.failed?.count ?? 0) - failed.length;
  return more > 0 && failed.length > 0 ? [`The first ${failed.length} that failed are described here.`] : [];
}

function described({ name, message, remedy, changed }: TroubledNode, is: string): ComposedMessage['nodes'][number] {
  const why = asSentence(plainText(message, 300));
  const what = changed === true ? ' Its packages were changed in this run.' : '';
  const fix = remedy === undefined ? '' : ` To do: ${asSentence(plainText(remedy, 300))}`;
  return { name: plainText(name, 253), text: `${is}: ${why}${what}${fix}` };
}

function nextOfRun(report: RunNotice): string[] {
  const { end, waits, expiresAt, run } = report;
  if (end !== undefined) return [...pendingNext(report), nextWindowText(report.nextWindow)];
  const expiry =
    expiresAt === undefined ? [] : [`Run ${run} ends as expired at ${clock(expiresAt)} unless it has gone on by then.`];
  switch (waits?.kind) {
    case 'paused': {
      const why = waits.reason === null ? '' : ` ("${plainText(waits.reason, 200)}")`;
      return [
        `${asWord(waits.by)} has paused the cluster${why}. No node is started until somebody resumes it.`,
        ...expiry,
      ];
    }
    case 'budget':
      return [`No other ${report.unit} is started until somebody decides.`, ...expiry];
    case 'window':
      return [
        waits.next === null
          ? 'When the run goes on is not known, because the next window is not.'
          : `The run goes on in the maintenance window that begins at ${clock(waits.next)}.`,
        ...expiry,
      ];
    case undefined:
      return ['The run goes on as far as its limits allow.'];
  }
}

function pendingNext({ members, reboots }: RunNotice): string[] {
  const count = members['reboot-pending']?.count ?? 0;
  if (count === 0) return [];
  const which = count === 1 ? 'The node that waits for a reboot' : `The ${count} nodes that wait for a reboot`;
  return reboots
    ? [`${which} will be tried again in the next run.`]
    : [`${which} will not be rebooted by ospatch, because rebootIfRequired is false.`];
}

function nextWindowText(nextWindow: string | null): string {
  return nextWindow === null
    ? 'No maintenance window is known; the next run has to be requested.'
    : `The next maintenance window begins at ${clock(nextWindow)}.`;
}

function commandsOfRun(cluster: string, report: RunNotice): SteeringCommand[] {
  const name = shellWord(cluster);
  const { end, waits, run, quarantined, failed, nextWindow } = report;
  const troubled = [...quarantined, ...report.unreachable, ...failed][0];
  const explain =
    troubled === undefined
      ? []
      : [
          {
            what: `Why ${troubled.name} needs somebody`,
            command: `ospatch explain ${name} ${shellWord(troubled.name)}`,
          },
        ];
  if (end !== undefined) {
    const again =
      end.outcome === 'succeeded'
        ? []
        : [{ what: 'Try again now', command: `ospatch patch ${name}${nextWindow === null ? '' : ' --ignore-window'}` }];
    return [...explain, { what: 'What the run did', command: `ospatch history ${name}` }, ...again];
  }
  switch (waits?.kind) {
    case 'paused':
      return [...explain, { what: 'Go on', command: `ospatch resume ${name}` }, cancel(name, run)];
    case 'budget':
      return [
        ...explain,
        { what: 'Go on, and allow as many failures', command: `ospatch set-max-failures ${name} ${waits.failures}` },
        cancel(name, run),
      ];
    case 'window':
      return [...explain, { what: 'See what is left', command: `ospatch status ${name}` }, cancel(name, run)];
    case undefined:
      return [
        ...explain,
        { what: 'Follow it', command: `ospatch status ${name} --watch` },
        { what: 'Start no other node', command: `ospatch pause ${name}` },
      ];
  }
}

function cancel(name: string, run: number): SteeringCommand {
  return { what: `End run ${run}`, command: `ospatch cancel ${name}` };
}

function ofWindow(cluster: string, { window, result, nextWindow }: WindowReport): ComposedMessage {
  const name = shellWord(cluster);
  const why = /^missed \((.*)\)$/.exec(result)?.[1] ?? '';
  const isPaused = why === 'paused';
  return {
    level: 'error',
    title: `The maintenance window of ${clock(window)} was missed`,
    text: [
      isPaused
        ? 'The cluster was paused, so no run started. No node was changed.'
        : `No run started in the window${why === '' ? '' : `: ${plainText(why, 200)}`}. No node was changed.`,
    ],
    nodes: [],
    next: [nextWindowText(nextWindow)],
    commands: [
      ...(isPaused ? [{ what: 'Resume the cluster', command: `ospatch resume ${name}` }] : []),
      ...(isPaused
        ? []
        : [{ what: 'Patch now, outside of windows', command: `ospatch patch ${name} --ignore-window` }]),
      { what: 'Look for the cause', command: `ospatch doctor ${name}` },
    ],
  };
}

function ofReboots(cluster: string, { after, nodes, since, reboots, nextWindow }: RebootReport): ComposedMessage {
  const name = shellWord(cluster);
  const wait = nodes.count === 1 ? 'has' : 'have';
  return {
    level: 'warning',
    title: `${plural(nodes.count, 'node')} ${wait} waited for a reboot for more than ${after}`,
    text: [
      `Patched, and still running the old code: ${listed(nodes)}.`,
      `The first has been waiting since ${clock(since)}.`,
    ],
    nodes: [],
    next: [
      reboots
        ? 'The next run tries to reboot them.'
        : 'ospatch will not reboot them, because rebootIfRequired is false in the spec.',
      nextWindowText(nextWindow),
    ],
    commands: [
      ...(reboots ? [{ what: 'Reboot them in a run now', command: `ospatch patch ${name}` }] : []),
      { what: 'See which reboots are pending', command: `ospatch status ${name} --state reboot-pending` },
    ],
  };
}

function ofStuck(cluster: string, { at, cause, message }: StuckReport): ComposedMessage {
  const name = shellWord(cluster);
  const why = asSentence(plainText(message, 300));
  return {
    level: 'error',
    title: cause === 'loop' ? 'The cluster is stuck' : 'The next maintenance windows are not known',
    text: [
      cause === 'loop'
        ? `Since ${clock(at)} the cluster does nothing, because of a fault in ospatch: ${why}`
        : `Since ${clock(at)} they cannot be computed: ${why}`,
    ],
    nodes: [],
    next: [
      cause === 'loop'
        ? 'The cluster tries again after an hour. Until then no run starts.'
        : 'The cluster tries again by itself. Until it succeeds, no scheduled run starts; requested runs do.',
    ],
    commands: [{ what: 'Look for the cause', command: `ospatch doctor ${name}` }],
  };
}

/** `2026-11-29 00:00 +01:00`; `2026-11-28 23:00 UTC`. */
export function clock(instant: string): string {
  const [, day, time, zone] = /^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2})(?::[\d.]+)?(Z|[+-]\d{2}:\d{2})$/.exec(instant) ?? [];
  if (day === undefined || time === undefined || zone === undefined) return plainText(instant, 40);
  return `${day} ${time} ${zone === 'Z' ? 'UTC' : zone}`;
}

/** `w-1, w-2 and 7 more`. */
function listed({ count, names }: NamedMembers): string {
  const more = count - names.length;
  const shown = names.map((name) => plainText(name, 253)).join(', ');
  return more > 0 ? `${shown} and ${more} more` : shown;
}

function namesOf(nodes: readonly TroubledNode[]): string {
  return listed({ count: nodes.length, names: nodes.slice(0, 3).map(({ name }) => name) });
}

function isOrAre(nodes: readonly unknown[]): string {
  return nodes.length === 1 ? 'is' : 'are';
}

function asWord(text: string): string {
  return plainText(text, 100).replace(/^an unnamed user$/, 'An unnamed user');
}

/** The whole message as plain text, for mail and as the fallback of other forms. */
export function plainMessage(cluster: string, { title, text, nodes, next, commands }: ComposedMessage): string {
  return [
    `${cluster}: ${title}`,
    text.join('\n'),
    nodes.map(({ name, text: said }) => `- ${name} ${said}`).join('\n'),
    next.join('\n'),
    commands.map(({ what, command }) => `${what}:\n  ${command}`).join('\n'),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}
