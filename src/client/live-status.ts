import type { LiveNode, StatusLine } from '../domain/explain/explanation';
import { statusLines } from '../domain/explain/status-line';
import { ApplicationFailure } from '@temporalio/common';
import { temporal } from '@temporalio/proto';
import {
  decodeArrayFromPayloads,
  decodeOptionalFailureToOptionalError,
} from '@temporalio/common/lib/internal-non-workflow';
import { WAITING } from '../contract/waiting';
import { isEks } from '../domain/eks/node-groups';
import { clusterWorkflowId, nodeWorkflowId, runWorkflowId } from '../contract/workflow-ids';
import type { ClusterStatus, StatusPage } from '../domain/cluster/messages';
import type { NodeProgress } from '../domain/node/report';
import { NODE_STEPS } from '../domain/node/report';
import { transition, withStateSince } from '../domain/cluster/member';
import type { MemberStatus } from '../domain/cluster/member';
import type { StuckCluster } from '../domain/inspection/stuck';
import { forecasterOf } from '../domain/run/forecast';
import type { RunHold } from '../domain/run/next-step';
import type { RunEndForecast } from '../domain/run/run-end';
import { forecastRunEnd } from '../domain/run/run-end';
import type { NodeInWork, RunDetail, RunProgressPage } from '../domain/run/run';
import { waitsForWorker } from '../domain/cluster/task-queues';
import { mapConcurrently } from '../domain/shared/map-concurrently';
import { plainText } from '../domain/shared/text';
import { progressQuery, specQuery } from '../contract/messages';
import type { KnownStatus } from './pages';
import { readStatus } from './pages';
import type { TemporalSession } from './connection';
import { readHeartbeat } from './heartbeat';
import { readStuck, readStuckRun, readStuckWorkflow } from './run-health';
import { waitsForOtherWorker } from './protocol';
import { defined } from '../domain/shared/defined';

/** Bounds the memory of a program that polls thousands of clusters in turn. */
const MAX_FOLLOWED = 16;

/** Details of more nodes at a time would not be read. */
const MAX_LIVE_NODES = 100;
const LOOKS_AT_ONCE = 10;

export interface LiveStatus extends ClusterStatus {
  /** What the cluster is doing, and why. */
  explanation: string;
  /** Members in work, lost ones first, at most 100. */
  current: LiveNode[];
  /** What is wrong or what is next, what weighs most first; at least one. */
  statusLines: StatusLine[];
  /** When the run is forecast to end. Absent: no run is in progress, or how far it is is not known. */
  runEnd?: RunEndForecast;
  /** Why the run in progress is stuck. Absent: it is not, as far as Temporal knows. */
  stuck?: Pick<StuckCluster, 'kind' | 'message' | 'remedy'>;
}

/**
 * The status of the cluster, merged with the progress of its run and the heartbeats of the nodes in progress, which the
 * cluster itself learns with a delay.
 */
export async function readLiveStatus(
  session: TemporalSession,
  cluster: string,
  memory?: StatusMemory,
): Promise<LiveStatus> {
  return withStatusLines(await readLive(session, cluster, memory));
}

/** A client knows more than the cluster itself: heartbeats, and what Temporal says of stuck workflows. */
export function withStatusLines(status: Omit<LiveStatus, 'statusLines'>): LiveStatus {
  return { ...status, statusLines: statusLines(status, Date.now()) };
}

