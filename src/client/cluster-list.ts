/**
 * Lists all clusters of a namespace, including stuck ones and ones that ended without being removed. Needs no worker.
 */
import { isUnsuccessful } from '../domain/run/run';
import { isGrpcServiceError } from '@temporalio/client';
import { decodeArrayFromPayloads } from '@temporalio/common/lib/internal-non-workflow';
import { temporal } from '@temporalio/proto';
import { WORKFLOW_TYPES, clusterOfWorkflowId } from '../contract/workflow-ids';
import type { ClustersSeen } from '../domain/inspection/installation';
import type { StuckCluster } from '../domain/inspection/stuck';
import { readHealth } from './cluster-health';
import { readStuckRun } from './run-health';
import type { TemporalSession } from './connection';
import type { TemporalCalls } from './temporal-calls';
import { mapConcurrently } from '../domain/shared/map-concurrently';

export type ListedExecution = temporal.api.workflow.v1.IWorkflowExecutionInfo;

export interface ClusterListItem {
  cluster: string;
  type: string;
  /** `ended` when the workflow has ended; `encrypted` when its key is not available here. */
  state: string;
  ready: boolean | null;
  nextWindow: string | null;
  /** Outcome of the last run; null when there was none. */
  lastOutcome: string | null;
  /** When that run ended, ISO 8601; null when there was none. */
  lastRunAt: string | null;
  /** A run is in progress, which may be suspended. */
  inRun: boolean;
  /** Nodes whose last patch failed; null when unknown. */
  failedNodes: number | null;
  /** Nodes that need a reboot; null when unknown, as without the search attributes of ospatch. */
  rebootPending: number | null;
  /** What needs somebody, in short, worst first; `status -A` says more. Empty: nothing, as far as is known. */
  problems: string[];
  createdAt: string;
  /** Task queues of sites, at most 20. */
  sites: string[];
  /** Sites without a polling worker; their nodes wait. */
  sitesWithoutWorker: string[];
  /** Why the cluster is stuck; null when it is not, or was not inspected, see `looked`. */
  stuck: Pick<StuckCluster, 'kind' | 'message' | 'remedy'> | null;
  /** Whether the health of the cluster was read in time. */
  looked: boolean;
}

/** Time limit for health checks in an interactive list; clusters beyond it are reported as not inspected. */
const LOOK_WITHIN_MS = 5_000;
const LOOKS_AT_ONCE = 16;
/** With more clusters, only those reported by the server as problematic are inspected. */
const LOOK_AT_EACH_UP_TO = 500;
/** Newest first; a namespace keeps closed workflows for its retention only. */
const MAX_ENDED = 1_000;

const GRPC_INVALID_ARGUMENT = 3;

/** Set by servers from 1.30 on for workflows whose tasks have failed or timed out several times in a row. */
export const WITH_PROBLEMS = 'TemporalReportedProblems IS NOT NULL';

/** Sorted by name. */
export async function listClusters(calls: TemporalCalls): Promise<ClusterListItem[]> {
  const items = await calls.call(null, () => readItems(calls.session));
  await noteStuck(calls, items);
  await noteSites(calls, items);
  const shown = items.filter(({ state, stuck, looked }) => state !== 'ended' || stuck !== null || !looked);
  for (const item of shown) item.problems = problemsOf(item);
  return shown.sort((a, b) => a.cluster.localeCompare(b.cluster));
}

/** What needs somebody, as far as the list knows, worst first. */
export function problemsOf(item: Omit<ClusterListItem, 'problems'>): string[] {
  const { state, ready, lastOutcome, failedNodes, rebootPending, stuck, sitesWithoutWorker } = item;
  if (state === 'ended') return ['ended without remove'];
  if (state === 'encrypted') return ['encrypted, and the key is not available here'];
  if (stuck !== null) return ['stuck'];
  if (state === 'not-patchable' || state === 'removing') return [];
  const isInRun = state === 'running';
  return [
    ...(sitesWithoutWorker.length === 0 ? [] : [`no worker at ${sitesWithoutWorker.join(', ')}`]),
    ...(failedNodes === null || failedNodes === 0 ? [] : [`${failedNodes} failed`]),
    ...(isUnsuccessful(lastOutcome) && !isInRun ? [`last run ${lastOutcome ?? ''}`] : []),
    ...(ready === false && !isInRun ? ['boot patch not done'] : []),
    ...(rebootPending === null || rebootPending === 0 ? [] : [`${rebootPending} reboot-pending`]),
    ...(state === 'paused' ? ['paused'] : []),
  ];
}

