/** The report about a run, and the place where reports wait for a notifier. */
import { defined } from '../shared/defined';
import { plainText } from '../shared/text';
import type { NamedMembers, PausedBy, Report, RunNotice, RunWait, TroubledNode } from '../notifications/report';
import { aboutOf, subjectOf } from '../notifications/report';
import type { WorkerTarget } from '../notifications/types';
import type { NodeOutcome } from '../node/status';
import { handsOverNodes } from '../run/run';
import type { RunPolicy, RunTrigger } from '../run/run';
import type { ClusterSpec } from '../spec/types';
import { isNode, memberName } from './member';
import type { MemberStatus } from './member';
import { recordEvent } from './events';
import type { RunSummary } from './messages';
import { longHold } from './run-held';
import type { HeldCluster, HeldRun } from './run-held';
import type { ScheduleState } from './schedule-state';
import type { Totals } from './totals';
import { countTotal } from './totals';

/** Carried through continue-as-new. */
export interface Notices {
  /** Number of the last event that was looked at. */
  seen: number;
  /** The targets of the workers' file. Absent: no worker was asked yet. */
  defaults?: WorkerTarget[];
  /** Reports about what is over, oldest first, until a notifier has them. Absent: none. */
  pending?: Report[];
  /** `keyOf` of the last report that the notifier of a subject has. Absent: none has one. */
  handedOver?: Record<string, string>;
  /** Reboots that became due up to then were reported, epoch milliseconds, by the duration of the filter. */
  reminded?: Record<string, number>;
  /** Why no worker could name the targets of its file when one was asked last. Absent: one could. */
  unknown?: string;
  /** The fault that was reported, until it is over. */
  stuck?: string;
}

/** What a report reads of the state of its cluster. */
export interface ReportedCluster extends HeldCluster {
  spec: ClusterSpec;
  removing: string | null;
  schedule: ScheduleState;
  notices?: Notices;
  totals?: Totals;
}

/** What a report reads of its run. */
export interface ReportedRun extends HeldRun {
  trigger: RunTrigger;
  by: string | null;
  reason: string | null;
  explicitNodes?: boolean;
  nodeGroupsUnresolved?: boolean;
  removed: readonly string[];
  policy: RunPolicy;
}

/** Older ones are dropped: they are only there while no worker can name its targets, or no notifier can be started. */
const MAX_PENDING = 20;
/** Nodes of one report that are described; the rest is counted. */
const MAX_TROUBLED = 5;
const MAX_NAMES = 5;
const MAX_MESSAGE = 300;

/** Keeps the last report of a run that is filed. */
export function noteRunReport(state: ReportedCluster, run: ReportedRun, summary: RunSummary): void {
  const { endedAt: at, outcome, cancelledBy, error } = summary;
  const report = runReport(state, run, Date.parse(at));
  // A run that is over waits for nothing.
  delete report.waits;
  delete report.cancelling;
  const end = { at, outcome, ...defined({ cancelledBy: cancelledBy?.by, error: error?.message }) };
  addReport(state, { ...report, end }, at);
}

/** As of `nowMs`, epoch milliseconds. */
export function runReport(state: ReportedCluster, run: ReportedRun, nowMs: number): RunNotice {
  const inRun = new Set(run.nodes);
  for (const name of run.removed) inRun.delete(name);
  const rows = state.nodes.filter(({ name }) => inRun.has(name));
  const quarantined = rows.filter((row) => isNode(row) && row.quarantine !== undefined);
  const failed = rows.filter(({ name }) => run.done[name] === 'failed');
  const lost = rows.filter(
    ({ name, state: at, lastError }) =>
      run.done[name] === undefined && at === 'patching' && lastError?.type === 'UnreachableAfterChange',
  );
  const waits = waitOf(state, run, nowMs);
  const { spec } = state;
  const troubled = (members: MemberStatus[]): TroubledNode[] =>
    members.slice(0, MAX_TROUBLED).map((row) => trouble(row, run));
  return {
    kind: 'run',
    run: run.number,
    trigger: run.trigger,
    unit: memberName(run.policy.kind),
    by: run.by,
    reason: run.reason,
    startedAt: run.startedAt,
    total: run.nodeGroupsUnresolved === true && run.explicitNodes !== true ? null : run.nodes.length,
    members: membersOf(run),
    failed: troubled(failed),
    quarantined: troubled(quarantined),
    unreachable: troubled(lost),
    ...defined({
      waits: waits ?? undefined,
      cancelling: run.state === 'cancelling' ? (true as const) : undefined,
      paused: pausedBy(state),
      removing: state.removing === null ? undefined : (true as const),
    }),
    nextWindow: nextWindowOf(state),
    reboots: spec.type === 'self-managed' && spec.patching.rebootIfRequired,
  };
}

