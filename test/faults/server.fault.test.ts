/** The Temporal server dies and comes back with the same database; nodes and workers continue. */
import { setTimeout as sleep } from 'node:timers/promises';
import '../support/slow-suite';
import { fault } from './fault';
import type { Moment } from './injection-points';

const PATCHED = { state: 'patched', transactions: 1, reboots: 1 } as const;

const MOMENTS: readonly Moment[] = [
  'during refresh',
  'during apply',
  'during reboot sent',
  'during node down',
  'after node back',
];

describe('faults/server', () => {
  for (const moment of MOMENTS) {
    const quick = moment === 'during apply';
    fault(
      'server',
      `the server is killed ${moment}`,
      { ownServer: true, slowRefreshSeconds: 3, quick },
      async (scenario, check) => {
        await scenario.patch();
        await scenario.reach(moment);
        await scenario.temporal.kill9();
        await sleep(scenario.random.between(1_000, 15_000));
        await scenario.temporal.start();
        await check(PATCHED);
      },
    );
  }

  fault(
    'server',
    'server and worker are killed together during apply',
    { ownServer: true },
    async (scenario, check) => {
      await scenario.patch();
      await scenario.reach('during apply');
      await Promise.all([scenario.temporal.kill9(), scenario.worker.kill9()]);
      await sleep(scenario.random.between(1_000, 15_000));
      await scenario.temporal.start();
      await scenario.startWorker();
      await check(PATCHED);
    },
  );
});