/**
 * The stuck clusters; `notLooked`: number of clusters that could not be inspected in time; `idleSites`: the sites without a worker,
 * each with the clusters that have nodes there.
 */
export async function findStuckClusters(calls: TemporalCalls): Promise<ClustersSeen> {
  const items = await listClusters(calls);
  const stuck = items.flatMap(({ cluster, stuck: why }) => (why === null ? [] : [{ cluster, ...why }]));
  const idleSites = new Map<string, string[]>();
  for (const { cluster, state, sitesWithoutWorker } of items) {
    if (state === 'ended') continue;
    for (const site of sitesWithoutWorker) idleSites.set(site, [...(idleSites.get(site) ?? []), cluster]);
  }
  return { stuck, idleSites, notLooked: items.filter(({ looked }) => !looked).length, total: items.length };
}

async function readItems(session: TemporalSession): Promise<ClusterListItem[]> {
  const items = new Map<string, ClusterListItem>();
  const take = async (one: ListedExecution, state?: 'ended'): Promise<void> => {
    const cluster = nameOf(one);
    // A cluster with a lost key must not hide the others.
    const memo = await readMemo(session, one).catch(() => ({ state: 'encrypted' }));
    const isRemoved =
      state === 'ended' && isCompleted(one) && ['removing', 'encrypted'].includes(String(memo['state']));
    if (isRemoved || (state === 'ended' && items.has(cluster))) return;
    const item = toItem(one, memo);
    items.set(cluster, state === undefined ? item : { ...item, state, ready: null, nextWindow: null, inRun: false });
  };
  for await (const one of find(session, 'ExecutionStatus = "Running"')) await take(one);
  // Servers before 1.30 do not have this status.
  await ifKnown(async () => {
    for await (const one of find(session, 'ExecutionStatus = "Paused"')) await take(one);
  });
  for (const one of await readEnded(session)) await take(one, 'ended');
  return [...items.values()];
}

/** The newest execution per name. */
async function readEnded(session: TemporalSession): Promise<ListedExecution[]> {
  const newest = new Map<string, ListedExecution>();
  // Almost every completed one is a removed cluster; reading them separately keeps them from displacing the others.
  for (const ended of ['IN ("Failed", "Terminated", "TimedOut", "Canceled")', '= "Completed"']) {
    let count = 0;
    for await (const one of find(session, `ExecutionStatus ${ended}`)) {
      const known = newest.get(nameOf(one));
      if (known === undefined || startOf(known) < startOf(one)) newest.set(nameOf(one), one);
      count += 1;
      if (count >= MAX_ENDED) break;
    }
  }
  return [...newest.values()];
}

/** All clusters for which the condition is true, page by page. */
function find(session: TemporalSession, condition: string): AsyncIterable<ListedExecution> {
  return findWorkflows(session, `WorkflowType = "${WORKFLOW_TYPES.cluster}" AND ${condition}`);
}

/** Without the client's own iterator, which stops at the first undecodable memo. */
export async function* findWorkflows(
  { client, namespace }: TemporalSession,
  query: string,
): AsyncIterable<ListedExecution> {
  let nextPageToken: Uint8Array = new Uint8Array();
  do {
    const page: temporal.api.workflowservice.v1.IListWorkflowExecutionsResponse =
      await client.workflowService.listWorkflowExecutions({ namespace, query, nextPageToken });
    yield* page.executions ?? [];
    nextPageToken = page.nextPageToken ?? new Uint8Array();
  } while (nextPageToken.length > 0);
}

function nameOf({ execution }: ListedExecution): string {
  return clusterOfWorkflowId(execution?.workflowId ?? '');
}

function startOf({ startTime }: ListedExecution): number {
  return Number(startTime?.seconds ?? 0);
}

function isCompleted({ status }: ListedExecution): boolean {
  return status === temporal.api.enums.v1.WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED;
}

async function readMemo({ client }: TemporalSession, { memo }: ListedExecution): Promise<Record<string, unknown>> {
  const entries = Object.entries(memo?.fields ?? {});
  const values = await decodeArrayFromPayloads(
    client.options.loadedDataConverter,
    entries.map(([, payload]) => payload),
  );
  return Object.fromEntries(entries.map(([name], at) => [name, values[at]]));
}

