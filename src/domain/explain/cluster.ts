/** Why a cluster patches nothing now. */
import { isNode } from '../cluster/member';
import { rejectionOf } from '../cluster/messages';
import { commandOf } from '../cluster/event-text';
import { isPatchable } from '../cluster/state';
import { someOf } from '../run/describe-hold';
import type { Explanation } from './explanation';
import type { Situation } from './situation';
import { explanation, forReason } from './explanation';
import { explainRun } from './run';

/** All that keeps the cluster from patching, what weighs most first. */
export function explainCluster(situation: Situation): Explanation[] {
  const { status } = situation;
  const held = [
    ...explainNoRun(situation),
    ...explainRun(situation),
    ...(situation.status.run === null ? [] : queued(situation)),
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
  const because = `${paused.by} has paused it${forReason(paused.reason)}`;
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
  const because = isOpen
    ? `its window of ${time(next.start)} has had its run`
    : `${asked}its next window opens at ${time(next.start)}`;
  const until = isOpen ? null : next.start;
  return [...missedWindow(situation), ...waiting, explanation('next-window', what, because, { until, change: [now] })];
}

/** Requests whose runs have not begun, from the log: a reset or a recovery has dropped those of before. */
function queued({ status, events }: Situation): Explanation[] {
  const from = events.findLast(({ request }) => request === 'reset' || request === 'recover')?.seq ?? 0;
  const begun = new Set(
    events.flatMap(({ kind, run }) => (kind === 'run-started' || kind === 'run-ended' ? [run] : [])),
  );
  const last = Math.max(status.lastRun?.number ?? 0, status.run?.number ?? 0);
  const waiting = new Map(
    events.flatMap((event) => {
      const { seq, kind, request, run } = event;
      const isQueued = kind === 'action' && request === 'patchNow' && seq > from && run !== null;
      return isQueued && run > last && !begun.has(run) ? [[run, event] as const] : [];
    }),
  );
  return [...waiting].map(([run, { message, by, reason, at }]) =>
    explanation('queued', `run ${run} has not begun`, `${message}, by ${by ?? 'somebody'}${forReason(reason)}`, {
      since: at,
      change: [`ospatch cancel ${status.cluster}`],
    }),
  );
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

function bootPatches({ status }: Situation): Explanation[] {
  const { cluster, nodes } = status;
  const named = (wanted: string): string[] =>
    nodes.filter((node) => isNode(node) && node.bootPatch === wanted).map(({ name }) => name);
  const [pending, failed] = [named('pending'), named('failed')];
  const what = `${cluster} is not ready`;
  return [
    ...(pending.length === 0
      ? []
      : [explanation('boot-patch-pending', what, `the boot patch of ${someOf(pending)} has not ended`)]),
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

/** A request that was refused after everything else that people did. */
function rejection({ status, events }: Situation): Explanation[] {
  const { lastRejection } = status;
  const later = events.findLast(({ kind }) => kind === 'action');
  if (lastRejection === null || (later !== undefined && later.at > lastRejection.at)) return [];
  const { request, by, at, message } = lastRejection;
  const what = `the request ${commandOf(request)} of ${by} was not carried out`;
  return [explanation('rejected', what, message, { since: at })];
}
