/**
 * What a message says, for every kind of target: what happened, what was done to the nodes, what happens next and when, and the
 * commands that steer it. Composed where it is sent, never in a workflow.
 */
import type { NodeOutcome } from '../node/status';
import { plural } from '../shared/plural';
import { shellWord } from '../shared/shell-words';
import { asSentence, plainText } from '../shared/text';
import type {
  NamedMembers,
  PausedBy,
  RebootReport,
  Report,
  RunNotice,
  RunWait,
  StuckReport,
  TroubledNode,
  WindowReport,
} from './report';

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
        text: [
          `${asWord(report.by)} sent this message to test the notifications of ${cluster}. The cluster is unchanged.`,
        ],
        nodes: [],
        next: ['Notifications about the cluster will look like this one.'],
        commands: [{ what: 'Status of the cluster', command: `ospatch status ${shellWord(cluster)}` }],
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
      title: `Run ${run} is blocked: ${plural(waits.failures, unit)} failed, allowed: ${waits.limit}`,
    };
  }
  if (waits?.kind === 'paused') return { level: 'warning', title: `Run ${run} is paused` };
  if (waits?.kind === 'held')
    return { level: 'warning', title: `Run ${run} is held by ${HOLDERS[holderOf(waits)].by}` };
  if (quarantined.length > 0) {
    return { level: 'error', title: `Run ${run}: ${namesOf(quarantined)} ${isOrAre(quarantined)} quarantined` };
  }
  if (unreachable.length > 0) {
    return { level: 'error', title: `Run ${run}: ${namesOf(unreachable)} cannot be reached after a change` };
  }
  if (failed > 0) return { level: 'error', title: `Run ${run}: ${plural(failed, unit)} failed so far` };
  if (expiresFirst(report)) {
    return { level: 'warning', title: `Run ${run} expires before its next maintenance window` };
  }
  if (waits?.kind === 'window') return { level: 'info', title: `Run ${run} waits for its next maintenance window` };
  return { level: 'info', title: `Run ${run} started${total === null ? '' : ` on ${plural(total, unit)}`}` };
}

function headOfEnd(
  { run, unit, total, members, end }: RunNotice,
  outcome: NonNullable<RunNotice['end']>['outcome'],
  cancelledBy: string | undefined,
): Pick<ComposedMessage, 'level' | 'title'> {
  const failed = members.failed?.count ?? 0;
  const of = total === null ? plural(failed, unit) : `${failed} of ${plural(total, unit)}`;
  switch (outcome) {
    case 'succeeded': {
      const { what, isDone } = doneIn(members, unit);
      return { level: isDone ? 'success' : 'warning', title: `Run ${run} succeeded: ${what}` };
    }
    case 'failed':
      return end?.error !== undefined && failed === 0
        ? { level: 'error', title: `Run ${run} ended with an error` }
        : { level: 'error', title: `Run ${run} failed: ${of} failed` };
    case 'stopped':
      return { level: 'error', title: `Run ${run} was stopped: ${of} failed, more than allowed` };
    case 'cancelled': {
      const who = cancelledBy === undefined ? '' : ` by ${asWord(cancelledBy)}`;
      return { level: 'warning', title: `Run ${run} was cancelled${who}` };
    }
    case 'expired':
      return { level: 'warning', title: `Run ${run} expired before all ${unit}s were patched` };
  }
}

/** `12 nodes patched, 1 awaiting a reboot`. `isDone`: nothing is left for another run. */
function doneIn(members: RunNotice['members'], unit: RunNotice['unit']): { what: string; isDone: boolean } {
  const some: [NodeOutcome, string][] = [
    ['patched', 'patched'],
    ['restart-pending', 'awaiting service restarts'],
    ['reboot-pending', 'awaiting a reboot'],
    ['skipped', 'skipped'],
  ];
  const found = some.flatMap(([outcome, word]): [number, string][] => {
    const count = members[outcome]?.count ?? 0;
    return count === 0 ? [] : [[count, word]];
  });
  const parts = found.map(([count, word], at) => `${at === 0 ? plural(count, unit) : count} ${word}`);
  const upToDate = members['up-to-date']?.count ?? 0;
  return {
    what: parts.join(', ') || (upToDate > 0 ? `${plural(upToDate, unit)} already up to date` : `no ${unit}s to patch`),
    isDone: found.every(([, word]) => word === 'patched'),
  };
}

