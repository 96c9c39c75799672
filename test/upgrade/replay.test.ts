/** `ospatch replay` against a server with encrypted histories. Everything but the node is real. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TemporalServer } from '../support/local-stack';
import { startTemporalServer, startWorkerProcess } from '../support/local-stack';
import type { CliResult } from '../support/run-cli';
import { runCli } from '../support/run-cli';
import { specText } from '../support/spec-text';

const HOST_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDvls8SS4rvP2QdSSVl5t9lsRoJShV8y9UXzljMSEYea';

let server: TemporalServer;
let dir: string;

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'ospatch-replay-'));
  writeFileSync(path.join(dir, 'one.key'), randomBytes(32).toString('base64'), { mode: 0o600 });
  writeFileSync(
    path.join(dir, 'web.yaml'),
    specText({
      name: 'web',
      patching: '{patchOnBoot: false}',
      nodes: [{ name: 'w-1', host: '127.0.0.1', port: 1 }],
      identity: 'none',
    }),
  );
  writeFileSync(path.join(dir, 'known_hosts'), `[127.0.0.1]:1 ${HOST_KEY}\n`);
  server = await startTemporalServer();
});

afterAll(async () => {
  await server?.stop();
  rmSync(dir, { recursive: true, force: true });
});

function cli(args: string[], keys: string | undefined = dir): Promise<CliResult> {
  return runCli(args, { cwd: dir, env: { TEMPORAL_ADDRESS: server.address, OSPATCH_ENCRYPTION_KEYS: keys } });
}

describe('ospatch replay', () => {
  it('replays running workflows, and with --ended closed ones, without a worker', async () => {
    expect((await cli(['replay'])).stderr).toBe('there is no workflow to replay\n');
    const worker = await startWorkerProcess({
      address: server.address,
      keyDir: dir,
      env: { OSPATCH_ENCRYPTION_KEYS: dir },
    });
    await cli(['apply', '-f', 'web.yaml']);
    // No key exists for the node, so its patch fails at once.
    await cli(['patch', 'web', '--wait']);
    await worker.stop();
    expect(await cli(['replay'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/can replay all of 1 history \(1 cluster\)/) as string,
    });
    const { stdout } = await cli(['replay', '--ended', '-o', 'json']);
    const types = (JSON.parse(stdout) as { workflowType: string; failure: string | null }[]).map(
      ({ workflowType, failure }) => [workflowType, failure] as const,
    );
    expect(types).toContainEqual(['patchNode', null]);
    expect(types.every(([, failure]) => failure === null)).toBe(true);
  });

  it('reports missing keys, and replays nothing', async () => {
    const { code, stdout, stderr } = await cli(['replay'], '');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('no key is configured here');
  });
});
