/** The API server, and other dependencies of a drain, die and come back. */
import { setTimeout as sleep } from 'node:timers/promises';
import '../support/slow-suite';
import { fault } from './fault';
import { KUBERNETES_MOMENTS } from './kubernetes-injection-points';
import type { Moment } from './injection-points';
import type { Scenario } from './scenario';

const PATCHED = { state: 'patched', transactions: 1, reboots: 1 } as const;

/** A scheduler that has just reconnected to its API server may not know the cordon yet, and bind a pod to the node. */
const FROM_THE_CORDON_ON = { ...PATCHED, kubernetes: { evicted: 'and-late' } } as const;

const MOMENTS: readonly Moment[] = [...KUBERNETES_MOMENTS, 'during apply', 'during node down', 'after node back'];

async function apiServerIsAway(scenario: Scenario): Promise<void> {
  const { plane } = scenario.kubernetes;
  await plane.killApiServer();
  await sleep(scenario.random.between(1_000, 15_000));
  await plane.restartApiServer();
}

describe('faults/kubernetes/control-plane', () => {
  for (const moment of MOMENTS) {
    const quick = moment === 'during drain';
    fault('kubernetes', `the API server is killed ${moment}`, { kubernetes: 'own', quick }, async (scenario, check) => {
      await scenario.patch();
      await scenario.reach(moment);
      await apiServerIsAway(scenario);
      await check(moment.endsWith(' cordon') ? FROM_THE_CORDON_ON : PATCHED);
    });
  }

  for (const moment of ['during drain', 'during cordon', 'before uncordon'] as const) {
    fault(
      'kubernetes',
      `worker and API server are killed together ${moment}`,
      { kubernetes: 'own', ownWorker: true },
      async (scenario, check) => {
        await scenario.patch();
        await scenario.reach(moment);
        await Promise.all([
          apiServerIsAway(scenario),
          scenario.worker.kill9().then(async () => {
            await sleep(scenario.random.between(0, 15_000));
            await scenario.startWorker();
          }),
        ]);
        await check(moment === 'during cordon' ? FROM_THE_CORDON_ON : PATCHED);
      },
    );
  }

  fault(
    'kubernetes',
    'worker and API server are killed again and again',
    { kubernetes: 'own', ownWorker: true },
    async (scenario, check) => {
      await scenario.patch();
      scenario.moment = 'at random moments';
      let over = false;
      const ended = scenario.ended().finally(() => {
        over = true;
      });
      for (let turn = 0; turn < 5 && !over; turn += 1) {
        await Promise.race([ended, sleep(scenario.random.between(1_000, 15_000))]);
        if (over) break;
        if (scenario.random.pick(['worker', 'API server'] as const) === 'API server') await apiServerIsAway(scenario);
        else {
          await scenario.worker.kill9();
          await scenario.startWorker();
        }
      }
      await ended;
      await check(FROM_THE_CORDON_ON);
    },
  );

  for (const moment of ['during cordon', 'during drain', 'during uncordon'] as const) {
    fault(
      'kubernetes',
      `the Temporal server is killed ${moment}`,
      { kubernetes: 'shared', ownServer: true },
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
});
