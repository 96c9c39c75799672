import type { ClusterListItem } from '../../client/cluster-client';
import { asSentence } from '../../domain/shared/text';
import { wrapIndented } from './columns';
import type { Colors } from './table';
import { renderTable } from './table';
import { NONE, formatStart, oneLine, ownZone } from './text';

const MAX_CAUSE = 600;

/** One line per cluster; below, the causes and remedies of stuck clusters. */
export function renderList(clusters: readonly ClusterListItem[], color: Colors, zone: string = ownZone()): string {
  const rows = clusters.map((one) => {
    const { cluster, type, state, problems, nextWindow, stuck } = one;
    return [
      oneLine(cluster),
      oneLine(type),
      stateOf(one, color),
      lastRunOf(one, color),
      problems.length === 0 ? NONE : (state === 'paused' ? color.yellow : color.red)(oneLine(problems.join(', '))),
      nextWindow === null || stuck !== null ? NONE : formatStart(nextWindow, zone),
    ];
  });
  const head = ['Cluster', 'Type', 'State', 'Last run', 'Problems', 'Next window'];
  const table = renderTable(head, rows, color, ['Type']);
  const note = color.dim(`Times are in ${zone}; set TZ for another zone.`);
  return wrapIndented([table, ...stuckLines(clusters, color), '', note].join('\n'), color.columns);
}

function lastRunOf({ lastOutcome, stuck, state }: ClusterListItem, color: Colors): string {
  if (lastOutcome === null || stuck !== null || state === 'ended') return NONE;
  const isBad = lastOutcome === 'failed' || lastOutcome === 'stopped' || lastOutcome === 'expired';
  return isBad ? color.red(oneLine(lastOutcome)) : oneLine(lastOutcome);
}

/** The last state shown by a stuck cluster is outdated. */
function stateOf({ state, stuck }: ClusterListItem, color: Colors): string {
  if (state === 'ended') return color.red('ended');
  if (stuck !== null) return color.red('stuck');
  return oneLine(state);
}

function stuckLines(clusters: readonly ClusterListItem[], color: Colors): string[] {
  const lines = clusters.flatMap(({ stuck }) =>
    stuck === null
      ? []
      : [
          `${color.red('stuck:')} ${asSentence(oneLine(stuck.message, MAX_CAUSE))}`,
          `  ${color.bold('fix:')} ${oneLine(stuck.remedy, MAX_CAUSE)}`,
        ],
  );
  const notLooked = clusters.filter(({ looked }) => !looked).length;
  if (notLooked > 0)
    lines.push(`${notLooked} of ${clusters.length} clusters did not answer in time; they may be stuck`);
  return lines.length === 0 ? [] : ['', ...lines];
}
