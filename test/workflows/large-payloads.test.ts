/** Specs and states above 64 KiB on a real server, read by ospatch clients and, through the codec server, by others. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mustRun } from '../../src/dev/host';
import { findTemporal } from '../../src/dev/temporal-binary';
import { createCodec, isEncrypted } from '../../src/encryption/codec';
import { createCodecServer } from '../../src/encryption/codec-server';
import type { KeyRing } from '../../src/encryption/key-ring';
import { packState } from '../../src/domain/cluster/packed-state';
import { MAX_NODES } from '../../src/domain/spec/types';
import { readStatus } from '../../src/client/pages';
import { specQuery, statusQuery } from '../../src/contract/messages';
import type { SelfManagedSpec } from '../../src/domain/spec/types';
import { clusterSpec, randomHostKey } from '../support/builders';
import { waitFor } from '../support/wait-for';
import { worstState } from '../support/worst-state';
import type { TestCluster } from './harness';
import { Harness } from './harness';
import { defined } from '../../src/domain/shared/defined';

const TOKEN = 'a-token-of-some-length';
const RING: KeyRing = { directory: '/keys', keys: [{ id: 'a:0', key: randomBytes(32) }] };

/** Above 64 KiB, with unique host keys. */
function largeSpec({ name }: TestCluster): SelfManagedSpec {
  const spec = clusterSpec(
    Array.from({ length: 500 }, (_, at) => `w-${at}`),
    {},
    name,
  );
  return { ...spec, nodes: spec.nodes.map((node) => ({ ...node, hostKeys: [randomHostKey()] })) };
}

describe.each([
  ['without keys', null],
  ['with keys', RING],
])('src/encryption: large payloads in workflows %s', (_, ring) => {
  let harness: Harness;
  let codecServer: Server;

  beforeAll(async () => {
    harness = await Harness.start('real', ring);
    codecServer = createCodecServer({
      ...{ codec: createCodec(ring), uiOrigin: null, token: TOKEN, allowsEncode: true, tls: null },
    });
    codecServer.listen(0, '127.0.0.1');
    await once(codecServer, 'listening');
  });

  afterAll(async () => {
    codecServer?.close();
    await harness?.stop();
  });

  /** Of the workflow of `cluster`, for which the CLI encodes. */
  async function temporalCli(cluster: TestCluster, ...args: string[]): Promise<string> {
    const { port } = codecServer.address() as AddressInfo;
    const endpoint = `http://127.0.0.1:${port}/default/${cluster.handle.workflowId}`;
    const cli = await findTemporal(() => undefined);
    const codec = ['--codec-endpoint', endpoint, '--codec-auth', `Bearer ${TOKEN}`];
    return mustRun(cli, [...args, '--address', harness.address, ...codec]);
  }

  it('hold the largest possible state of a cluster, over continue-as-new', () =>
    harness.withWorker(async (cluster) => {
      const state = worstState(MAX_NODES, cluster.name);
      state.paused = { at: state.createdAt, by: 'ann', reason: null };
      const first = await harness.env.client.workflow.start('cluster', {
        workflowId: cluster.handle.workflowId,
        taskQueue: cluster.name,
        args: [{ state: packState(state) }],
      });
      // The end of a run makes a cluster continue as new.
      expect(await cluster.handle.executeUpdate('cancelRun', { args: [{}] })).toMatchObject({ run: 1 });
      await waitFor(async () => (await cluster.handle.describe()).runId !== first.firstExecutionRunId, {
        what: 'the next generation',
      });
      const firstPage = await cluster.status();
      expect(JSON.stringify(firstPage).length).toBeLessThan(64 * 1024);
      expect(firstPage.next).toBeGreaterThan(10);
      const { status, known } = await readStatus(cluster.handle, null);
      const { nodes, lastRun } = status;
      expect(nodes.map(({ name }) => name)).toEqual(state.nodes.map(({ name }) => name));
      // Only changes since the last page are sent, and there were none.
      const since = defined({ since: known === null ? undefined : known.token });
      expect(await cluster.handle.query(statusQuery, since)).toMatchObject({ nodes: [], next: null });
      expect((await readStatus(cluster.handle, known)).status.nodes).toEqual(nodes);
      expect(nodes.at(-1)?.lastError?.message).toContain(`the host key of ${nodes.at(-1)?.name} has changed`);
      expect(lastRun).toMatchObject({ outcome: 'cancelled', failed: MAX_NODES });
    }));

  it('are small in Temporal, and complete for workflows, clients and the temporal CLI', () =>
    harness.withWorker(async (cluster) => {
      const spec = largeSpec(cluster);
      expect(await cluster.apply(spec)).toMatchObject({ result: 'created' });
      expect(await cluster.handle.query(specQuery)).toEqual(spec);

      const { events } = await cluster.handle.fetchHistory();
      const started = events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads?.[0];
      const encoding = Buffer.from(started?.metadata?.['encoding'] ?? []).toString();
      expect(encoding).toBe(ring === null ? 'binary/ospatch-zlib' : 'binary/ospatch-aes-256-gcm');
      expect(started?.data?.length).toBeLessThan(JSON.stringify(spec).length / 3);

      const lastKey = spec.nodes.at(-1)?.hostKeys[0] ?? '';
      const { workflowId } = cluster.handle;
      expect(
        await temporalCli(cluster, 'workflow', 'query', '-w', workflowId, '--name', 'spec', '-o', 'json'),
      ).toContain(lastKey);
      const shown = await temporalCli(cluster, 'workflow', 'show', '-w', workflowId, '-o', 'json');
      const decoded = [...shown.matchAll(/"data": "([^"]+)"/g)].map(([, data = '']) => Buffer.from(data, 'base64'));
      expect(decoded.some((data) => data.includes(lastKey))).toBe(true);
      await temporalCli(cluster, 'workflow', 'signal', '-w', workflowId, '--name', 'pause', '--input', '{"by":"cli"}');
      await cluster.until('the CLI has paused it', ({ paused }) => paused?.by === 'cli');
      const sent = (await cluster.handle.fetchHistory()).events?.flatMap(
        (one) => one.workflowExecutionSignaledEventAttributes?.input?.payloads ?? [],
      );
      expect(sent?.map((one) => isEncrypted(one))).toEqual([ring !== null]);
    }));
});
