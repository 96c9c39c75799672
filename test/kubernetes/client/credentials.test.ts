import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { processStartTime } from '../../../src/dev/host';
import { waitFor } from '../../support/wait-for';
import type { Harness } from '../harness';
import { previewInput, setUp } from '../harness';

let kube: Harness;

const file = (name: string) => join(kube.api.directory, name);
const put = (name: string, text: string) => writeFileSync(file(name), text, { mode: 0o600 });
const read = (name: string) => (existsSync(file(name)) ? readFileSync(file(name), 'utf8') : '');
const preview = () => kube.run(kube.activities.drainPreview, previewInput());

/** A kubeconfig whose user has the output of this script as credential; the script runs in the directory of the kubeconfig. */
function plugin(script: string, more: object = {}): void {
  put('plugin', `#!/bin/sh\ncd "$(dirname "$0")" && echo called >>calls\n${script}\n`);
  chmodSync(file('plugin'), 0o755);
  const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: './plugin', args: [], ...more };
  kube.api.writeKubeconfig({ exec });
}

const calls = () =>
  read('calls')
    .split('\n')
    .filter((line) => line === 'called').length;

/** Prints the token of a file, and its expiry when there is one. */
const CREDENTIAL = `end=$(cat end 2>/dev/null) && end=",\\"expirationTimestamp\\":\\"$end\\""
printf '%s' "$KUBERNETES_EXEC_INFO" >info
printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%s"%s}}' "$(cat token)" "$end"`;

beforeEach(async () => {
  kube = await setUp();
  kube.api.node('w-1');
  for (let number = 0; number < 40; number += 1) kube.api.pod('shop', `web-${number}`);
  put('token', kube.api.token);
});
afterEach(() => kube.stop());

describe('src/kubernetes/client/credentials (simulated)', () => {
  it('runs a plugin once for the many requests of one drain, and passes the cluster when requested', async () => {
    plugin(CREDENTIAL, { provideClusterInfo: true });
    expect(await preview()).toMatchObject({ evict: 40 });
    await Promise.all([preview(), preview(), preview()]);
    expect(calls()).toBe(1);
    expect(JSON.parse(read('info'))).toMatchObject({
      apiVersion: 'client.authentication.k8s.io/v1',
      kind: 'ExecCredential',
      spec: { interactive: false, cluster: { server: expect.stringContaining('127.0.0.1') as string } },
    });
  });

  it('gives a plugin what its kubeconfig lists, and not the environment of the worker', async () => {
    process.env['TEMPORAL_API_KEY'] = 'for Temporal only';
    process.env['AWS_PROFILE'] = 'of the worker';
    try {
      plugin(`${CREDENTIAL}\nenv >environment`, { env: [{ name: 'OSPATCH_NAMED', value: 'in the kubeconfig' }] });
      await preview();
    } finally {
      delete process.env['TEMPORAL_API_KEY'];
      delete process.env['AWS_PROFILE'];
    }
    expect(read('environment')).toMatch(/^OSPATCH_NAMED=in the kubeconfig$/m);
    expect(read('environment')).not.toMatch(/TEMPORAL_API_KEY|AWS_PROFILE/);
  });

  it("renews a plugin's credential at its expiry, before the server rejects it", async () => {
    put('end', new Date(Date.now() + 60_000).toISOString());
    plugin(CREDENTIAL);
    await preview();
    await preview();
    expect(calls()).toBe(1);
    put('end', new Date(Date.now() - 1_000).toISOString());
    plugin(`${CREDENTIAL} # another edition of the kubeconfig`, { args: ['x'] });
    await preview();
    const before = calls();
    await preview();
    expect(calls()).toBeGreaterThan(before);
  });

  it("renews a plugin's credential when the server rejects it, and only then", async () => {
    plugin(CREDENTIAL);
    await preview();
    kube.api.token = 'second';
    put('token', 'second');
    expect(await preview()).toMatchObject({ evict: 40 });
    expect(calls()).toBe(2);
    kube.api.token = 'third';
    await expect(preview()).rejects.toMatchObject({
      type: 'KubernetesApi',
      message: expect.stringContaining('does not accept the credentials') as string,
    });
  });

  it.each([
    [
      'fails',
      'echo "token=abcdefgh: session has ended, log in again" >&2; exit 3',
      'failed with exit code 3: token=[redacted]',
    ],
    ['prints no credential', 'echo "{}"', 'returned neither a token nor a certificate'],
    ['prints no JSON', 'echo secret-token', 'did not print JSON'],
    ['prints too much', 'yes | head -c 3000000', 'printed too much'],
  ])('fails at once when a plugin %s', async (_, script, told) => {
    plugin(script);
    const error: unknown = await preview().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ type: 'KubernetesApi', nonRetryable: true });
    expect((error as Error).message).toContain(told);
    expect(JSON.stringify(error)).not.toMatch(/abcdefgh|secret-token/);
  });

  it('reports a missing plugin with the install hint of the kubeconfig', async () => {
    plugin('', { command: 'ospatch-no-such-plugin', installHint: 'install it from the shop' });
    await expect(preview()).rejects.toMatchObject({
      message: expect.stringContaining('cannot be run on the worker (install it from the shop)') as string,
    });
  });

  it('kills a plugin that hangs with all its children, and reports the timeout', async () => {
    await kube.stop();
    kube = await setUp({ callTimeoutMs: 1_500 });
    plugin('echo again >>starts; sleep 1000 & echo $! >child; echo $$ >self; wait');
    const startedAt = Date.now();
    await expect(preview()).rejects.toMatchObject({
      type: 'KubernetesApi',
      message: expect.stringContaining('the credential plugin ./plugin did not answer within 1 s') as string,
    });
    expect(Date.now() - startedAt).toBeLessThan(60_000);
    expect(read('starts')).toBe('again\n');
    const pids = [read('child'), read('self')].map(Number);
    await waitFor(() => pids.every((pid) => processStartTime(pid) === undefined), { what: 'the end of the plugin' });
  });

  it('reads a token file for every request', async () => {
    kube.api.writeKubeconfig({ tokenFile: 'token' });
    await preview();
    kube.api.token = 'second';
    put('token', 'second\n');
    expect(await preview()).toMatchObject({ evict: 40 });
  });
});
