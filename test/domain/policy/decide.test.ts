import { decidePolicy } from '../../../src/domain/policy/decide';
import { parsePolicy } from '../../../src/domain/policy/parse';
import { awsDemand, kubernetesDemand, listed, loginDemands } from '../../../src/domain/policy/request';
import type { Demand } from '../../../src/domain/policy/request';
import type { SshAccess } from '../../../src/domain/spec/types';

const RULE = {
  name: 'production',
  clusters: ['prod-*'],
  hosts: ['10.0.0.0/16', '2001:db8::/32', '*.prod.example.com'],
  ports: [22],
  users: ['patcher'],
  identities: ['prod_ed25519', 'agent:SHA256:abc'],
  jumpHosts: ['bastion.prod.example.com', { host: '10.9.9.9', ports: [2222], users: ['jump'], identities: ['agent'] }],
  kubeconfigs: [{ file: 'prod.yaml', contexts: ['prod', 'eu-*'] }, { file: 'in-cluster' }],
  powerCycleHooks: ['ipmi'],
  rebootCommands: ['reboot-safely'],
  calendars: ['company'],
  aws: { profiles: ['ops'], regions: ['eu-*'], clusters: ['prod'], endpoints: ['https://vpce-1.example.com'] },
  taskQueues: ['ospatch', 'site-*'],
};

/** `allowed by RULE`, the same with limits, or `denied: FIELD PATH=VALUE, ...`. */
function decide(demands: Demand[], rules: object[] = [RULE], cluster = 'prod-eu'): string {
  const { policy, issues } = parsePolicy({ version: 1, rules });
  if (policy === null) throw new Error(JSON.stringify(issues));
  const verdict = decidePolicy(policy, { cluster, demands });
  if (!verdict.allowed) {
    const missing = verdict.denial.missing.map(({ field, path, value }) => `${field} ${path}=${value}`);
    return `denied: ${missing.join(', ')}`;
  }
  const [{ rule, limits }] = verdict.grants;
  const within = limits.map(({ host, networks }) => ` if ${host} is in ${networks.join(' or ')}`);
  return `allowed by ${rule}${within.join('')}`;
}

function login(host: string, access: Partial<SshAccess> = {}): Demand[] {
  return loginDemands({
    host,
    ssh: { user: 'patcher', port: 22, identity: 'prod_ed25519', helper: 'auto', ...access },
  });
}

function hop(parts: { host: string; port?: number; user?: string; identity?: string }): Demand[] {
  const jump = [{ port: 22, user: 'patcher', identity: 'prod_ed25519', hostKeys: [], ...parts }];
  return login('10.0.0.1', { jump });
}

