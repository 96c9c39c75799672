/** The network between worker and node fails in every way, during every step. */
import { setTimeout as sleep } from 'node:timers/promises';
import '../support/slow-suite';
import { waitFor } from '../support/wait-for';
import { fault } from './fault';
import type { Moment } from './injection-points';
import { STEPS } from './injection-points';
import { randomFor } from './random';
import type { Scenario } from './scenario';

const PATCHED = { state: 'patched', transactions: 1, reboots: 1 } as const;

const scenario = { relay: true, slowRefreshSeconds: 3 } as const;

/** Longer than the detection time of a keepalive, and than most waits on a connection. */
const HOLE_MS = 180_000;
const QUICK_HOLE_MS = 60_000;

/** A login takes about 1 s, an installation of the helper 10 s. */
const SLOW_BYTES_PER_SECOND = 6_000;

interface Disturbance {
  what: string;
  /** From the moment on until the network is restored, if ever. */
  disturb(scenario: Scenario, quick: boolean): Promise<void>;
}

const DISTURBANCES: readonly Disturbance[] = [
  {
    what: 'all connections are reset',
    disturb: async ({ relay }) => relay.reset(),
  },
  {
    what: 'connections end at the side of the node only',
    disturb: async ({ relay }) => relay.halfOpen(),
  },
  {
    what: 'everything vanishes',
    disturb: async ({ relay }, quick) => {
      await relay.set({ kind: 'black-hole' });
      await sleep(quick ? QUICK_HOLE_MS : HOLE_MS);
      await relay.set({ kind: 'pass' });
    },
  },
  {
    what: 'answers get lost',
    disturb: async ({ relay, random }) => {
      await relay.set({ kind: 'one-way' });
      await sleep(random.between(5_000, 75_000));
      await relay.set({ kind: 'pass' });
    },
  },
  {
    what: 'connections are refused',
    disturb: async ({ relay, random }) => {
      await relay.set({ kind: 'refuse' });
      await sleep(random.between(1_000, 30_000));
      await relay.set({ kind: 'pass' });
    },
  },
  {
    what: 'the link is slow',
    disturb: async ({ relay }) => relay.set({ kind: 'slow', bytesPerSecond: SLOW_BYTES_PER_SECOND }),
  },
];

/** Steps with a permanent connection between worker and node. */
const TALKING = new Set<Moment>(['during preflight', 'during refresh', 'during apply', 'during verify']);

describe('faults/network', () => {
  for (const { what, disturb } of DISTURBANCES) {
    const moments = STEPS.map((step): Moment => `during ${step}`);
    const chosen = randomFor(what).pick(moments);
    for (const moment of moments) {
      const quick = moment === chosen;
      fault('network', `${what} ${moment}`, { ...scenario, quick }, async (scenario, check) => {
        await scenario.patch();
        await scenario.reach(moment);
        const talking = TALKING.has(moment);
        if (talking) await waitFor(() => scenario.relay.open > 0, { what: 'a connection to the node', pollMs: 5 });
        await disturb(scenario, process.env['OSPATCH_FAULTS'] !== 'all');
        await check(PATCHED);
        if (talking) expect(scenario.relay.disturbed).toBeGreaterThan(0);
      });
    }
  }
});