function beginning({ run, trigger, by, reason, startedAt, end }: RunNotice): string {
  const at = clock(startedAt);
  const why = reason === null ? '' : ` ("${plainText(reason, 200)}")`;
  const started =
    trigger === 'on-demand'
      ? `${by === null ? 'Somebody' : asWord(by)} requested run ${run}${why}, which started at ${at}`
      : trigger === 'boot'
        ? `Run ${run} started at ${at} to patch new nodes`
        : `Run ${run} started on schedule at ${at}`;
  return end === undefined ? `${started}.` : `${started} and ended at ${clock(end.at)}.`;
}

const OUTCOMES: readonly [NodeOutcome, string][] = [
  ['patched', 'Patched'],
  ['up-to-date', 'Already up to date'],
  ['restart-pending', 'Awaiting service restarts'],
  ['reboot-pending', 'Awaiting a reboot'],
  ['failed', 'Failed'],
  ['skipped', 'Skipped'],
  ['cancelled', 'Cancelled'],
  ['not-tried', 'Not tried'],
];

/** What was done to the nodes. */
function progress({ members, unit, total, end }: RunNotice): string[] {
  const lines = OUTCOMES.flatMap(([outcome, word]) => {
    const some = members[outcome];
    return some === undefined || some.count === 0 ? [] : [`${word}: ${listed(some)}.`];
  });
  // A run that ended with an error may have changed nodes before.
  const error = end?.error === undefined ? [] : [`Error: ${asSentence(plainText(end.error, 300))}`];
  if (lines.length === 0 && end === undefined) return [`No ${unit} is finished yet.`];
  if (lines.length === 0 && end?.error === undefined) return [`The run had no ${unit}s.`];
  const ended = Object.values(members).reduce((sum, { count }) => sum + count, 0);
  const left = total === null || end?.outcome === 'succeeded' ? 0 : Math.max(0, total - ended);
  const what =
    end === undefined ? `${left === 1 ? 'is' : 'are'} not finished yet` : `${left === 1 ? 'has' : 'have'} no result`;
  const unfinished = left === 0 ? [] : [`${plural(left, unit)} ${what}.`];
  return [...error, ...lines, ...unfinished];
}

function hidden({ failed, members }: RunNotice): string[] {
  const { length } = failed;
  const count = members.failed?.count ?? 0;
  return count > length && length > 0
    ? [`Of the ${count} that failed, ${length} ${length === 1 ? 'is' : 'are'} described here.`]
    : [];
}

function described({ name, message, remedy, changed }: TroubledNode, is: string): ComposedMessage['nodes'][number] {
  const why = asSentence(plainText(message, 300));
  const what = changed === true ? ' Packages on the node were changed in this run.' : '';
  const fix = remedy === undefined ? '' : ` Fix: ${asSentence(plainText(remedy, 300))}`;
  return { name: plainText(name, 253), text: `${is}: ${why}${what}${fix}` };
}

function nextOfRun(report: RunNotice): string[] {
  const { end, waits, expiresAt, run } = report;
  if (end !== undefined && report.removing === true) return ['The cluster is removed from ospatch: no run follows.'];
  if (end !== undefined) return [...pendingNext(report), ...runsAgain(report, end.at)];
  const expiry =
    expiresAt === undefined ? [] : [`Run ${run} expires at ${clock(expiresAt)} unless it has continued by then.`];
  switch (waits?.kind) {
    case 'paused':
      return [pausedText(waits, `further ${report.unit}`), ...expiry];
    case 'budget':
      return [
        `No further ${report.unit} is started until more failures are allowed, or a failed ${report.unit} is retried or skipped.`,
        ...expiry,
      ];
    case 'held':
      return [
        `The run has made no progress since ${clock(waits.since)}: ${asSentence(withClocks(plainText(waits.message, 300)))}`,
        `No further ${report.unit} is started until ${HOLDERS[holderOf(waits)].until}. The run then continues by itself.`,
        ...expiry,
      ];
    case 'window':
      if (waits.next !== null && expiresAt !== undefined && expiresFirst(report)) {
        return [
          `Run ${run} expires at ${clock(expiresAt)}, before the next maintenance window begins (${clock(waits.next)}). The ${report.unit}s that are left are not patched by this run.`,
        ];
      }
      return [
        waits.next === null
          ? 'The run continues in its next maintenance window. When that begins is not known.'
          : `The run continues in the maintenance window that begins at ${clock(waits.next)}.`,
        ...expiry,
      ];
    case undefined:
      if (report.cancelling === true) return ['The run was cancelled. It ends when the work in progress is finished.'];
      if (report.paused !== undefined)
        return [pausedText(report.paused, `further ${report.unit}`), ...lostNext(report)];
      // Whether the limit is exceeded is not known here; one that is unreachable counts until it is back.
      return isTroubled(report)
        ? [...lostNext(report), `The run continues unless more ${report.unit}s failed or are unreachable than allowed.`]
        : ['The run continues.'];
  }
}

