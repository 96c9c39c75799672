/** All clusters, each with the sentence that its own status begins with. */
import type { ClusterOverview } from '../../client/cluster-client';
import { wrapIndented } from './columns';
import type { StatusView } from './member-cells';
import { paint, statusSentence } from './status-line';
import { renderTable } from './table';
import { NONE, cellText, oneLine } from './text';

const MAX_SENTENCE = 160;
const MAX_COMMAND = 100;

export function renderFleet(
  fleet: readonly ClusterOverview[],
  view: Pick<StatusView, 'now' | 'zone' | 'color'>,
): string {
  const { color, zone } = view;
  const rows = fleet.map(({ cluster, state, severity, statusLines: [first] }) => {
    if (first === undefined) return [oneLine(cluster), oneLine(state), NONE, NONE];
    const [next] = first.change;
    return [
      oneLine(cluster),
      oneLine(state),
      paint(severity, color)(cellText(statusSentence(first, view), MAX_SENTENCE, color)),
      next === undefined ? NONE : cellText(next, MAX_COMMAND, color),
    ];
  });
  const table = renderTable(['Cluster', 'State', 'Status', 'Next'], rows, color, ['State']);
  return wrapIndented(`${table}\n\n${color.dim(`Times are in ${zone}; set TZ for another zone.`)}`, color.columns);
}
