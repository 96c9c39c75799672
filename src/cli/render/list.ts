import type { ClusterListItem } from '../../client/cluster-client';
import type { Colors } from './table';
import { renderTable } from './table';
import { NONE, formatStart, formatTime, oneLine, ownZone } from './text';

export function renderList(clusters: readonly ClusterListItem[], color: Colors, zone: string = ownZone()): string {
  const rows = clusters.map(({ cluster, type, state, ready, nextWindow, createdAt, sitesWithoutWorker }) => [
    oneLine(cluster),
    oneLine(type),
    sitesWithoutWorker.length === 0
      ? oneLine(state)
      : `${oneLine(state)}, no worker at ${oneLine(sitesWithoutWorker.join(', '))}`,
    ready === null || state === 'not-patchable' ? NONE : ready ? 'yes' : 'no',
    nextWindow === null ? NONE : formatStart(nextWindow, zone),
    formatTime(createdAt, zone).slice(0, 10),
  ]);
  return renderTable(['Cluster', 'Type', 'State', 'Ready', 'Next window', 'Created'], rows, color);
}
