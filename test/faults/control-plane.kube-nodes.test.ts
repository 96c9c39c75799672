/** The API server, and what else a drain stands on, dies and comes back. */
import { setTimeout as sleep } from 'node:timers/promises';
import '../support/slow-suite';
import { fault } from './fault';
import { KUBERNETES_MOMENTS } from './kubernetes-moments';
import type { Moment } from './moments';
import type { Scene } from './scene';

const PATCHED = { state: 'patched', transactions: 1, reboots: 1 } as const;

/** A scheduler that has just found its API server again may not have heard of the cordon, and bind a pod to the node. */
const FROM_THE_CORDON_ON = { ...PATCHED, kubernetes: { evicted: 'and-late' } } as const;

const MOMENTS: readonly Moment[] = [...KUBERNETES_MOMENTS, 'during apply', 'during node down', 'after node back'];

async function apiServerIsAway(stage: Scene): Promise<void> {
  const { plane } = stage.kubernetes;
  await plane.killApiServer();
  await sleep(stage.random.between(1_000, 15_000));
  await plane.restartApiServer();
}

describe('faults/kubernetes/control-plane', () => {
  for (const moment of MOMENTS) {
    const quick = moment === 'during drain';
    fault('kubernetes', `the API server is killed ${moment}`, { kubernetes: 'own', quick }, async (stage, check) => {
      await stage.patch();
      await stage.reach(moment);
      await apiServerIsAway(stage);
      await check(moment.endsWith(' cordon') ? FROM_THE_CORDON_ON : PATCHED);
    });
  }

  for (const moment of ['during drain', 'during cordon', 'before uncordon'] as const) {
    fault(
      'kubernetes',
      `worker and API server are killed together ${moment}`,
      { kubernetes: 'own', ownWorker: true },
      async (stage, check) => {
        await stage.patch();
        await stage.reach(moment);
        await Promise.all([
          apiServerIsAway(stage),
          stage.worker.kill9().then(async () => {
            await sleep(stage.random.between(0, 15_000));
            await stage.startWorker();
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
    async (stage, check) => {
      await stage.patch();
      stage.moment = 'at random moments';
      let over = false;
      const ended = stage.ended().finally(() => {
        over = true;
      });
      for (let turn = 0; turn < 5 && !over; turn += 1) {
        await Promise.race([ended, sleep(stage.random.between(1_000, 15_000))]);
        if (over) break;
        if (stage.random.pick(['worker', 'API server'] as const) === 'API server') await apiServerIsAway(stage);
        else {
          await stage.worker.kill9();
          await stage.startWorker();
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
      async (stage, check) => {
        await stage.patch();
        await stage.reach(moment);
        await stage.temporal.kill9();
        await sleep(stage.random.between(1_000, 15_000));
        await stage.temporal.start();
        await check(PATCHED);
      },
    );
  }
});