const HOLDERS = {
  alerts: { by: 'firing alerts', until: 'no alert fires that holds the run' },
  unknown: { by: 'its alert gate', until: 'Alertmanager answers that no alert holds the run' },
  nodes: { by: 'unavailable nodes', until: 'enough nodes are available again' },
} as const;

function holderOf({ limit }: Extract<RunWait, { kind: 'held' }>): keyof typeof HOLDERS {
  if (limit === 'alerts') return 'alerts';
  return limit === 'alerts-unknown' ? 'unknown' : 'nodes';
}

/** The run waits for a window that begins too late for it. */
function expiresFirst({ waits, expiresAt }: RunNotice): boolean {
  return (
    waits?.kind === 'window' &&
    waits.next !== null &&
    expiresAt !== undefined &&
    Date.parse(expiresAt) <= Date.parse(waits.next)
  );
}

function isTroubled({ members, quarantined, unreachable }: RunNotice): boolean {
  return (members.failed?.count ?? 0) + quarantined.length + unreachable.length > 0;
}

function lostNext({ unreachable }: RunNotice): string[] {
  return unreachable.length === 0 ? [] : [`Attempts to reach ${namesOf(unreachable)} continue.`];
}

/** `what`: what does not start. */
function pausedText({ by, reason }: PausedBy, what: string): string {
  const why = reason === null ? '' : ` ("${plainText(reason, 200)}")`;
  return `${asWord(by)} paused the cluster${why}. No ${what} is started until the cluster is resumed.`;
}

/** When the next run starts, as known at the moment `at`. */
function runsAgain({ paused, nextWindow }: { paused?: PausedBy; nextWindow: string | null }, at?: string): string[] {
  return [...(paused === undefined ? [] : [pausedText(paused, 'run')]), nextWindowText(nextWindow, at)];
}

function pendingNext({ members, reboots }: RunNotice): string[] {
  const count = members['reboot-pending']?.count ?? 0;
  if (count === 0) return [];
  const which = count === 1 ? 'the node that awaits a reboot' : `the ${count} nodes that await a reboot`;
  return reboots
    ? [`The next run tries to reboot ${which}.`]
    : [`ospatch will not reboot ${which}: rebootIfRequired is false in the spec.`];
}

function nextWindowText(nextWindow: string | null, at?: string): string {
  if (nextWindow === null) return 'No maintenance window is known. Until there is one, no run starts on schedule.';
  const hasBegun = at !== undefined && Date.parse(nextWindow) <= Date.parse(at);
  return hasBegun
    ? `A maintenance window has begun at ${clock(nextWindow)}.`
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
            what: `What is wrong with ${plainText(troubled.name, 253)}`,
            command: `ospatch explain ${name} ${shellWord(troubled.name)}`,
          },
        ];
  if (end !== undefined) {
    const again =
      end.outcome === 'succeeded' || report.removing === true
        ? []
        : report.paused !== undefined
          ? [resume(name)]
          : [
              {
                what: 'Patch again now',
                command: `ospatch patch ${name}${nextWindow === null ? '' : ' --ignore-window'}`,
              },
            ];
    return [...explain, { what: 'Details of the run', command: `ospatch history ${name} --run ${run}` }, ...again];
  }
  switch (waits?.kind) {
    case 'paused':
      return [...explain, resume(name), cancel(name, run)];
    case 'budget':
      return [
        ...explain,
        {
          what: `Allow ${plural(waits.failures, 'failure')} and continue`,
          command: `ospatch set-max-failures ${name} ${waits.failures}`,
        },
        ...failed
          .slice(0, report.unit === 'node' ? 1 : 0)
          .map((node) => ({ what: `Retry ${node.name}`, command: `ospatch retry ${name} ${shellWord(node.name)}` })),
        cancel(name, run),
      ];
    case 'held':
      return [...explain, { what: 'What holds the run', command: `ospatch explain ${name}` }, cancel(name, run)];
    case 'window':
      return [...explain, { what: 'Status of the run', command: `ospatch status ${name}` }, cancel(name, run)];
    case undefined:
      return [
        ...explain,
        ...report.unreachable.slice(0, 1).map((node) => ({
          what: `Stop waiting for ${node.name}`,
          command: `ospatch release ${name} ${shellWord(node.name)}`,
        })),
        { what: 'Follow the run', command: `ospatch status ${name} --watch` },
        ...(report.cancelling === true
          ? []
          : report.paused === undefined
            ? [{ what: 'Pause the cluster', command: `ospatch pause ${name}` }]
            : [resume(name)]),
      ];
  }
}

