/** Quarantined nodes of a run: nobody logs in to one before it has shown a trusted host key again. */
import { CancellationScope } from '@temporalio/workflow';
import { taskQueueOf } from '../../domain/cluster/task-queues';
import type { NodeRunInput } from '../../domain/run/run';
import { leftInQuarantine } from '../../domain/run/run';
import type { MemberSettled } from '../../domain/cluster/member';
import type { NodeSpec } from '../../domain/spec/types';
import { observation } from '../shared/activity-options';
import { defined } from '../../domain/shared/defined';

export class Quarantine {
  /** By name, as long as they are not released. */
  private readonly shutOut: Map<string, NodeSpec>;
  private hasAsked = false;

  constructor(private readonly input: NodeRunInput) {
    const { quarantined = {} } = input;
    this.shutOut = new Map(input.nodes.filter(({ name }) => name in quarantined).map((node) => [node.name, node]));
  }

  /** Whether one of the nodes may be released by `ask`. */
  isToAsk(names: readonly string[]): boolean {
    return !this.hasAsked && names.some((name) => this.shutOut.has(name));
  }

  /** Asks all of them, once in a run workflow. Who does not answer stays where it is. */
  async ask(): Promise<void> {
    this.hasAsked = true;
    const bySite = new Map<string | undefined, NodeSpec[]>();
    for (const node of this.shutOut.values()) {
      const site = taskQueueOf(node, this.input.policy);
      bySite.set(site, [...(bySite.get(site) ?? []), node]);
    }
    const { cluster } = this.input;
    const summary = 'which quarantined nodes show a trusted host key';
    const asked = [...bySite].map(async ([taskQueue, nodes]) => {
      const targets = nodes.map(({ name, host, ssh, hostKeys }) => ({ cluster, name, host, ssh, hostKeys }));
      const ask = observation.probeHostKeys.executeWithOptions({ summary, ...defined({ taskQueue }) }, [{ targets }]);
      return ask.catch(() => []);
    });
    const trusted = await CancellationScope.nonCancellable(() => Promise.all(asked));
    for (const name of trusted.flat()) this.shutOut.delete(name);
  }

  /** The end of a node that stays in quarantine; null: it may be patched. */
  endOf(name: string): MemberSettled | null {
    const error = this.input.quarantined?.[name];
    return error === undefined || !this.shutOut.has(name) ? null : leftInQuarantine(name, error);
  }
}
