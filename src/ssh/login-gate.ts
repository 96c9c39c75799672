/**
 * Holds logins back after failures, so that no sshd ever bans the address of a worker or of a jump host.
 *
 * Since OpenSSH 9.8 sshd adds up seconds of penalty per source address: by default 5 for a login that was tried and
 * failed, 1 for a connection that ended without one (also after a host key that was not trusted), and 10 to 90 for one
 * that exceeded LoginGraceTime, which is far longer than any login here. A second of penalty passes in a second. Above
 * 15 the address is refused until the penalty has passed, for everybody who shares it.
 *
 * The gate keeps the same account, per machine and over all clusters, users and keys of the process, and starts a login
 * only when its worst case, on top of those in flight, still stays below that.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { defined } from '../domain/shared/defined';
import { isOspatchError, OspatchError } from '../domain/shared/errors';
import { unreachable } from './connect-errors';
import type { SshTarget } from './transport';

/** What sshd charges by default, in seconds. */
const CONNECTED_COST = 1;
const OFFERED_COST = 5;

/** A login that fails, and a second connection that reads the host key for the report. */
const WORST_COST = OFFERED_COST + CONNECTED_COST;

/** Two failures at once, with a margin below 15: sshd counts in whole seconds, and later than we do. */
export const MOST_PENALTY = 12;

/** A key that was rejected is hardly accepted a moment later: pauses after the first, second, ... rejection. */
const PAUSES_S = [5, 5, 10, 20, 40, 80, 160, 300];

/** Longer waits fail at once; a person, or a retry of the activity, comes back. */
const LONGEST_WAIT_S = 10;

/** Failures of machines that nobody has tried for so long are forgotten. */
const FORGET_S = 900;

/** Above so many machines the forgotten ones are looked for. */
const MANY_PLACES = 1_000;

/** What one login has cost so far; told by those who connect. */
export class LoginAttempt {
  /** Seconds of penalty that sshd charges if it fails. */
  cost = 0;
  /** The host key is verified, and the login has begun. */
  wasOffered = false;

  /** A TCP connection is up. May happen twice. */
  connected(): void {
    this.cost += CONNECTED_COST;
  }

  /** A key was offered, or may have been. */
  offered(): void {
    this.wasOffered = true;
    this.cost += OFFERED_COST - CONNECTED_COST;
  }
}

/** Seconds; both can be replaced in tests. */
export interface GateClock {
  now(): number;
  sleep(seconds: number): Promise<unknown>;
}

const CLOCK: GateClock = {
  now: () => performance.now() / 1_000,
  sleep: (seconds) => sleep(seconds * 1_000, undefined, { ref: false }),
};

interface Rejection {
  count: number;
  at: number;
  notBefore: number;
  error: OspatchError;
}

/** One sshd, as seen from one source address. */
interface Place {
  penalty: number;
  /** When `penalty` was true. */
  at: number;
  /** User and key of each login that has not ended. */
  inFlight: string[];
  /** By user and key. */
  rejections: Map<string, Rejection>;
  /** Called when a login has ended, with its error if it failed. */
  waiting: ((failure: Failure | null) => void)[];
}

interface Failure {
  target: string;
  key: string;
  error: unknown;
}

export class LoginGate {
  private readonly places = new Map<string, Place>();

  constructor(private readonly clock: GateClock = CLOCK) {}

  /**
   * Runs a login when that is safe. Waits for a few seconds at most.
   *
   * @throws OspatchError the last rejection of the same key, or `Unreachable`, when the wait would be longer
   */
  async run<T>(target: SshTarget, route: readonly string[], login: (attempt: LoginAttempt) => Promise<T>): Promise<T> {
    const place = this.place(JSON.stringify([...route, target.host.toLowerCase(), target.port]));
    const key = JSON.stringify([target.user, target.identity]);
    await this.admission(place, key, target);
    const attempt = new LoginAttempt();
    let failure: Failure | null = null;
    try {
      const result = await login(attempt);
      place.rejections.delete(key);
      return result;
    } catch (error) {
      failure = { target: target.name, key, error };
      this.charge(place, key, attempt.cost, error);
      throw error;
    } finally {
      place.inFlight.splice(place.inFlight.indexOf(key), 1);
      for (const wake of place.waiting.splice(0)) wake(failure);
    }
  }

