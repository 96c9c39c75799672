/** Rejections and their messages. No nodes are needed. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { clusterWorkflowId } from '../../src/contract/workflow-ids';
import { notPatchableReason } from '../../src/domain/cluster/messages';
import type { ClusterSpec } from '../../src/domain/spec/types';
import { clusterSpec } from '../support/builders';
import type { TemporalServer, WorkerProcess } from '../support/local-stack';
import { startTemporalServer, startWorkerProcess } from '../support/local-stack';
import type { CliResult } from '../support/run-cli';
import { waitFor } from '../support/wait-for';
import { runCli } from '../support/run-cli';
import '../support/slow-suite';

let dir: string;
let server: TemporalServer;
let worker: WorkerProcess;

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'ospatch-refusals-'));
  server = await startTemporalServer();
});

afterAll(async () => {
  await worker.stop();
  await server.stop();
  rmSync(dir, { recursive: true });
});

function cli(...args: string[]): Promise<CliResult> {
  return runCli(args, { env: { TEMPORAL_ADDRESS: server.address }, cwd: dir });
}

function headerOnly(type: string): string {
  const file = `${type}.yaml`;
  writeFileSync(path.join(dir, file), `apiVersion: ospatch/v1\nname: ${type}-1\ntype: ${type}\ndescription: theirs\n`);
  return file;
}

async function connectTo(address: string): Promise<{ client: Client; close: () => Promise<void> }> {
  const connection = await Connection.connect({ address });
  return { client: new Client({ connection }), close: () => connection.close() };
}

function selfManaged(name: string): object {
  return clusterSpec(['w-1'], {}, name);
}

describe('e2e/rejections', () => {
  it('reports in one sentence that no server answers', async () => {
    const { code, stderr } = await runCli(['list', '--address', '127.0.0.1:1', '--timeout', '2s']);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^error: no Temporal server: nothing listens at 127\.0\.0\.1:1: the connection was refused\.\n {2}fix: /,
    );
  });

  it('starts nothing without a worker', async () => {
    const { code, stderr } = await cli('apply', '-f', headerOnly('imported'));
    expect(code).toBe(1);
    expect(stderr).toContain('no worker polls the task queue ospatch');
    expect(JSON.parse((await cli('list', '-o', 'json')).stdout)).toEqual([]);
    worker = await startWorkerProcess({ address: server.address, keyDir: dir });
  });

  it.each(['imported', 'aks', 'gke', 'managed'])(
    'lists a cluster of type %s and refuses to patch the cluster',
    async (type) => {
      const applied = await cli('apply', '-f', headerOnly(type));
      expect(applied.code).toBe(0);
      expect(applied.stdout + applied.stderr).toContain('OS patching is not available');
      const patched = await cli('patch', `${type}-1`);
      expect(patched.code).toBe(1);
      expect(patched.stderr).toContain('OS patching is not available');
      // Temporal's list is eventually consistent.
      const listed = await waitFor(
        async () => {
          const all = JSON.parse((await cli('list', '-o', 'json')).stdout) as {
            cluster: string;
            state: string | null;
          }[];
          return all.find(({ cluster, state }) => cluster === `${type}-1` && state === 'not-patchable');
        },
        { what: 'the cluster in the list', pollMs: 500 },
      );
      expect(listed).toMatchObject({ type });
    },
  );

  it.each(['imported', 'aks', 'gke', 'managed'])(
    'has no bypass of the refusal for a cluster of type %s',
    async (type) => {
      const name = `${type}-1`;
      const reason = notPatchableReason(type as ClusterSpec['type']) ?? '';
      expect(reason).toMatch(/^OS patching is not available for an? .+: .+; .+$/);
      const { client, close } = await connectTo(server.address);
      try {
        const handle = client.workflow.getHandle(clusterWorkflowId(name));
        await handle.signal('patchNow');
        for (const update of ['patchNow', 'pause', 'resume', 'cancelRun']) {
          await expect(handle.executeUpdate(update, { args: [{}] })).rejects.toMatchObject({
            cause: { message: reason },
          });
        }
        const header = { apiVersion: 'ospatch/v1', name, type };
        const patching = { patchOnBoot: true, schedule: 'weekly', rebootIfRequired: true };
        for (const spec of [{ ...header, patching }, selfManaged(name)]) {
          const args: [object] = [{ spec, applyId: 'x' }];
          await expect(handle.executeUpdate('applySpec', { args })).rejects.toThrow();
        }
        // Started as from the Temporal UI, with arbitrary input.
        const other = `${name}-ui`;
        const started = await client.workflow.start('cluster', {
          workflowId: clusterWorkflowId(other),
          taskQueue: 'ospatch',
          args: [{ spec: { ...header, name: other, patching } }],
        });
        await expect(started.result()).rejects.toMatchObject({
          cause: { type: 'InvalidSpec', message: expect.stringContaining(reason) },
        });
      } finally {
        await close();
      }
      const shown = await cli('status', name);
      expect(shown.stdout).toContain(reason);
      expect(shown.stdout).toMatch(/refus/i);
      for (const args of [['check'], ['pause'], ['resume'], ['cancel'], ['patch', '--wait']]) {
        const [command = '', ...more] = args;
        const { code, stderr } = await cli(command, name, ...more);
        const said = stderr.replace(/\s+/g, ' ');
        expect([command, code, said]).toEqual([command, 1, expect.stringContaining(`error: ${reason}. fix: `)]);
      }
      const edited = path.join(dir, 'edited.yaml');
      writeFileSync(edited, JSON.stringify(selfManaged(name)));
      const changed = await cli('apply', '-f', edited);
      expect(changed.code).not.toBe(0);
      expect(changed.stderr).toContain(`the type of a cluster cannot be changed (from ${type} to self-managed)`);
      expect(JSON.parse((await cli('status', name, '-o', 'json')).stdout)).toMatchObject({
        ...{
          state: 'not-patchable',
          run: null,
          lastRun: null,
          nodes: [],
          lastRejection: {
            request: 'applySpec',
            message: expect.stringContaining('the type of a cluster cannot be changed'),
          },
        },
      });
    },
  );

  it('neither turns a patched cluster into one that is not, nor patches the cluster afterwards', async () => {
    const file = path.join(dir, 'own.yaml');
    writeFileSync(file, JSON.stringify(selfManaged('own')));
    expect((await cli('apply', '-f', file)).code).toBe(0);
    writeFileSync(file, 'apiVersion: ospatch/v1\nname: own\ntype: aks\n');
    const { code, stderr } = await cli('apply', '-f', file);
    expect(code).not.toBe(0);
    expect(stderr).toContain('the type of a cluster cannot be changed (from self-managed to aks)');
  });

  it('rejects patching in the spec of a cluster that is not patched by ospatch, naming the field', async () => {
    writeFileSync(
      path.join(dir, 'bad.yaml'),
      'apiVersion: ospatch/v1\nname: x\ntype: aks\npatching: {patchOnBoot: true}\n',
    );
    const { code, stdout, stderr } = await cli('apply', '-f', 'bad.yaml');
    expect(code).toBe(2);
    expect(stdout + stderr).toMatch(/bad\.yaml:4:1: patching: /);
  });

  it('reports a cluster that was never applied as unknown', async () => {
    for (const args of [['status'], ['patch'], ['pause'], ['history'], ['get'], ['check']]) {
      const { code, stderr } = await cli(...args, 'nobody');
      expect(code).toBe(1);
      expect(stderr).toContain('no cluster nobody');
    }
  });
});
