/** The output for pipes in place of the live display: one line per change. */
import type { LiveStatus } from '../../client/live-status';
import type { LiveNode } from '../../domain/explain/explanation';
import { memberNameOf } from '../../domain/cluster/member';
import type { MemberStatus } from '../../domain/cluster/member';
import { errorCell, stepOf } from './member-cells';
import { countOutcomes } from './status';
import { oneLine, plural } from './text';

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
  return [...describePause(before, after), ...runs, ...describeCurrent(before, after), ...describeStuck(before, after)];
}

function describeStuck(before: LiveStatus | null, { stuck }: LiveStatus): string[] {
  if (stuck === undefined || before?.stuck?.kind === stuck.kind) return [];
  return [`stuck: ${oneLine(stuck.message, 600)}; fix: ${oneLine(stuck.remedy, 600)}`];
}

function describePause(before: LiveStatus | null, { paused }: LiveStatus): string[] {
  const was = before?.paused ?? null;
  if (paused !== null && (was === null || was.at !== paused.at)) {
    const reason = paused.reason === null ? '' : `: ${oneLine(paused.reason)}`;
    return [`paused by ${oneLine(paused.by)}${reason}`];
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
  if (before === null || !isInRun(before, after)) return [];
  const known = new Map(before.nodes.map((node) => [node.name, node]));
  return after.nodes
    .filter((node) => hasEnded(known.get(node.name), node))
    .map((node) => `${oneLine(node.name)} ${node.state}${node.lastError === null ? '' : ` ${errorCell(node)}`}`);
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

/** Readings outside a run are not reported. */
function isInRun(before: LiveStatus, after: LiveStatus): boolean {
  return before.run !== null || after.run !== null || before.lastRun?.number !== after.lastRun?.number;
}

/** A short patch may start and end between two statuses; then only the time of the reading shows it. */
function hasEnded(was: MemberStatus | undefined, node: MemberStatus): boolean {
  if (!ENDS.includes(node.state)) return false;
  return was?.state !== node.state || was.lastCheckedTime !== node.lastCheckedTime;
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
