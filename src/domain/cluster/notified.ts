/** What a cluster hears of the messages to its targets of notifications. */
import { defined } from '../shared/defined';
import { plainText } from '../shared/text';
import type { ClusterState } from './state';
import { note } from './state';
import { countTotal } from './totals';

const RESULTS = ['delivered', 'delayed', 'failed'] as const;

export interface Notified {
  /** The cluster that had it sent: one of the same name may have taken its place since. */
  createdAt: string;
  target: string;
  /** What the message is about, e.g. `run 5`. */
  about: string;
  /** `delayed`: not delivered yet, and tried again. */
  result: (typeof RESULTS)[number];
  /** What the target has answered, or why it has not. */
  message?: string;
}

/** Parses the argument of the signal, which anybody may send; null when malformed. */
export function parseNotified(value: unknown): Notified | null {
  if (typeof value !== 'object' || value === null) return null;
  const { createdAt, target, about, result, message } = value as Record<string, unknown>;
  const known = RESULTS.find((one) => one === result);
  if (known === undefined || typeof target !== 'string' || typeof about !== 'string') return null;
  if (typeof createdAt !== 'string') return null;
  return {
    ...{ createdAt, target: plainText(target, 63), about: plainText(about, 100), result: known },
    ...defined({ message: typeof message === 'string' ? plainText(message, 300) : undefined }),
  };
}

/** Records what has become of a message, at `now` (ISO 8601). */
export function noteNotified(state: ClusterState, { createdAt, ...notified }: Notified, now: string): void {
  if (createdAt !== state.createdAt) return;
  note(state, { kind: 'notification', ...notified }, now);
  const { target, result } = notified;
  if (result !== 'delayed') countTotal(state, 'notifications', [target, result]);
}