async function readLive(
  session: TemporalSession,
  cluster: string,
  memory?: StatusMemory,
): Promise<Omit<LiveStatus, 'statusLines'>> {
  const { client } = session;
  const read = await readStatus(client.workflow.getHandle(clusterWorkflowId(cluster)), memory?.get(cluster) ?? null);
  memory?.set(cluster, read.known);
  const status = wholeStatus(read.status);
  const { createdAt, run } = status;
  if (run === null) return { ...status, current: [] };
  if (run.state === 'paused' || run.state === 'suspended')
    return { ...status, ...(await readLiveNodes(session, cluster, run.lost ?? [])) };
  // Settled nodes known to the cluster are not requested again.
  const workflowId = runWorkflowId(cluster, createdAt, run.number);
  const progress = await readProgress(session, workflowId, run.done);
  if (progress === null) {
    const own = await readStuckWorkflow(session, cluster, { workflowId });
    const stuck = own.found ?? (await readStuckRun(session, cluster));
    return { ...status, current: await readListing(session, cluster, status), ...(stuck === null ? {} : told(stuck)) };
  }
  const nodes = mergeProgress(status.nodes, progress, new Date().toISOString());
  const inWork = [...progress.lost, ...progress.inFlight];
  const live = await readLiveNodes(session, cluster, inWork);
  const now = { ...status, run: { ...run, done: progress.done, detail: detailOf(progress) }, nodes, ...live };
  return { ...now, ...defined({ runEnd: endOf(now, progress, Date.now()) ?? undefined }) };
}

/** Holds of which nobody can say how long they last. */
const OPEN_ENDED: ReadonlySet<RunHold['kind']> = new Set<RunHold['kind']>(['lost', 'budget', 'unobserved']);

function endOf({ nodes }: ClusterStatus, progress: RunProgressPage, nowMs: number): RunEndForecast | null {
  const { hold } = progress;
  if (hold !== null && OPEN_ENDED.has(hold.kind)) return null;
  const inFlight = progress.inFlight.map(({ node, startedAt }) => ({ name: node, sinceMs: Date.parse(startedAt) }));
  const begun = new Set([...progress.inFlight, ...progress.lost].map(({ node }) => node));
  const waiting = nodes.filter(({ name, state }) => state === 'waiting' && !begun.has(name)).map(({ name }) => name);
  const places = progress.limits.concurrency;
  const soakMs = progress.soakMs + (hold?.kind === 'soak' ? Math.max(0, hold.untilMs - nowMs) : 0);
  return forecastRunEnd({ inFlight, waiting, places, soakMs, forecast: forecasterOf(nodes), nowMs });
}

function detailOf(progress: RunProgressPage): RunDetail {
  const { limits, failures, inFlightCount, lostCount, waitingCount, upcoming, hold, holdSince, ...rest } = progress;
  const { stage, stages, soakMs, windowEnd } = rest;
  return {
    ...{ limits, failures, inFlightCount, lostCount, waitingCount, upcoming, hold, ...defined({ holdSince }) },
    ...{ stage, stages, soakMs, windowEnd },
  };
}

async function readLiveNodes(
  session: TemporalSession,
  cluster: string,
  nodes: readonly NodeInWork[],
): Promise<Pick<LiveStatus, 'current' | 'stuck'>> {
  const until = Date.now() + session.deadlineMs / 3;
  // A node whose details come too late is shown without them.
  const live = await mapConcurrently(nodes.slice(0, MAX_LIVE_NODES), LOOKS_AT_ONCE, async (one) =>
    Date.now() < until ? readLiveNode(session, cluster, one) : { ...baseOf(one), stuck: null },
  );
  const stuck = live.find((one) => one.stuck !== null)?.stuck ?? null;
  const current = live.map(({ stuck: _stuck, ...one }) => one);
  return { current, ...(stuck === null ? {} : told(stuck)) };
}

function told({ kind, message, remedy }: StuckCluster): Pick<LiveStatus, 'stuck'> {
  return { stuck: { kind, message, remedy } };
}

/** Updates nodes with the progress of the run at `now` (ISO 8601), which is ahead of the cluster's. */
export function mergeProgress(nodes: readonly MemberStatus[], progress: RunProgressPage, now: string): MemberStatus[] {
  const settled = new Map(progress.settled.map((one) => [one.node, one]));
  const inFlight = new Map(progress.inFlight.map(({ node, state }) => [node, state]));
  return nodes.map((node) => {
    const one = settled.get(node.name);
    if (one !== undefined && (node.state === 'waiting' || node.state === 'patching')) {
      return withStateSince(node, transition(node, { kind: 'settled', settled: one }), now);
    }
    const state = inFlight.get(node.name);
    return state === undefined ? node : { ...node, state, lastError: null };
  });
}

