/** In which windows a run may start nodes, and what becomes of it between them. */
import { senderText } from '../shared/verification';
import { isoSecond } from '../shared/dates';
import { describeForecast } from '../run/describe-hold';
import { forecasterOf } from '../run/forecast';
import { forecastRunEnd } from '../run/run-end';
import { closesMs } from '../run/next-step';
import type { RunWindow } from '../run/window-end';
import type { BlackoutPeriod, MaintenanceWindow } from '../schedule/window';
import { blackoutIn, isWindowOpen } from '../schedule/window';
import { formatDuration, parseDuration } from '../shared/duration';
import type { PatchableSpec } from '../spec/types';
import { isNode } from './member';
import { blackoutAt } from './schedule-state';
import type { ActiveRun, ClusterState, PendingRequest } from './state';
import { isPatchable } from './state';

/** Whether the schedule has windows that end. */
export function hasEndingWindows({ patching }: PatchableSpec): boolean {
  return patching.schedule?.some(({ duration }) => duration !== undefined) === true;
}

/** The window that has begun last and may still be open. Null: none has begun since the schedule last changed. */
export function presentWindow({ schedule }: Pick<ClusterState, 'schedule'>, now: number): MaintenanceWindow | null {
  const next = schedule.next?.[0];
  const begun = [schedule.open, next ?? null].filter((one) => one !== null && Date.parse(one.start) <= now);
  return begun.reduce<MaintenanceWindow | null>(
    (latest, one) => (one === null || (latest !== null && endOf(one) <= endOf(latest)) ? latest : one),
    null,
  );
}

/** The first window that has not begun. */
export function comingWindow({ schedule }: Pick<ClusterState, 'schedule'>, now: number): MaintenanceWindow | null {
  return schedule.next?.find(({ start }) => Date.parse(start) > now) ?? null;
}

/** Whether nodes may be started now, as far as windows are concerned. */
export function isInWindow(state: Pick<ClusterState, 'schedule'>, now: number): boolean {
  const window = presentWindow(state, now);
  return window !== null && isWindowOpen(window, now);
}

/** The blackout in force at `now`; null: none. */
function presentBlackout({ schedule }: ClusterState, now: number): BlackoutPeriod | null {
  return blackoutIn(schedule.blackouts, now);
}

function endOf({ end }: MaintenanceWindow): number {
  return end === null ? Infinity : Date.parse(end);
}

/** The end of a run at `now`, which lies in the past between two windows. Null: the run has no end. */
export function runWindow(state: ClusterState, run: ActiveRun, now: number): RunWindow | null {
  const { spec, schedule } = state;
  const ends: Omit<RunWindow, 'onEnd'>[] = [];
  if (run.bound === true) {
    const window = presentWindow(state, now);
    if (window === null) ends.push({ endMs: Date.parse(schedule.since), cutoffMs: null });
    else if (window.end !== null)
      ends.push({
        endMs: Date.parse(window.end),
        cutoffMs: window.cutoff === null ? null : Date.parse(window.cutoff),
      });
  }
  const blackout = run.ignoresWindows === true ? null : presentBlackout(state, now);
  const coming = schedule.blackouts.find(({ start }) => Date.parse(start) > now);
  const start = run.ignoresWindows === true ? undefined : (blackout ?? coming)?.start;
  if (start !== undefined) ends.push({ endMs: Date.parse(start), cutoffMs: null, by: 'blackout' });
  if (run.deadline !== undefined) ends.push({ endMs: Date.parse(run.deadline), cutoffMs: null, by: 'deadline' });
  const first = ends.reduce<(typeof ends)[number] | null>(
    (least, one) => (least === null || one.endMs < least.endMs ? one : least),
    null,
  );
  if (first === null) return null;
  return { ...first, onEnd: spec.type === 'self-managed' ? spec.patching.onWindowEnd : 'finish-node' };
}

/** Why a suspended run starts no node now; null: it may. */
export function whyBetweenWindows(state: ClusterState, run: ActiveRun, now: number): string | null {
  if (run.suspended === null || isNothingLeft(run)) return null;
  const window = runWindow(state, run, now);
  const closes = closesMs(window);
  if (window === null || closes === null) return null;
  const hold = run.suspended.hold?.kind === 'window' ? run.suspended.hold : null;
  // The run has looked at this window already, and none of its nodes fits into what is left.
  const isTooShort = hold !== null && hold.forecast !== null && hold.endMs === window.endMs;
  if (now < closes && !isTooShort) return null;
  const why =
    now < closes && hold?.forecast !== null && hold !== null
      ? `${describeForecast(hold.next, hold.forecast)}, and the window ends at ${isoSecond(hold.endMs)}`
      : presentWindow(state, now) === null
        ? 'its window is no longer part of the schedule'
        : now < window.endMs
          ? `no node is started any more in its window, which ends at ${isoSecond(window.endMs)}`
          : `its window ended at ${isoSecond(window.endMs)}`;
  const done = Object.keys(run.done).length;
  const blackout = run.ignoresWindows === true ? null : presentBlackout(state, now);
  if (blackout !== null) {
    const expiresMs = isPatchable(state.spec) ? expiryMs(state.spec, run) : null;
    const isTooLate = expiresMs !== null && expiresMs <= Date.parse(blackout.end);
    const after =
      run.bound === true
        ? goesOn(state, run, now)
        : isTooLate
          ? expiresFirst(state, run, expiresMs)
          : `the run goes on at ${blackout.end}`;
    return `run ${run.number} is suspended after ${done} of ${run.nodes.length}: a blackout is in force until ${blackout.end} (${blackout.reason}); ${after}`;
  }
  return `run ${run.number} is suspended after ${done} of ${run.nodes.length}: ${why}; ${goesOn(state, run, now)}`;
}

