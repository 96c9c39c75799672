import { setCurrentDetails, upsertMemo, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import { canonicalJson } from '../../domain/shared/canonical-json';
import type { ClusterStatus } from '../../domain/cluster/messages';
import type { PublishedMetrics } from '../../domain/cluster/published';
import { digest, publishAgainAfterMs } from '../../domain/cluster/published';
import type { StatusLine } from '../../domain/explain/explanation';
import type { NodeState } from '../../domain/node/status';
import { renderCluster } from '../../domain/render/cluster';
import { local } from '../shared/activity-options';
import { SEARCH_ATTRIBUTES } from '../../contract/search-attributes';

/** Keeps the memo small. */
const MAX_SITES = 20;

/** What a cluster publishes in Temporal: details in the UI, memo and search attributes. */
export class VisibilityPublisher {
  private shown = '';
  /** Digest of the metrics that are published, and when that was. */
  private metrics = '';
  private metricsAtMs = 0;
  private wakeAtMs: number | null = null;

  /** `known`: names of the search attributes that may be written; null before `load`. */
  constructor(private known: readonly string[] | null) {}

  get registered(): readonly string[] {
    return this.known ?? [];
  }

  /** Once per history, so that attributes registered later are used. Without an answer none is written. */
  async load(): Promise<void> {
    this.known ??= await local.searchAttributes().catch(() => []);
  }

  /** When metrics that had to wait are published. Null: none do. */
  get dueAtMs(): number | null {
    return this.wakeAtMs;
  }

  /** `sites`: task queues of the cluster's nodes, see `taskQueuesOf`. */
  publish(
    status: ClusterStatus,
    lines: readonly StatusLine[],
    sites: readonly string[],
    metrics: PublishedMetrics,
  ): void {
    setCurrentDetails(renderCluster(status, lines));
    const next = status.nextWindow?.start ?? null;
    const failedNodes = countState(status, 'failed');
    const rebootPending = countState(status, 'reboot-pending');
    const outcome = status.lastRun?.outcome ?? null;
    const lastRunAt = status.lastRun?.endedAt ?? null;
    const inRun = status.run !== null;
    const run = [outcome, lastRunAt, inRun, failedNodes, rebootPending];
    const key = canonicalJson([status.state, status.ready, next, ...run, ...sites]);
    const isNew = key !== this.shown;
    const due = this.dueMetrics(metrics, isNew);
    // Each change is an event in the history, so unchanged values are not written.
    if (!isNew) {
      if (due !== null) upsertMemo(due);
      return;
    }
    this.shown = key;
    const memo = {
      ...due,
      ...{ type: status.type, state: status.state, ready: status.ready, nextWindow: next },
      ...{ lastOutcome: outcome, failedNodes, createdAt: status.createdAt },
      ...{ lastRunAt, inRun },
    };
    const hadSites = workflowInfo().memo?.['sites'] !== undefined;
    upsertMemo(sites.length === 0 && !hadSites ? memo : { ...memo, sites: sites.slice(0, MAX_SITES) });
    const attributes = [
      { key: SEARCH_ATTRIBUTES.cluster, value: status.cluster },
      { key: SEARCH_ATTRIBUTES.state, value: status.state },
      { key: SEARCH_ATTRIBUTES.nextWindow, value: next === null ? null : new Date(Date.parse(next)) },
      { key: SEARCH_ATTRIBUTES.outcome, value: outcome },
      { key: SEARCH_ATTRIBUTES.failedNodes, value: failedNodes },
      { key: SEARCH_ATTRIBUTES.rebootPending, value: rebootPending },
    ].filter(({ key: { name } }) => this.registered.includes(name));
    if (attributes.length > 0) upsertSearchAttributes(attributes);
  }

  /** Null: they are published, or have to wait. `isNew`: something else is published now. */
  private dueMetrics(metrics: PublishedMetrics, isNew: boolean): { metrics: PublishedMetrics } | null {
    const text = digest(JSON.stringify(metrics));
    this.wakeAtMs = null;
    if (text === this.metrics) return null;
    const now = Date.now();
    const intervalMs = publishAgainAfterMs(metrics, now);
    if (!isNew && now < this.metricsAtMs + intervalMs) {
      // Whatever wakes the cluster before publishes them without a timer.
      this.wakeAtMs = this.metricsAtMs + 2 * intervalMs;
      return null;
    }
    this.metrics = text;
    this.metricsAtMs = now;
    return { metrics };
  }
}

function countState({ nodes }: ClusterStatus, state: NodeState): number {
  return nodes.filter((node) => node.state === state).length;
}
