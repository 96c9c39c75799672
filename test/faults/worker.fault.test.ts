/** Workers are killed or stopped at every moment of a node patch; the next worker continues. */
import { setTimeout as sleep } from 'node:timers/promises';
import '../support/slow-suite';
import { waitFor } from '../support/wait-for';
import { fault } from './fault';
import type { Moment } from './injection-points';
import { MOMENTS } from './injection-points';
import { jobHas } from './node-view';
import { randomFor } from './random';

/** Exactly one package transaction and one reboot, and nothing left, whichever worker died when. */
const PATCHED = { state: 'patched', transactions: 1, reboots: 1 } as const;

const scenario = { ownWorker: true, slowRefreshSeconds: 3 } as const;

/** More than the grace period of the worker for its activities, and less than the limit of service managers. */
const GRACE_MS = 25_000;

/** Number of stops of each of the two workers, in turn. */
const TAKEOVERS = 6;

/** In `make test`. */
const QUICK_KILL = randomFor('quick kill').pick(MOMENTS);
const QUICK_STOP: Moment = 'during node down';

/** The end of apt's last transaction in epoch milliseconds; the clock of the lab's nodes is in UTC. */
function lastTransactionEnd(log: string): number {
  const ends = [...log.matchAll(/^End-Date: (\S+) {2}(\S+)$/gm)];
  return Date.parse(`${ends.at(-1)?.[1]}T${ends.at(-1)?.[2]}Z`);
}

describe('faults/worker', () => {
  for (const moment of MOMENTS) {
    fault('worker', `kill -9 ${moment}`, { ...scenario, quick: moment === QUICK_KILL }, async (scenario, check) => {
      await scenario.patch();
      await scenario.reach(moment);
      await scenario.worker.kill9();
      await scenario.startWorker();
      await check(PATCHED);
    });
  }

  for (const moment of MOMENTS) {
    fault('worker', `SIGTERM ${moment}`, { ...scenario, quick: moment === QUICK_STOP }, async (scenario, check) => {
      await scenario.patch();
      await scenario.reach(moment);
      const stoppedAt = Date.now();
      await scenario.worker.stop();
      expect(Date.now() - stoppedAt).toBeLessThan(GRACE_MS);
      expect(scenario.worker.logs()).toContain('worker stopped');
      await scenario.startWorker();
      await check(PATCHED);
    });
  }

  fault(
    'worker',
    'no worker runs at the end of a transaction',
    { ownWorker: true, quick: true },
    async (scenario, check) => {
      await scenario.patch();
      await scenario.reach('during apply');
      await scenario.worker.kill9();
      const alone = await scenario.cli('status', scenario.cluster, '--timeout', '8s');
      expect(alone.code).toBe(1);
      expect(alone.stderr).toMatch(/^error: no (worker|answer)/);
      await waitFor(() => jobHas(scenario.node, 'apply', 'rc'), {
        what: 'the end of the transaction',
        timeoutMs: 120_000,
      });
      await scenario.startWorker();
      await check(PATCHED);
      const [node] = (await scenario.status()).nodes;
      const applied = Date.parse(node?.lastAppliedPatchTime ?? '');
      // The next worker takes over 18 s after the end at the earliest.
      expect(Math.abs(applied - lastTransactionEnd(scenario.node.readFile('/var/log/apt/history.log')))).toBeLessThan(
        15_000,
      );
    },
  );

  fault('worker', 'two workers take over from each other', { ...scenario, quick: true }, async (scenario, check) => {
    const workers = [scenario.worker, await scenario.startWorker()];
    await scenario.patch();
    let over = false;
    const ended = scenario.ended().finally(() => {
      over = true;
    });
    scenario.moment = 'at random moments';
    for (let turn = 0; turn < TAKEOVERS; turn += 1) {
      await Promise.race([ended, sleep(scenario.random.between(1_000, 12_000))]);
      if (over) break;
      const one = workers[turn % 2];
      await (scenario.random.pick(['kill9', 'stop'] as const) === 'kill9' ? one?.kill9() : one?.stop());
      workers[turn % 2] = await scenario.startWorker();
    }
    await ended;
    await check(PATCHED);
  });
});
