/**
 * The question to the run whether the node may be taken out of service now, as the last thing before it is: so many nodes may
 * be out of service by then that the limit of the run has no room left, or an alert may fire. Then its alerts are silenced.
 */
import { condition, getExternalWorkflowHandle, workflowInfo } from '@temporalio/workflow';
import { outageRequestSignal } from '../../contract/messages';
import type { NodeStep } from '../../domain/node/report';
import { MINUTE_MS, SECOND_MS } from '../../domain/shared/time-units';
import type { NodeRecord } from './record';
import type { PatchNodeInput } from './input';
import type { NodeSilence } from './silence';
import type { ReleasableWaits } from './release';

/** The run workflow that was asked may have handed over to the next one, which does not know the question. */
const FIRST_ASKED_AGAIN_MS = 30 * SECOND_MS;
const ASKED_AGAIN_MS = 15 * MINUTE_MS;

/** What was seen of the node before is looked at anew after such a wait. */
const LONG_MS = 10 * SECOND_MS;

const ASKS_AGAIN = { summary: 'ask the run again whether the node may be taken out of service' };

export class NodeOutage {
  private granted: boolean;
  private answer: boolean | null = null;

  constructor(
    private readonly input: PatchNodeInput,
    private readonly record: NodeRecord,
    private readonly waits: ReleasableWaits,
    private readonly silence: NodeSilence,
  ) {
    this.granted = input.policy.limitedOutages !== true || workflowInfo().parent === undefined;
  }

  /** From the run. */
  answered(value: unknown): void {
    if (typeof value !== 'object' || value === null || !('granted' in value)) return;
    this.answer ??= value.granted === true;
  }

  /**
   * Waits until the run agrees: for as long as other nodes are out of service. `step`: what follows. False: the run has no use
   * for the patch any more; the record says so.
   */
  async request(step: NodeStep): Promise<{ granted: boolean; waitedLong: boolean }> {
    if (this.granted) {
      await this.silence.begin(step);
      return { granted: true, waitedLong: false };
    }
    const { name } = this.input.node;
    const askedAtMs = Date.now();
    this.record.waitFor('the run, for the nodes that are out of service and the alerts that fire');
    this.granted = await this.waits.run(
      step,
      () => this.untilAnswered(),
      (how) => ({
        type: 'Policy',
        message: `${name} was not taken out of service, because its run had not let it: ${how}`,
        remedy: `bring the other nodes back into service and end the alerts, then patch ${name} again`,
      }),
    );
    this.record.waitFor(null);
    this.record.noteWaited(Date.now() - askedAtMs);
    if (this.granted) await this.silence.begin(step);
    else this.record.sendBack('other nodes were out of service, or alerts fired, when its turn came');
    return { granted: this.granted, waitedLong: Date.now() - askedAtMs > LONG_MS };
  }

  private async untilAnswered(): Promise<boolean> {
    const isAnswered = (): boolean => this.answer !== null;
    for (let pauseMs = FIRST_ASKED_AGAIN_MS; ; pauseMs = Math.min(2 * pauseMs, ASKED_AGAIN_MS)) {
      await this.ask();
      if (await condition(isAnswered, pauseMs, ASKS_AGAIN)) return this.answer === true;
    }
  }

  private async ask(): Promise<void> {
    const { parent, runId } = workflowInfo();
    if (parent === undefined) return;
    // Between two workflows of one run nobody is there to hear it.
    await getExternalWorkflowHandle(parent.workflowId)
      .signal(outageRequestSignal, { node: this.input.node.name, workflowRunId: runId })
      .catch(() => undefined);
  }
}
