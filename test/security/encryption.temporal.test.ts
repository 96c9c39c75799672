/** Attacks of whoever may write to the Temporal namespace and has no key, on a worker that requires encryption. */
import { randomBytes, randomUUID } from 'node:crypto';
import type { DataConverter, Payload } from '@temporalio/common';
import type { WorkerOptions } from '@temporalio/worker';
import { clusterWorkflowId, nodeWorkflowId } from '../../src/contract/workflow-ids';
import { requiredEncryption } from '../../src/activities/required-encryption';
import { ClusterClient } from '../../src/client/cluster-client';
import { createCodec } from '../../src/encryption/codec';
import { dataConverter } from '../../src/encryption/data-converter';
import type { KeyRing } from '../../src/encryption/key-ring';
import { clusterSpec } from '../support/builders';
import { waitFor } from '../support/wait-for';
import { workflowBundle } from '../support/workflow-bundle';
import type { TestCluster } from '../workflows/harness';
import { Harness } from '../workflows/harness';
import { payloadOf } from '../workflows/sandboxed-workflow';

const RING: KeyRing = { directory: '/keys', keys: [{ id: 'ours:0123456789ab', key: randomBytes(32) }] };

/** Of a worker. */
function converter(ring: KeyRing): DataConverter {
  const payloadConverterPath = require.resolve('../../src/workflows/sandbox/payload-converter');
  return { ...dataConverter(ring, 'passthrough'), payloadConverterPath };
}

