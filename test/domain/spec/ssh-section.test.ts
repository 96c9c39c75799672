import { parse } from 'yaml';
import { renderSpecYaml } from '../../../src/client/load/yaml';
import type { ClusterSpec, SshAccess } from '../../../src/domain/spec/types';
import { KEY, OTHER_KEY, issuesOf, specDocument, specOf } from './spec-document';
import { defined } from '../../../src/domain/shared/defined';

const HOP = { host: 'bastion.example', hostKeys: [KEY] };
const node = (name: string, ssh?: unknown) => ({
  name,
  host: `${name}.example`,
  hostKeys: [KEY],
  ...defined({ ssh: ssh || undefined }),
});

function accessOf(spec: ClusterSpec): SshAccess[] {
  return spec.type === 'self-managed' ? spec.nodes.map(({ ssh }) => ssh) : [];
}

describe('src/domain/spec/ssh-section: ssh.jump and ssh.transport', () => {
  it('are optional and leave a spec unchanged', () => {
    expect(accessOf(specOf(specDocument({ ssh: { user: 'u', transport: 'builtin', jump: [] } })))).toEqual([
      { user: 'u', port: 22, identity: 'agent', helper: 'auto' },
    ]);
  });

  it('are inherited by every node, with overrides per node', () => {
    const spec = specOf(
      specDocument({
        ssh: { user: 'u', identity: 'k', transport: 'openssh', jump: [HOP] },
        nodes: [node('a'), node('b', { transport: 'builtin', jump: [] }), node('c', { user: 'v' })],
      }),
    );
    const hop = (user: string) => ({ host: 'bastion.example', port: 22, user, identity: 'k', hostKeys: [KEY] });
    expect(accessOf(spec).map(({ transport, jump }) => [transport, jump])).toEqual([
      ['openssh', [hop('u')]],
      [undefined, undefined],
      ['openssh', [hop('v')]],
    ]);
  });

  it.each([
    ['all', [node('a'), node('b')]],
    ['some', [node('a'), node('b', { transport: 'builtin', jump: [] })]],
  ])('survive a round trip through YAML when %s nodes have them', (_which, nodes) => {
    const spec = specOf(specDocument({ ssh: { user: 'u', transport: 'openssh', jump: [HOP] }, nodes }));
    expect(specOf(parse(renderSpecYaml(spec)))).toEqual(spec);
    expect(specOf(spec)).toEqual(spec);
  });

  it.each([
    [{ transport: 'putty' }, 'ssh.transport: found "putty"; allowed: builtin, openssh'],
    [{ jump: 'bastion' }, 'ssh.jump: found "bastion"; allowed: a list of at most 4 jump hosts'],
    [{ jump: [{ port: 22 }] }, 'ssh.jump[0].host: missing; allowed: an IPv4 address'],
    [{ jump: [{ ...HOP, host: '-oProxyCommand=x' }] }, 'ssh.jump[0].host: found "-oProxyCommand=x"; allowed'],
    [{ jump: [{ ...HOP, user: 'a b' }] }, 'ssh.jump[0].user: found "a b"; allowed'],
    [{ jump: [{ ...HOP, identity: '../k' }] }, 'ssh.jump[0].identity: found a path (not shown); allowed'],
    [{ jump: [{ ...HOP, hostkeys: [] }] }, 'ssh.jump[0].hostkeys: unknown key; did you mean "hostKeys"'],
    [{ jump: Array.from({ length: 5 }, () => HOP) }, 'ssh.jump: found a list; allowed: a list of at most 4 jump hosts'],
  ])('%j is rejected in one sentence', (ssh, sentence) => {
    expect(issuesOf(specDocument({ ssh: { user: 'u', ...ssh } }))[0]).toContain(sentence);
  });

  it('accepts authorities and revoked keys as host keys, and no other marker', () => {
    const keys = [`@cert-authority  ${KEY} comment`, `@revoked ${OTHER_KEY}`];
    const spec = specOf(specDocument({ nodes: [{ name: 'a', hostKeys: keys }] }));
    expect(spec.type === 'self-managed' && spec.nodes[0]?.hostKeys).toEqual([
      `@cert-authority ${KEY}`,
      `@revoked ${OTHER_KEY}`,
    ]);
    for (const wrong of [`@cert-authority${KEY}`, `@trusted ${KEY}`, '@revoked', `@revoked @revoked ${KEY}`]) {
      expect(issuesOf(specDocument({ nodes: [{ name: 'a', hostKeys: [wrong] }] }))).toHaveLength(1);
    }
  });
});
