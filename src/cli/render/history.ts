/** The last runs and windows of a cluster. */
import { commandOf } from '../../domain/cluster/event-text';
import type { ClusterHistory, RunSummary } from '../../domain/cluster/messages';
import { countOutcomes } from './status';
import type { Colors } from './table';
import { renderTable } from './table';
import { NONE, formatElapsed, formatTime, oneLine, ownZone } from './text';

export function renderHistory(
  cluster: string,
  { runs, windows, requests }: ClusterHistory,
  color: Colors,
  zone: string = ownZone(),
): string {
  const parts = [
    runs.length === 0
      ? `no run of ${cluster} has ended yet`
      : renderTable(
          ['Run', 'Trigger', 'Outcome', 'Started', 'Took', 'Nodes', 'By', 'Reason'],
          runs.map((run) => runRow(run, color, zone)),
          color,
        ),
    ...(windows.length === 0
      ? []
      : [
          renderTable(
            ['Window', 'Result'],
            windows.map(({ at, result }) => [formatTime(at, zone), oneLine(result)]),
            color,
          ),
        ]),
    ...(requests.length === 0
      ? []
      : [
          renderTable(
            ['Request', 'At', 'Result', 'By', 'Reason'],
            requests.map(({ request, at, result, by, reason }) => [
              oneLine(commandOf(request), 40),
              formatTime(at, zone),
              oneLine(result, mostOf(color)),
              oneLine(by, 40),
              reason === null ? NONE : oneLine(reason, mostOf(color)),
            ]),
            color,
          ),
        ]),
    color.dim(`Times are in ${zone}; set TZ for another zone.`),
  ];
  return parts.join('\n\n');
}

/** In a pipe nothing is cut. */
function mostOf({ columns }: Colors): number {
  return columns === undefined ? 500 : 60;
}

export function colorOutcome({ outcome }: Pick<RunSummary, 'outcome'>, color: Colors): string {
  switch (outcome) {
    case 'succeeded':
      return color.green(outcome);
    case 'failed':
    case 'stopped':
      return color.red(outcome);
    case 'cancelled':
    case 'expired':
      return color.yellow(outcome);
  }
}

function runRow(run: RunSummary, color: Colors, zone: string): string[] {
  return [
    String(run.number),
    run.trigger,
    colorOutcome(run, color),
    formatTime(run.startedAt, zone),
    formatElapsed(run.startedAt, Date.parse(run.endedAt)),
    countOutcomes(run),
    oneLine(run.by, 40),
    run.reason === null ? NONE : oneLine(run.reason, 60),
  ];
}
