/** Why a cluster, its run or one of its nodes does not go on: read from Temporal, and derived in the domain. */
import type { ClusterEvent } from '../domain/cluster/event-pages';
import type { PatchRecord } from '../domain/cluster/member';
import type { LiveStatus } from './live-status';
import { explainCluster } from '../domain/explain/cluster';
import type { Explanation } from '../domain/explain/explanation';
import { explanation } from '../domain/explain/explanation';
import { explainNode } from '../domain/explain/node';
import type { ErrorType } from '../domain/shared/errors';
import { OspatchError, isOspatchError } from '../domain/shared/errors';
import { memberNameOf } from '../domain/cluster/member';
import { eventsQuery, specQuery } from '../contract/messages';
import { readNodeRecord } from './node-records';
import type { TemporalCalls } from './temporal-calls';

/** Errors that are the reason why nothing happens. */
const CAUSES: readonly ErrorType[] = ['NoWorker', 'Stuck', 'Internal'];

/**
 * @param node one node, or one node group; absent: the cluster and its run
 * @param time how a time inside a sentence is shown
 * @throws OspatchError `NotFound` when there is no such cluster or node
 */
export async function explain(
  calls: TemporalCalls,
  cluster: string,
  node: string | null,
  { readStatus, time }: { readStatus: () => Promise<LiveStatus>; time: (iso: string) => string },
): Promise<Explanation[]> {
  try {
    const status = await readStatus();
    const spec = await calls.query(cluster, (handle) => handle.query(specQuery));
    const events = await readEvents(calls, cluster);
    const record = node === null ? null : await readRecord(calls, status, node);
    const situation = { status, spec, events, record, nowMs: Date.now(), time };
    const found = node === null ? explainCluster(situation) : explainNode(situation, node);
    if (found === null) throw noSuchMember(status, node ?? '');
    return found;
  } catch (error) {
    if (!isOspatchError(error) || !CAUSES.includes(error.type)) throw error;
    const change = error.remedy === undefined ? [] : [error.remedy];
    return [explanation('no-answer', `nothing goes on in ${cluster}`, error.message, { change })];
  }
}

async function readEvents(calls: TemporalCalls, cluster: string): Promise<ClusterEvent[]> {
  const events: ClusterEvent[] = [];
  for (let since: number | null = 0; since !== null;) {
    const from: number = since;
    const page = await calls.query(cluster, (handle) => handle.query(eventsQuery, { since: from, limit: 200 }));
    events.push(...page.events);
    since = page.next;
  }
  return events;
}

/** The last record of the member, unless it is of another cluster of this name, or of another node of this one. */
async function readRecord(
  calls: TemporalCalls,
  { cluster, createdAt, nodes }: LiveStatus,
  node: string,
): Promise<PatchRecord | null> {
  const row = nodes.find(({ name }) => name === node);
  if (row === undefined) return null;
  const record = await readNodeRecord(calls.session, cluster, node).catch(() => null);
  if (record === null || Date.parse(record.startedAt) < Date.parse(createdAt)) return null;
  const isOfRow = row.state === 'patching' || row.lastOutcome === record.outcome;
  return isOfRow ? record : null;
}

function noSuchMember({ cluster, type, nodes }: LiveStatus, node: string): OspatchError {
  const names = nodes.slice(0, 10).map(({ name }) => name);
  const more = nodes.length > names.length ? `, ... (${nodes.length} in all)` : '';
  const unit = memberNameOf(type);
  return new OspatchError({
    type: 'NotFound',
    message: `cluster ${cluster} has no ${unit} ${node}; its ${unit}s are ${names.join(', ')}${more}`,
    remedy: `see \`ospatch status ${cluster}\``,
  });
}