/** What fits into the rest of the window is another question from now on. */
export function askAgainWhatFits({ suspended }: ActiveRun): void {
  if (suspended?.hold?.kind === 'window') suspended.hold = { ...suspended.hold, forecast: null };
}

/** When the run goes on, and whether it is then expected to end. */
function goesOn(state: ClusterState, run: ActiveRun, now: number): string {
  const next = comingWindow(state, now);
  const atMs = isPatchable(state.spec) ? expiryMs(state.spec, run) : null;
  if (next === null) {
    const end = atMs === null ? '' : `, and it expires at ${isoSecond(atMs)}`;
    return `${whyNoWindow(state)}, so nothing says when the run goes on; \`ospatch cancel ${state.spec.name}\` ends it${end}`;
  }
  if (atMs !== null && atMs <= Date.parse(next.start)) return expiresFirst(state, run, atMs, next);
  const { ms, isGuess } = forecastRest(state, run);
  const length = next.end === null ? null : Date.parse(next.end) - Date.parse(next.start);
  const fits =
    length === null
      ? ''
      : ms <= length
        ? ', which the window has room for'
        : `, longer than the window of ${formatDuration(length)}`;
  const guess = isGuess ? ' (a guess)' : '';
  return `the run goes on at ${next.start} and is forecast to need ${formatDuration(roundUpToMinutes(ms))}${guess}${fits}`;
}

/** The run ends where it is, because nothing lets it go on in time. */
function expiresFirst(
  { spec }: ClusterState,
  { deadline }: ActiveRun,
  atMs: number,
  next: MaintenanceWindow | null = null,
): string {
  const isDeadline = deadline !== undefined && Date.parse(deadline) === atMs;
  const age = isPatchable(spec) ? `, ${spec.patching.maxRunAge} after its start (patching.maxRunAge)` : '';
  const before = next === null ? '' : `, no later than the next window opens at ${next.start}`;
  return `the run expires at ${isoSecond(atMs)}${isDeadline ? ', its deadline' : age}${before}`;
}

function whyNoWindow({ spec, schedule }: ClusterState): string {
  if (isPatchable(spec) && spec.patching.schedule === undefined) return 'the spec has no schedule any more';
  return schedule.next === null ? 'the next windows are not known' : 'the schedule has no further window';
}

/** The shortest duration in whole minutes that is not shorter. */
export function roundUpToMinutes(ms: number): number {
  return Math.max(60_000, Math.ceil(ms / 60_000) * 60_000);
}

/** How long the nodes that are left are forecast to take together, as many at a time as may be patched. */
export function forecastRest(state: ClusterState, run: ActiveRun): { ms: number; isGuess: boolean } {
  const { policy, suspended } = run;
  const soaks = policy.kind === 'node' ? policy.stages.slice(suspended?.openStage ?? 0, -1) : [];
  const soakMs = soaks.reduce((sum, stage) => sum + stage.soakMs, 0);
  const end = forecastRunEnd({
    soakMs,
    ...{ inFlight: [], waiting: namesLeft(run), places: run.policy.limits.concurrency, nowMs: 0 },
    forecast: forecasterOf(state.nodes),
  });
  return end === null ? { ms: 0, isGuess: false } : { ms: Date.parse(end.at), isGuess: end.from === 'guess' };
}

/** The least time that one of the nodes that are left is forecast to take, in milliseconds. Null: none is left. */
export function shortestForecast(state: ClusterState, run: ActiveRun): number | null {
  const forecast = forecasterOf(state.nodes);
  const times = namesLeft(run).map((name) => forecast(name).ms);
  return times.length === 0 ? null : times.reduce((least, one) => Math.min(least, one));
}

/** Members that have not settled and are not to be left out. */
function namesLeft({ nodes, done, removed, skipped = {} }: ActiveRun): string[] {
  const gone = new Set(removed);
  return nodes.filter((name) => done[name] === undefined && !gone.has(name) && skipped[name] === undefined);
}

/** Nothing is left for the run but to end. */
function isNothingLeft(run: ActiveRun): boolean {
  return run.nodeGroupsUnresolved !== true && namesLeft(run).length === 0;
}

