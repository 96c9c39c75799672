/** The last runs and windows of a cluster. */
import { commandOf } from '../../domain/cluster/event-text';
import type { ClusterHistory, RunSummary } from '../../domain/cluster/messages';
import { countOutcomes } from './status';
import { wrapIndented } from './columns';
import type { Colors } from './table';
import { renderTable } from './table';
import { NONE, cellText, formatElapsed, formatTime, oneLine, ownZone } from './text';

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
              oneLine(commandOf(request)),
              formatTime(at, zone),
              cellText(result, 60, color),
              cellText(by, 40, color),
              reason === null ? NONE : cellText(reason, 60, color),
            ]),
            color,
          ),
        ]),
    color.dim(`Times are in ${zone}; set TZ for another zone.`),
  ];
  return wrapIndented(parts.join('\n\n'), color.columns);
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
    cellText(run.by, 40, color),
    run.reason === null ? NONE : cellText(run.reason, 60, color),
  ];
}
