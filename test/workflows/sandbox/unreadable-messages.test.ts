/** Messages that anybody can send through Temporal's raw API, and their effects with and without keys. */
import { randomBytes, randomUUID } from 'node:crypto';
import { deflateSync } from 'node:zlib';
import type { Payload } from '@temporalio/common';
import { temporal } from '@temporalio/proto';
import { COMPRESSED_ENCODING, ENCRYPTED_ENCODING, ENCRYPTION_KEY } from '../../../src/domain/shared/payload-encodings';
import { clusterWorkflowId } from '../../../src/contract/workflow-ids';
import { createCodec } from '../../../src/encryption/codec';
import type { KeyRing } from '../../../src/encryption/key-ring';
import { clusterSpec } from '../../support/builders';
import { waitFor } from '../../support/wait-for';
import type { TestCluster } from '../harness';
import { Harness } from '../harness';
import { payloadOf } from '../sandboxed-workflow';

function ring(name: string): KeyRing {
  return { directory: '/keys', keys: [{ id: `${name}:0123456789ab`, key: randomBytes(32) }] };
}

function payload(encoding: string, data: string | Buffer, more: Record<string, Buffer> = {}): Payload {
  return { metadata: { encoding: Buffer.from(encoding), ...more }, data: Buffer.from(data) };
}

async function garbage(keys: KeyRing | null): Promise<Record<string, Payload>> {
  const [foreign] = await createCodec(ring('foreign')).encode([payloadOf({ by: 'a stranger' })]);
  const known = keys?.keys[0].id ?? 'none';
  const elsewhere = { type: 'workflow', namespace: 'default', workflowId: 'cluster/other' } as const;
  const [copied] = await createCodec(keys).encode([payloadOf({ by: 'ann', spec: 7, nodes: 7 })], elsewhere);
  const bomb = temporal.api.common.v1.Payload.encode({ metadata: {}, data: Buffer.alloc(3_000_000) }).finish();
  return {
    'broken JSON': payload('json/plain', '{"broken'),
    'an unknown encoding': payload('no/such', randomBytes(8)),
    'no encoding': { metadata: {}, data: Buffer.from('x') },
    'nothing at all': {},
    'a key that nobody has': foreign ?? {},
    'a known key and other bytes': payload(ENCRYPTED_ENCODING, randomBytes(40), {
      [ENCRYPTION_KEY]: Buffer.from(known),
    }),
    'a known key and no bytes': payload(ENCRYPTED_ENCODING, '', { [ENCRYPTION_KEY]: Buffer.from(known) }),
    ...(keys === null ? {} : { 'what was encrypted for another workflow': copied ?? {} }),
    'a decompression bomb': payload(COMPRESSED_ENCODING, deflateSync(bomb)),
    'what cannot be unpacked': payload(COMPRESSED_ENCODING, randomBytes(40)),
    'another shape': payloadOf({ nodes: 7, spec: [[[]]], settled: 'x', current: { node: 1 } }),
    'a large one': payloadOf({ reason: 'x'.repeat(50_000), nodes: ['y'.repeat(50_000)] }),
  };
}

const NAMES = [
  'patchNow',
  'pause',
  'resume',
  'cancelRun',
  'runProgress',
  'applySpec',
  'remove',
  'noSuch',
  '__temporal_x',
];

/** Not `remove` and not `resume`: every input is valid for them. */
const UPDATES = ['patchNow', 'pause', 'applySpec', 'noSuch', '__temporal_x'];

describe.each([
  ['without keys', null],
  ['with keys', ring('ours')],
])('src/workflows/sandbox/unreadable-messages %s', (_, keys) => {
  let harness: Harness;

  beforeAll(async () => {
    harness = await Harness.start('real', keys);
  });

  afterAll(() => harness.stop());

  const target = (cluster: TestCluster) => ({
    namespace: cluster.env.client.options.namespace,
    workflowExecution: { workflowId: cluster.handle.workflowId },
  });

  it('rejects every unreadable signal, update and query, and patches afterwards', () =>
    harness.withWorker(async (cluster) => {
      const service = cluster.env.client.workflowService;
      await cluster.apply(clusterSpec(['w-1'], {}, cluster.name));
      for (const [what, one] of Object.entries(await garbage(keys))) {
        const input = { payloads: [one] };
        const header = { fields: { ours: one, '_tracer-data': one } };
        for (const signalName of NAMES) {
          await service.signalWorkflowExecution({ ...target(cluster), signalName, input, header });
        }
        const rejected = await cluster.until(
          `the signals with ${what} are refused`,
          (status) => status.lastRejection?.request === 'signal reserved name x',
        );
        expect(rejected).toMatchObject({ state: 'idle', run: null, paused: null });
        const answers = await Promise.all(
          UPDATES.map(async (name) => {
            const meta = { updateId: randomUUID(), identity: 'test' };
            const request = { meta, input: { name, args: input, header } };
            const waitPolicy = { lifecycleStage: 3 };
            // A busy server may answer before there is an outcome.
            const outcome = await waitFor(
              async () => (await service.updateWorkflowExecution({ ...target(cluster), request, waitPolicy })).outcome,
              { what: `an outcome of ${name}` },
            );
            return outcome.failure ? null : `${name} was done with ${what}`;
          }),
        );
        expect(answers).toEqual(UPDATES.map(() => null));
        for (const queryType of ['status', 'nodes', 'explain']) {
          const { namespace, workflowExecution: execution } = target(cluster);
          await service
            .queryWorkflow({ namespace, execution, query: { queryType, queryArgs: input, header } })
            .catch(() => undefined);
        }
        // The next signal of that name counts as new.
        await cluster.handle.signal('patchNow', { nodes: ['nobody'] });
        await cluster.until('another refusal', ({ lastRejection }) => lastRejection?.request === 'patchNow');
      }
      await cluster.handle.signal('patchNow');
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', patched: 1 });
    }));

  it('never fails a workflow over an unreadable start argument: the task waits for a worker that can read it', () =>
    harness.withWorker(async (cluster) => {
      const { 'an unknown encoding': unknown, 'a key that nobody has': foreign } = await garbage(keys);
      for (const one of [unknown, foreign]) {
        const workflowId = clusterWorkflowId(cluster.name);
        await cluster.env.client.workflowService.startWorkflowExecution({
          ...{ namespace: cluster.env.client.options.namespace, workflowId, requestId: randomUUID() },
          ...{ workflowType: { name: 'cluster' }, taskQueue: { name: cluster.name } },
          input: { payloads: one === undefined ? [] : [one] },
        });
        const failed = await waitFor(
          async () => {
            const { events } = await cluster.handle.fetchHistory();
            return events?.find((event) => event.workflowTaskFailedEventAttributes);
          },
          { what: 'a failed workflow task' },
        );
        const { message } = failed.workflowTaskFailedEventAttributes?.failure ?? {};
        // With keys the message itself is encrypted.
        if (keys === null) expect(message).toMatch(/this worker (does not know|cannot decrypt)/);
        expect((await cluster.handle.describe()).status.name).toBe('RUNNING');
        await cluster.handle.terminate();
      }
    }));
});
