/** Long waits on a real server, with the activities that reach a node: between two polls no attempt is running. */
import type { temporal } from '@temporalio/proto';
import { decodeArrayFromPayloads } from '@temporalio/common/lib/internal-non-workflow';
import { createNodeActivities } from '../../../src/activities/node';
import { readLiveStatus } from '../../../src/client/live-status';
import { nodeWorkflowId } from '../../../src/contract/workflow-ids';
import { WAITING } from '../../../src/contract/waiting';
import type { NodeActivities } from '../../../src/contract/activities/node';
import type { Transport } from '../../../src/ssh/transport';
import { factsAnswer, result, unreachableNode } from '../../node/fake-node';
import { clusterSpec } from '../../support/builders';
import { waitFor } from '../../support/wait-for';
import type { TestCluster } from '../harness';
import { Harness } from '../harness';

/** Stands for the 30 s of the product. */
const HOLD_MS = 1_000;

let harness: Harness;

beforeAll(async () => {
  harness = await Harness.start('real');
});

afterAll(() => harness.stop());

type Pending = temporal.api.workflow.v1.IPendingActivityInfo;

/** A node that is unreachable until `back` is called, and otherwise simulated. */
function unreachable(cluster: TestCluster) {
  let isBack = false;
  let looks = 0;
  const transport: Transport = {
    exec: () => {
      looks += 1;
      return isBack ? Promise.resolve(result(factsAnswer())) : Promise.reject(unreachableNode());
    },
    close: () => undefined,
  };
  const real = createNodeActivities({
    pool: {
      transport: () => transport,
      ownTransport: () => transport,
      probeHostKey: () => Promise.resolve(),
      close: () => undefined,
    },
    hookDir: null,
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    firstHoldMs: HOLD_MS,
  });
  const simulated = cluster.nodes.activities();
  const preflight: NodeActivities['preflight'] = async (input) => {
    await real.readFacts(input);
    return simulated.preflight(input);
  };
  return {
    preflight,
    looks: () => looks,
    back: () => {
      isBack = true;
    },
  };
}

async function pendingOf(cluster: TestCluster): Promise<Pending | undefined> {
  const handle = harness.env.client.workflow.getHandle(nodeWorkflowId(cluster.name, 'w-1'));
  return (await handle.describe()).raw.pendingActivities?.[0];
}

async function detailsOf({ heartbeatDetails }: Pending): Promise<Record<string, unknown>> {
  const converter = harness.env.client.options.loadedDataConverter;
  const [details] = await decodeArrayFromPayloads(converter, heartbeatDetails?.payloads ?? []);
  return details as Record<string, unknown>;
}

async function events(cluster: TestCluster): Promise<number> {
  const handle = harness.env.client.workflow.getHandle(nodeWorkflowId(cluster.name, 'w-1'));
  return (await handle.fetchHistory()).events?.length ?? 0;
}

/** Runs `body` once the node was polled and the attempt has ended. */
async function whileWaiting(body: (cluster: TestCluster, node: ReturnType<typeof unreachable>) => Promise<void>) {
  const cluster = harness.newCluster();
  const node = unreachable(cluster);
  const work = async (): Promise<void> => {
    await cluster.apply(clusterSpec(undefined, {}, cluster.name));
    await cluster.handle.signal('patchNow', { nodes: ['w-1'] });
    await waitFor(
      async () => {
        const pending = await pendingOf(cluster).catch(() => undefined);
        return pending?.attempt === 2 && pending.lastFailure !== null ? pending : null;
      },
      { what: 'the end of the first attempt' },
    );
    await body(cluster, node);
  };
  await harness.withWorkerFor(cluster, work, { preflight: node.preflight });
  await cluster.handle.terminate().catch(() => undefined);
}