  private place(name: string): Place {
    const known = this.places.get(name);
    if (known !== undefined) return known;
    if (this.places.size >= MANY_PLACES) this.forget();
    const place = { penalty: 0, at: this.clock.now(), inFlight: [], rejections: new Map(), waiting: [] };
    this.places.set(name, place);
    return place;
  }

  private forget(): void {
    const before = this.clock.now() - FORGET_S;
    for (const [name, { at, inFlight, waiting }] of this.places) {
      if (at < before && inFlight.length === 0 && waiting.length === 0) this.places.delete(name);
    }
  }

  /** Waits until the login may begin, and counts it as begun. */
  private async admission(place: Place, key: string, target: SshTarget): Promise<void> {
    const since = this.clock.now();
    for (;;) {
      const now = this.clock.now();
      const rejection = place.rejections.get(key);
      const pause = rejection === undefined ? 0 : rejection.notBefore - now;
      const reserved = place.inFlight.length * WORST_COST;
      const excess = this.penalty(place) + WORST_COST - MOST_PENALTY;
      const wait = Math.max(pause, excess);
      const isDoubtful = rejection !== undefined && place.inFlight.includes(key);
      if (wait <= 0 && excess + reserved <= 0 && !isDoubtful) {
        // At once: others wake up in the same moment.
        place.inFlight.push(key);
        return;
      }
      if (wait > 0 && now - since + wait > LONGEST_WAIT_S) throw heldBack(target, rejection, pause, wait, now);
      const failure = await this.change(place, wait > 0 ? wait : null);
      // A machine that has just not answered does not answer everybody who waited for that, one after the other.
      if (failure?.target === target.name && isForAll(failure, key)) throw failure.error;
    }
  }

  /** The next end of a login at the place, or the end of the wait. */
  private async change(place: Place, seconds: number | null): Promise<Failure | null> {
    if (seconds !== null) {
      await this.clock.sleep(seconds);
      return null;
    }
    return new Promise((resolve) => place.waiting.push(resolve));
  }

  private penalty(place: Place): number {
    return Math.max(0, place.penalty - (this.clock.now() - place.at));
  }

  private charge(place: Place, key: string, cost: number, error: unknown): void {
    const now = this.clock.now();
    place.penalty = this.penalty(place) + cost;
    place.at = now;
    if (!isOspatchError(error) || error.type !== 'AuthFailed') return;
    const known = place.rejections.get(key);
    const count = known === undefined || known.at < now - FORGET_S ? 1 : known.count + 1;
    const pause = PAUSES_S[Math.min(count, PAUSES_S.length) - 1] ?? 0;
    place.rejections.set(key, { count, at: now, notBefore: now + pause, error });
  }
}

/** Whether the failure is that of everybody who waited for it. */
function isForAll(failure: Failure, key: string): boolean {
  const { error } = failure;
  if (!isOspatchError(error)) return false;
  return error.type === 'Unreachable' || (error.type === 'AuthFailed' && failure.key === key);
}

function heldBack(
  target: SshTarget,
  rejection: Rejection | undefined,
  pause: number,
  wait: number,
  now: number,
): OspatchError {
  const next = `the next login is tried in ${Math.ceil(wait)} s at the earliest, so that sshd does not ban the address`;
  if (rejection === undefined || pause < wait) {
    return unreachable(target, `several logins have failed there within seconds, and ${next}`);
  }
  const { type, message, remedy } = rejection.error;
  const told = `${message} (${Math.max(1, Math.round(now - rejection.at))} s ago; ${next})`;
  return new OspatchError({ type, message: told, ...defined({ remedy }) });
}
