/** What is said of a run as a whole, and what is said of each of its nodes. */
import type { ClusterClient } from '../../src/client/cluster-client';
import type { RunSummary, StatusPage } from '../../src/domain/cluster/messages';
import type { NodeOutcome } from '../../src/domain/node/status';

type Counts = Partial<Record<NodeOutcome, number>>;

interface Cluster {
  readonly name: string;
  readonly client: ClusterClient;
  status(): Promise<StatusPage>;
}

/** Where summary, events, records and status of an ended run of a cluster disagree; empty: nowhere. */
export async function disagreements(cluster: Cluster, run: number): Promise<string[]> {
  const { client, name } = cluster;
  const { summary, nodes } = await client.run(name, run);
  if (summary === null) return [`run ${run} has no summary`];
  // Of a run that never began, and of one whose workflow was terminated, there is nothing but the reason.
  if (nodes.length === 0 && (summary.error !== undefined || summary.notTried === summary.total)) return [];
  const counts: Counts = {};
  for (const { settled } of nodes) counts[settled.outcome] = (counts[settled.outcome] ?? 0) + 1;
  const { events } = await client.events(name, { limit: 200 });
  const ended = events.findLast((one) => one.kind === 'run-ended' && one.run === run)?.message ?? '';
  const { nodes: rows, lastRun } = await cluster.status();
  const row = new Map(rows.map((one) => [one.name, one]));
  const wrong = Object.entries(countsIn(summary))
    .filter(([outcome, count]) => (counts[outcome as NodeOutcome] ?? 0) !== count)
    .map(([outcome, count]) => `summary: ${count} ${outcome}; records: ${JSON.stringify(counts)}`);
  for (const [outcome, count] of Object.entries(counts)) {
    const words = `${count} ${outcome.replace('not-tried', 'not tried')}`;
    if (summary.error === undefined && !ended.includes(words)) wrong.push(`the event "${ended}" lacks ${words}`);
  }
  for (const { settled, record } of nodes) {
    const { node, outcome, error } = settled;
    // Somebody has skipped the failure, which is no longer counted, and stays what it is.
    const own = outcome === 'skipped' && error !== null && error.type !== 'NotTried' ? 'failed' : outcome;
    if (record !== null && ![own, outcome].includes(record.outcome))
      wrong.push(`${node}: ${outcome}; its record: ${record.outcome}`);
    const shown = row.get(node)?.lastOutcome ?? null;
    if (lastRun?.number === run && shown !== null && ![own, outcome].includes(shown))
      wrong.push(`${node}: ${outcome}; its status: ${shown}`);
    const wasTried = settled.workflowRunId !== null;
    if (!wasTried && error?.type === 'Cancelled') wrong.push(`${node} was not tried, and is "${error.message}"`);
  }
  return wrong;
}

function countsIn(summary: RunSummary): Counts {
  const { patched, failed, skipped, cancelled, upToDate, restartPending, rebootPending, notTried } = summary;
  return {
    ...{ patched, failed, skipped, cancelled, 'up-to-date': upToDate, 'restart-pending': restartPending },
    ...{ 'reboot-pending': rebootPending, 'not-tried': notTried },
  };
}
