/** What is not done, and how it is said. No nodes are needed for it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TemporalServer, WorkerProcess } from '../support/local-stack';
import { startTemporalServer, startWorkerProcess } from '../support/local-stack';
import type { CliResult } from '../support/run-cli';
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

describe('e2e/refusals', () => {
  it('says in one sentence that no server answers', async () => {
    const { code, stderr } = await runCli(['list', '--address', '127.0.0.1:1', '--timeout', '2s']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: no Temporal server answers at 127\.0\.0\.1:1\.\n {2}fix: /);
  });

  it('begins nothing when no worker is there to do it', async () => {
    const { code, stderr } = await cli('apply', '-f', headerOnly('imported'));
    expect(code).toBe(1);
    expect(stderr).toContain('no worker polls the task queue ospatch');
    expect(JSON.parse((await cli('list', '-o', 'json')).stdout)).toEqual([]);
    worker = await startWorkerProcess({ address: server.address, keyDir: dir });
  });

  it.each(['imported', 'aks', 'gke', 'managed'])('lists a cluster of type %s and refuses to patch it', async (type) => {
    const applied = await cli('apply', '-f', headerOnly(type));
    expect(applied.code).toBe(0);
    expect(applied.stdout + applied.stderr).toContain('OS patching is not available');
    const patched = await cli('patch', `${type}-1`);
    expect(patched.code).toBe(1);
    expect(patched.stderr).toContain('OS patching is not available');
    const listed = JSON.parse((await cli('list', '-o', 'json')).stdout) as { cluster: string; state: string }[];
    expect(listed.find((item) => item.cluster === `${type}-1`)).toMatchObject({ type, state: 'not-patchable' });
  });

  it('refuses patching in the spec of a cluster that is not ours, naming the field', async () => {
    writeFileSync(
      path.join(dir, 'bad.yaml'),
      'apiVersion: ospatch/v1\nname: x\ntype: aks\npatching: {patchOnBoot: true}\n',
    );
    const { code, stdout, stderr } = await cli('apply', '-f', 'bad.yaml');
    expect(code).toBe(2);
    expect(stdout + stderr).toMatch(/bad\.yaml:4:1: patching: /);
  });

  it('knows no cluster that nobody applied', async () => {
    for (const args of [['status'], ['patch'], ['pause'], ['history'], ['get'], ['check']]) {
      const { code, stderr } = await cli(...args, 'nobody');
      expect(code).toBe(1);
      expect(stderr).toContain('no cluster nobody');
    }
  });
});
