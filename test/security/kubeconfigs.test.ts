import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { kubeconfigFile, loadKubeconfig } from '../../src/kubernetes/client/kubeconfig';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'ospatch-kubeconfigs-'));
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

function put(name: string, text: string, mode = 0o600): string {
  const file = path.join(dir, name);
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}

/** The error of loading a kubeconfig whose user and cluster have these fields; undefined: there is none. */
function load(user: object, cluster: object = {}): { message: string } | KubeConfig {
  const file = put(
    'prod',
    JSON.stringify({
      'current-context': 'c',
      contexts: [{ name: 'c', context: { cluster: 'k', user: 'u' } }],
      clusters: [{ name: 'k', cluster: { server: 'https://127.0.0.1:1', ...cluster } }],
      users: [{ name: 'u', user }],
    }),
  );
  const config = new KubeConfig();
  try {
    loadKubeconfig(config, { path: file, access: { kubeconfig: 'prod' }, pluginTimeoutMs: 5_000 });
    return config;
  } catch (error) {
    return error as Error;
  }
}

describe('a kubeconfig', () => {
  it.each([
    ['0666', 'can be changed by everybody (mode 0666)', 'chmod go-w'],
    ['0660', 'can be changed by group', 'chmod go-w'],
    ['0644', 'can be read by everybody (mode 0644)', 'chmod o='],
  ])('is refused when its mode is wrong: %s', (mode, message, remedy) => {
    put('prod', 'x', Number.parseInt(mode, 8));
    expect(() => kubeconfigFile(dir, { kubeconfig: 'prod' })).toThrow(
      expect.objectContaining({
        kind: 'credentials',
        message: expect.stringContaining(message) as string,
        remedy: expect.stringContaining(remedy) as string,
      }),
    );
  });

  it('is refused in a directory that others can write to', () => {
    put('prod', 'x');
    chmodSync(dir, 0o777);
    expect(() => kubeconfigFile(dir, { kubeconfig: 'prod' })).toThrow(`${dir} can be changed by everybody`);
  });

  it.each([
    ['gcp', { 'cmd-path': '/bin/touch', 'cmd-args': 'ran' }],
    ['azure', { 'cmd-path': '/bin/touch' }],
    ['exec', { exec: { command: '/bin/touch' } }],
    ['oidc', { exec: { command: '/bin/touch' } }],
    ['oidc', { tokenFile: '/etc/shadow' }],
  ])('has no authentication provider %s that makes the library run programs or read files', (name, config) => {
    expect(load({ 'auth-provider': { name, config } })).toMatchObject({
      message: expect.stringContaining(`the authentication provider ${name}, which is not supported`) as string,
    });
  });

  it('with a token runs no plugin, not even that of the library', async () => {
    const ran = path.join(dir, 'ran');
    const config = load({ token: 'abc', exec: { apiVersion: 'v1', command: '/bin/touch', args: [ran] } });
    const options: { headers?: Record<string, string> } = {};
    await (config as KubeConfig).applyToHTTPSOptions(options);
    expect(options.headers).toMatchObject({ Authorization: 'Bearer abc' });
    expect(existsSync(ran)).toBe(false);
  });

  it.each([
    ['certificate-authority', 0o666, 'can be changed by everybody'],
    ['client-certificate', 0o666, 'can be changed by everybody'],
    ['client-key', 0o644, 'can be read by everybody'],
  ])('names no %s that others can change or read', (key, mode, message) => {
    put('pem', 'x', mode);
    const fields = { [key]: 'pem' };
    const found = key === 'certificate-authority' ? load({ token: 'abc' }, fields) : load(fields);
    expect(found).toMatchObject({ message: expect.stringContaining(message) as string });
  });
});