/** Without the fields of pages. */
function wholeStatus({
  counts: _counts,
  next: _next,
  token: _token,
  changedOnly: _changedOnly,
  statusLines: _statusLines,
  ...status
}: StatusPage): ClusterStatus & { explanation: string } {
  return status;
}

/** The last status read of the followed clusters, so that only changes are transferred. */
export class StatusMemory {
  private readonly clusters = new Map<string, KnownStatus>();

  get(cluster: string): KnownStatus | null {
    return this.clusters.get(cluster) ?? null;
  }

  set(cluster: string, known: KnownStatus | null): void {
    this.clusters.delete(cluster);
    if (known === null) return;
    this.clusters.set(cluster, known);
    const [oldest] = this.clusters.keys();
    if (this.clusters.size > MAX_FOLLOWED && oldest !== undefined) this.clusters.delete(oldest);
  }
}

/** A run that does not answer must not prevent the display of its cluster. */
async function readProgress(
  { client, deadlineMs }: TemporalSession,
  workflowId: string,
  from: number,
): Promise<RunProgressPage | null> {
  try {
    const handle = client.workflow.getHandle(workflowId);
    return await client.withDeadline(Date.now() + deadlineMs / 3, () => handle.query(progressQuery, { from }));
  } catch {
    // Not started yet, just ended, or stuck: the status of the cluster is accurate then.
    return null;
  }
}

/** A run of all EKS node groups first lists them at AWS, before its workflow starts. */
async function readListing(
  session: TemporalSession,
  cluster: string,
  { type, run }: ClusterStatus,
): Promise<LiveNode[]> {
  if (type !== 'eks' || run === null) return [];
  const { client } = session;
  try {
    const workflow = client.workflow.getHandle(clusterWorkflowId(cluster));
    const { raw } = await workflow.describe();
    const activity = raw.pendingActivities?.find(({ activityType }) => activityType?.name === 'listNodegroups');
    if (activity === undefined) return [];
    const spec = await workflow.query(specQuery);
    const taskQueue = isEks(spec) ? spec.taskQueue : undefined;
    const { startedAt } = run;
    const listing = { node: 'all node groups', state: 'waiting', startedAt, workflowRunId: null } as const;
    const site = defined({ taskQueue });
    return [await readActivity(session, { ...baseOf(listing), step: 'preflight' }, activity, site)];
  } catch {
    return [];
  }
}

async function readLiveNode(
  session: TemporalSession,
  cluster: string,
  current: NodeInWork,
): Promise<LiveNode & { stuck: StuckCluster | null }> {
  const base = baseOf(current);
  try {
    const workflowId = nodeWorkflowId(cluster, current.node);
    const { raw, type, staticSummary } = await session.client.workflow.getHandle(workflowId).describe();
    const stuck = await readStuck(session, cluster, workflowId, raw);
    const activity = raw.pendingActivities?.[0];
    const live = activity === undefined || stuck !== null ? base : await readActivity(session, base, activity, current);
    if (current.state !== 'waiting') return { ...live, stuck };
    const isForeign = stuck?.kind === 'id-taken';
    const heldBy = isForeign ? `a workflow of the type ${plainText(type, 100)}` : runOf(await staticSummary());
    return { ...live, ...defined({ heldBy: heldBy ?? undefined }), stuck };
  } catch {
    // Informational; the run does not depend on it.
    return { ...base, stuck: null };
  }
}

