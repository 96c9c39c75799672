/** Node patches that are terminated, cancelled or reset in Temporal, in each phase: the run and the cluster notice at once. */
import type { WorkflowHandle } from '@temporalio/client';
import { nodeWorkflowId } from '../../../src/contract/workflow-ids';
import type { StatusPage } from '../../../src/domain/cluster/messages';
import type { MemberStatus } from '../../../src/domain/cluster/member';
import { clusterSpec } from '../../support/builders';
import { waitFor } from '../../support/wait-for';
import { nodesOf } from '../../support/members';
import type { TestCluster } from '../harness';
import { Harness } from '../harness';

let harness: Harness;

beforeAll(async () => {
  harness = await Harness.start('real');
});

afterAll(() => harness.stop());

const TERMINATED = 'the patch of w-1 was terminated in Temporal, so its progress is unknown';

function w1(status: StatusPage): MemberStatus | undefined {
  return nodesOf(status.nodes).find(({ name }) => name === 'w-1');
}

function patchOf(cluster: TestCluster): WorkflowHandle {
  return cluster.env.client.workflow.getHandle(nodeWorkflowId(cluster.name, 'w-1'));
}

/** Patches w-1 until it is held at `step`. Returns what lets it go on. */
async function heldAt(cluster: TestCluster, step: 'preflight' | 'apply' | 'reboot'): Promise<() => void> {
  const release = cluster.nodes.hold('w-1', step);
  cluster.nodes.node('w-1').requiresReboot = step === 'reboot';
  await cluster.apply(clusterSpec(undefined, {}, cluster.name));
  await cluster.handle.signal('patchNow', { nodes: ['w-1'] });
  await cluster.until(`${step} of w-1`, () => cluster.nodes.log.includes(`${step} w-1`));
  return release;
}

function untilLost(cluster: TestCluster): Promise<StatusPage> {
  return cluster.until('w-1 is lost', (status) => w1(status)?.lastError?.type === 'UnreachableAfterChange');
}

async function lost(cluster: TestCluster): Promise<() => void> {
  cluster.nodes.node('w-1').unreachableIn = 'apply';
  const release = await heldAt(cluster, 'apply');
  await untilLost(cluster);
  return release;
}

async function paused(cluster: TestCluster): Promise<() => void> {
  const release = await lost(cluster);
  await cluster.handle.executeUpdate('pause', { args: [{}] });
  await cluster.until('the run is paused', ({ run }) => run?.state === 'paused');
  return release;
}

async function handedOver(cluster: TestCluster): Promise<() => void> {
  const release = await paused(cluster);
  await cluster.handle.executeUpdate('resume', { args: [{}] });
  await cluster.until('the next run workflow has begun', ({ run }) => run?.state === 'running');
  return release;
}

/** Waits until somebody waits for the end of the node patch. */
async function untilWatched(handle: WorkflowHandle): Promise<void> {
  await waitFor(
    async () => {
      const { raw } = await handle.describe();
      return raw.pendingActivities?.find(
        ({ activityType, lastStartedTime }) => activityType?.name === 'awaitNodePatches' && lastStartedTime,
      );
    },
    { what: 'the wait for the node patch' },
  );
}

async function reset(cluster: TestCluster): Promise<void> {
  const { workflowId } = patchOf(cluster);
  const { events } = await patchOf(cluster).fetchHistory();
  const first = events?.find((event) => event.workflowTaskCompletedEventAttributes)?.eventId;
  await cluster.env.client.workflowService.resetWorkflowExecution({
    ...{ namespace: 'default', workflowExecution: { workflowId }, reason: 'by hand', requestId: cluster.name },
    ...(first ? { workflowTaskFinishEventId: first } : {}),
  });
}

