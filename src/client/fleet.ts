/** What every cluster of a namespace needs, or what is next there: one sentence each, worst first. */
import type { StatusLine } from '../domain/explain/explanation';
import { line } from '../domain/explain/explanation';
import { stuckLine } from '../domain/explain/status-line';
import { worstFirst, worstOf } from '../domain/shared/severity';
import type { ClusterSummary } from '../domain/cluster/messages';
import { isOspatchError } from '../domain/shared/errors';
import { mapConcurrently } from '../domain/shared/map-concurrently';
import { summaryQuery } from '../contract/messages';
import type { ClusterListItem } from './cluster-list';
import { listClusters } from './cluster-list';
import type { TemporalCalls } from './temporal-calls';

const QUERIES_AT_ONCE = 16;

export interface ClusterOverview {
  cluster: string;
  type: string;
  state: string;
  severity: StatusLine['severity'];
  /** What is wrong or what is next, what weighs most first; at least one. */
  statusLines: StatusLine[];
  lastRun: ClusterSummary['lastRun'];
  nextWindow: string | null;
  /** Nodes by state; null when the cluster has not answered. */
  counts: ClusterSummary['counts'] | null;
}

/**
 * Sorted by severity, then by name. A cluster that cannot answer or be read is a row that says so; nothing but a missing
 * server is an error.
 */
export async function readFleet(calls: TemporalCalls): Promise<ClusterOverview[]> {
  const items = await listClusters(calls);
  const fleet = await mapConcurrently(items, QUERIES_AT_ONCE, (item) => overviewOf(calls, item));
  // They are listed by name.
  return worstFirst(fleet);
}

async function overviewOf(calls: TemporalCalls, item: ClusterListItem): Promise<ClusterOverview> {
  const { cluster, type, state, nextWindow } = item;
  const known = { cluster, type, state, nextWindow, lastRun: null, counts: null };
  const fault = faultOf(item);
  if (fault !== null) return withLines(known, [fault]);
  try {
    const summary = await calls.query(cluster, (handle) => handle.query(summaryQuery));
    const { statusLines, lastRun, counts } = summary;
    const next = summary.nextWindow?.start ?? null;
    return withLines({ ...known, state: summary.state, nextWindow: next, lastRun, counts }, [
      ...sitesOf(item),
      ...statusLines,
    ]);
  } catch (error) {
    if (!isOspatchError(error)) throw error;
    const change = error.remedy === undefined ? [] : [error.remedy];
    return withLines(known, [line('error', 'no-answer', `${cluster} does not answer`, error.message, { change })]);
  }
}

function withLines(
  known: Omit<ClusterOverview, 'severity' | 'statusLines'>,
  statusLines: StatusLine[],
): ClusterOverview {
  return { ...known, severity: worstOf(statusLines), statusLines };
}

/** Why the cluster is not asked; null: it is. */
function faultOf({ cluster, state, stuck }: ClusterListItem): StatusLine | null {
  if (state === 'encrypted')
    return line('error', 'no-answer', `${cluster} cannot be read`, 'its key is not available here', {
      change: ['set OSPATCH_ENCRYPTION_KEYS to the directory of the keys'],
    });
  if (stuck === null) return null;
  if (state !== 'ended') return stuckLine(cluster, stuck);
  return line('error', 'stuck', `${cluster} has ended`, stuck.message, { change: [stuck.remedy] });
}

function sitesOf({ cluster, sitesWithoutWorker }: ClusterListItem): StatusLine[] {
  if (sitesWithoutWorker.length === 0) return [];
  const what = `nodes of ${cluster} cannot be reached`;
  return sitesWithoutWorker.map((site) =>
    line('error', 'no-worker', what, `no worker polls the task queue ${site}`, {
      change: [`ospatch worker --task-queue ${site}`],
    }),
  );
}
