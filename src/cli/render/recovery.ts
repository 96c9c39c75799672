/** Output of `recover`: the plan before, and the result. */
import type { Recovered, RecoveryPlan } from '../../client/recovery';
import type { PastMessage } from '../../domain/cluster/recovery';
import { asSentence } from '../../domain/shared/text';
import { formatTime, oneLine } from './text';
import { plural } from '../../domain/shared/plural';

/** Messages per list; the rest is counted. */
const MAX_MESSAGES = 20;

/** The plan, for confirmation. */
export function renderRecoveryPlan(plan: RecoveryPlan, fromBackup: boolean, zone: string): string[] {
  const { cluster, health, stateOf, nodes, kept, lost, run } = plan;
  const source = fromBackup
    ? `the backup of ${formatTime(stateOf, zone)}`
    : `its state of ${formatTime(stateOf, zone)}, when its history began`;
  return [
    health.state === 'stuck'
      ? asSentence(oneLine(health.stuck.message, 600))
      : `cluster ${cluster}: ${HEALTH[health.state]}`,
    `the cluster would restart with ${plural(nodes, 'node')} and ${source}`,
    ...(kept.length === 0 ? [] : ['kept of later messages:', ...messageLines(kept, zone)]),
    ...(lost.length === 0 ? [] : ['lost; send again what still applies:', ...messageLines(lost, zone)]),
    ...(run === null ? [] : [runLine(run)]),
  ];
}

const HEALTH = {
  running: 'its workflow runs, and no problem with it is known',
  removed: 'the cluster was removed',
  absent: 'Temporal has no workflow of the cluster',
} as const;

/** The result in one line, and the next command. */
export function renderRecovered({ cluster, run, runEnded }: Recovered): string[] {
  const lines = [`${cluster} recovered`];
  if (run !== null && runEnded === true)
    lines.push(`run ${run.number} has ended; start another one with: ospatch patch ${cluster}`);
  if (run !== null && runEnded === false) {
    lines.push(
      `run ${run.number} is still ending, and what it does from now on is not recorded; the next run waits for its nodes: ospatch patch ${cluster}`,
    );
  }
  return lines;
}

function runLine({ number, nodesInWork }: NonNullable<RecoveryPlan['run']>): string {
  const nodes =
    nodesInWork.length === 0
      ? 'a node being patched is'
      : `${oneLine(nodesInWork.join(', '))} ${nodesInWork.length === 1 ? 'is' : 'are'}`;
  return `run ${number} is in progress and ends with it: ${nodes} finished, no other node is started`;
}

function messageLines(messages: readonly PastMessage[], zone: string): string[] {
  const lines = messages.slice(-MAX_MESSAGES).map(({ at, name, by, reason, nodes }) => {
    const who = by === null ? '' : ` by ${oneLine(by)}`;
    const which = nodes === null ? '' : ` of ${oneLine(nodes.join(', '))}`;
    const why = reason === null ? '' : ` (${oneLine(reason)})`;
    return `  ${formatTime(at, zone)} ${oneLine(name)}${which}${who}${why}`;
  });
  const left = messages.length - lines.length;
  return left > 0 ? [`  ... ${left} earlier`, ...lines] : lines;
}
