/**
 * The silences of the alerts of a node in work: short leases, made before the node is taken out of service, renewed while it is in
 * work and ended with it. Nobody has to end them: without renewal they end by themselves.
 */
import { CancellationScope, isCancellation, sleep, workflowInfo } from '@temporalio/workflow';
import type { NodeSilences } from '../../contract/activities/alerts';
import type { SilencePolicy } from '../../domain/alerts/types';
import { silenceFailedWarning } from '../../domain/node/warning';
import type { NodeStep } from '../../domain/node/report';
import { defined } from '../../domain/shared/defined';
import { SECOND_MS } from '../../domain/shared/time-units';
import { silenceLease, silenceOnce } from '../shared/activity-options';
import { toErrorInfo } from '../shared/failures';
import { tellCluster } from '../shared/node-action';
import type { PatchNodeInput } from './input';
import type { NodeRecord } from './record';
import type { ReleasableWaits } from './release';

/** After a try that has failed, as long as the node waits for its silences. */
const TRY_AGAIN_MS = 20 * SECOND_MS;

export class NodeSilence {
  private lease: { scope: CancellationScope; ended: Promise<void> } | null = null;

  constructor(
    private readonly input: PatchNodeInput,
    private readonly record: NodeRecord,
    private readonly waits: ReleasableWaits,
  ) {}

  /** Before the node is taken out of service for `step`. Once per node patch. */
  async begin(step: NodeStep): Promise<void> {
    const { silence } = this.input.policy;
    if (silence === undefined || this.lease !== null) return;
    if (silence.onFailure === 'wait') await this.untilMade(silence, step);
    else await this.make(silence);
    this.keep(silence);
  }

  /** However the patch has ended. */
  async end(): Promise<void> {
    const { lease } = this;
    const { silence } = this.input.policy;
    if (silence === undefined || lease === null) return;
    lease.scope.cancel();
    await lease.ended;
    // What cannot be ended now ends with its lease.
    await silenceOnce.endSilence
      .executeWithOptions(this.options('end the silences'), [
        { silences: this.silences(silence), tailMs: silence.tailMs },
      ])
      .catch(() => undefined);
  }

  /** Returns whether they were made. */
  private async make(silence: SilencePolicy): Promise<boolean> {
    try {
      const input = { silences: this.silences(silence), leaseMs: silence.leaseMs };
      await silenceOnce.silenceNode.executeWithOptions(this.options('silence its alerts'), [input]);
      return true;
    } catch (failure) {
      if (isCancellation(failure)) throw failure;
      this.tell(toErrorInfo(failure, `silencing the alerts of ${this.input.node.name}`));
      return false;
    }
  }

  private untilMade(silence: SilencePolicy, step: NodeStep): Promise<void> {
    const { name } = this.input.node;
    this.record.waitFor('the silences of its alerts');
    const tries = async (): Promise<void> => {
      while (!(await this.make(silence))) await sleep(TRY_AGAIN_MS, { summary: 'try again to silence the alerts' });
    };
    return this.waits
      .run(step, tries, (how) => ({
        type: 'Policy',
        message: `${name} was not taken out of service, because its alerts could not be silenced: ${how}`,
        remedy: `correct alerts.alertmanager, or set alerts.silence.onFailure to continue, then patch ${name} again`,
      }))
      .finally(() => this.record.waitFor(null));
  }

  private keep(silence: SilencePolicy): void {
    const scope = new CancellationScope({ cancellable: true, parent: new CancellationScope({ cancellable: false }) });
    const keepUntil = new Date(Date.now() + silence.maxMs).toISOString();
    const input = { silences: this.silences(silence), leaseMs: silence.leaseMs, keepUntil };
    const options = this.options('renew the silences of its alerts');
    const ended = scope
      .run(() => silenceLease.silenceNode.executeWithOptions(options, [input]))
      // Without renewal the alerts come back, which is what they are for.
      .catch(() => undefined);
    this.lease = { scope, ended };
  }

  /** Once: each try would say the same. */
  private tell({ message, remedy }: { message: string; remedy?: string }): void {
    const { cluster, run, node } = this.input;
    if (this.record.result.warnings.some(({ kind }) => kind === 'silence-failed')) return;
    this.record.addWarning(silenceFailedWarning(message, remedy ?? null));
    void tellCluster(cluster, { request: 'silence', node: node.name, run, result: message });
  }

  private silences({ alertmanager, matchers }: SilencePolicy): NodeSilences {
    const { cluster, run, node } = this.input;
    const { name, host, kubernetesName = name } = node;
    const values = { node: name, host, kubernetesName, cluster };
    return { alertmanager, matchers, values, workflowRunId: workflowInfo().firstExecutionRunId, run };
  }

  private options(what: string): { summary: string; taskQueue?: string } {
    const { node, policy } = this.input;
    return { summary: `${node.name}: ${what}`, ...defined({ taskQueue: policy.taskQueue }) };
  }
}
