/**
 * Reads all clusters of a namespace from Temporal's list of workflows, page by page. What a cluster has published is decoded again
 * only when it has changed. Rows of nodes that do not fit there are asked of the cluster, each revision once and few at a time.
 */
import { decodeArrayFromPayloads } from '@temporalio/common/lib/internal-non-workflow';
import type { ListedExecution } from '../client/cluster-list';
import { findWorkflows, ifKnown } from '../client/cluster-list';
import type { TemporalSession } from '../client/connection';
import type { QueueKind } from '../client/pollers';
import { nodeMetricsQuery } from '../contract/messages';
import { WORKFLOW_TYPES, clusterOfWorkflowId, clusterWorkflowId } from '../contract/workflow-ids';
import type { PublishedMetrics, PublishedRow, PublishedRows } from '../domain/cluster/published';
import { mapConcurrently } from '../domain/shared/map-concurrently';
import type { ClusterSnapshot } from './cluster-series';
import { readPublished, readRowsPage } from './published-form';
import { SiteWorkers } from './site-workers';
import { StuckClusters } from './stuck-clusters';

const RUNNING = 'ExecutionStatus = "Running"';
/** A namespace keeps ended workflows for its retention; the list is sorted by their end, newest first. */
const MAX_ENDED = 1_000;
/** Queries of clusters take workers away from clusters that have work to do. */
const ROWS_AT_ONCE = 4;
const ROWS_WITHIN_MS = 10_000;
/** Rows of this many nodes are asked for once a second at most, of a cluster that changes all the time. */
const ROWS_PER_SECOND = 80;

/** What was read of one namespace at one moment. */
export interface FleetReading {
  clusters: ClusterSnapshot[];
  /** Clusters of which nothing can be read: their key is missing, or a worker of an older release runs them. */
  unreadable: number;
  /** Clusters that were removed and are kept by Temporal for a while. */
  removed: { name: string; metrics: PublishedMetrics }[];
  cordoned: LeftCordon[];
  sites: { site: string; workers: number }[];
}

export interface LeftCordon {
  cluster: string;
  node: string;
  /** Seconds since 1970. */
  at: number;
}

interface EndedCluster {
  metrics: PublishedMetrics | null;
  isRemoved: boolean;
  startedAt: number;
}

interface Known {
  bytes: Buffer;
  /** Where its workflow waits for workers. */
  taskQueue: string;
  metrics: PublishedMetrics | null;
  snapshot: ClusterSnapshot | null;
}

interface KnownRows {
  /** Of the cluster: tells it apart from others of its name. */
  createdAt: string;
  /** That the cluster had published when it was asked. */
  asked: string;
  rows: PublishedRows | null;
  /** When it was asked last, in milliseconds. */
  at: number;
}

export class ClusterReader {
  private known = new Map<string, Known>();
  private readonly rows = new Map<string, KnownRows>();
  private asking: Promise<void> = Promise.resolve();
  private isAsking = false;

  private readonly siteWorkers: SiteWorkers;
  private readonly stuck: StuckClusters;

  constructor(private readonly session: TemporalSession) {
    this.siteWorkers = new SiteWorkers(session);
    this.stuck = new StuckClusters(session);
  }

  /** Throws the errors of Temporal's client. */
  async read(): Promise<FleetReading> {
    const [running, paused, stuck, ended, cordoned] = await Promise.all([
      this.readOpen(RUNNING),
      this.readPaused(),
      this.stuck.read(),
      this.readEnded(),
      this.readCordoned(),
    ]);
    const clusters: ClusterSnapshot[] = [];
    let unreadable = 0;
    const open = new Map([...running, ...paused]);
    this.known = open;
    this.forgetRows();
    for (const [name, before] of open) {
      const isStuck = stuck.has(name) || paused.has(name);
      if (before.metrics === null) unreadable += 1;
      else clusters.push(this.snapshot(name, before, before.metrics, isStuck ? 'stuck' : null));
    }
    for (const [name, { metrics, isRemoved }] of ended) {
      if (isRemoved || open.has(name)) continue;
      if (metrics === null) unreadable += 1;
      else clusters.push({ name, fault: 'ended', metrics, rows: null });
    }
    // What waits for workflow workers waits for those that do activities there too.
    const kinds = new Map<string, QueueKind>([
      ...clusters
        .filter(({ fault }) => fault !== 'ended')
        .flatMap(({ metrics }) => (metrics.sites ?? []).map((site) => [site, 'activities'] as const)),
      ...[...open.values()].map(({ taskQueue }) => [taskQueue, 'workflows'] as const),
    ]);
    const sites = await this.siteWorkers.count(kinds);
    return {
      clusters: clusters.sort((one, other) => (one.name < other.name ? -1 : 1)),
      unreadable,
      removed: [...ended].flatMap(([name, { metrics, isRemoved }]) =>
        isRemoved && metrics !== null ? [{ name, metrics }] : [],
      ),
      cordoned: [...cordoned, ...clusters.flatMap(leftCordoned)],
      sites,
    };
  }

