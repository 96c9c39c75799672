import { OspatchError } from '../../src/domain/shared/errors';
import type { LoginAttempt } from '../../src/ssh/login-gate';
import { LoginGate } from '../../src/ssh/login-gate';
import { targetOn } from './support';

/** A clock that stands still until everybody sleeps. */
class FakeClock {
  private seconds = 1_000;
  private sleepers: { at: number; wake: () => void }[] = [];

  now = (): number => this.seconds;

  sleep = (seconds: number): Promise<void> =>
    new Promise((wake) => this.sleepers.push({ at: this.seconds + seconds, wake }));

  async advance(seconds: number): Promise<void> {
    const end = this.seconds + seconds;
    for (;;) {
      await settled();
      this.sleepers.sort((a, b) => a.at - b.at);
      const next = this.sleepers[0];
      if (next === undefined || next.at > end) break;
      this.sleepers.shift();
      this.seconds = next.at;
      next.wake();
    }
    this.seconds = end;
  }
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}

/** The account of sshd, as documented in sshd_config(5), with its defaults, in whole seconds. */
class Sshd {
  banned = 0;
  private expiry = 0;
  private isActive = false;

  constructor(private readonly clock: FakeClock) {}

  private get seconds(): number {
    return Math.floor(this.clock.now());
  }

  refuses(): boolean {
    if (this.expiry < this.seconds) this.isActive = false;
    if (this.isActive) this.banned += 1;
    return this.isActive;
  }

  penalise(seconds: number): void {
    this.expiry = Math.min(Math.max(this.expiry, this.seconds) + seconds, this.seconds + 600);
    if (this.expiry - this.seconds > 15) this.isActive = true;
  }
}

const rejected = (): OspatchError =>
  new OspatchError({ type: 'AuthFailed', message: 'w-1 does not accept the key "id"', remedy: 'add the key' });
const gone = (): OspatchError => new OspatchError({ type: 'Unreachable', message: 'w-1 closed the connection' });

describe('src/ssh/login-gate', () => {
  const at = (more: Parameters<typeof targetOn>[2] = {}) => targetOn(22, [], more);
  let clock: FakeClock;
  let gate: LoginGate;
  let sshd: Sshd;

  beforeEach(() => {
    clock = new FakeClock();
    gate = new LoginGate(clock);
    sshd = new Sshd(clock);
  });

  /** A login that takes a while and ends in one of the ways that sshd charges for. */
  const login = (how: 'rejected' | 'mismatch' | 'dropped' | 'accepted', takes = 0.2) => {
    return async (attempt: LoginAttempt): Promise<void> => {
      if (sshd.refuses()) throw new OspatchError({ type: 'Unreachable', message: 'PerSourcePenalties' });
      attempt.connected();
      await clock.sleep(takes);
      if (how === 'accepted') return;
      if (how !== 'mismatch') attempt.offered();
      // The process of sshd ends somewhat later.
      void clock.sleep(0.3).then(() => sshd.penalise(how === 'mismatch' ? 1 : 5));
      if (how === 'mismatch') throw new OspatchError({ type: 'HostKeyMismatch', message: 'another key' });
      throw how === 'rejected' ? rejected() : gone();
    };
  };

  /** Deterministic pseudo-random numbers below 1. */
  const random = (seed: number) => () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return seed / 2_147_483_648;
  };

  it.each([1, 2, 3, 4, 5])('never lets sshd ban the address, whatever fails and whoever retries (%d)', async (seed) => {
    const next = random(seed);
    let tried = 0;
    for (let second = 0; second < 900; second++) {
      for (let call = 0; call < 5; call++) {
        const how = (['rejected', 'mismatch', 'accepted'] as const)[Math.floor(next() * 5)] ?? 'dropped';
        const target = at({ name: `w-${Math.floor(next() * 50)}`, user: `u-${Math.floor(next() * 6)}` });
        void gate
          .run(target, [], (attempt) => {
            tried += 1;
            return login(how, next() * 3)(attempt);
          })
          .catch(() => undefined);
      }
      await clock.advance(1);
    }
    expect(sshd.banned).toBe(0);
    // It does not just sit there either.
    expect(tried).toBeGreaterThan(100);
  });

  it('without it, fifty nodes behind one jump host with a wrong key are banned within a second', async () => {
    for (let node = 0; node < 50; node++) {
      await Promise.all([
        login('rejected')({ connected() {}, offered() {} } as LoginAttempt).catch(() => undefined),
        clock.advance(1),
      ]);
    }
    expect(sshd.banned).toBeGreaterThan(0);
  });

  it('tries a rejected key again after a few seconds, then ever more seldom, and says what it waits for', async () => {
    const times: number[] = [];
    const told: string[] = [];
    const begun = clock.now();
    for (let second = 0; second < 900; second++) {
      void gate
        .run(at(), [], async (attempt) => {
          times.push(Math.round(clock.now() - begun));
          await login('rejected')(attempt);
        })
        .catch((error: unknown) => {
          expect(error).toMatchObject({ type: 'AuthFailed', remedy: 'add the key' });
          told.push((error as Error).message);
        });
      await clock.advance(1);
    }
    expect(times.length).toBeLessThan(12);
    expect(times.slice(0, 5)).toEqual([0, 5, 10, expect.any(Number), expect.any(Number)]);
    expect(Math.max(...times.slice(1).map((time, index) => time - (times[index] ?? 0)))).toBeLessThanOrEqual(310);
    expect(told).toContainEqual(
      expect.stringMatching(/^w-1 does not accept the key "id" \(\d+ s ago; the next login is tried in \d+ s at the/),
    );
  });

  it('lets another key log in while one is rejected', async () => {
    const bad = gate.run(at(), [], login('rejected')).catch(() => undefined);
    await clock.advance(1);
    await bad;
    const good = gate.run(at({ identity: 'other' }), [], login('accepted'));
    await clock.advance(1);
    await good;
  });

  it('charges nothing for a machine that is down, and does not let all wait for each other', async () => {
    let tried = 0;
    const down = async (): Promise<never> => {
      tried += 1;
      await clock.sleep(10);
      throw gone();
    };
    const calls = Array.from({ length: 20 }, () => gate.run(at(), [], down).catch((error: unknown) => error));
    await clock.advance(10);
    expect((await Promise.all(calls)).every((error) => error instanceof OspatchError)).toBe(true);
    expect(tried).toBe(2);
    const again = gate.run(at(), [], login('accepted'));
    await clock.advance(1);
    await again;
  });

  it('keeps machines of the same address behind different jump hosts apart', async () => {
    for (let round = 0; round < 2; round++) void gate.run(at(), ['a'], login('dropped')).catch(() => undefined);
    await clock.advance(1);
    const begun = clock.now();
    let when = 0;
    await Promise.all([
      gate.run(at(), ['b'], async () => {
        when = clock.now();
      }),
      clock.advance(1),
    ]);
    expect(when).toBe(begun);
  });
});
