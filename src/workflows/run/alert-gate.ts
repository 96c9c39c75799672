/** Firing alerts that hold a run: read before each start, and followed while they hold it, without a slot and without events. */
import { CancellationScope, isCancellation, sleep } from '@temporalio/workflow';
import type { AlertView } from '../../domain/alerts/gate';
import { unknownReading } from '../../domain/alerts/gate';
import type { AlertGatePolicy, AlertReading } from '../../domain/alerts/types';
import { SECOND_MS } from '../../domain/shared/time-units';
import { defined } from '../../domain/shared/defined';
import { alerts, alertWatch } from '../shared/activity-options';
import { toErrorInfo } from '../shared/failures';

/** A node is started only on an answer that is no older than this. */
const FRESH_MS = 5 * SECOND_MS;

const ASK_AGAIN_MS = 30 * SECOND_MS;

export interface GateOwner {
  readonly cluster: string;
  /** Something is known that was not. */
  changed(): void;
  /** An answer that differs from the last one. */
  gateAnswered(reading: AlertReading): void;
}

interface Question {
  isWatch: boolean;
  cancel: () => void;
}

export class AlertGate {
  private reading: AlertReading | null = null;
  private readAtMs = 0;
  private askedAtMs = 0;
  private quietSinceMs: number | null = null;
  private open: Question | null = null;

  /** `wasHeld`: an earlier run workflow of the run was held by alerts. */
  constructor(
    private readonly policy: AlertGatePolicy,
    private readonly taskQueue: string | undefined,
    private readonly owner: GateOwner,
    private wasHeld: boolean,
  ) {}

  get view(): AlertView {
    return { reading: this.reading, quietSinceMs: this.quietSinceMs, holdForMs: this.policy.holdForMs };
  }

  /**
   * Whether the answer may be acted upon: one that holds the run is followed; one that does not must be fresh, and asked for after
   * the last node has ended.
   */
  isKnown(nowMs: number, lastSettledMs: number | null): boolean {
    if (this.reading === null) return false;
    if (this.reading.result !== 'pass') return true;
    return nowMs - this.readAtMs <= FRESH_MS && this.askedAtMs >= (lastSettledMs ?? 0);
  }

  /** Reads the alerts now; the owner hears of the answer. */
  read(): void {
    if (this.open !== null && !this.open.isWatch) return;
    this.rest();
    void this.ask(null);
  }

  /** Waits until something else is the case than what is known; the owner hears of that. */
  follow(): void {
    if (this.open !== null) return;
    void this.ask(this.reading);
  }

  /** Nobody waits for alerts. */
  rest(): void {
    if (this.open?.isWatch === true) this.end();
  }

  end(): void {
    const { open } = this;
    this.open = null;
    open?.cancel();
  }

  private async ask(known: AlertReading | null): Promise<void> {
    // The cancellation of the run does not end the question, but whoever asked.
    const scope = new CancellationScope({ cancellable: true, parent: new CancellationScope({ cancellable: false }) });
    const question = { isWatch: known !== null, cancel: () => scope.cancel() };
    this.open = question;
    const askedAtMs = Date.now();
    const reading = await scope.run(() => this.answer(known)).catch(() => null);
    if (this.open !== question) return;
    this.open = null;
    if (reading === null) return;
    this.askedAtMs = askedAtMs;
    this.note(reading);
  }

  /** Fails only when nobody wants to know any more. */
  private async answer(known: AlertReading | null): Promise<AlertReading> {
    try {
      return await this.call(known);
    } catch (failure) {
      if (isCancellation(failure)) throw failure;
      // Something that a repetition does not cure, such as the policy of the worker.
      if (known !== null) await sleep(ASK_AGAIN_MS, { summary: 'read the alerts again' });
      return unknownReading(toErrorInfo(failure, 'reading the alerts').message);
    }
  }

  private call(known: AlertReading | null): Promise<AlertReading> {
    const { alertmanager, filter } = this.policy;
    const summary = known === null ? 'which alerts fire' : 'wait for a change of the alerts that fire';
    const options = { summary, ...defined({ taskQueue: this.taskQueue }) };
    const input = { cluster: this.owner.cluster, alertmanager, filter, ...defined({ known: known ?? undefined }) };
    return (known === null ? alerts : alertWatch).readAlerts.executeWithOptions(options, [input]);
  }

  private note(reading: AlertReading): void {
    const before = this.reading?.result ?? (this.wasHeld ? 'fail' : 'pass');
    this.wasHeld = false;
    this.readAtMs = Date.now();
    if (reading.result === 'pass' && before !== 'pass') this.quietSinceMs = this.readAtMs;
    const isNews = this.reading?.result !== reading.result;
    this.reading = reading;
    if (isNews) this.owner.gateAnswered(reading);
    this.owner.changed();
  }
}