describe('src/workflows/node/unreachable: the wait for an unreachable node', () => {
  it('holds no slot and writes no history between two polls, is visible in the status, and counts its time across polls', () =>
    whileWaiting(async (cluster, node) => {
      const before = { events: await events(cluster), looks: node.looks() };
      const { client } = harness.env;
      const session = { ...{ client, keyIds: [], address: '' }, namespace: 'default', taskQueue: cluster.name };
      const { current } = await readLiveStatus({ ...session, deadlineMs: 20_000 }, cluster.name);
      expect(current).toMatchObject([
        {
          node: 'w-1',
          waitingFor: expect.stringContaining('the node to answer: w-1 cannot be reached') as string,
          waitingSince: expect.any(String) as string,
          lastFailure: null,
        },
      ]);
      const first = await pendingOf(cluster);
      expect(first?.lastFailure?.applicationFailureInfo?.type).toBe(WAITING);
      expect(await detailsOf(first ?? {})).toMatchObject({ handedBack: { kind: 'unreachable', attempt: 1 } });
      expect(node.looks()).toBe(before.looks);

      // The second attempt polls for 15 s, sends no heartbeat, and releases its slot again.
      const second = await waitFor(
        async () => {
          const pending = await pendingOf(cluster);
          return pending?.attempt === 3 ? pending : null;
        },
        { what: 'the end of the second attempt', timeoutMs: 60_000 },
      );
      expect(node.looks()).toBeGreaterThan(before.looks);
      expect(await events(cluster)).toBe(before.events);
      expect(await detailsOf(second)).toMatchObject({ handedBack: { attempt: 1 } });
      node.back();
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', patched: 1 });
    }));

  it('ends at once when the run is cancelled between two polls', () =>
    whileWaiting(async (cluster, node) => {
      const looks = node.looks();
      await cluster.handle.signal('cancelRun');
      const status = await cluster.untilIdle(1);
      expect(status.nodes[1]).toMatchObject({ state: 'not-tried', lastOutcome: 'cancelled' });
      expect(node.looks()).toBe(looks);
    }));
});

describe('src/workflows/run: the wait for a node patch of a terminated run', () => {
  it('holds no slot, and ends within seconds of that node patch', async () => {
    const cluster = harness.newCluster();
    const release = cluster.nodes.hold('w-1', 'apply');
    const work = async (): Promise<void> => {
      await cluster.apply(clusterSpec(undefined, {}, cluster.name));
      await cluster.handle.signal('patchNow', { nodes: ['w-1'] });
      await cluster.until('w-1 is applied', () => cluster.nodes.log.includes('apply w-1'));
      await harness.env.client.workflow.getHandle(await cluster.runId(1)).terminate('by hand');
      await cluster.untilIdle(1);
      await cluster.handle.signal('patchNow', { nodes: ['w-1'] });
      await cluster.until('run 2 is in progress', (status) => status.run?.number === 2);
      const run = harness.env.client.workflow.getHandle(await cluster.runId(2));
      await waitFor(async () => (await run.describe()).raw.pendingActivities?.[0]?.lastStartedTime ?? null, {
        what: 'the begin of the wait',
      });
      const { client } = harness.env;
      const session = { ...{ client, keyIds: [], address: '' }, namespace: 'default', taskQueue: cluster.name };
      const { current } = await readLiveStatus({ ...session, deadlineMs: 20_000 }, cluster.name);
      expect(current).toMatchObject([{ node: 'w-1', state: 'waiting', heldBy: 'run 1' }]);
      // The slot of the worker is for somebody else, and the other one is held by the apply.
      const other = harness.newCluster();
      await other.apply(clusterSpec(['x-1'], {}, other.name), cluster.name);
      await other.handle.signal('patchNow');
      await waitFor(() => Promise.resolve(cluster.nodes.log.includes('apply x-1')), { what: 'a free slot' });
      release();
      expect((await cluster.untilIdle(2)).lastRun).toMatchObject({ number: 2, outcome: 'succeeded' });
      await other.handle.terminate();
    };
    await harness.withWorkerFor(cluster, work, {}, { maxConcurrentActivityTaskExecutions: 2 });
    await cluster.handle.terminate().catch(() => undefined);
  });
});
