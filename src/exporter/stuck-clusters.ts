/**
 * Which clusters are stuck: what Temporal reports, and on servers that report nothing, before 1.30, what a look at each cluster finds.
 * Looks happen between the readings, some clusters a minute.
 */
import { WITH_PROBLEMS, findWorkflows, ifKnown } from '../client/cluster-list';
import { readHealth } from '../client/cluster-health';
import type { TemporalSession } from '../client/connection';
import { WORKFLOW_TYPES, clusterOfWorkflowId } from '../contract/workflow-ids';
import { mapConcurrently } from '../domain/shared/map-concurrently';

const REPORTED = `WorkflowType = "${WORKFLOW_TYPES.cluster}" AND ExecutionStatus = "Running" AND ${WITH_PROBLEMS}`;

const LOOK_EVERY_MS = 60_000;
/** Each costs the server one call, and three when the cluster is stuck. */
const LOOKS_AT_A_TIME = 500;
const LOOKS_AT_ONCE = 4;
const LOOK_WITHIN_MS = 10_000;

export class StuckClusters {
  private found = new Set<string>();
  private serverReports = true;
  private lookedAtMs = -Infinity;
  private next = 0;

  constructor(private readonly session: TemporalSession) {}

  /** Throws the errors of Temporal's client. */
  async read(): Promise<ReadonlySet<string>> {
    const names = new Set<string>();
    this.serverReports = await ifKnown(async () => {
      for await (const { execution } of findWorkflows(this.session, REPORTED))
        names.add(clusterOfWorkflowId(execution?.workflowId ?? ''));
    });
    return this.serverReports ? names : this.found;
  }

  /** Looks at the next of the clusters when that is due. A cluster that cannot be looked at stays what it was. */
  async look(clusters: readonly string[], nowMs: number): Promise<void> {
    if (this.serverReports || nowMs - this.lookedAtMs < LOOK_EVERY_MS) return;
    this.lookedAtMs = nowMs;
    const from = this.next < clusters.length ? this.next : 0;
    this.next = from + LOOKS_AT_A_TIME;
    const open = new Set(clusters);
    const found = new Set([...this.found].filter((name) => open.has(name)));
    await mapConcurrently(clusters.slice(from, this.next), LOOKS_AT_ONCE, async (name) => {
      const isStuck = await this.isStuck(name).catch(() => found.has(name));
      if (isStuck) found.add(name);
      else found.delete(name);
    });
    this.found = found;
  }

  /** Missing workers are counted for each task queue. */
  private async isStuck(name: string): Promise<boolean> {
    const { session } = this;
    const look = (): ReturnType<typeof readHealth> => readHealth(session, name);
    const health = await session.client.withDeadline(Date.now() + LOOK_WITHIN_MS, look);
    return health.state === 'stuck' && health.stuck.kind !== 'no-worker';
  }
}
