import { renderConfig, renderKnownHosts } from '../../../src/ssh/openssh/config';
import type { SshEndpoint } from '../../../src/ssh/transport';
import { keyPair } from '../support';

const key = keyPair().public;
const endpoint: SshEndpoint = { host: '10.0.0.1', port: 22, user: 'ospatch', identity: 'id', hostKeys: [key] };

function config(more: Partial<SshEndpoint>, file = '/keys/id'): string {
  return renderConfig({
    endpoint: { ...endpoint, ...more },
    identity: { kind: 'file', file },
    knownHostsFile: '/d/hosts',
    controlPath: '/d/s',
    jumpControlPath: null,
    connectTimeoutSeconds: 10,
    crypto: [],
  });
}

describe('src/ssh/openssh/config', () => {
  it.each([
    { host: '-oProxyCommand=id' },
    { host: 'a\nProxyCommand id' },
    { host: 'a b' },
    { host: '%h' },
    { user: '-l' },
    { user: 'a\nProxyCommand id' },
    { user: '%r' },
    { port: Number.NaN },
    { port: 0 },
  ])('rejects %j, which could become an option or a line', (more) => {
    expect(() => config(more)).toThrow(/is not one that can be passed to the OpenSSH client/);
    expect(() => renderKnownHosts({ ...endpoint, ...more })).toThrow(/is not one that can be passed/);
  });

  it('quotes file names so that nothing in them is expanded', () => {
    expect(config({}, '/keys dir/100%d')).toContain('IdentityFile "/keys dir/100%%d"\n');
    for (const file of ['/a"b', '/a\nb', '/${HOME}'])
      expect(() => config({}, file)).toThrow(/cannot be passed to the OpenSSH client/);
  });

  it('writes host keys under the name and port of the machine, with markers, and drops invalid keys', () => {
    const hostKeys = [key, `@cert-authority ${key}`, `@revoked ${key}`, 'ssh-ed25519 AAAA', `${key}\n* ${key}`];
    expect(
      renderKnownHosts({ ...endpoint, port: 2222, hostKeys })
        .split('\n')
        .slice(0, 3),
    ).toEqual([`[10.0.0.1]:2222 ${key}`, `@cert-authority [10.0.0.1]:2222 ${key}`, `@revoked [10.0.0.1]:2222 ${key}`]);
    expect(renderKnownHosts({ ...endpoint, hostKeys })).not.toContain('*');
    expect(renderKnownHosts({ ...endpoint, host: 'FE80::1' })).toBe(`fe80::1 ${key}\n`);
  });
});