  /** Rows of clusters that are gone, of one of the same name before, and of one that publishes them itself. */
  private forgetRows(): void {
    for (const [name, { createdAt }] of this.rows) {
      const metrics = this.known.get(name)?.metrics;
      // A cluster that cannot be read for a while is the same one afterwards.
      const isOther = metrics !== null && (metrics?.createdAt !== createdAt || metrics.rows !== undefined);
      if (isOther) this.rows.delete(name);
    }
  }

  /**
   * What takes calls for single clusters, once at a time: rows that are not known, and on older servers whether clusters are stuck.
   * Returns when all that is due has been read, or failed; the next reading has it.
   */
  readDetails(nowMs: number): Promise<void> {
    if (!this.isAsking) {
      this.isAsking = true;
      const looks = this.stuck.look([...this.known.keys()], nowMs);
      this.asking = Promise.all([this.askForAll(nowMs), looks])
        .then(() => undefined)
        .finally(() => {
          this.isAsking = false;
        });
    }
    return this.asking;
  }

  private async askForAll(nowMs: number): Promise<void> {
    const due = [...this.known].flatMap(([name, { metrics }]) =>
      metrics !== null && this.isDue(name, metrics, nowMs) ? [{ name, metrics }] : [],
    );
    await mapConcurrently(due, ROWS_AT_ONCE, async ({ name, metrics }) => {
      const rows = this.rows.get(name)?.rows ?? null;
      const { revision: asked, createdAt } = metrics;
      try {
        const all = await this.askFor(name);
        this.rows.set(name, { createdAt, asked, rows: all, at: Date.now() });
      } catch {
        // The last known rows stay; the next reading asks again.
        this.rows.set(name, { createdAt, asked: '', rows, at: Date.now() });
      }
    });
  }

  private isDue(name: string, { rows, revision, states }: PublishedMetrics, nowMs: number): boolean {
    if (rows !== undefined) return false;
    const before = this.rows.get(name);
    if (before === undefined) return true;
    const nodes = Object.values(states).reduce((sum, one) => sum + one, 0);
    return before.asked !== revision && nowMs - before.at >= (nodes / ROWS_PER_SECOND) * 1_000;
  }

  private async askFor(name: string): Promise<PublishedRows> {
    const { client } = this.session;
    const handle = client.workflow.getHandle(clusterWorkflowId(name));
    const all: PublishedRow[] = [];
    let texts: string[] = [];
    let first: string | null = null;
    for (let from: number | null = 0; from !== null;) {
      const at: number = from;
      const answer = await client.withDeadline(Date.now() + ROWS_WITHIN_MS, () => handle.query(nodeMetricsQuery, at));
      const page = readRowsPage(answer);
      if (page === null || (page.next !== null && page.next <= at)) throw new Error(`${name} has sent no rows`);
      // Its rows and its texts belong to one state of the cluster.
      if (page.revision !== (first ??= page.revision)) throw new Error(`${name} has changed meanwhile`);
      all.push(...page.rows);
      ({ texts, next: from } = page);
    }
    return { texts, rows: all };
  }

  /** The same object for what has not changed, so that its series are not written again. */
  private snapshot(
    name: string,
    known: Known,
    metrics: PublishedMetrics,
    fault: ClusterSnapshot['fault'],
  ): ClusterSnapshot {
    const rows = metrics.rows ?? this.rows.get(name)?.rows ?? null;
    const before = known.snapshot;
    if (before?.metrics !== metrics || before.rows !== rows || before.fault !== fault) {
      known.snapshot = { name, fault, metrics, rows };
      return known.snapshot;
    }
    return before;
  }