/** The id of the node is free: a later run patches it. */
async function expectFree(cluster: TestCluster, release: () => void): Promise<void> {
  release();
  Object.assign(cluster.nodes.node('w-1'), { unreachableIn: null, barrier: null });
  await cluster.handle.signal('patchNow', { nodes: ['w-1'] });
  expect((await cluster.untilIdle(2)).lastRun).toMatchObject({ number: 2, outcome: 'succeeded', failed: 0 });
}

describe('src/workflows/run: a terminated node patch', () => {
  it.each([
    ['before the node is changed', (cluster: TestCluster) => heldAt(cluster, 'preflight')],
    ['during its transaction', (cluster: TestCluster) => heldAt(cluster, 'apply')],
    ['while the node reboots', (cluster: TestCluster) => heldAt(cluster, 'reboot')],
    ['while the node is lost', lost],
    ['while the node is lost and handed over', handedOver],
  ])('fails its node at once and frees the workflow id: %s', (_, begin) =>
    harness.withWorker(async (cluster) => {
      const release = await begin(cluster);
      const run = cluster.env.client.workflow.getHandle(await cluster.runId(1));
      if (begin === handedOver) await untilWatched(run);
      await patchOf(cluster).terminate('by hand');
      const status = await cluster.untilIdle(1);
      expect(status.lastRun).toMatchObject({ outcome: 'failed', failed: 1 });
      expect(w1(status)).toMatchObject({ state: 'failed', lastError: { message: TERMINATED } });
      // Nobody has looked a second time.
      const { events } = await run.fetchHistory();
      const attempts = (events ?? []).map(({ activityTaskStartedEventAttributes: one }) => one?.attempt ?? 1);
      expect(Math.max(...attempts)).toBe(1);
      await expectFree(cluster, release);
    }),
  );

  it('fails its node at once while the run is paused, and counts once when the run continues', () =>
    harness.withWorker(async (cluster) => {
      const release = await paused(cluster);
      await untilWatched(cluster.handle);
      await patchOf(cluster).terminate('by hand');
      const status = await cluster.until('w-1 has failed', (one) => w1(one)?.state === 'failed');
      expect(status).toMatchObject({ state: 'paused', run: { done: 1 } });
      expect(w1(status)).toMatchObject({ lastError: { message: TERMINATED } });
      await cluster.handle.executeUpdate('resume', { args: [{}] });
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'failed', failed: 1 });
      await expectFree(cluster, release);
    }));
});

describe('src/workflows/run: a cancelled node patch', () => {
  it.each([
    ['before w-1 was changed', 'preflight', { outcome: 'cancelled', cancelled: 1 }],
    ['while w-1 was rebooting', 'reboot', { outcome: 'failed', failed: 1 }],
  ] as const)('is reported as cancelled, and the run is no success: %s', (when, step, lastRun) =>
    harness.withWorker(async (cluster) => {
      const release = await heldAt(cluster, step);
      await patchOf(cluster).cancel();
      const status = await cluster.untilIdle(1);
      expect(status.lastRun).toMatchObject(lastRun);
      expect(w1(status)?.lastError?.message).toContain(`the patch was cancelled ${when}`);
      await expectFree(cluster, release);
    }),
  );
});

describe('src/workflows/run: a reset node patch', () => {
  it('still tells its run that the node is unreachable', () =>
    harness.withWorker(async (cluster) => {
      const release = await heldAt(cluster, 'apply');
      cluster.nodes.node('w-1').unreachableIn = 'apply';
      await reset(cluster);
      await untilLost(cluster);
      release();
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', failed: 0 });
    }));

  it('is waited for by the run workflow that has adopted it', () =>
    harness.withWorker(async (cluster) => {
      const release = await handedOver(cluster);
      await untilWatched(cluster.env.client.workflow.getHandle(await cluster.runId(1)));
      await reset(cluster);
      await cluster.until(
        'w-1 is applied again',
        () => cluster.nodes.log.filter((one) => one === 'apply w-1').length > 2,
      );
      expect(await cluster.status()).toMatchObject({ run: { state: 'running' } });
      release();
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', failed: 0 });
    }));
});
