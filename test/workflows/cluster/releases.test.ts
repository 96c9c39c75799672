/** A cluster that moves from a newer worker to an older one: on one task queue, during an upgrade or a rollback. */
import type { Payload, PayloadCodec } from '@temporalio/common';
import { Client } from '@temporalio/client';
import type { WorkerOptions } from '@temporalio/worker';
import { temporal } from '@temporalio/proto';
import { clusterWorkflowId } from '../../../src/contract/workflow-ids';
import { dataConverter } from '../../../src/encryption/data-converter';
import { clusterSpec } from '../../support/builders';
import { waitFor } from '../../support/wait-for';
import { workflowBundle } from '../../support/workflow-bundle';
import type { TestCluster } from '../harness';
import { Harness } from '../harness';

let harness: Harness;

beforeAll(async () => {
  harness = await Harness.start('real');
});

afterAll(() => harness.stop());

interface RunsSeen {
  run: unknown;
  lastRun: { number: number } | null;
}

type Worker = Pick<WorkerOptions, 'workflowBundle' | 'dataConverter'>;

/** The workflows of a future release, whose state has another version. */
async function newerWorkflows(): Promise<Worker> {
  const { code } = await workflowBundle();
  const newer = code
    .replace(/STATE_VERSION = 1;/, 'STATE_VERSION = 2;')
    .replace(/STEPS = \{\};/, 'STEPS = { 1: (state) => state };');
  expect(newer.length).toBeGreaterThan(code.length);
  return { workflowBundle: { code: newer } };
}

const NEWER_ENCODING = 'binary/of-a-release-to-come';
const PayloadMessage = temporal.api.common.v1.Payload;

/** Payloads as written by a future release. */
const newerCodec: PayloadCodec = {
  encode: (payloads) =>
    Promise.resolve(
      payloads.map((payload) => ({
        metadata: { encoding: Buffer.from(NEWER_ENCODING) },
        data: PayloadMessage.encode(payload).finish(),
      })),
    ),
  decode: (payloads) => Promise.resolve(payloads.map((payload) => (isNewer(payload) ? unwrap(payload) : payload))),
};

function isNewer({ metadata }: Payload): boolean {
  return Buffer.from(metadata?.['encoding'] ?? []).toString() === NEWER_ENCODING;
}

function unwrap({ data }: Payload): Payload {
  const { metadata, data: content } = PayloadMessage.decode(data ?? new Uint8Array());
  return { metadata, data: content };
}

const newerPayloads = { dataConverter: { payloadCodecs: [newerCodec] } };

function clientOf(cluster: TestCluster, { dataConverter: converter }: Worker): Client {
  const { connection, options } = cluster.env.client;
  return new Client({
    connection,
    namespace: options.namespace,
    dataConverter: converter ?? dataConverter(null, 'throw'),
  });
}

describe('src/workflows/cluster/cluster, written by a newer release', () => {
  it.each([
    ['a state', newerWorkflows, /has version 2, and this release reads versions up to 1/],
    [
      'payloads',
      () => Promise.resolve(newerPayloads as Worker),
      /of-a-release-to-come, which this worker does not know/,
    ],
  ])('survives a worker that cannot read its %s, and continues on one that can', async (_, newerWorker, reason) => {
    const newer = await newerWorker();
    const cluster = harness.newCluster();
    const client = clientOf(cluster, newer);
    const handle = client.workflow.getHandle(clusterWorkflowId(cluster.name));
    const runEnded = (number: number) =>
      waitFor(
        async () => {
          // A query that arrives at the end of a history is rejected.
          const status = await handle.query<RunsSeen>('status').catch(() => null);
          return status?.run === null && status.lastRun?.number === number && status.lastRun;
        },
        { what: `run ${number} to end`, timeoutMs: 60_000 },
      );
    const begin = async (): Promise<void> => {
      await client.workflow.start('cluster', {
        workflowId: handle.workflowId,
        taskQueue: cluster.name,
        args: [{ spec: clusterSpec(['w-1'], {}, cluster.name) }],
      });
      // Without a state, while its first spec is being checked, a cluster answers no query.
      await waitFor(() => handle.query('explain').catch(() => false), { what: 'the cluster to answer' });
      await handle.signal('patchNow');
      expect(await runEnded(1)).toMatchObject({ outcome: 'succeeded' });
    };
    await harness.withWorkerFor(cluster, begin, {}, newer);

    const older = async (): Promise<void> => {
      await cluster.handle.signal('patchNow', { nodes: ['w-1'] });
      const failed = await waitFor(
        async () => {
          const { events } = await cluster.handle.fetchHistory();
          return events?.find((event) => event.workflowTaskFailedEventAttributes?.failure);
        },
        { what: 'a failed workflow task', timeoutMs: 60_000 },
      );
      expect(failed.workflowTaskFailedEventAttributes?.failure?.message).toMatch(reason);
    };
    await harness.withWorkerFor(cluster, older);
    // Its memo is in the newer encoding too.
    expect((await handle.describe()).status.name).toBe('RUNNING');

    const again = async (): Promise<void> => {
      expect(await runEnded(2)).toMatchObject({ outcome: 'succeeded', total: 1 });
    };
    await harness.withWorkerFor(cluster, again, {}, newer);
    await handle.terminate();
  });
});
