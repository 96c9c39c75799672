import { issuesOf, KEY, specDocument } from '../spec/spec-document';

describe('src/domain/trust/hosts', () => {
  describe('hosts', () => {
    it.each(['10.0.0.1', '::1', 'fe80::1:2', '::ffff:10.0.0.1', 'node-1', 'a.b.example.com', 'XN--P1AI.example'])(
      'accepts %s',
      (host) => {
        expect(issuesOf(specDocument({ nodes: [{ name: 'a', host }] }))).toEqual([]);
      },
    );

    it.each([
      '-oProxyCommand=x',
      'a b',
      'a;b',
      '$(x)',
      '[::1]',
      ':::1',
      '1::2::3',
      '10.0.0.300',
      '10.0.0',
      '010.0.0.1',
      '0x7f000001',
      'fe80::1%eth0',
      'a..b',
      'a-',
      '',
      'root@x',
      '10.0.0.1:22',
      'a\n',
      '١',
    ])('rejects %j', (host) => {
      expect(issuesOf(specDocument({ nodes: [{ name: 'a', host }] }))).toHaveLength(1);
    });

    it('requires a host when the name is no valid host name', () => {
      expect(issuesOf(specDocument({ nodes: [{ name: 'node.7' }] }))[0]).toMatch(
        /^nodes\[0\]\.host: missing, and the name "node\.7"/,
      );
    });
  });

  describe('host keys', () => {
    const blob = KEY.split(' ')[1] ?? '';
    it.each([
      ['no type', blob],
      ['a type that is not that of the blob', `ssh-rsa ${blob}`],
      ['a blob cut short', KEY.slice(0, -4)],
      ['no base64', 'ssh-ed25519 AAAA...'],
      ['a type that is not supported', 'ssh-dss AAAAB3NzaC1kc3MAAAAA'],
      ['a host in front', `10.0.0.12 ${KEY}`],
    ])('rejects a key with %s', (_what, key) => {
      expect(issuesOf(specDocument({ nodes: [{ name: 'a', hostKeys: [key] }] }))[0]).toMatch(
        /^nodes\[0\]\.hostKeys\[0\]: found /,
      );
    });
  });
});
