import { createHash } from 'node:crypto';
import { helperScript } from '../../../src/node/helper/script';
import { runOffline } from '../offline-context';

const { digest, path } = helperScript();

describe('src/cli/commands/helper/index', () => {
  it('prints the helper byte for byte, with its digest', async () => {
    const { stdout } = await runOffline(['helper', 'print']);
    expect(createHash('sha256').update(stdout).digest('hex')).toBe(digest);
    expect((await runOffline(['helper', 'print', '--digest'])).stdout).toBe(`${digest}\n`);
    expect((await runOffline(['helper', 'print', '--path'])).stdout).toBe(`${path}\n`);
    expect(JSON.parse((await runOffline(['helper', 'print', '-o', 'json'])).stdout)).toMatchObject({
      digest,
      path,
      protocol: 1,
    });
  });

  it.each([
    [['helper', 'install'], /give either -f SPEC or --host HOST/],
    [['helper', 'install', '--host', '10.0.0.1', '-f', 'x.yaml'], /give either/],
    [['helper', 'install', '--host', '10.0.0.1'], /--host needs --user/],
    [['helper', 'install', '--host', '-oProxyCommand=id', '--user', 'root'], /--host/],
    [['helper', 'install', '--host', '10.0.0.1', '--user', 'a;id'], /a user name of at most 128/],
    [
      ['helper', 'install', '--host', '10.0.0.1', '--user', 'root', '--known-hosts', '/nowhere'],
      /no host key of 10\.0\.0\.1/,
    ],
    [['sudoers', '--user', 'root\nALL'], /a user name of at most 128/],
    [['sudoers', '--user', 'ALL'], /a user name of at most 128/],
    [['sudoers', '--user', 'root'], /root needs no rule/],
  ])('rejects %j', async (args, message) => {
    const { code, stderr, stdout } = await runOffline(args);
    expect(stderr).toMatch(message);
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });

  it('prints a sudoers rule for the helper of this version', async () => {
    expect((await runOffline(['sudoers'])).stdout).toContain(`sha256:${digest} ${path} facts`);
    expect(JSON.parse((await runOffline(['sudoers', '-o', 'json', '--form', 'wildcard'])).stdout)).toMatchObject({
      file: `/etc/sudoers.d/ospatch-${digest.slice(0, 12)}`,
      mode: '0440',
      sudo: '1.8.7',
    });
  });
});