function resume(name: string): SteeringCommand {
  return { what: 'Resume the cluster', command: `ospatch resume ${name}` };
}

function cancel(name: string, run: number): SteeringCommand {
  return { what: `Cancel run ${run}`, command: `ospatch cancel ${name}` };
}

function ofWindow(cluster: string, report: WindowReport): ComposedMessage {
  const name = shellWord(cluster);
  const { window, result, paused } = report;
  const why = /^missed \((.*)\)$/.exec(result)?.[1] ?? '';
  const isPaused = why === 'paused';
  const ofRun = /^run \d/.test(why);
  const doctor = { what: 'Find the cause', command: `ospatch doctor ${name}` };
  const now = { what: 'Patch now, outside of windows', command: `ospatch patch ${name} --ignore-window` };
  const commands =
    paused !== undefined
      ? [resume(name)]
      : ofRun
        ? [{ what: 'Status of the run', command: `ospatch status ${name}` }]
        : isPaused
          ? [now]
          : [doctor, now];
  return {
    level: 'error',
    title: `The maintenance window of ${clock(window)} was missed`,
    text: [
      isPaused
        ? 'The cluster was paused, so no run started in the window.'
        : `No run started in the window${why === '' ? '' : `: ${withClocks(plainText(why, 200))}`}.`,
    ],
    nodes: [],
    next: runsAgain(report),
    commands,
  };
}

function ofReboots(cluster: string, report: RebootReport): ComposedMessage {
  const { after, nodes, since, reboots, paused, nextWindow } = report;
  const name = shellWord(cluster);
  const [first] = nodes.names;
  const now = `ospatch patch ${name}${nextWindow === null ? '' : ' --ignore-window'}`;
  return {
    level: 'warning',
    title: `${plural(nodes.count, 'node')} ${nodes.count === 1 ? 'has' : 'have'} awaited a reboot for more than ${after}`,
    text: [
      `Awaiting a reboot: ${listed(nodes)}.`,
      ...(first === undefined ? [] : [`${plainText(first, 253)} has waited longest, since ${clock(since)}.`]),
    ],
    nodes: [],
    next: [
      reboots
        ? `The next run tries to reboot ${nodes.count === 1 ? 'the node' : 'them'}.`
        : `ospatch will not reboot ${nodes.count === 1 ? 'the node' : 'them'}: rebootIfRequired is false in the spec.`,
      ...runsAgain(report),
    ],
    commands: [
      ...(paused !== undefined
        ? [resume(name)]
        : reboots
          ? [{ what: 'Start a run now, which also reboots', command: now }]
          : []),
      { what: 'List the nodes', command: `ospatch status ${name} --state reboot-pending` },
    ],
  };
}

function ofStuck(cluster: string, { at, cause, message }: StuckReport): ComposedMessage {
  const name = shellWord(cluster);
  const why = asSentence(withClocks(plainText(message, 300)));
  return {
    level: 'error',
    title: cause === 'loop' ? 'The cluster is stuck' : 'The next maintenance windows are unknown',
    text: [
      cause === 'loop'
        ? `A bug in ospatch has stopped the cluster since ${clock(at)}: ${why}`
        : `Since ${clock(at)} the next maintenance windows cannot be computed: ${why}`,
    ],
    nodes: [],
    next: [
      cause === 'loop'
        ? 'The cluster tries again every hour. Until that succeeds, no run starts.'
        : 'The cluster keeps trying. Until that succeeds, no run starts on schedule. A run requested with --ignore-window starts.',
    ],
    commands: [{ what: 'Find the cause', command: `ospatch doctor ${name}` }],
  };
}

/** Instants within a text of ospatch, in the form of the message. */
function withClocks(text: string): string {
  return text.replace(/\b\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::[\d.]+)?(?:Z|[+-]\d{2}:\d{2})/g, clock);
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
