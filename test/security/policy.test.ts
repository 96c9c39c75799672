/** Attempts to get a worker to do what its policy does not allow. */
import type { Info } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { authoriseBy } from '../../src/activities/authorise';
import { guardActivities } from '../../src/activities/guard';
import { isComputation } from '../../src/activities/input/place';
import { INPUT_SCHEMAS } from '../../src/activities/input/schemas';
import type { AllActivities } from '../../src/activities/input/types';
import type { ErrorInfo } from '../../src/domain/shared/errors';
import type { NodeTarget } from '../../src/domain/spec/types';
import { PolicyFile } from '../../src/policy/policy-file';
import { keyPair } from '../ssh/support';
import { NODE_WORKFLOW, validInputs } from '../support/activity-inputs';

const NAMES = Object.keys(INPUT_SCHEMAS) as (keyof AllActivities)[];
/** They look at the workflows of their own cluster only, or tell what the policy says of it. */
const READS_OWN_WORKFLOWS = [
  'lastRun',
  'awaitNodePatches',
  'awaitWorkflowClosed',
  'explainPolicy',
  'notificationDefaults',
];
const NEED_A_RULE = NAMES.filter((name) => !isComputation(name) && !READS_OWN_WORKFLOWS.includes(name));

/** Lists of a rule, in its order. */
const LOGIN = ['hosts', 'ports', 'users', 'identities', 'jumpHosts'];
const KUBERNETES = ['drainPreview', 'cordon', 'drain', 'awaitHealthy', 'uncordon', 'awaitWorkloads'];
const AWS = ['listNodegroups', 'describeNodegroup', 'beginNodegroupUpdate', 'followNodegroupUpdate'];
const NEEDED: Record<string, string[]> = {
  ...Object.fromEntries([...KUBERNETES, 'outOfService', 'findStaleCordons'].map((name) => [name, ['kubeconfigs']])),
  ...Object.fromEntries([...AWS, 'inspectEksCluster'].map((name) => [name, ['aws']])),
  reboot: [...LOGIN, 'rebootCommands'],
  powerCycle: [...LOGIN, 'powerCycleHooks'],
  nextWindowsByFiles: ['calendars'],
  ...Object.fromEntries(['readAlerts', 'silenceNode', 'endSilence'].map((name) => [name, ['alertmanagers']])),
  recordAudit: [],
  cancelChildren: [],
  // It judges its target itself, with what stands in the files that the target names.
  notify: [],
};

const RULE = {
  name: 'demo',
  clusters: ['demo'],
  hosts: ['127.0.0.1/32'],
  ports: [22],
  users: ['ospatch'],
  identities: ['demo'],
  jumpHosts: ['127.0.0.2'],
  kubeconfigs: [{ file: 'prod.yaml', contexts: ['prod'] }],
  powerCycleHooks: ['ipmi'],
  rebootCommands: ['reboot-safely'],
  calendars: ['freeze.ics'],
  alertmanagers: [
    { url: 'https://alertmanager.example.com:9093', credentials: ['*'] },
    { url: 'http://10.0.0.2:9093/am', credentials: ['*'] },
  ],
  aws: { profiles: ['ops'], regions: ['eu-west-1'], clusters: ['Prod_1'], endpoints: ['https://eks.example'] },
  taskQueues: ['ospatch'],
};

const ADDRESSES: Record<string, string[]> = {
  inside: ['10.0.0.5'],
  outside: ['192.0.2.1'],
  both: ['10.0.0.5', '192.0.2.1'],
  mapped: ['::ffff:192.0.2.1'],
};

function infoOf(failure: ApplicationFailure | null): ErrorInfo {
  return failure?.details?.[0] as ErrorInfo;
}

