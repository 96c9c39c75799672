/**
 * What a cluster remembers of the messages that were let in: a signed request counts once. The memory is bounded; whatever
 * was signed before the newest request that has left it counts no more, so no request is ever carried out a second time.
 */
import type { Message } from './messages';
import { defined } from '../shared/defined';
import { commandOf } from './verbs';

/** Signed requests that are remembered one by one, and for how long. */
const KEPT = 100;
const KEPT_MS = 3_600_000;

export interface Admissions {
  /** Over all messages so far and the answers to them, see `Admission`. */
  chain: string;
  /** What was signed up to then counts no more, epoch milliseconds. Absent: the time of the creation. */
  floor?: number;
  /** Verb and request id, when it was signed, and when it was let in; epoch milliseconds. Absent: none. */
  used?: [request: string, signedAt: number, at: number][];
}

/** A cluster, as far as it admits messages. */
export interface AdmittingCluster {
  createdAt: string;
  answered: readonly { id: string }[];
  admissions?: Admissions;
}

/**
 * Why a request whose signature is good is not carried out, in one sentence; null when it can be. `mayBeRepeated`: Temporal may
 * have repeated it because of a reset, as it may a pause.
 */
export function reasonAgainstSigned(
  state: AdmittingCluster,
  name: string,
  { requestId = '', signature }: Message,
  mayBeRepeated: boolean,
): string | null {
  if (signature === undefined) return null;
  if (requestId === '') return 'a signed request has a requestId, e.g. a UUID';
  const signedAt = Date.parse(signature.time);
  const { floor, used = [] } = state.admissions ?? { chain: '' };
  const key = keyOf(name, requestId);
  const known = used.find(([one]) => one === key);
  const shown = `the request ${requestId}, signed at ${signature.time},`;
  // The same id, signed anew, is somebody who asks again, and gets the same answer.
  if (known !== undefined) {
    const isAnswered = state.answered.some(({ id }) => id === `${name}/${requestId}`);
    if (known[1] !== signedAt && isAnswered) return null;
    return `${shown} was received before; a signed request counts once`;
  }
  if (mayBeRepeated) return null;
  const created = Date.parse(state.createdAt);
  if (signedAt < created)
    return `${shown} is older than this cluster, which was created at ${state.createdAt}; sign it again, and check the clock where it was signed`;
  if (floor !== undefined && signedAt <= floor)
    return `${shown} may have been carried out before: later ones were; sign it again, and check the clock where it was signed`;
  return null;
}

/** Remembers a request whose signature is good, whatever becomes of it. `now`: ISO 8601. */
export function rememberSigned(
  state: AdmittingCluster,
  name: string,
  { requestId = '', signature }: Message,
  now: string,
): void {
  if (signature === undefined) return;
  const at = Date.parse(now);
  const admissions: Admissions = state.admissions ?? { chain: '' };
  const used = [...(admissions.used ?? [])];
  const key = keyOf(name, requestId);
  if (!used.some(([one]) => one === key)) used.push([key, Date.parse(signature.time), at]);
  let { floor } = admissions;
  for (let [oldest] = used; oldest !== undefined; [oldest] = used) {
    if (used.length <= KEPT && oldest[2] > at - KEPT_MS) break;
    floor = Math.max(floor ?? 0, oldest[1]);
    used.shift();
  }
  state.admissions = { chain: admissions.chain, used, ...defined({ floor }) };
}

/** Nothing counts that was signed up to `now` (ISO 8601): what the cluster remembers is not all that there was. */
export function forgetSigned(state: AdmittingCluster, now: string): void {
  const { chain = '' } = state.admissions ?? {};
  state.admissions = { chain, floor: Date.parse(now) };
}

export function noteChain(state: AdmittingCluster, chain: string): void {
  state.admissions = { ...state.admissions, chain };
}

function keyOf(name: string, requestId: string): string {
  return `${commandOf(name)}/${requestId}`;
}
