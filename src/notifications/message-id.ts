import { createHash } from 'node:crypto';
import type { NotifyInput } from '../contract/activities/notification';
import { keyOf, subjectOf } from '../domain/notifications/report';

/** The same for every attempt of one message, and for no other message: a receiver drops doubles by it. */
export function messageId({ cluster, createdAt, target, report, at }: NotifyInput): string {
  const when = report.kind === 'test' ? at : '';
  const parts = [cluster, createdAt, subjectOf(report), keyOf(report), target.name, when];
  return `msg_${createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32)}`;
}

/** The same for all messages about one subject. */
export function threadId({ cluster, createdAt, report, target }: NotifyInput): string {
  const parts = [cluster, createdAt, subjectOf(report), target.name];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}
