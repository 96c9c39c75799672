/**
 * Runs of random fleets through the real workflows: whatever fails and whoever steers, every limit holds, no node is begun
 * twice, every node ends, every cordon is taken off, and every history replays. OSPATCH_FLEETS: how many; OSPATCH_FAULT_SEED repeats a run.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { limitOptions } from '../../../src/worker-limits';
import { SEED, randomFor } from '../../faults/random';
import { failedReplays } from '../../support/failed-replays';
import type { TestCluster } from '../harness';
import { Harness } from '../harness';
import type { Plan } from './simulated-fleet';
import { SimulatedFleet, drawPlan } from './simulated-fleet';

const FLEETS = Number(process.env['OSPATCH_FLEETS'] ?? 4);
/** Half of them are the same in every run. */
const FIXED_SEED = 12;
const AT_ONCE = 4;
/** A fleet of ten nodes takes some seconds. */
const LIMIT_MS = 180_000 + FLEETS * 40_000;
const MAX_WAITS = 2_000;
const WATCHERS = 2;
const LOOK_EVERY_MS = 200;
const LOOK_LIMIT_MS = 5_000;

let harness: Harness;

beforeAll(async () => {
  harness = await Harness.start('real');
});

afterAll(() => harness.stop());

/** Lets the run end: what is down comes back, and whoever has to decide lets it go on. */
async function untilEnded(cluster: TestCluster, fleet: SimulatedFleet): Promise<void> {
  fleet.recover();
  for (let waits = 0; waits < MAX_WAITS; waits += 1) {
    const { state, run, lastRun } = await cluster.status();
    if (run === null && lastRun !== null) return;
    const send = (name: string, message: object): Promise<unknown> =>
      cluster.handle.executeUpdate(name, { args: [message] }).catch(() => undefined);
    if (state === 'paused') await send('resume', {});
    else if (state === 'waiting') await send('setMaxFailures', { maxFailures: fleet.plan.nodes.length });
    await sleep(200);
  }
  throw new Error(`the run has not ended: ${JSON.stringify(await cluster.status())}`);
}

async function runFleet(title: string, seed: number): Promise<{ plan: Plan; wrong: string[] }> {
  const random = randomFor(title, seed);
  const plan = drawPlan(random);
  const cluster = harness.newCluster();
  const fleet = new SimulatedFleet(plan, cluster, random);
  // Fewer than there are workflows: they are evicted all the time, and live from their histories.
  const options =
    random.between(0, 2) === 0 ? limitOptions({ maxActivities: 100, maxCachedWorkflows: 2, maxPollers: 4 }) : {};
  const restartAfter = random.between(0, plan.steps.length);
  const steer = async (steps: Plan['steps']): Promise<void> => {
    for (const step of steps) {
      await sleep(random.between(0, 700));
      await fleet.carryOut(step);
    }
  };
  const watching = watch(cluster);
  try {
    await harness.withWorkerFor(
      cluster,
      async () => {
        await cluster.apply(fleet.spec());
        await cluster.handle.executeUpdate('patchNow', { args: [{}] });
        await steer(plan.steps.slice(0, restartAfter));
      },
      fleet.activities(),
      options,
    );
    await harness.withWorkerFor(
      cluster,
      async () => {
        await steer(plan.steps.slice(restartAfter));
        await untilEnded(cluster, fleet);
      },
      fleet.activities(),
      options,
    );
    return { plan, wrong: await verdict(cluster, fleet) };
  } catch (error) {
    return { plan, wrong: [...fleet.breaches, String(error)] };
  } finally {
    await watching.stop();
    await cluster.handle.terminate().catch(() => undefined);
  }
}

/** Somebody looks at the cluster all the time, also while no worker is there. */
function watch(cluster: TestCluster): { stop(): Promise<void> } {
  const { client } = harness.env;
  const watched = { isOver: false };
  const look = async (): Promise<void> => {
    while (!watched.isOver) {
      await client.withDeadline(Date.now() + LOOK_LIMIT_MS, () => cluster.status()).catch(() => undefined);
      await sleep(LOOK_EVERY_MS);
    }
  };
  const looking = Promise.all(Array.from({ length: WATCHERS }, look));
  return {
    stop: async () => {
      watched.isOver = true;
      await looking;
    },
  };
}

async function verdict(cluster: TestCluster, fleet: SimulatedFleet): Promise<string[]> {
  let wrong: string[] = [];
  await harness.withWorkerFor(cluster, async () => {
    wrong = await fleet.verifyEnd();
  });
  return [...wrong, ...(await failedReplays(harness.env.client, cluster.name))];
}

describe('src/workflows/run: random fleets', () => {
  it(
    'keeps its limits, begins no node twice, ends every node, leaves none cordoned, and replays',
    async () => {
      process.stdout.write(`OSPATCH_FAULT_SEED=${SEED}\n`);
      const wanted = Array.from({ length: FLEETS }, (_, at) => ({ at, seed: at % 2 === 0 ? FIXED_SEED : SEED }));
      const failed: unknown[] = [];
      const lane = async (): Promise<void> => {
        for (let one = wanted.shift(); one !== undefined; one = wanted.shift()) {
          const { plan, wrong } = await runFleet(`fleet ${one.at}`, one.seed);
          if (wrong.length > 0) failed.push({ ...one, wrong, plan });
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, lane));
      expect(JSON.stringify(failed, null, 1)).toBe('[]');
    },
    LIMIT_MS,
  );
});