describe('a worker that requires encryption', () => {
  let harness: Harness;
  let options: Pick<WorkerOptions, 'workflowBundle' | 'dataConverter' | 'interceptors'>;

  beforeAll(async () => {
    harness = await Harness.start('real', RING);
    const { code } = await workflowBundle();
    const flags = 'globalThis.ospatchEncryptsFailures=true;globalThis.ospatchRequiresEncryption=true;';
    options = {
      workflowBundle: { code: `${flags}${code}` },
      dataConverter: converter(RING),
      interceptors: { activity: [requiredEncryption()] },
    };
  });

  afterAll(() => harness.stop());

  async function withWorker(body: (cluster: TestCluster) => Promise<void>): Promise<void> {
    const cluster = harness.newCluster();
    try {
      await harness.withWorkerFor(cluster, () => body(cluster), {}, options);
    } finally {
      await cluster.handle.terminate().catch(() => undefined);
    }
  }

  const namespace = 'default';
  const service = () => harness.env.client.workflowService;

  function signal(cluster: TestCluster, signalName: string, ...payloads: Payload[]): Promise<object> {
    const workflowExecution = { workflowId: cluster.handle.workflowId };
    return service().signalWorkflowExecution({ namespace, workflowExecution, signalName, input: { payloads } });
  }

  it('patches nodes for whoever has the key', () =>
    withWorker(async (cluster) => {
      await cluster.apply(clusterSpec(['w-1', 'w-2'], {}, cluster.name));
      await cluster.handle.signal('patchNow', { by: 'ann' });
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', patched: 2 });
      // In its next execution too.
      await cluster.handle.signal('patchNow', { by: 'ann' });
      expect((await cluster.untilIdle(2)).lastRun).toMatchObject({ outcome: 'succeeded' });
    }));

  it('does nothing for a cluster or node patch that was started without it, and says why', () =>
    withWorker(async (cluster) => {
      const start = (workflowType: string, workflowId: string, argument: object) =>
        service().startWorkflowExecution({
          ...{ namespace, workflowId, requestId: randomUUID(), workflowType: { name: workflowType } },
          ...{ taskQueue: { name: cluster.name }, input: { payloads: [payloadOf(argument)] } },
        });
      const target = { name: 'w-1', host: 'w-1.example', port: 22, user: 'root', identity: 'agent', hostKeys: [] };
      await start('cluster', clusterWorkflowId(cluster.name), { spec: clusterSpec(['w-1'], {}, cluster.name) });
      await start('patchNode', nodeWorkflowId(cluster.name, 'w-9'), { target });
      const session = { client: harness.env.client, keyIds: [RING.keys[0].id], address: '', namespace };
      const client = ClusterClient.of({ ...session, deadlineMs: 15_000, taskQueue: cluster.name }, 'ann');
      await waitFor(async () => (await client.list()).find(({ stuck }) => stuck?.kind === 'not-encrypted'), {
        what: 'the reason in the list',
      });
      const node = harness.env.client.workflow.getHandle(nodeWorkflowId(cluster.name, 'w-9'));
      await waitFor(
        async () => (await node.fetchHistory()).events?.some((one) => one.workflowTaskFailedEventAttributes),
        { what: 'a failed task of the node patch' },
      );
      expect(cluster.nodes.log).toEqual([]);
      const { findings } = await client.diagnoseInstallation([cluster.name]);
      expect(findings).toContainEqual(
        expect.objectContaining({
          message: expect.stringMatching(/cluster\/\S+ were started without encryption/) as string,
        }),
      );
      await node.terminate();
    }));

  it('takes no forged result, no copied message and no signal of a forged workflow', () =>
    withWorker(async (cluster) => {
      const release = cluster.nodes.hold('w-1', 'preflight');
      await cluster.apply(clusterSpec(['w-1'], {}, cluster.name));
      await cluster.handle.signal('patchNow', { by: 'ann' });
      await cluster.untilPatching('w-1');
      const workflowId = nodeWorkflowId(cluster.name, 'w-1');
      const node = harness.env.client.workflow.getHandle(workflowId);
      const activityId = await waitFor(
        async () =>
          (await node.describe()).raw.pendingActivities?.find((one) => one.activityType?.name === 'preflight')
            ?.activityId,
        { what: 'the preflight' },
      );
      const result = { payloads: [payloadOf({ facts: {}, plan: { changes: [] }, repaired: null })] };
      await service().respondActivityTaskCompletedById({ namespace, workflowId, activityId, result });
      const { nodes } = await cluster.untilIdle(1);
      release();
      expect(nodes[0]).toMatchObject({ state: 'failed' });
      expect(await cluster.record('w-1')).toMatchObject({
        error: { type: 'Denied', message: expect.stringContaining('not encrypted') as string },
      });

      // What another cluster was told is told to this one.
      const other = harness.newCluster();
      await harness.env.client.workflow.start('cluster', {
        ...{ workflowId: clusterWorkflowId(other.name), taskQueue: cluster.name },
        args: [{ spec: clusterSpec(['w-1'], {}, other.name) }],
      });
      await other.handle.signal('pause', { by: 'ann', reason: 'a fair' });
      const said = await waitFor(
        async () => {
          const { events } = await other.handle.fetchHistory();
          const payloads = events?.flatMap(
            (one) => one.workflowExecutionSignaledEventAttributes?.input?.payloads ?? [],
          );
          return payloads?.length === 1 ? payloads : undefined;
        },
        { what: 'the message in the other history' },
      );
      await signal(cluster, 'pause', ...(said as Payload[]));
      const { lastRejection, paused } = await cluster.until(
        'the copy is rejected',
        (one) => one.lastRejection !== null,
      );
      expect(lastRejection).toMatchObject({ request: 'pause' });
      expect(lastRejection?.message).toContain(`was encrypted for the workflow cluster/${other.name} in`);
      expect(paused).toBeNull();
      await other.handle.terminate();

      const action = { request: 'release', node: 'w-1', by: 'mallory', result: 'done' };
      await signal(cluster, 'nodeAction', payloadOf(action));
      await signal(cluster, 'nodeAction');
      await cluster.handle.signal('nodeAction', { ...action, by: 'a node patch' });
      const history = await waitFor(
        async () => {
          const text = JSON.stringify(await cluster.handle.query('history'));
          return text.includes('a node patch') ? text : undefined;
        },
        { what: 'the encrypted signal' },
      );
      expect(history).not.toContain('mallory');
    }));

  it('refuses for good what it could not read, also when it has the key later', async () => {
    const cluster = harness.newCluster();
    const later: KeyRing = { directory: '/keys', keys: [{ id: 'later:0123456789ab', key: randomBytes(32) }] };
    const place = { type: 'workflow', namespace, workflowId: cluster.handle.workflowId } as const;
    const early = await createCodec(later).encode([payloadOf({ by: 'too early' })], place);
    const work = (body: () => Promise<void>, ring: KeyRing) =>
      harness.withWorkerFor(cluster, body, {}, { ...options, dataConverter: converter(ring) });
    await work(async () => {
      await cluster.apply(clusterSpec(['w-1'], {}, cluster.name));
      await signal(cluster, 'patchNow', ...early);
      await cluster.until('the signal is refused', ({ lastRejection }) => lastRejection?.request === 'patchNow');
    }, RING);
    // Which replays all of it.
    await work(
      async () => {
        expect(await cluster.status()).toMatchObject({ run: null, lastRun: null });
        await cluster.handle.signal('patchNow', { by: 'ann' });
        expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ number: 1, outcome: 'succeeded' });
      },
      { directory: '/keys', keys: [RING.keys[0], ...later.keys] },
    );
    await cluster.handle.terminate();
  });
});
