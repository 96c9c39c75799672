/** What `doctor` says of targets and Alertmanagers that a worker must not, or cannot, reach. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { createPolicyActivities } from '../../src/activities/policy';
import { policyFindings, targetFindings } from '../../src/domain/inspection/policy';
import { specRequests } from '../../src/domain/policy/spec-requests';
import type { SelfManagedSpec } from '../../src/domain/spec/types';
import { PolicyFile } from '../../src/policy/policy-file';
import { clusterSpec } from '../support/builders';

let directory: string;

beforeEach(() => {
  // Not below /tmp, where everybody may create files.
  directory = mkdtempSync(path.join(homedir(), '.ospatch-test-'));
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

function file(name: string, content: unknown): string {
  const place = path.join(directory, name);
  writeFileSync(place, typeof content === 'string' ? content : JSON.stringify(content), { mode: 0o600 });
  return place;
}

async function answerFor(spec: SelfManagedSpec, policy: string | null, targets: string | null) {
  const { explainPolicy } = createPolicyActivities(new PolicyFile(policy), targets);
  const requests = specRequests(spec, 'ospatch');
  return [{ taskQueue: 'ospatch', answer: await explainPolicy({ cluster: spec.name, requests }) }];
}

describe('src/activities/policy', () => {
  it('names each target and each Alertmanager that a policy denies', async () => {
    const spec: SelfManagedSpec = {
      ...(clusterSpec(['w-1'], {}, 'demo') as SelfManagedSpec),
      notifications: [
        { name: 'chat', on: ['run-finished'], slack: { channel: '#ops', tokenFile: 'slack-token' } },
        { name: 'hook', on: ['run-finished'], webhook: { url: 'https://hooks.example.com/x' } },
        { name: 'pager', on: ['run-finished'], program: 'page' },
      ],
      alerts: { alertmanager: { url: ['https://am.example.com:9093'], startupGrace: '2m' } },
    };
    const [node] = spec.nodes;
    const rule = {
      ...{ name: 'production', clusters: ['demo'], taskQueues: ['ospatch'] },
      ...{ hosts: [node?.host], users: ['*'], identities: ['*'], ports: [22] },
      notifications: { hosts: ['hooks.example.com'], secrets: ['slack-*'], programs: [] },
    };
    const policy = file('policy.yaml', { version: 1, rules: [rule] });
    const texts = policyFindings(await answerFor(spec, policy, null)).map(({ severity, message }) => {
      return `${severity} ${message.replace(/^.*\) denies /, '')}`;
    });
    expect(texts).toEqual([
      'error alerts: alerts.alertmanager https://am.example.com:9093 (alertmanagers (url))',
      'error notifications: notifications (chat).slack.endpoint slack.com (notifications.hosts)',
      'error notifications: notifications (pager).program page (notifications.programs)',
    ]);
  });

  it('wants the login and the hook of a power cycle in one rule, as the power cycle itself does', async () => {
    const hook = { name: 'ipmi', after: '10m' };
    const spec = clusterSpec(['w-1'], { powerCycleHook: hook }, 'demo') as SelfManagedSpec;
    const hosts = [spec.nodes[0]?.host];
    const both = { clusters: ['demo'], taskQueues: ['ospatch'], hosts };
    const login = { ...both, name: 'login', users: ['*'], identities: ['*'], ports: [22] };
    const hooks = { powerCycleHooks: ['ipmi'] };
    const apart = file('apart.yaml', { version: 1, rules: [login, { ...both, ...hooks, name: 'hook' }] });
    const denied = policyFindings(await answerFor(spec, apart, null)).filter(({ severity }) => severity === 'error');
    expect(denied).toHaveLength(1);
    expect(denied[0]?.message).toContain('power-cycle');
    const together = file('together.yaml', { version: 1, rules: [{ ...login, ...hooks }] });
    expect(policyFindings(await answerFor(spec, together, null))).toMatchObject([{ severity: 'ok' }]);
  });

  it('says that a worker cannot name the targets of its file, where the spec has none', async () => {
    const targets = file('notifications.yaml', 'notifications: [{ name: ops }]');
    const seen = await answerFor(clusterSpec(['w-1'], {}, 'demo') as SelfManagedSpec, null, targets);
    expect(targetFindings(seen, 'elsewhere')).toEqual([]);
    expect(targetFindings(seen, 'ospatch')).toMatchObject([
      {
        ...{ severity: 'warning', check: 'notifications' },
        message: expect.stringMatching(
          /^the workers of ospatch cannot name the targets of notifications: .*notifications\.yaml/,
        ) as string,
      },
    ]);
    const good = file('good.yaml', '{}');
    expect(
      targetFindings(await answerFor(clusterSpec(['w-1']) as SelfManagedSpec, null, good), 'ospatch'),
    ).toHaveLength(1);
  });
});
