import type { ClusterListItem } from '../../client/cluster-client';
import { asSentence } from '../../domain/shared/text';
import type { Colors } from './table';
import { renderTable } from './table';
import { NONE, formatStart, formatTime, oneLine, ownZone } from './text';

const MAX_CAUSE = 600;

/** One line per cluster; below, the causes and remedies of stuck clusters. */
export function renderList(clusters: readonly ClusterListItem[], color: Colors, zone: string = ownZone()): string {
  const rows = clusters.map((one) => {
    const { cluster, type, state, ready, nextWindow, createdAt, stuck } = one;
    return [
      oneLine(cluster),
      oneLine(type),
      stateOf(one, color),
      failedOf(one, color),
      ready === null || stuck !== null || state === 'not-patchable' ? NONE : ready ? 'yes' : 'no',
      nextWindow === null || stuck !== null ? NONE : formatStart(nextWindow, zone),
      formatTime(createdAt, zone).slice(0, 10),
    ];
  });
  const table = renderTable(['Cluster', 'Type', 'State', 'Failed', 'Ready', 'Next window', 'Created'], rows, color);
  return [table, ...stuckLines(clusters, color)].join('\n');
}

/** The number of failed nodes, or a failed run without failed nodes. */
function failedOf({ failedNodes, lastOutcome }: ClusterListItem, color: Colors): string {
  if (failedNodes === null) return NONE;
  if (failedNodes > 0) return color.red(String(failedNodes));
  const isBad = lastOutcome === 'failed' || lastOutcome === 'stopped' || lastOutcome === 'expired';
  return isBad ? color.red(`run ${lastOutcome}`) : '0';
}

/** The last state shown by a stuck cluster is outdated. */
function stateOf({ state, stuck, sitesWithoutWorker }: ClusterListItem, color: Colors): string {
  if (state === 'ended') return color.red('ended');
  if (stuck !== null) return color.red('stuck');
  if (sitesWithoutWorker.length === 0) return oneLine(state);
  return `${oneLine(state)}, no worker at ${oneLine(sitesWithoutWorker.join(', '))}`;
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