/** Why a run that is suspended ends now, in a clause about the run; null: it does not. `waits`: for a decision. */
export function whyExpired(
  spec: PatchableSpec,
  run: ActiveRun,
  now: number,
  waits: boolean,
): { why: string } | { atMs: number | null } {
  if (run.deadline !== undefined && Date.parse(run.deadline) <= now)
    return { why: `its deadline of ${run.deadline} has passed` };
  const atMs = expiryMs(spec, run, waits);
  if (atMs === null || atMs > now) return { atMs };
  return { why: `it was started ${spec.patching.maxRunAge} ago (patching.maxRunAge)` };
}

/** When a run that is suspended until then ends as expired, in epoch milliseconds; null: never. `waits`: for a decision. */
export function expiryMs(
  { patching }: PatchableSpec,
  { deadline, bound, startedAt }: Pick<ActiveRun, 'deadline' | 'bound' | 'startedAt'>,
  waits = false,
): number | null {
  const deadlineMs = deadline === undefined ? Infinity : Date.parse(deadline);
  const ageMs = bound === true || waits ? Date.parse(startedAt) + parseDuration(patching.maxRunAge) : Infinity;
  const atMs = Math.min(deadlineMs, ageMs);
  return atMs === Infinity ? null : atMs;
}

/** What a request waits for, beside the run in progress; null: nothing. `untilMs` null: not known. */
export function requestWait(
  state: ClusterState,
  spec: PatchableSpec,
  { notBefore, ignoreWindow }: { notBefore?: string; ignoreWindow?: boolean },
  now: number,
): { untilMs: number | null; what: string } | null {
  const from = Math.max(now, notBefore === undefined ? 0 : Date.parse(notBefore));
  const hint = `\`ospatch patch ${spec.name} --ignore-window\` starts a run at once`;
  const blackout = ignoreWindow === true ? null : blackoutAt(state, from);
  if (blackout !== null) {
    const untilMs = blackout.end === null ? null : Date.parse(blackout.end);
    const end = blackout.end === null ? '' : ` until ${blackout.end}`;
    return { untilMs, what: `the end of a blackout${end} (${blackout.reason}); ${hint}` };
  }
  if (ignoreWindow !== true && hasEndingWindows(spec) && !isInWindow(state, from)) {
    const next = state.schedule.next?.find(({ end, start }) => from < endOf({ start, end, cutoff: null })) ?? null;
    if (next === null) return { untilMs: null, what: `the next maintenance window, which is not known; ${hint}` };
    const untilMs = Math.max(from, Date.parse(next.start));
    return { untilMs, what: `the maintenance window of ${next.start}; ${hint}` };
  }
  return from > now ? { untilMs: from, what: `${notBefore ?? ''}, before which it was not to start` } : null;
}

/** The request that starts a run now; null: none does. */
export function dueRequest(state: ClusterState, spec: PatchableSpec, now: number): PendingRequest | null {
  return requestsOf(state).find((one) => requestWait(state, spec, one, now) === null) ?? null;
}

/** Why what was requested, or is owed to new nodes, does not start now; null: nothing waits. */
export function whyRequestsWait(state: ClusterState, spec: PatchableSpec, now: number): string | null {
  const [first, ...others] = requestsOf(state);
  const wait = first === undefined ? null : requestWait(state, spec, first, now);
  if (first !== undefined && wait !== null) {
    const more = others.length === 0 ? '' : `, and ${others.length} more ${others.length === 1 ? 'waits' : 'wait'}`;
    return `run ${first.number ?? state.nextRun}, requested by ${senderText(first)}${more}, waits for ${wait.what}`;
  }
  const blackout = blackoutAt(state, now);
  const owed = state.nodes.filter((node) => isNode(node) && node.bootPatch === 'pending').length;
  if (blackout === null || owed === 0) return null;
  const end = blackout.end === null ? '' : ` until ${blackout.end}`;
  const who =
    owed === 1 ? '1 node that has joined the cluster waits' : `${owed} nodes that have joined the cluster wait`;
  return `${who} for the end of a blackout${end} (${blackout.reason})`;
}

/** The request whose deadline has passed; null: there is none. */
export function lateRequest(state: ClusterState, now: number): PendingRequest | null {
  return requestsOf(state).find(({ deadline }) => deadline !== undefined && Date.parse(deadline) <= now) ?? null;
}

/** When a request has to be looked at again, beside the starts of windows. */
export function requestTimes(state: ClusterState): number[] {
  return requestsOf(state).flatMap(({ notBefore, deadline }) =>
    [notBefore, deadline].flatMap((one) => (one === undefined ? [] : [Date.parse(one)])),
  );
}

/** All that wait, in the order in which their runs start. */
function requestsOf({ request, queue = [] }: ClusterState): PendingRequest[] {
  return request === null ? queue : [request, ...queue];
}
