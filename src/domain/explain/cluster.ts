/** Why a cluster patches nothing now. */
import { senderText } from '../shared/verification';
import { isNode } from '../cluster/member';
import { hasEndingWindows } from '../cluster/run-window';
import type { ClusterSpec } from '../spec/types';
import type { QueuedRun } from '../cluster/messages';
import { rejectionOf } from '../cluster/messages';
import type { BlackoutPeriod } from '../schedule/window';
import { commandOf } from '../cluster/verbs';
import { isPatchable } from '../cluster/state';
import { someOf } from '../run/describe-hold';
import type { Explanation } from './explanation';
import type { Situation } from './situation';
import { blackoutNow, nextOpening } from './situation';
import { explanation, forReason } from './explanation';
import { explainRun } from './run';

/** All that keeps the cluster from patching, what weighs most first. */
export function explainCluster(situation: Situation): Explanation[] {
  const { status } = situation;
  const held = [
    ...explainNoRun(situation),
    ...explainRun(situation),
    // Without either, they are among what keeps a run from beginning.
    ...(status.run === null && status.paused === null ? [] : queued(situation)),
    ...bootPatches(situation),
    ...rejection(situation),
  ];
  return held.length > 0 ? held : [explanation('in-work', `nothing holds ${status.cluster} up`, status.explanation)];
}

/** The same without its run and its nodes: why no run begins. Empty while one is in progress that nothing holds up. */
export function explainNoRun(situation: Situation): Explanation[] {
  const { status, spec } = situation;
  const { cluster } = status;
  const hard = faults(situation);
  if (status.state === 'removing') {
    const removal = situation.events.findLast(({ request }) => request === 'remove');
    const by = removal === undefined ? '' : ` by ${removal.by ?? 'somebody'}${forReason(removal.reason)}`;
    return [
      ...hard,
      explanation('removing', `${cluster} starts no run`, `it is being removed${by}`, { since: removal?.at ?? null }),
    ];
  }
  if (!isPatchable(spec) || rejectionOf(spec) !== null) {
    return [
      ...hard,
      explanation('not-patchable', `${cluster} is not patched`, rejectionOf(spec) ?? status.explanation),
    ];
  }
  return [...hard, ...pause(situation), ...(status.run === null && status.paused === null ? schedule(situation) : [])];
}

function faults({ status }: Situation): Explanation[] {
  const { cluster, stuck, loopError, reset } = status;
  const what = `${cluster} does not go on`;
  return [
    ...(stuck === undefined ? [] : [explanation('stuck', what, stuck.message, { change: [stuck.remedy] })]),
    ...(loopError === null ? [] : [explanation('fault', what, loopError, { change: ['see the log of the worker'] })]),
    ...(reset === null
      ? []
      : [
          explanation('reset', `the status of ${cluster} is not up to date`, reset, {
            change: [`ospatch resume ${cluster}`, `ospatch patch ${cluster}`],
          }),
        ]),
  ];
}

function pause({ status }: Situation): Explanation[] {
  const { cluster, paused, run } = status;
  if (paused === null) return [];
  const what = run === null ? `${cluster} starts no run` : `${cluster} starts no run, and run ${run.number} no node`;
  const because = `${senderText(paused)} has paused it${forReason(paused.reason)}`;
  return [
    explanation('paused', what, because, {
      since: paused.since ?? paused.at,
      change: [`ospatch resume ${cluster}`],
    }),
  ];
}

function schedule(situation: Situation): Explanation[] {
  const { status, spec, time } = situation;
  const { cluster, scheduleError } = status;
  const what = `${cluster} patches nothing now`;
  const now = `ospatch patch ${cluster}`;
  if (scheduleError !== null) {
    const since = situation.events.findLast(({ kind }) => kind === 'windows-unknown');
    return [
      explanation('schedule-error', `${cluster} starts no run by schedule`, scheduleError, {
        since: since?.from ?? since?.at ?? null,
        change: [`ospatch get ${cluster}, correct patching.schedule, then ospatch apply -f FILE`, now],
      }),
    ];
  }
  const next = status.nextWindow;
  if (next === null) {
    const because =
      isPatchable(spec) && spec.patching.schedule !== undefined
        ? 'its schedule has no further window'
        : 'no run is requested, and its spec has no schedule';
    const waiting = queued(situation);
    const idle = waiting.length > 0 ? [] : [explanation('no-schedule', what, because, { change: [now] })];
    return [...missedWindow(situation), ...waiting, ...idle];
  }
  const isOpen = Date.parse(next.start) <= situation.nowMs;
  const waiting = queued(situation);
  const asked = waiting.length === 0 ? 'no run is requested, and ' : '';
  const because = isOpen ? `its window of ${time(next.start)} has had its run` : `${asked}no window is open`;
  const until = isOpen ? null : next.start;
  return [...missedWindow(situation), ...waiting, explanation('next-window', what, because, { until, change: [now] })];
}

/** Runs that are requested and have not begun, and the one that has made room for another. */
function queued(situation: Situation): Explanation[] {
  const { status } = situation;
  const cancel = `ospatch cancel ${status.cluster}`;
  return status.queued.flatMap((one, at) => {
    if (one.state === 'cancelled') return [];
    const { because, until, isWindow } = whyQueued(situation, one, at === 0);
    const expiresAt = one.expiresAt ?? one.deadline;
    const end = expiresAt === undefined ? '' : `; it expires at ${situation.time(expiresAt)}`;
    const isAside = one.state === 'set-aside';
    return explanation('queued', `run ${one.run} ${isAside ? 'is set aside' : 'has not begun'}`, `${because}${end}`, {
      // Since when a run is set aside is not kept.
      since: isAside ? null : one.requestedAt,
      until,
      change: isWindow ? [`ospatch patch ${status.cluster} --ignore-window`, cancel] : [cancel],
    });
  });
}