describe('domain/policy/decide', () => {
  it.each([
    ['an address in a network', login('10.0.255.255'), 'allowed by production'],
    ['an IPv6 address in a network', login('2001:DB8:ffff::1'), 'allowed by production'],
    ['an IPv4 address in IPv6 notation', login('::ffff:10.0.0.1'), 'allowed by production'],
    ['the same in hexadecimal', login('::ffff:a00:1'), 'allowed by production'],
    ['a name that a glob matches, in any case', login('W1.Prod.Example.COM'), 'allowed by production'],
    [
      'another name only at an address in a network',
      login('w1'),
      'allowed by production if w1 is in 10.0.0.0/16 or 2001:db8::/32',
    ],
    ['one key of the agent', login('10.0.0.1', { identity: 'agent:SHA256:abc' }), 'allowed by production'],
    ['a jump host', hop({ host: 'bastion.prod.example.com' }), 'allowed by production'],
    [
      'a jump host with settings of its own',
      hop({ host: '10.9.9.9', port: 2222, user: 'jump', identity: 'agent' }),
      'allowed by production',
    ],
    [
      'a key of an agent that is allowed',
      hop({ host: '10.9.9.9', port: 2222, user: 'jump', identity: 'agent:SHA256:x' }),
      'allowed by production',
    ],
    ['a context', [kubernetesDemand({ kubeconfig: 'prod.yaml', context: 'eu-1' })], 'allowed by production'],
    [
      'the current context of a file without contexts',
      [kubernetesDemand({ kubeconfig: 'in-cluster' })],
      'allowed by production',
    ],
    ['a hook', [listed('powerCycleHooks', 'patching.powerCycleHook', 'ipmi')], 'allowed by production'],
    ['a task queue', [listed('taskQueues', 'taskQueue', 'site-b')], 'allowed by production'],
    [
      'an EKS cluster',
      [awsDemand({ profile: 'ops', region: 'eu-west-1', cluster: 'prod', endpoint: 'https://VPCE-1.example.com:443' })],
      'allowed by production',
    ],
    ['a request for the cluster alone', [], 'allowed by production'],
  ])('allows %s', (_, demands, expected) => {
    expect(decide(demands)).toBe(expected);
  });

  it.each([
    ['an address beside the network', login('10.1.0.0'), 'hosts host=10.1.0.0'],
    ['all IPv4 addresses by an IPv6 network', login('::ffff:11.0.0.1'), 'hosts host=::ffff:11.0.0.1'],
    ['an octal form of an address', login('012.0.0.1'), 'hosts host=012.0.0.1'],
    ['a decimal form of an address', login('167772161'), 'hosts host=167772161'],
    ['a short form of an address', login('10.1'), 'hosts host=10.1'],
    ['a hexadecimal form of an address', login('0x0a000001'), 'hosts host=0x0a000001'],
    ['a trailing dot', login('w1.prod.example.com.'), 'hosts host=w1.prod.example.com.'],
    ['an option', login('-oProxyCommand=x'), 'hosts host=-oProxyCommand=x'],
    ['a zone of an interface', login('fe80::1%eth0'), 'hosts host=fe80::1%eth0'],
    ['a port', login('10.0.0.1', { port: 2222 }), 'ports ssh.port=2222'],
    ['a user', login('10.0.0.1', { user: 'root' }), 'users ssh.user=root'],
    ['the agent as a whole', login('10.0.0.1', { identity: 'agent' }), 'identities ssh.identity=agent'],
    [
      'two fields, and names both',
      login('10.0.0.1', { user: 'root', port: 1 }),
      'ports ssh.port=1, users ssh.user=root',
    ],
    ['an unknown jump host', hop({ host: '10.0.0.2' }), 'jumpHosts ssh.jump[0].host=10.0.0.2'],
    [
      'a jump host with the settings of another',
      hop({ host: '10.9.9.9', port: 2222 }),
      'jumpHosts ssh.jump[0].user=patcher, jumpHosts ssh.jump[0].identity=prod_ed25519',
    ],
    [
      'another port of a jump host',
      hop({ host: 'bastion.prod.example.com', port: 2222 }),
      'jumpHosts ssh.jump[0].port=2222',
    ],
    [
      'another context',
      [kubernetesDemand({ kubeconfig: 'prod.yaml', context: 'us-1' })],
      'kubeconfigs kubernetes.kubeconfig=prod.yaml, context us-1',
    ],
    [
      'the current context of a file with contexts',
      [kubernetesDemand({ kubeconfig: 'prod.yaml' })],
      'kubeconfigs kubernetes.kubeconfig=prod.yaml, its current context',
    ],
    [
      'a context of a file without contexts',
      [kubernetesDemand({ kubeconfig: 'in-cluster', context: 'x' })],
      'kubeconfigs kubernetes.kubeconfig=in-cluster, context x',
    ],
    [
      'the default chain of AWS',
      [awsDemand({ region: 'eu-west-1', cluster: 'prod' })],
      'aws.profiles eks.profile=default-chain',
    ],
    [
      'another EKS cluster',
      [awsDemand({ profile: 'ops', region: 'eu-west-1', cluster: 'finance' })],
      'aws.clusters eks.cluster=finance',
    ],
    [
      'an endpoint without TLS',
      [awsDemand({ profile: 'ops', region: 'eu-west-1', cluster: 'prod', endpoint: 'http://vpce-1.example.com' })],
      'aws.endpoints eks.endpoint=http://vpce-1.example.com',
    ],
    [
      'an endpoint with another port',
      [awsDemand({ profile: 'ops', region: 'eu-west-1', cluster: 'prod', endpoint: 'https://vpce-1.example.com:444' })],
      'aws.endpoints eks.endpoint=https://vpce-1.example.com:444',
    ],
  ])('denies %s', (_, demands, expected) => {
    expect(decide(demands)).toBe(`denied: ${expected}`);
  });

  it('keeps a star in a host name within its label, and lets two stars cross dots', () => {
    const hosts = (...entries: string[]) => [{ ...RULE, hosts: entries }];
    expect(decide(login('prod-1.evil.example'), hosts('prod-*'))).toBe('denied: hosts host=prod-1.evil.example');
    expect(decide(login('a.b.example.com'), hosts('*.example.com'))).toBe('denied: hosts host=a.b.example.com');
    expect(decide(login('example.com'), hosts('*.example.com'))).toBe('denied: hosts host=example.com');
    expect(decide(login('a.b.example.com'), hosts('**.example.com'))).toBe('allowed by production');
    expect(decide(login('10.0.0.1'), hosts('**'))).toBe('denied: hosts host=10.0.0.1');
    expect(decide(login('2001:db8::1'), hosts('**'))).toBe('denied: hosts host=2001:db8::1');
  });

  it('lets no glob of file names stand for the agent', () => {
    const rules = [{ ...RULE, identities: ['a*', 'ag*nt'] }];
    expect(decide(login('10.0.0.1', { identity: 'agent' }), rules)).toBe('denied: identities ssh.identity=agent');
    expect(decide(login('10.0.0.1', { identity: 'agent:SHA256:x' }), rules)).toMatch(/^denied/);
    expect(decide(login('10.0.0.1', { identity: 'agent_key' }), rules)).toBe('allowed by production');
  });

  it('does not mix the fields of two rules', () => {
    const rules = [
      { ...RULE, users: ['root'], hosts: ['10.0.0.1'] },
      { ...RULE, name: 'other', hosts: ['10.0.0.2'] },
    ];
    expect(decide(login('10.0.0.1', { user: 'root' }), rules)).toBe('allowed by production');
    expect(decide(login('10.0.0.2'), rules)).toBe('allowed by other');
    expect(decide(login('10.0.0.2', { user: 'root' }), rules)).toMatch(/^denied/);
  });

  it('does not mix two entries for a jump host', () => {
    const jumpHosts = [
      { host: 'b', ports: [22], users: ['jump'], identities: ['agent'] },
      { host: 'b', ports: [2222], users: ['patcher'], identities: ['agent'] },
    ];
    const rules = [{ ...RULE, jumpHosts }];
    expect(decide(hop({ host: 'b', port: 2222, user: 'patcher', identity: 'agent' }), rules)).toBe(
      'allowed by production',
    );
    expect(decide(hop({ host: 'b', port: 2222, user: 'jump', identity: 'agent' }), rules)).toMatch(
      /^denied: jumpHosts/,
    );
  });

  it('denies everything of a rule that lists nothing', () => {
    const rules = [{ name: 'empty', clusters: ['*'] }];
    expect(decide(login('10.0.0.1'), rules)).toBe(
      'denied: hosts host=10.0.0.1, ports ssh.port=22, users ssh.user=patcher, identities ssh.identity=prod_ed25519',
    );
    expect(decide([listed('taskQueues', 'taskQueue', 'ospatch')], rules)).toMatch(/^denied/);
    expect(decide([awsDemand({ region: 'eu-west-1', cluster: 'x' })], rules)).toMatch(/^denied/);
    expect(decide([kubernetesDemand({ kubeconfig: 'in-cluster' })], rules)).toMatch(/^denied/);
  });

  it('denies a cluster that no rule is for, whatever it asks', () => {
    for (const cluster of ['dev', 'xprod-eu', 'PROD-eu', 'prod', '', 'prod'])
      expect(decide([], [RULE], cluster)).toBe(`denied: clusters name=${cluster}`);
    expect(decide([], [], 'prod-eu')).toBe('denied: clusters name=prod-eu');
  });

  it('names the rule to which the least is missing', () => {
    const rules = [{ name: 'empty', clusters: ['*'] }, RULE];
    expect(decide(login('10.0.0.1', { user: 'root' }), rules)).toBe('denied: users ssh.user=root');
  });
});