  private async readOpen(condition: string): Promise<Map<string, Known>> {
    const all = new Map<string, Known>();
    for await (const one of this.find(condition)) {
      const name = nameOf(one);
      all.set(name, await this.readOne(one, this.known.get(name)));
    }
    return all;
  }

  /** With `temporal workflow pause`, which is no pause of ospatch: such a cluster does nothing at all. */
  private async readPaused(): Promise<Map<string, Known>> {
    let all = new Map<string, Known>();
    // Servers before 1.30 do not have this status.
    await ifKnown(async () => {
      all = await this.readOpen('ExecutionStatus = "Paused"');
    });
    return all;
  }

  /** The newest of each name: one that was created again after it had ended was removed since, or the other way round. */
  private async readEnded(): Promise<Map<string, EndedCluster>> {
    const all = new Map<string, EndedCluster>();
    for (const ended of ['IN ("Failed", "Terminated", "TimedOut", "Canceled")', '= "Completed"']) {
      let left = MAX_ENDED;
      for await (const one of this.find(`ExecutionStatus ${ended}`)) {
        const [name, startedAt] = [nameOf(one), Number(one.startTime?.seconds ?? 0)];
        if ((all.get(name)?.startedAt ?? -1) < startedAt) {
          const { metrics } = await this.readOne(one, undefined);
          all.set(name, { metrics, isRemoved: ended === '= "Completed"', startedAt });
        }
        left -= 1;
        if (left === 0) break;
      }
    }
    return all;
  }

  /** Nodes in work: their patches say themselves since when they are cordoned. */
  private async readCordoned(): Promise<LeftCordon[]> {
    const all: LeftCordon[] = [];
    for await (const one of findWorkflows(
      this.session,
      `WorkflowType = "${WORKFLOW_TYPES.patchNode}" AND ${RUNNING}`,
    )) {
      const at = Date.parse(String(await this.decode(one, 'cordonedAt')));
      const [, cluster, node] = /^cluster\/([^/]+)\/node\/(.+)$/.exec(one.execution?.workflowId ?? '') ?? [];
      if (Number.isFinite(at) && cluster !== undefined && node !== undefined)
        all.push({ cluster, node, at: Math.floor(at / 1_000) });
    }
    return all;
  }

  private find(condition: string): AsyncIterable<ListedExecution> {
    return findWorkflows(this.session, `WorkflowType = "${WORKFLOW_TYPES.cluster}" AND ${condition}`);
  }

  private async readOne(one: ListedExecution, before: Known | undefined): Promise<Known> {
    const data = one.memo?.fields?.['metrics']?.data ?? new Uint8Array();
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    const isSame = before?.bytes.equals(bytes) === true && before.taskQueue === one.taskQueue;
    if (isSame && before.metrics !== null) return before;
    const metrics = readPublished(await this.decode(one, 'metrics'));
    // The page that it is part of is not kept for it.
    return { bytes: Buffer.from(bytes), taskQueue: one.taskQueue ?? '', metrics, snapshot: null };
  }

  /** Undefined: there is none, or its key is not available here. */
  private async decode({ memo }: ListedExecution, field: string): Promise<unknown> {
    const payload = memo?.fields?.[field];
    if (payload === undefined || payload === null) return undefined;
    const { loadedDataConverter } = this.session.client.options;
    const [value] = await decodeArrayFromPayloads(loadedDataConverter, [payload]).catch(() => []);
    return value;
  }
}

function nameOf({ execution }: ListedExecution): string {
  return clusterOfWorkflowId(execution?.workflowId ?? '');
}

/** A cordon that a patch has left, which has ended. */
function leftCordoned({ name, rows, fault }: ClusterSnapshot): LeftCordon[] {
  if (rows === null || fault === 'ended') return [];
  return rows.rows.flatMap((row) => {
    const [node, at] = [row[0], row[11] ?? 0];
    return at > 0 ? [{ cluster: name, node, at }] : [];
  });
}