describe('the policy of a worker', () => {
  let dir: string;
  let lines: Record<string, unknown>[];

  beforeAll(() => {
    dir = mkdtempSync(join(homedir(), '.ospatch-policy-test-'));
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  beforeEach(() => {
    lines = [];
  });

  /** JSON is YAML. */
  function write(document: object | string): void {
    const text = typeof document === 'string' ? document : JSON.stringify({ version: 1, ...document });
    writeFileSync(join(dir, 'new'), text, { mode: 0o600 });
    renameSync(join(dir, 'new'), join(dir, 'policy.yaml'));
  }

  /** Activities that only note their input, behind the guard of a worker with the policy in the file. */
  function worker({ attempt = 1, workflowId = NODE_WORKFLOW, taskQueue = 'ospatch' } = {}) {
    const reached: unknown[] = [];
    const fakes = Object.fromEntries(
      NAMES.map((name) => [name, (input: unknown) => Promise.resolve(void reached.push(input))]),
    ) as unknown as AllActivities;
    const resolve = (host: string) =>
      ADDRESSES[host] === undefined ? Promise.reject(new Error('no such name')) : Promise.resolve(ADDRESSES[host]);
    const guarded = guardActivities(fakes, {
      authorise: authoriseBy(new PolicyFile(join(dir, 'policy.yaml')), { resolve }),
      log: { info: () => undefined, warn: (fields) => void lines.push(fields), error: () => undefined },
      info: (): Pick<Info, 'workflowExecution' | 'attempt' | 'taskQueue' | 'retryPolicy'> => ({
        attempt,
        taskQueue,
        retryPolicy: {},
        workflowExecution: { workflowId, runId: 'r' },
      }),
    }) as unknown as Record<string, (input: unknown) => Promise<unknown>>;
    const ask = async (name: string, input: unknown): Promise<ApplicationFailure | null> =>
      guarded[name]?.(input).then(
        () => null,
        (error: unknown) => {
          if (error instanceof ApplicationFailure) return error;
          throw error;
        },
      ) ?? null;
    return { ask, reached };
  }

  function inputs() {
    return validInputs(22, 'https://eks.example');
  }

  function withTarget(change: Partial<Omit<NodeTarget, 'ssh'>> & { ssh?: Partial<NodeTarget['ssh']> }): unknown {
    const { target, ...rest } = inputs().readFacts;
    return { ...rest, target: { ...target, ...change, ssh: { ...target.ssh, ...change.ssh } } };
  }

  it.each(NEED_A_RULE)('denies %s by default, and allows it by a rule that lists all it asks for', async (name) => {
    write({ rules: [] });
    const { ask, reached } = worker();
    const denied = await ask(name, inputs()[name]);
    expect(reached).toEqual([]);
    if (name === 'uncordon') expect(denied?.type).toBe('Waiting');
    else expect(denied).toMatchObject({ type: 'Denied', nonRetryable: true });
    expect(denied?.message).toContain('no rule for the cluster demo');
    write({ rules: [RULE] });
    expect(await ask(name, inputs()[name])).toBeNull();
    expect(reached).toHaveLength(1);
  });

  it.each(NEED_A_RULE)('denies %s when any list it needs is missing from the rule', async (name) => {
    const { ask, reached } = worker();
    const needed: string[] = [];
    for (const field of Object.keys(RULE).filter((one) => one !== 'name' && one !== 'clusters')) {
      write({ rules: [{ ...RULE, [field]: undefined }] });
      reached.length = 0;
      const denied = await ask(name, inputs()[name]);
      expect(reached).toHaveLength(denied === null ? 1 : 0);
      if (denied === null) continue;
      needed.push(field);
      expect(denied.message).toContain(field === 'aws' ? 'aws.profiles' : `(${field})`);
    }
    expect(needed).toEqual([...(NEEDED[name] ?? LOGIN), 'taskQueues']);
  });

  it('says which rule and field, and what to ask for, and logs it without values', async () => {
    write({ rules: [RULE] });
    const { ask } = worker();
    const denied = await ask('readFacts', withTarget({ ssh: { user: 'root' } }));
    const info = infoOf(denied);
    expect(info.message).toBe(
      'the policy of the worker denies a request for the cluster demo: its rule demo does not allow ssh.user root (users)',
    );
    expect(info.remedy).toBe('ask the owner of the worker to allow it in the rule demo (users), or change the spec');
    expect(lines).toEqual([
      {
        activity: 'readFacts',
        workflowId: NODE_WORKFLOW,
        cluster: 'demo',
        rule: 'demo',
        missing: [{ field: 'users', path: 'ssh.user' }],
        error: info.message,
      },
    ]);
  });

  it('judges a request by the task queue on which it has come', async () => {
    write({ rules: [RULE] });
    expect(await worker({ taskQueue: 'site-b' }).ask('readFacts', inputs().readFacts)).toMatchObject({
      type: 'Denied',
      message: expect.stringContaining('taskQueue site-b (taskQueues)'),
    });
  });

  it('lets no workflow of one cluster use the rule of another', async () => {
    write({
      rules: [
        { ...RULE, clusters: ['prod'] },
        { name: 'dev', clusters: ['dev'] },
      ],
    });
    const { ask, reached } = worker({ workflowId: 'cluster/dev' });
    const { target, ...rest } = inputs().readFacts;
    expect(await ask('readFacts', { ...rest, target: { ...target, cluster: 'prod' } })).not.toBeNull();
    expect((await ask('readFacts', { ...rest, target: { ...target, cluster: 'dev' } }))?.type).toBe('Denied');
    expect((await ask('listNodegroups', inputs().listNodegroups))?.type).toBe('Denied');
    expect(reached).toEqual([]);
  });

  it('denies all nodes of a look when one is denied', async () => {
    write({ rules: [RULE] });
    const { ask, reached } = worker({ workflowId: 'cluster/demo' });
    const { target } = inputs().readFacts;
    const other = { ...target, name: 'w-2', host: '127.0.0.3' };
    expect((await ask('unreachableNodes', { targets: [target, other] }))?.type).toBe('Denied');
    expect(reached).toEqual([]);
  });

  describe('of names by the address that they lead to', () => {
    const RULES = [{ ...RULE, hosts: ['10.0.0.0/8'] }];

    it('binds a name to the networks of the rule, whatever the message says', async () => {
      write({ rules: RULES });
      const { ask, reached } = worker();
      const within = { networks: ['0.0.0.0/0'], rule: 'mine', cluster: 'demo', path: 'host' };
      await ask('readFacts', withTarget({ host: 'outside', ssh: { within } as never }));
      const [{ target }] = reached as [{ target: NodeTarget }];
      expect(target.ssh.within).toEqual({ networks: ['10.0.0.0/8'], rule: 'demo', cluster: 'demo', path: 'host' });
      expect(target.ssh.jump?.[0]?.within).toBeUndefined();
    });

    it('takes the rule whose networks have the address now', async () => {
      write({ rules: [...RULES, { ...RULE, name: 'other', hosts: ['192.0.2.0/24'] }] });
      const { ask, reached } = worker();
      for (const host of ['inside', 'outside', 'nowhere']) await ask('readFacts', withTarget({ host }));
      expect((reached as { target: NodeTarget }[]).map(({ target }) => target.ssh.within?.rule)).toEqual([
        'demo',
        'other',
        'demo',
      ]);
    });

    it.each([
      ['inside', null],
      ['outside', 'leads to an address outside'],
      ['both', 'leads to an address outside'],
      ['mapped', 'leads to an address outside'],
      ['nowhere', 'does not resolve'],
    ])('hands the name %s to a program only when all its addresses are allowed', async (host, why) => {
      write({ rules: RULES });
      const { ask } = worker();
      const { target, hook } = inputs().powerCycle;
      const denied = await ask('powerCycle', { hook, target: { ...target, host } });
      if (why === null) expect(denied).toBeNull();
      else expect(denied).toMatchObject({ type: 'Denied', message: expect.stringContaining(why) });
    });
  });

  describe('with a known_hosts file', () => {
    const [own, theirs, revoked] = [keyPair().public, keyPair().public, keyPair().public] as const;
    const KEYS = [
      `127.0.0.1 ${own}`,
      `127.0.0.2 ${own}`,
      `@revoked * ${revoked}`,
      `127.0.0.3 ${revoked}`,
      `@revoked 2001:db8::1 ${own}`,
      `2001:* ${own}`,
      `@cert-authority *.example ${own}`,
    ];
    const hosts = ['127.0.0.0/8', '2001:db8::/32', '*.example'];

    async function keysFor(change: Partial<Omit<NodeTarget, 'ssh'>>): Promise<string[] | string> {
      writeFileSync(join(dir, 'known_hosts'), `${KEYS.join('\n')}\n`, { mode: 0o644 });
      write({ knownHosts: 'known_hosts', rules: [{ ...RULE, hosts }] });
      const { ask, reached } = worker();
      const denied = await ask('readFacts', withTarget(change));
      if (denied !== null) return denied.message;
      const [{ target }] = reached as [{ target: NodeTarget }];
      expect(target.ssh.jump?.[0]?.hostKeys.filter((key) => !key.startsWith('@'))).toEqual([own]);
      return target.hostKeys;
    }

    it('takes the host keys of the file, and of the message only what it revokes', async () => {
      const keys = await keysFor({ hostKeys: [theirs, `@cert-authority ${theirs}`, `@revoked ${theirs}`] });
      expect(keys).toEqual([own, `@revoked ${revoked}`, `@revoked ${theirs}`]);
    });

    it.each([
      [
        'a host that is not in the file',
        { host: '127.0.0.9', hostKeys: [theirs] },
        /has only revoked host keys of|has no host key of 127\.0\.0\.9/,
      ],
      [
        'a host with a revoked key only',
        { host: '127.0.0.3', hostKeys: [revoked] },
        /has only revoked host keys of 127\.0\.0\.3/,
      ],
      [
        'another notation of a revoked address',
        { host: '2001:DB8:0::0:1', hostKeys: [own] },
        /has only revoked host keys/,
      ],
    ])('denies %s', async (_, change, message) => {
      expect(await keysFor(change)).toMatch(message);
    });

    it('passes authorities and revoked keys on for the OpenSSH client', async () => {
      expect(await keysFor({ host: 'w1.example', hostKeys: [theirs] })).toEqual([
        `@cert-authority ${own}`,
        `@revoked ${revoked}`,
      ]);
    });

    it('denies a jump host that is not in the file', async () => {
      const { jump = [] } = inputs().readFacts.target.ssh;
      writeFileSync(join(dir, 'known_hosts'), `127.0.0.1 ${own}\n`, { mode: 0o644 });
      write({ knownHosts: 'known_hosts', rules: [{ ...RULE, hosts }] });
      const denied = await worker().ask('readFacts', withTarget({ ssh: { jump } }));
      expect(denied?.message).toMatch(/has no host key of 127\.0\.0\.2/);
    });
  });

  describe('that changes in the middle of a node patch', () => {
    it('keeps the node cordoned where something may still run on it', async () => {
      write({ rules: [] });
      const first = { ...inputs().apply, observedMs: undefined, jobMs: undefined };
      const fresh = await worker().ask('apply', first);
      expect(infoOf(fresh).details).not.toHaveProperty('goingDown');
      for (const begun of [
        await worker({ attempt: 2 }).ask('apply', first),
        await worker().ask('apply', inputs().apply),
      ]) {
        const { details, message } = infoOf(begun);
        expect(details).toMatchObject({ goingDown: true });
        expect(message).toContain('what was begun on the node may still be running');
      }
    });

    it('lets the way back into service wait until it is allowed again', async () => {
      write({ rules: [] });
      const { ask, reached } = worker();
      const waiting = await ask('uncordon', inputs().uncordon);
      expect(waiting).toMatchObject({ type: 'Waiting', nonRetryable: false });
      expect(waiting?.message).toContain('waiting for the policy of the worker to allow the uncordon');
      write({ rules: [RULE] });
      expect(await ask('uncordon', inputs().uncordon)).toBeNull();
      expect(reached).toHaveLength(1);
    });

    it('waits while the file cannot be used, and never acts meanwhile', async () => {
      const { ask, reached } = worker();
      write('version: 1\nrules: {}\n');
      const waiting = await ask('apply', inputs().apply);
      expect(waiting).toMatchObject({ type: 'Waiting', nonRetryable: false });
      expect(waiting?.message).toMatch(/a usable policy of the worker .*line 2: rules: found a mapping/);
      expect(infoOf(waiting).type).toBe('Denied');
      expect(reached).toEqual([]);
    });
  });
});