/** `isWindow`: a window or a blackout, which a request may ignore. */
function whyQueued(
  situation: Situation,
  one: QueuedRun,
  isFirst: boolean,
): { because: string; until: string | null; isWindow: boolean } {
  const { status, spec, nowMs, time } = situation;
  const { run, paused, explanation: told } = status;
  const isAside = one.state === 'set-aside';
  const who =
    one.by === null
      ? ''
      : `${isAside ? 'started' : 'requested'} by ${senderText({ ...one, by: one.by })}${forReason(one.reason)}; `;
  const waits = (what: string, until: string | null = null, isWindow = false) => ({
    ...{ because: `${who}${what}`, until, isWindow },
  });
  if (one.after !== null) return waits(`run ${one.after} has to end first`);
  if (paused !== null) return waits(`${senderText(paused)} has paused ${status.cluster}`);
  const { notBefore } = one;
  if (notBefore !== undefined && Date.parse(notBefore) > nowMs)
    return waits(`it was not to start before ${time(notBefore)}`, notBefore);
  const blackout = one.ignoreWindow === true ? null : blackoutNow(situation);
  if (blackout !== null) return waits(describeBlackout(situation, blackout), blackout.end, true);
  const opening = one.ignoreWindow === true || isAside || !waitsForWindows(spec) ? null : nextOpening(situation);
  if (opening !== null) return waits(`it waits for the maintenance window of ${time(opening)}`, opening, true);
  // The cluster says what the first one waits for.
  const own = `run ${one.run}, `;
  const isTold = run === null && isFirst && told.startsWith(own);
  return isTold ? { because: told.slice(own.length), until: null, isWindow: false } : waits('it waits for its turn');
}

function waitsForWindows(spec: ClusterSpec): boolean {
  return isPatchable(spec) && hasEndingWindows(spec);
}

function describeBlackout({ time }: Situation, { end, reason }: BlackoutPeriod): string {
  return `a blackout is in force until ${time(end)} (${reason})`;
}

/** The last window, if it had no run. */
function missedWindow({ status, events, time }: Situation): Explanation[] {
  const last = events.findLast(({ kind }) => kind === 'window');
  const [, window, result] = /^window of (\S+): (missed .*|not known .*)$/.exec(last?.message ?? '') ?? [];
  if (last === undefined || window === undefined || result === undefined) return [];
  // A later run has done what the window was for.
  if (status.lastRun !== null && Date.parse(status.lastRun.startedAt) > Date.parse(last.at)) return [];
  return [
    explanation('window-missed', `the window of ${time(window)} had no run`, result, {
      since: last.at,
      change: [`ospatch patch ${status.cluster}`],
    }),
  ];
}

function bootPatches(situation: Situation): Explanation[] {
  const { cluster, nodes } = situation.status;
  const all = nodes.filter(isNode);
  const pending = all.filter(({ bootPatch }) => bootPatch === 'pending');
  const waiting = pending.filter(({ state }) => state !== 'waiting' && state !== 'patching');
  const failed = all.filter(({ bootPatch }) => bootPatch === 'failed').map(({ name }) => name);
  const what = `${cluster} is not ready`;
  const names = (some: readonly { name: string }[]): string => someOf(some.map(({ name }) => name));
  const { because, ...times } = whyBootPending(situation);
  return [
    ...(pending.length > waiting.length
      ? [explanation('boot-patch-pending', what, `the boot patch of ${names(pending)} has not ended`)]
      : pending.length > 0
        ? [
            explanation(
              'boot-patch-pending',
              what,
              `the boot patch of ${names(waiting)} has not begun: ${because}`,
              times,
            ),
          ]
        : []),
    ...(failed.length === 0
      ? []
      : [
          explanation(
            'boot-patch-failed',
            what,
            `the boot patch of ${someOf(failed)} failed, and is not repeated by itself`,
            {
              change: [`ospatch patch ${cluster} --nodes ${failed.slice(0, 10).join(',')}`],
            },
          ),
        ]),
  ];
}

/** Why a boot patch that is due has not begun. */
export function whyBootPending(situation: Situation): Pick<Explanation, 'because' | 'until' | 'change'> {
  const { cluster, run, paused } = situation.status;
  const blackout = blackoutNow(situation);
  if (paused !== null)
    return {
      because: `it begins once ${cluster}, which ${senderText(paused)} has paused, is resumed`,
      ...{ until: null, change: [`ospatch resume ${cluster}`] },
    };
  if (blackout !== null)
    return {
      because: describeBlackout(situation, blackout),
      ...{ until: blackout.end, change: [`ospatch patch ${cluster} --ignore-window`] },
    };
  if (run !== null && run.state !== 'suspended')
    return {
      because: `it begins when run ${run.number} has ended`,
      ...{ until: null, change: [`ospatch explain ${cluster}`] },
    };
  return { because: 'it begins in a moment', until: null, change: [] };
}

/** A request that was refused after everything else that people did. */
function rejection({ status, events }: Situation): Explanation[] {
  const { lastRejection } = status;
  const later = events.findLast(({ kind }) => kind === 'action');
  if (lastRejection === null || (later !== undefined && later.at > lastRejection.at)) return [];
  const { request, by, at, message } = lastRejection;
  const what = `the request ${commandOf(request)} of ${by} was not carried out`;
  return [explanation('rejected', what, message, { since: at })];
}
