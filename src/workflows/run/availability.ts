/** Which nodes of the cluster are out of service, for the limit of unavailable nodes. */
import { CancellationScope } from '@temporalio/workflow';
import { taskQueueOf } from '../../domain/cluster/task-queues';
import type { NodeRunInput } from '../../domain/run/run';
import { SECOND_MS } from '../../domain/shared/time-units';
import type { NodeSpec } from '../../domain/spec/types';
import { observation, optionsFor } from '../shared/activity-options';
import { defined } from '../../domain/shared/defined';

/** A node is started only on an answer that is no older than this. */
const FRESH_MS = 5 * SECOND_MS;

/** How often a run looks again whose limit keeps it from starting a node. */
export const LOOK_AGAIN_MS = 15 * SECOND_MS;

export type AvailabilityInput = Pick<NodeRunInput, 'cluster' | 'nodes' | 'others' | 'policy'>;

export class Availability {
  private outOfService: ReadonlySet<string> | null = null;
  private lookedAtMs = 0;

  constructor(private readonly input: AvailabilityInput) {}

  /** Null: not known. */
  get unavailable(): ReadonlySet<string> | null {
    return this.outOfService;
  }

  get hasLooked(): boolean {
    return this.lookedAtMs > 0;
  }

  isFresh(nowMs: number, withinMs = FRESH_MS): boolean {
    return this.outOfService !== null && nowMs - this.lookedAtMs <= withinMs;
  }

  /** Something has changed that the last answer does not know. */
  expire(): void {
    this.lookedAtMs = 0;
  }

  /** Without an answer nothing is known any more, and the run starts nothing. */
  async look(): Promise<void> {
    const { nodes, others = [] } = this.input;
    const all = [...nodes, ...others];
    try {
      const names = await CancellationScope.nonCancellable(() => this.ask(all));
      this.outOfService = new Set(names);
    } catch {
      this.outOfService = null;
    }
    this.lookedAtMs = Date.now();
  }

  private async ask(nodes: readonly NodeSpec[]): Promise<string[]> {
    const { cluster, policy } = this.input;
    const summary = 'which nodes are out of service';
    if (policy.kubernetes !== undefined) {
      const { kubeconfig, context } = policy.kubernetes;
      const nodeNames = nodes.map(({ name, kubernetesName = name }) => kubernetesName);
      const access = { kubeconfig, ...defined({ context }) };
      const options = optionsFor({ name: cluster }, policy, summary);
      const found = new Set(
        await observation.outOfService.executeWithOptions(options, [{ cluster, access, nodeNames }]),
      );
      return nodes.filter(({ name, kubernetesName = name }) => found.has(kubernetesName)).map(({ name }) => name);
    }
    const bySite = new Map<string | undefined, NodeSpec[]>();
    for (const node of nodes) {
      const site = taskQueueOf(node, policy);
      bySite.set(site, [...(bySite.get(site) ?? []), node]);
    }
    const found = await Promise.all(
      [...bySite].map(([taskQueue, ofSite]) =>
        observation.unreachableNodes.executeWithOptions({ summary, ...defined({ taskQueue }) }, [
          { targets: ofSite.map(({ name, host, ssh, hostKeys }) => ({ cluster, name, host, ssh, hostKeys })) },
        ]),
      ),
    );
    return found.flat();
  }
}
