import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { parsePolicyText } from '../../../src/policy/read-policy';
import { runOffline, specText } from '../offline-context';

const POLICY = `version: 1
rules:
  - name: production
    clusters: ['prod-*']
    hosts: [10.0.0.0/8]
    ports: [22]
    users: [patcher]
    identities: [agent]
    taskQueues: [ospatch]
`;

describe('src/cli/commands/policy', () => {
  let cwd: string;

  beforeAll(() => {
    cwd = mkdtempSync(join(homedir(), '.ospatch-policy-test-'));
  });
  afterAll(() => rmSync(cwd, { recursive: true, force: true }));

  const run = (args: string[], policy: string, env: Record<string, string> = {}) => {
    writeFileSync(join(cwd, 'policy.yaml'), policy, { mode: 0o644 });
    writeFileSync(join(cwd, 'spec.yaml'), specText('{schedule: weekly}'));
    return runOffline(['policy', ...args], { cwd, env });
  };

  it('validate shows what is in force, also by the variable', async () => {
    const expected = /^policy\.yaml: the policy is valid \(1 rule, digest [0-9a-f]{12}\)\n$/;
    expect((await run(['validate', 'policy.yaml'], POLICY)).stdout).toMatch(expected);
    const { code, stdout } = await run(['validate', '-o', 'json'], POLICY, { OSPATCH_POLICY: 'policy.yaml' });
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { valid: true, rules: 1, problems: [], warnings: [] }]);
    expect((await run(['validate'], POLICY)).stderr).toContain('no policy is named');
  });

  it('validate shows all problems with line and column, and what allows less than it seems', async () => {
    const wrong = await run(['validate', 'policy.yaml'], POLICY.replace('[22]', '[ssh]').replace('users', 'user'));
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toMatch(/^policy\.yaml:6:13: rules\[0\]\.ports\[0\]: found "ssh"; allowed: a whole number/m);
    expect(wrong.stderr).toMatch(/^policy\.yaml:7:5: rules\[0\]\.user: unknown key; did you mean "users"\?/m);
    const little = await run(['validate', 'policy.yaml'], POLICY.replace(/ {4}taskQueues.*\n/, ''));
    expect(little.stderr).toContain('rules[0] (production): taskQueues is empty, so the rule allows nothing');
  });

  it('explain shows for each request the rule, and field by field what is denied', async () => {
    const { code, stdout } = await run(['explain', 'policy.yaml', '-f', 'spec.yaml', '-o', 'json'], POLICY);
    const [cluster] = (JSON.parse(stdout) as { clusters: { requests: { kind: string; fields: object[] }[] }[] })
      .clusters;
    expect(code).toBe(1);
    expect(cluster).toMatchObject({ cluster: 'prod-eu', allowed: false });
    const login = cluster?.requests.find(({ kind }) => kind === 'login');
    expect(login).toMatchObject({ allowed: false, rule: 'production' });
    expect(login?.fields).toContainEqual({
      ...{ path: 'ssh.user', value: expect.any(String), allowed: false },
      ...{ within: null, missing: ['users'] },
    });
    const text = await run(['explain', 'policy.yaml', '-f', 'spec.yaml'], POLICY.replace('patcher', `'*'`));
    expect(text.code).toBe(0);
    expect(text.stdout).toMatch(/^prod-eu: all 2 requests are allowed\n {2}\S+: login: allowed by production\n/);
  });

  it('explain shows what is denied of notifications and of an Alertmanager', async () => {
    const more = `notifications:
  - { name: hook, webhook: { url: 'https://hooks.example.com/x', signingKeyFile: key } }
  - { name: chat, slack: { channel: '#ops', tokenFile: slack-token } }
  - { name: pager, program: page }
alerts: { alertmanager: { url: 'https://am.example.com', bearerTokenFile: am }, block: all }
`;
    const allowed = `${POLICY.replace('patcher', `'*'`)}    notifications: { hosts: [hooks.example.com], secrets: [key] }\n`;
    writeFileSync(join(cwd, 'policy.yaml'), allowed, { mode: 0o644 });
    writeFileSync(join(cwd, 'spec.yaml'), `${specText('{schedule: weekly}')}${more}`);
    const { stdout } = await runOffline(['policy', 'explain', 'policy.yaml', '-f', 'spec.yaml'], { cwd });
    expect(stdout).toContain('3 of 6 requests are denied');
    expect(stdout).toContain('https://am.example.com with am: denied, not allowed by alertmanagers');
    expect(stdout).toContain('notifications (hook).webhook.url hooks.example.com\n');
    expect(stdout).toContain('(chat).slack.endpoint slack.com: denied, not allowed by notifications.hosts');
    expect(stdout).toContain('(chat).slack.tokenFile slack-token: denied, not allowed by notifications.secrets');
    expect(stdout).toContain('(pager).program page: denied, not allowed by notifications.programs');
  });

  it('explain is told of a cluster that no rule names, and of a policy that is not valid', async () => {
    const other = await run(['explain', 'policy.yaml', '-f', 'spec.yaml'], POLICY.replace('prod-*', 'dev'));
    expect([other.code, other.stdout]).toEqual([
      1,
      expect.stringContaining('name prod-eu: denied, not allowed by clusters'),
    ]);
    expect((await run(['explain', 'policy.yaml', '-f', 'spec.yaml'], 'rules: 1')).code).toBe(2);
    expect((await run(['explain', 'policy.yaml'], POLICY)).stderr).toContain('no cluster is named');
  });

  it('accepts the example, and the one of the reference page', () => {
    const page = readFileSync('docs/policy.md', 'utf8');
    const [, inPage = ''] = /```yaml\n(version[^`]*)```/.exec(page) ?? [];
    for (const text of [readFileSync('examples/worker/policy.yaml', 'utf8'), inPage])
      expect(parsePolicyText(text).problems).toEqual([]);
  });
});
