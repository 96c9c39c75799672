/** Workers die or are told to go at every moment of a node patch; the next one goes on from there. */
import '../support/slow-suite';
import { fault } from './fault';
import type { Moment } from './moments';
import { MOMENTS } from './moments';

/** Exactly one package transaction and one reboot, and nothing left, whoever died when. */
const PATCHED = { state: 'patched', transactions: 1, reboots: 1 } as const;

const scene = { ownWorker: true, slowRefreshSeconds: 3 } as const;

/** In `make test`: the two with the most at stake, and others as the seed says. */
const quick = new Set<Moment>(['during apply', 'during node down']);

describe('faults/worker', () => {
  for (const moment of MOMENTS) {
    fault('worker', `kill -9 ${moment}`, { ...scene, quick: quick.has(moment) }, async (stage, check) => {
      await stage.patch();
      await stage.reach(moment);
      await stage.worker.kill9();
      await stage.startWorker();
      await check(PATCHED);
    });
  }
});
