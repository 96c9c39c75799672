/** Parses heartbeat details of a running activity, which may be from another version and contain untrusted text. */
import type { BlockedPod } from '../domain/kubernetes/types';
import type { NodeProgress } from '../domain/node/report';
import { NODE_STEPS } from '../domain/node/report';
import { plainText } from '../domain/shared/text';
import { defined } from '../domain/shared/defined';

const MAX_WAITING_FOR = 400;
const MAX_NAME = 253;
const MAX_BLOCKED = 5;

/** Null when the value is malformed. */
export function readHeartbeat(value: unknown): NodeProgress | null {
  if (typeof value !== 'object' || value === null || !('step' in value)) return null;
  const { step, done, total, waitingFor, waitingSince, waitingUntil, blocked } = value as Partial<
    Record<keyof NodeProgress, unknown>
  >;
  const known = NODE_STEPS.find((one) => one === step);
  if (known === undefined) return null;
  return {
    step: known,
    ...defined({
      done: typeof done === 'number' ? done : undefined,
      total: typeof total === 'number' ? total : undefined,
      waitingFor: typeof waitingFor === 'string' ? plainText(waitingFor, MAX_WAITING_FOR) : undefined,
      waitingSince: isTime(waitingSince) ? waitingSince : undefined,
      waitingUntil: isTime(waitingUntil) ? waitingUntil : undefined,
      blocked: Array.isArray(blocked) ? blocked.slice(0, MAX_BLOCKED).flatMap(readBlocked) : undefined,
    }),
  };
}

function readBlocked(value: unknown): BlockedPod[] {
  if (typeof value !== 'object' || value === null) return [];
  const { namespace, name, why, since } = value as Partial<Record<keyof BlockedPod, unknown>>;
  if (typeof namespace !== 'string' || typeof name !== 'string' || typeof why !== 'string' || !isTime(since)) return [];
  return [
    {
      namespace: plainText(namespace, MAX_NAME),
      name: plainText(name, MAX_NAME),
      why: plainText(why, MAX_WAITING_FOR),
      since,
    },
  ];
}

function isTime(value: unknown): value is string {
  return typeof value === 'string' && /^\d{4}-[\dT:.-]{1,30}Z$/.test(value) && !Number.isNaN(Date.parse(value));
}
