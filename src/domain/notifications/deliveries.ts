/** Which message a target gets next. Pure; part of the workflow bundle. */
import type { Occurrence, Report } from './report';
import { isFinal, keyOf, occurrencesIn } from './report';
import type { AnyTarget, EventFilter } from './types';
import { canEdit } from './types';

/** Where a target keeps the message of a subject, for changes and threads. */
export interface Thread {
  /** Of the target: the timestamp of a Slack message, or the Message-ID of a mail. */
  id: string;
  /** Of Slack: the id of the channel. */
  place?: string;
}

/** What a target has been told of a subject. */
export interface Told {
  /** Keys of the occurrences. */
  keys: string[];
  /** `keyOf` of the last report that the target has. */
  last: string;
  thread: Thread | null;
}

export interface NextMessage {
  report: Report;
  /** What is news for the target: it has a message of its own. Empty: the message that is there is changed. */
  news: Occurrence[];
}

/** The next message for a target; null: it knows everything that it is told of. */
export function nextMessage(target: AnyTarget, report: Report, told: Told | null): NextMessage | null {
  if (told?.last === keyOf(report)) return null;
  const known = new Set(told?.keys);
  const news = occurrencesIn(report).filter((one) => !known.has(one.key) && isWanted(target.on, one));
  if (news.length > 0) return { report, news };
  return told !== null && told.thread !== null && canEdit(target) ? { report, news: [] } : null;
}

/** The record of a message that was sent. */
export function afterMessage({ report }: NextMessage, told: Told | null, thread: Thread | null): Told {
  const keys = [...(told?.keys ?? []), ...occurrencesIn(report).map(({ key }) => key)];
  return { keys: [...new Set(keys)].slice(-100), last: keyOf(report), thread };
}

/** Whether a target will be told of nothing more. */
export function isThrough(report: Report): boolean {
  return isFinal(report);
}

/** Whether any of the targets wants to hear of what a report says. */
export function isWantedByAny(targets: readonly AnyTarget[], report: Report): boolean {
  return targets.some(({ on }) => occurrencesIn(report).some((one) => isWanted(on, one)));
}

function isWanted(on: readonly EventFilter[], { event, after }: Occurrence): boolean {
  return on.some((filter) => (typeof filter === 'string' ? filter === event : filter['reboot-pending-for'] === after));
}
