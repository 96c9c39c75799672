/**
 * Tells the targets about one subject: a run, or something that has happened to the cluster. Outlives the generation of the cluster
 * that started it, so a receiver that is down keeps nobody waiting: each message is tried again for up to a day. Only the
 * newest report counts, so a message that was overtaken by another one is dropped.
 */
import {
  CancellationScope,
  condition,
  continueAsNew,
  getExternalWorkflowHandle,
  isCancellation,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import { notifiedSignal, reportSignal } from '../../contract/messages';
import { clusterWorkflowId } from '../../contract/workflow-ids';
import type { Notified } from '../../domain/cluster/notified';
import type { NextMessage, Told } from '../../domain/notifications/deliveries';
import { afterMessage, nextMessage } from '../../domain/notifications/deliveries';
import type { Report } from '../../domain/notifications/report';
import { aboutOf, isFinal, keyOf } from '../../domain/notifications/report';
import type { AnyTarget } from '../../domain/notifications/types';
import { DAY_MS, MINUTE_MS } from '../../domain/shared/time-units';
import { local, notifications } from '../shared/activity-options';
import { toErrorInfo } from '../shared/failures';
import { handleInternalSignals } from '../shared/internal-signals';
import { failOnBadInput } from '../shared/short-lived';
import { timestamp } from '../shared/timestamp';

/** A target that has not answered by then is shown among the events, and is tried again. */
const DELAYED_AFTER = '10 minutes' as const;

/** How often, and how long, a worker is asked for the targets of its file. */
const ASK_AGAIN_MS = { first: MINUTE_MS, most: 30 * MINUTE_MS };
const ASK_FOR_MS = DAY_MS;

/** What a cluster hands over. */
export interface Notice {
  report: Report;
  /** Null: of a cluster that has ended while no worker could name the targets of its file. */
  targets: AnyTarget[] | null;
}

export interface NotifierInput extends Notice {
  cluster: string;
  createdAt: string;
  /** When the report was made. Absent: now. */
  at?: string;
  /** What the targets have, by name. Absent: nothing. */
  told?: Record<string, Told>;
}

export async function notify(input: NotifierInput): Promise<void> {
  return failOnBadInput(() => new Notifier(input).run());
}

class Notifier {
  private notice: Notice;
  private at: string;
  private readonly told: Map<string, Told>;
  private readonly sending = new Map<string, { scope: CancellationScope; key: string }>();
  private isStale = false;

  constructor(private readonly input: NotifierInput) {
    this.notice = { report: input.report, targets: input.targets };
    this.at = input.at ?? timestamp();
    this.told = new Map(Object.entries(input.told ?? {}));
    handleInternalSignals([reportSignal, (value) => this.take(value as Notice)]);
  }

  async run(): Promise<void> {
    for (;;) {
      this.isStale = false;
      const targets = this.notice.targets ?? (await this.askForTargets());
      this.dropRemoved(targets);
      for (const target of targets) this.send(target);
      if (this.sending.size === 0) {
        // A report that comes after the last one of its subject starts a notifier of its own.
        if (isFinal(this.notice.report)) return;
        if (workflowInfo().continueAsNewSuggested) await this.continue();
      }
      await condition(() => this.isStale);
    }
  }

  private take({ report, targets }: Notice): void {
    this.notice = { report, targets };
    this.at = timestamp();
    this.isStale = true;
  }

  private async askForTargets(): Promise<AnyTarget[]> {
    const endMs = Date.now() + ASK_FOR_MS;
    for (let delayMs = ASK_AGAIN_MS.first; ; delayMs = Math.min(2 * delayMs, ASK_AGAIN_MS.most)) {
      try {
        return (this.notice.targets = await local.notificationDefaults({ cluster: this.input.cluster }));
      } catch (failure) {
        if (Date.now() >= endMs) throw failure;
      }
      await sleep(delayMs, { summary: 'a worker is asked for its targets of notifications again' });
    }
  }

  /** Of a target that a new spec does not have any more. */
  private dropRemoved(targets: readonly AnyTarget[]): void {
    const names = new Set(targets.map(({ name }) => name));
    for (const [name, { scope }] of this.sending) if (!names.has(name)) scope.cancel();
  }

  /** Sends what the target does not know yet, unless that is on its way. */
  private send(target: AnyTarget): void {
    const { name } = target;
    // With its settings: a target that was corrected is tried with what it is now.
    const key = JSON.stringify([keyOf(this.notice.report), target]);
    const inFlight = this.sending.get(name);
    if (inFlight !== undefined) {
      // An attempt that is in progress ends as it ends; one that waits to be repeated is dropped.
      if (inFlight.key !== key) inFlight.scope.cancel();
      return;
    }
    const next = nextMessage(target, this.notice.report, this.told.get(name) ?? null);
    if (next === null) return;
    const scope = new CancellationScope();
    this.sending.set(name, { scope, key });
    void scope
      .run(() => this.deliver(target, next))
      .finally(() => {
        this.sending.delete(name);
        this.isStale = true;
      });
  }

  private async deliver(target: AnyTarget, next: NextMessage): Promise<void> {
    const { name } = target;
    const { cluster, createdAt } = this.input;
    const about = aboutOf(next.report);
    const told = this.told.get(name) ?? null;
    const watch = this.watch(name, about);
    try {
      const { thread, answer } = await notifications.notify.executeWithOptions({ summary: `${name}: ${about}` }, [
        { cluster, createdAt, target, report: next.report, at: this.at, news: next.news, thread: told?.thread ?? null },
      ]);
      this.told.set(name, afterMessage(next, told, thread));
      watch.cancel();
      await this.tell({ target: name, about, result: 'delivered', message: answer });
    } catch (failure) {
      watch.cancel();
      // It was overtaken by a newer report, which has everything that this one has.
      if (isCancellation(failure) || CancellationScope.current().consideredCancelled) return;
      const { message } = toErrorInfo(failure, `the notification of ${name}`);
      // What the target was not told is news in the next report; this one is not tried any more.
      this.told.set(name, { keys: told?.keys ?? [], thread: told?.thread ?? null, last: keyOf(next.report) });
      await this.tell({ target: name, about, result: 'failed', message });
    }
  }

  /** Tells the cluster of a message that takes long. */
  private watch(target: string, about: string): CancellationScope {
    const scope = new CancellationScope();
    void scope
      .run(() => condition(() => false, DELAYED_AFTER, { summary: `${target} has not taken the message yet` }))
      .then(
        () => this.tell({ target, about, result: 'delayed' }),
        () => undefined,
      );
    return scope;
  }

  /** A cluster that is gone needs to hear nothing. */
  private async tell(notified: Omit<Notified, 'createdAt'>): Promise<void> {
    const { cluster, createdAt } = this.input;
    await CancellationScope.nonCancellable(() =>
      getExternalWorkflowHandle(clusterWorkflowId(cluster)).signal(notifiedSignal, { createdAt, ...notified }),
    ).catch(() => undefined);
  }

  private continue(): Promise<never> {
    const { cluster, createdAt } = this.input;
    return continueAsNew<typeof notify>({
      ...{ cluster, createdAt, ...this.notice, at: this.at },
      told: Object.fromEntries(this.told),
    });
  }
}
