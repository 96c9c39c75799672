import type { Thread } from '../../domain/notifications/deliveries';
import type { Occurrence, Report } from '../../domain/notifications/report';
import type { AnyTarget, WorkerTarget } from '../../domain/notifications/types';

export interface NotifyInput {
  cluster: string;
  /** Of the cluster: tells clusters of one name apart, in the id of the message. */
  createdAt: string;
  target: AnyTarget;
  report: Report;
  /** When the report was made, ISO 8601. */
  at: string;
  /** What is news for the target. Empty: a message that is there is changed. */
  news: Occurrence[];
  /** The message about the same subject that the target has. */
  thread: Thread | null;
}

export interface NotifyAnswer {
  /** For the next message about the same subject. */
  thread: Thread | null;
  /** What the target has answered, in one clause. */
  answer: string;
}

export interface NotificationActivities {
  /** The targets of the worker's own file: names and filters only. A local activity. Empty when there is no such file. */
  notificationDefaults(input: { cluster: string }): Promise<WorkerTarget[]>;
  /**
   * Sends one message to one target. A retry sends a message with the same id. Fails with `Notification` when the target does not
   * take it now, and with an error that is not retried when it never will.
   */
  notify(input: NotifyInput): Promise<NotifyAnswer>;
}
