/** The last runs and windows of a cluster. */
import { defined } from '../../domain/shared/defined';
import { senderText } from '../../domain/shared/verification';
import { commandOf } from '../../domain/cluster/verbs';
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
  { zone = ownZone(), since = null }: { zone?: string; since?: number | null } = {},
): string {
  const when = since === null ? 'yet' : `since ${formatTime(new Date(since).toISOString(), zone)}`;
  const parts = [
    runs.length === 0
      ? `no run of ${cluster} has ended ${when}`
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
            requests.map(({ request, at, result, by, verified, reason }) => [
              oneLine(commandOf(request)),
              formatTime(at, zone),
              cellText(result, 60, color),
              cellText(senderText({ by, ...defined({ verified }) }), 40, color),
              reason === null ? NONE : cellText(reason, 60, color),
            ]),
            color,
          ),
        ]),
    color.dim(`Times are in ${zone}; set TZ for another zone.`),
  ];
  return wrapIndented(parts.join('\n\n'), color.columns);
}

/** Runs that have ended, windows that have begun and requests since `since` (epoch milliseconds). */
export function historySince({ createdAt, runs, windows, requests }: ClusterHistory, since: number): ClusterHistory {
  const isLater = (iso: string): boolean => Date.parse(iso) >= since;
  return {
    createdAt,
    runs: runs.filter(({ endedAt }) => isLater(endedAt)),
    windows: windows.filter(({ at }) => isLater(at)),
    requests: requests.filter(({ at }) => isLater(at)),
  };
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
    cellText(run.by === null ? null : senderText({ ...run, by: run.by }), 40, color),
    run.reason === null ? NONE : cellText(run.reason, 60, color),
  ];
}
