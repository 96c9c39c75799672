/** The output for pipes in place of the live display: one line per change. */
import { senderText } from '../../domain/shared/verification';
import type { LiveStatus } from '../../client/live-status';
import type { LiveNode } from '../../domain/explain/explanation';
import { isNode, memberNameOf } from '../../domain/cluster/member';
import type { MemberStatus } from '../../domain/cluster/member';
import { errorCell, stepOf } from './member-cells';
import { countOutcomes } from './status';
import { NONE, formatWindow, oneLine, ownZone } from './text';
import { plural } from '../../domain/shared/plural';

/** Node states that are reported: the ends of node patches. */
const ENDS: readonly MemberStatus['state'][] = [
  'up-to-date',
  'patched',
  'reboot-pending',
  'restart-pending',
  'failed',
  'skipped',
  'not-tried',
];

/** Changes between two statuses as text, oldest first; without an earlier status, the current activity. */
export function describeChanges(before: LiveStatus | null, after: LiveStatus): string[] {
  const start = describeStart(before, after);
  const ends = describeEnds(before, after);
  const end = describeEnd(before, after);
  // Between two statuses one run may have ended and the next one started.
  const runs = end.length > 0 ? [...ends, ...end, ...start] : [...start, ...ends];
  return [
    ...describeMembers(before, after),
    ...describePause(before, after),
    ...runs,
    ...describeCurrent(before, after),
    ...(before === null ? [] : describeRest(before, after)),
    ...describeStuck(before, after),
  ];
}

/** Nodes that have come and gone. */
function describeMembers(before: LiveStatus | null, after: LiveStatus): string[] {
  if (before === null) return [];
  const missing = ({ nodes }: LiveStatus, of: LiveStatus): MemberStatus[] => {
    const names = new Set(nodes.map(({ name }) => name));
    return of.nodes.filter(({ name }) => !names.has(name));
  };
  return [
    ...missing(before, after).map(({ name }) => `${oneLine(name)} is new in the cluster`),
    ...missing(after, before).map(({ name }) => `${oneLine(name)} is no longer in the cluster`),
  ];
}

/** What changes outside of runs too. */
function describeRest(before: LiveStatus, after: LiveStatus): string[] {
  const zone = ownZone();
  const { lastRejection: rejection, nextWindow: next } = after;
  const isRejected = rejection !== null && before.lastRejection?.at !== rejection.at;
  // Runs and pauses are reported as such.
  const isTold = before.run !== null || after.run !== null || (before.paused === null) !== (after.paused === null);
  const isOther = before.state !== after.state && !isTold;
  const hasMoved = before.nextWindow?.start !== next?.start || before.nextWindow?.end !== next?.end;
  return [
    ...describeLocks(before, after),
    ...(isOther ? [`${after.state}: ${oneLine(after.explanation)}`] : []),
    ...(isRejected
      ? [`${oneLine(rejection.request)} by ${oneLine(senderText(rejection))} refused: ${oneLine(rejection.message)}`]
      : []),
    ...(hasMoved ? [`next window: ${next === null ? NONE : `${formatWindow(next, zone)} ${zone}`}`] : []),
  ];
}

function describeLocks(before: LiveStatus, after: LiveStatus): string[] {
  const locks = new Map(before.nodes.filter(isNode).map(({ name, lock }) => [name, lock]));
  return after.nodes.filter(isNode).flatMap(({ name, lock }) => {
    const was = locks.get(name);
    if (was?.at === lock?.at) return [];
    if (lock === undefined) return [`${oneLine(name)} unlocked`];
    const until = lock.until === null ? '' : ` until ${oneLine(lock.until)}`;
    return [
      `${oneLine(name)} locked by ${oneLine(senderText(lock))}${until}${lock.reason === null ? '' : `: ${oneLine(lock.reason)}`}`,
    ];
  });
}

function describeStuck(before: LiveStatus | null, { stuck }: LiveStatus): string[] {
  if (stuck === undefined || before?.stuck?.kind === stuck.kind) return [];
  return [`stuck: ${oneLine(stuck.message, 600)}; fix: ${oneLine(stuck.remedy, 600)}`];
}

function describePause(before: LiveStatus | null, { paused }: LiveStatus): string[] {
  const was = before?.paused ?? null;
  if (paused !== null && (was === null || was.at !== paused.at)) {
    const reason = paused.reason === null ? '' : `: ${oneLine(paused.reason)}`;
    return [`paused by ${oneLine(senderText(paused))}${reason}`];
  }
  return paused === null && was !== null ? ['resumed'] : [];
}

function describeStart(before: LiveStatus | null, { run, type }: LiveStatus): string[] {
  if (run === null) return [];
  if (before?.run?.number !== run.number) {
    const done = run.done === 0 ? '' : `, ${run.done} done`;
    return [`run ${run.number} (${run.trigger}) of ${plural(run.total, memberNameOf(type))}${done}`];
  }
  return before.run.state === run.state ? [] : [`run ${run.number} is ${run.state}`];
}

function describeEnds(before: LiveStatus | null, after: LiveStatus): string[] {
  if (before === null) return [];
  const known = new Map(before.nodes.map((node) => [node.name, node]));
  const inRun = isInRun(before, after);
  return after.nodes
    .filter((node) => hasEnded(known.get(node.name), node, inRun))
    .map((node) => `${oneLine(node.name)} ${node.state}${node.lastError === null ? '' : ` ${errorCell(node, {})}`}`);
}

function describeCurrent(before: LiveStatus | null, after: LiveStatus): string[] {
  return (
    after.current
      // Between two steps there is briefly nothing to report.
      .filter((live) => live.step !== null || live.waitingFor !== null || live.state === 'waiting')
      .filter((live) => {
        const was = before?.current.find((one) => one.node === live.node);
        return was === undefined || describeLive(was) !== describeLive(live);
      })
      .map(describeLive)
  );
}

function isInRun(before: LiveStatus, after: LiveStatus): boolean {
  return before.run !== null || after.run !== null || before.lastRun?.number !== after.lastRun?.number;
}

/**
 * A short patch may start and end between two statuses; then only the time of the reading shows it. Outside of a run a reading
 * that confirms the state is not reported.
 */
function hasEnded(was: MemberStatus | undefined, node: MemberStatus, inRun: boolean): boolean {
  if (!ENDS.includes(node.state)) return false;
  if (was?.state !== node.state) return inRun || was !== undefined;
  return inRun && was.lastCheckedTime !== node.lastCheckedTime;
}

function describeLive(live: LiveNode): string {
  const waiting = live.waitingFor === null ? '' : `, waiting for ${oneLine(live.waitingFor)}`;
  const failure = live.lastFailure === null ? '' : `, attempt ${live.attempt}: ${oneLine(live.lastFailure)}`;
  return `${oneLine(live.node)} ${stepOf(live)}${waiting}${failure}`;
}

function describeEnd(before: LiveStatus | null, { lastRun }: LiveStatus): string[] {
  if (before === null || lastRun === null || before.lastRun?.number === lastRun.number) return [];
  return [`run ${lastRun.number} ${lastRun.outcome}: ${countOutcomes(lastRun)}`];
}