function trouble(row: MemberStatus, { startedAt }: ReportedRun): TroubledNode {
  const { name, lastError, lastAppliedPatchTime } = row;
  const error = (isNode(row) ? row.quarantine : undefined) ?? lastError;
  const isChanged = lastAppliedPatchTime !== null && Date.parse(lastAppliedPatchTime) >= Date.parse(startedAt);
  return {
    name,
    message: plainText(error?.message ?? 'no reason is recorded', MAX_MESSAGE),
    ...defined({
      remedy: error?.remedy === undefined ? undefined : plainText(error.remedy, MAX_MESSAGE),
      changed: isChanged ? (true as const) : undefined,
    }),
  };
}

function membersOf({ done }: ReportedRun): RunNotice['members'] {
  const byOutcome = new Map<NodeOutcome, string[]>();
  for (const [name, outcome] of Object.entries(done)) {
    const names = byOutcome.get(outcome);
    if (names === undefined) byOutcome.set(outcome, [name]);
    else names.push(name);
  }
  return Object.fromEntries([...byOutcome].map(([outcome, names]) => [outcome, named(names)]));
}

export function named(names: readonly string[]): NamedMembers {
  return { count: names.length, names: names.slice(0, MAX_NAMES) };
}

/** Why the run does not go on by itself; null: it does, or ends. */
function waitOf(state: ReportedCluster, run: ReportedRun, nowMs: number): RunWait | null {
  const { paused } = state;
  const { suspended } = run;
  if (run.state === 'cancelling') return null;
  if (suspended === null) {
    const held = longHold(state, run);
    if (held === null || nowMs < held.toldAtMs) return null;
    const { limit, message, sinceMs } = held;
    return { kind: 'held', limit, message: plainText(message, MAX_MESSAGE), since: new Date(sinceMs).toISOString() };
  }
  if (handsOverNodes(suspended)) return null;
  if (paused !== null)
    return { kind: 'paused', by: paused.by, reason: paused.reason, since: paused.since ?? paused.at };
  const { hold } = suspended;
  if (hold?.kind === 'budget') return { kind: 'budget', failures: hold.failures, limit: hold.limit };
  // Without a reason it goes on at once, in a fresh history.
  return hold?.kind === 'window' ? { kind: 'window', next: nextWindowOf(state) } : null;
}

/** A newer report replaces an older one about the same subject. What is dropped because too many wait is shown. */
export function addReport(state: ReportedCluster, report: Report, now: string): void {
  const notices = (state.notices ??= { seen: state.events.next - 1 });
  const others = (notices.pending ?? []).filter((one) => subjectOf(one) !== subjectOf(report));
  const all = [...others, report];
  notices.pending = all.slice(-MAX_PENDING);
  for (const dropped of all.slice(0, -MAX_PENDING)) {
    recordEvent(state.events, { kind: 'notification-dropped', about: aboutOf(dropped) }, now);
    countTotal(state, 'notifications', ['', 'dropped']);
  }
}

export function pausedBy({ paused }: ReportedCluster): PausedBy | undefined {
  return paused === null ? undefined : { by: paused.by, reason: paused.reason };
}

export function nextWindowOf({ schedule }: ReportedCluster): string | null {
  return schedule.next?.[0]?.start ?? null;
}
