/** Hands the reports of a cluster to the notifiers of their subjects. Nothing of the cluster waits for it. */
import { ParentClosePolicy, condition, getExternalWorkflowHandle, startChild } from '@temporalio/workflow';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { reportSignal } from '../../contract/messages';
import { notifierWorkflowId } from '../../contract/workflow-ids';
import type { DueReport } from '../../domain/cluster/notices';
import {
  collectNotices,
  dueReports,
  nextReminderMs,
  noteHandedOver,
  noteTargets,
  targetsOf,
} from '../../domain/cluster/notices';
import type { ClusterState } from '../../domain/cluster/state';
import { aboutOf } from '../../domain/notifications/report';
import type { AnyTarget } from '../../domain/notifications/types';
import { local } from '../shared/activity-options';
import { toErrorInfo } from '../shared/failures';
import { timestamp } from '../shared/timestamp';
import { notify } from '../notify/notify';

/** How soon a notifier that could not be told is told again, in milliseconds. */
const RETRY_MS = 60_000;

/** How soon workers that could not name their targets are asked again, in milliseconds: twice as long each time. */
const ASK_AGAIN_MS = { first: 10 * 60_000, most: 6 * 60 * 60_000 };

/** How long a cluster that ends waits for the server, in milliseconds. */
const FLUSH_MS = 30_000;

export class NoticeBoard {
  private readonly handingOver = new Set<string>();
  /** Subjects whose notifier could not be told, for a while. */
  private readonly resting = new Set<string>();
  private isAsking = false;
  /** The workers were asked for their targets since this run began. */
  private askedFor: number | null = null;
  private askAgainMs = ASK_AGAIN_MS.first;

  /** `changed` is called when there may be more to hand over. */
  constructor(
    private readonly state: ClusterState,
    private readonly changed: () => void,
  ) {}

  /** Calls that the server has not answered; a fresh history would lose them. */
  get isBusy(): boolean {
    return this.isAsking || this.handingOver.size > 0;
  }

  /** When there will be something to tell, unless something else happens first. Epoch milliseconds; null: never. */
  get nextMs(): number | null {
    return nextReminderMs(this.state, Date.now());
  }

  /** Hands over what is new. */
  sync(): void {
    const { state } = this;
    collectNotices(state, timestamp());
    if (this.mustAsk()) void this.ask();
    const targets = targetsOf(state);
    if (targets === null || this.isAsking) return;
    this.handOverAll(targets);
  }

  /** The last of a cluster that ends. */
  async flush(): Promise<void> {
    await this.settle();
    if (targetsOf(this.state) !== null) return;
    // No worker could name its targets; the notifiers go on asking when the cluster is gone.
    this.handOverAll(null);
    await condition(() => !this.isBusy, FLUSH_MS);
  }

  /** Hands over what is new, and waits a moment until that is done. */
  async settle(): Promise<void> {
    // The first time, the workers may have to be asked who is told.
    for (let times = 0; times < 2; times += 1) {
      this.sync();
      await condition(() => !this.isBusy, FLUSH_MS);
    }
  }

  private handOverAll(targets: AnyTarget[] | null): void {
    for (const due of dueReports(this.state, targets, timestamp())) {
      if (!this.handingOver.has(due.subject) && !this.resting.has(due.subject)) void this.handOver(due, targets);
    }
  }

  /** The file of the workers may have changed: it is asked for once per run, and when there is something to tell. */
  private mustAsk(): boolean {
    const { spec, run, notices } = this.state;
    if (this.isAsking || ('notifications' in spec && spec.notifications !== undefined)) return false;
    const number = run?.number ?? null;
    if (number !== null && number !== this.askedFor) return true;
    return notices?.defaults === undefined && notices?.pending !== undefined && this.askedFor === null;
  }

  private async ask(): Promise<void> {
    this.isAsking = true;
    this.askedFor = this.state.run?.number ?? 0;
    const answer = await local
      .notificationDefaults({ cluster: this.state.spec.name })
      .catch((failure: unknown) => toErrorInfo(failure, 'reading the targets of the worker').message);
    this.isAsking = false;
    noteTargets(this.state, answer, timestamp());
    if (typeof answer !== 'string') this.askAgainMs = ASK_AGAIN_MS.first;
    // What there is to tell waits until they are known.
    else if (this.state.notices?.defaults === undefined) this.askAgain();
    this.changed();
  }

  private askAgain(): void {
    const delayMs = this.askAgainMs;
    this.askAgainMs = Math.min(2 * delayMs, ASK_AGAIN_MS.most);
    void condition(() => false, delayMs, { summary: 'ask a worker for its targets of notifications again' }).then(
      () => {
        this.askedFor = null;
        this.changed();
      },
    );
  }

  private async handOver(due: DueReport, targets: AnyTarget[] | null): Promise<void> {
    this.handingOver.add(due.subject);
    try {
      await this.give(due, targets);
      noteHandedOver(this.state, due);
    } catch {
      this.rest(due.subject);
    } finally {
      this.handingOver.delete(due.subject);
      this.changed();
    }
  }

  private rest(subject: string): void {
    this.resting.add(subject);
    void condition(() => false, RETRY_MS, { summary: 'hand a notification over again' }).then(() => {
      this.resting.delete(subject);
      this.changed();
    });
  }

  private async give({ subject, report, isKnown }: DueReport, targets: AnyTarget[] | null): Promise<void> {
    const { spec, createdAt } = this.state;
    const workflowId = notifierWorkflowId(spec.name, createdAt, subject);
    const signal = (): Promise<void> => getExternalWorkflowHandle(workflowId).signal(reportSignal, { report, targets });
    if (
      isKnown &&
      (await signal().then(
        () => true,
        () => false,
      ))
    )
      return;
    try {
      await startChild(notify, {
        ...{ workflowId, workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY', cancellationType: 'ABANDON' },
        parentClosePolicy: ParentClosePolicy.ABANDON,
        staticSummary: `notifications about ${aboutOf(report)} of ${spec.name}`,
        args: [{ cluster: spec.name, createdAt, report, targets }],
      });
    } catch (error) {
      // Of an earlier history, which has not heard that it was started, or of one that was reset since.
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      // One that has ended has told of the end of its subject.
      await signal().catch(() => undefined);
    }
  }
}