/** False: the server does not know a word of the query. */
export async function ifKnown(body: () => Promise<void>): Promise<boolean> {
  try {
    await body();
    return true;
  } catch (error) {
    const cause = error instanceof Error && !isGrpcServiceError(error) ? error.cause : error;
    if (!isGrpcServiceError(cause) || cause.code !== GRPC_INVALID_ARGUMENT) throw error;
    return false;
  }
}

function toItem(execution: ListedExecution, memo: Record<string, unknown>): ClusterListItem {
  return {
    cluster: nameOf(execution),
    type: textOr(memo['type'], 'unknown'),
    state: textOr(memo['state'], 'unknown'),
    ready: typeof memo['ready'] === 'boolean' ? memo['ready'] : null,
    nextWindow: typeof memo['nextWindow'] === 'string' ? memo['nextWindow'] : null,
    lastOutcome: typeof memo['lastOutcome'] === 'string' ? memo['lastOutcome'] : null,
    lastRunAt: typeof memo['lastRunAt'] === 'string' ? memo['lastRunAt'] : null,
    inRun: memo['inRun'] === true,
    failedNodes: typeof memo['failedNodes'] === 'number' ? memo['failedNodes'] : null,
    rebootPending: attributeOf(execution, 'PatchRebootPending'),
    problems: [],
    createdAt: textOr(memo['createdAt'], new Date(startOf(execution) * 1000).toISOString()),
    sites: textsOf(memo['sites']),
    sitesWithoutWorker: [],
    stuck: null,
    looked: false,
  };
}

/** Inspects each cluster, or only those reported by the server as problematic. */
async function noteStuck(calls: TemporalCalls, items: readonly ClusterListItem[]): Promise<void> {
  const suspects = items.length > LOOK_AT_EACH_UP_TO ? await withProblems(calls) : null;
  const left = items.filter((item) => {
    item.looked = suspects !== null && item.state !== 'ended' && !suspects.has(item.cluster);
    return !item.looked;
  });
  const until = Date.now() + Math.min(LOOK_WITHIN_MS, calls.session.deadlineMs);
  await mapConcurrently(left, LOOKS_AT_ONCE, async (item) => {
    if (Date.now() >= until) return;
    const { cluster } = item;
    const health = await calls.call(null, () => readHealth(calls.session, cluster));
    const stuck = health.state === 'stuck' ? health.stuck : await stuckRunOf(calls, item);
    item.looked = true;
    if (stuck === null) return;
    const { kind, message, remedy } = stuck;
    item.stuck = { kind, message, remedy };
  });
}

/** Idle clusters, which most are, have no run to inspect. */
async function stuckRunOf(calls: TemporalCalls, { cluster, state }: ClusterListItem): Promise<StuckCluster | null> {
  if (state === 'idle' || state === 'not-patchable') return null;
  return calls.call(null, () => readStuckRun(calls.session, cluster));
}

/** Null when the server does not report problems. */
async function withProblems(calls: TemporalCalls): Promise<Set<string> | null> {
  const names = new Set<string>();
  const isKnown = await calls.call(null, () =>
    ifKnown(async () => {
      for (const condition of [WITH_PROBLEMS, 'ExecutionStatus = "Paused"']) {
        for await (const one of find(calls.session, condition)) names.add(nameOf(one));
      }
    }),
  );
  return isKnown ? names : null;
}

/** Each site is queried once, however many clusters have nodes there. */
async function noteSites(calls: TemporalCalls, items: readonly ClusterListItem[]): Promise<void> {
  const sites = [...new Set(items.flatMap((item) => item.sites))];
  const counts = await Promise.all(sites.map((site) => calls.countWorkers(site)));
  const without = new Set(sites.filter((_, at) => counts[at] === 0));
  for (const item of items) item.sitesWithoutWorker = item.sites.filter((site) => without.has(site));
}

/** A whole number; null when the attribute is not registered. Search attributes are never encrypted. */
function attributeOf({ searchAttributes }: ListedExecution, name: string): number | null {
  const { data } = searchAttributes?.indexedFields?.[name] ?? {};
  const text = data === null || data === undefined ? '' : Buffer.from(data).toString('utf8');
  return /^\d{1,9}$/.test(text) ? Number(text) : null;
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : [];
}

function textOr(value: unknown, otherwise: string): string {
  return typeof value === 'string' ? value : otherwise;
}
