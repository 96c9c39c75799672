/** Workers are killed or stopped at every moment of the patch of a Kubernetes node. */
import { setTimeout as sleep } from 'node:timers/promises';
import '../support/slow-suite';
import { fault } from './fault';
import { KUBERNETES_MOMENTS } from './kubernetes-injection-points';
import type { Moment } from './injection-points';

/** One transaction, one reboot, each pod of the workload evicted once, and the node uncordoned, whichever worker died when. */
const PATCHED = { state: 'patched', transactions: 1, reboots: 1 } as const;

const scenario = { kubernetes: 'shared', ownWorker: true } as const;

/** The node is cordoned in all of these but the first and the last. */
const MOMENTS: readonly Moment[] = [
  ...KUBERNETES_MOMENTS,
  'during apply',
  'during reboot sent',
  'during node down',
  'after node back',
];

describe('faults/kubernetes/worker', () => {
  for (const moment of MOMENTS) {
    fault('kubernetes', `Kubernetes: kill -9 of the worker ${moment}`, scenario, async (scenario, check) => {
      await scenario.patch();
      await scenario.reach(moment);
      await scenario.worker.kill9();
      await scenario.startWorker();
      await check(PATCHED);
    });
  }

  for (const moment of MOMENTS) {
    const quick = moment === 'during drain';
    fault(
      'kubernetes',
      `Kubernetes: SIGTERM of the worker ${moment}`,
      { ...scenario, quick },
      async (scenario, check) => {
        await scenario.patch();
        await scenario.reach(moment);
        await scenario.worker.stop();
        await scenario.startWorker();
        await check(PATCHED);
      },
    );
  }

  fault(
    'kubernetes',
    'Kubernetes: no worker runs a drain for longer than a minute',
    scenario,
    async (scenario, check) => {
      await scenario.patch();
      await scenario.reach('during drain');
      await scenario.worker.kill9();
      await sleep(60_000 + scenario.random.between(0, 15_000));
      await scenario.startWorker();
      await check(PATCHED);
    },
  );
});