/** The run that a node patch belongs to, from its summary in Temporal. */
function runOf(summary: string | undefined): string | null {
  const [, run] = /: (run \d+) \(/.exec(summary ?? '') ?? [];
  return run ?? null;
}

function baseOf({ node, state, startedAt, outageAwaitedSince, outageAwaitedFor }: NodeInWork): LiveNode {
  const awaited =
    outageAwaitedFor === 'alerts' ? 'firing alerts to end (alerts.block)' : 'other nodes to come back (maxUnavailable)';
  const waitingFor = outageAwaitedSince === undefined ? null : awaited;
  const waitingSince = outageAwaitedSince ?? null;
  return {
    ...{ node, state, startedAt },
    ...{ step: null, done: null, total: null, waitingFor, waitingSince, waitingUntil: null, blocked: [] },
    ...{ attempt: 1, lastFailure: null },
  };
}

async function readActivity(
  { client, taskQueue }: TemporalSession,
  base: LiveNode,
  activity: temporal.api.workflow.v1.IPendingActivityInfo,
  site: { taskQueue?: string },
): Promise<LiveNode> {
  const step = stepOf(activity.activityType?.name) ?? base.step;
  const attempt = activity.attempt ?? 1;
  if (isNotTakenUp(activity, Date.now())) {
    const waitingSince = new Date(dueAt(activity)).toISOString();
    return { ...base, step, waitingFor: waitsForWorker(site.taskQueue ?? taskQueue), waitingSince, attempt };
  }
  const converter = client.options.loadedDataConverter;
  const [details] = await decodeArrayFromPayloads(converter, activity.heartbeatDetails?.payloads ?? []);
  const heartbeat = readHeartbeat(details);
  const failure = await decodeOptionalFailureToOptionalError(converter, activity.lastFailure);
  // An attempt that gave back its slot continues the wait between attempts.
  const isWait = failure instanceof ApplicationFailure && failure.type === WAITING;
  const between = isWait && isScheduled(activity) ? plainText(failure.message, 400).replace(/^waiting for /, '') : null;
  const otherWorker = waitsForOtherWorker(activity, failure, site.taskQueue ?? taskQueue);
  return {
    ...base,
    step: heartbeat?.step ?? step,
    done: heartbeat?.done ?? null,
    total: heartbeat?.total ?? null,
    waitingFor: otherWorker ?? heartbeat?.waitingFor ?? between,
    waitingSince: heartbeat?.waitingSince ?? null,
    waitingUntil: otherWorker === null ? (heartbeat?.waitingUntil ?? null) : null,
    blocked: heartbeat?.blocked ?? [],
    attempt,
    lastFailure: failure?.message && !isWait ? plainText(failure.message, 300) : null,
  };
}

/** Longer than a running worker needs to start an activity. */
const TAKEN_UP_WITHIN_MS = 5_000;

/** Whether no worker has started an attempt that has been due for a while. */
function isNotTakenUp(activity: temporal.api.workflow.v1.IPendingActivityInfo, now: number): boolean {
  if (!isScheduled(activity)) return false;
  const due = dueAt(activity);
  return due > 0 && now - due > TAKEN_UP_WITHIN_MS;
}

function isScheduled({ state }: temporal.api.workflow.v1.IPendingActivityInfo): boolean {
  return state === temporal.api.enums.v1.PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED;
}

/** In milliseconds; 0 when the server does not report it. */
function dueAt({ scheduledTime }: temporal.api.workflow.v1.IPendingActivityInfo): number {
  return Number(scheduledTime?.seconds ?? 0) * 1000;
}

/** Before the first heartbeat, the activity type determines the step. */
function stepOf(activity: string | null | undefined): NodeProgress['step'] | null {
  return STEP_OF[activity ?? ''] ?? NODE_STEPS.find((step) => step === activity) ?? null;
}

const STEP_OF: Readonly<Record<string, NodeProgress['step']>> = {
  readFacts: 'verify',
  inspectFailedNode: 'verify',
  drainPreview: 'drain',
  cordon: 'drain',
  awaitHealthy: 'verify',
  awaitWorkloads: 'verify',
  listNodegroups: 'preflight',
  describeNodegroup: 'preflight',
  beginNodegroupUpdate: 'apply',
  followNodegroupUpdate: 'apply',
};
