import type { Info } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { Authorise } from '../../src/activities/guard';
import { guardActivities } from '../../src/activities/guard';
import type { ActivityRequest } from '../../src/activities/input/place';
import type { AllActivities } from '../../src/activities/input/types';
import { INPUT_SCHEMAS } from '../../src/activities/input/schemas';
import type { Inputs } from '../support/activity-inputs';
import { CLUSTER_WORKFLOW, NODE_WORKFLOW, validInputs } from '../support/activity-inputs';

const NAMES = Object.keys(INPUT_SCHEMAS) as (keyof AllActivities)[];

/** Activities that only note what reaches them. */
function setUp({ workflowId = NODE_WORKFLOW, authorise }: { workflowId?: string; authorise?: Authorise } = {}) {
  const reached: unknown[] = [];
  const allowed: ActivityRequest[] = [];
  const fakes = Object.fromEntries(
    NAMES.map((name) => [
      name,
      (input: unknown) => {
        reached.push(input);
        return Promise.resolve();
      },
    ]),
  ) as unknown as AllActivities;
  const info = (): Pick<Info, 'workflowExecution' | 'attempt' | 'taskQueue' | 'retryPolicy'> => ({
    taskQueue: 'ospatch',
    attempt: 1,
    workflowExecution: { workflowId, runId: 'r' },
  });
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const guarded = guardActivities(fakes, {
    authorise: authorise ?? ((request) => Promise.resolve((allowed.push(request), request.input))),
    log,
    info,
  }) as unknown as Record<string, (...inputs: unknown[]) => Promise<unknown>>;
  const call = async (name: string, ...inputs: unknown[]): Promise<unknown> => guarded[name]?.(...inputs);
  return { call, reached, allowed };
}

async function failureOf(call: Promise<unknown>): Promise<ApplicationFailure> {
  const failure: unknown = await call.then(
    () => null,
    (error: unknown) => error,
  );
  if (failure instanceof ApplicationFailure) return failure;
  throw new Error(`expected a failure, got ${String(failure)}`);
}

/** A copy of the value with another one at the path. */
function withValue(value: unknown, path: readonly (string | number)[], other: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return other;
  if (Array.isArray(value)) return value.map((one: unknown, at) => (at === key ? withValue(one, rest, other) : one));
  const object = value as Record<string, unknown>;
  return { ...object, [key]: withValue(object[key], rest, other) };
}

describe('the guard of activity inputs', () => {
  it.each(NAMES)('passes a complete input of %s on as it is', async (name) => {
    const { call, reached } = setUp();
    const input = validInputs()[name];
    await call(name, ...(input === undefined ? [] : [JSON.parse(JSON.stringify(input))]));
    expect(reached).toEqual([input]);
  });

  it('passes on the record of a patch that has none of the optional fields', async () => {
    const { call, reached } = setUp();
    const { result, ...rest } = validInputs().recordAudit;
    const [kind, node, run] = [result.kind, result.node, result.run];
    const { outcome, startedAt, endedAt, appliedAt, steps } = result;
    const input = { ...rest, result: { kind, node, run, outcome, startedAt, endedAt, appliedAt, steps } };
    await call('recordAudit', input);
    expect(reached).toEqual([input]);
  });

  const hostile: [activity: keyof Inputs, path: (string | number)[], value: unknown][] = [
    ['powerCycle', ['target', 'host'], '-oProxyCommand=id'],
    ['powerCycle', ['target', 'host'], 'a\nb'],
    ['powerCycle', ['target', 'name'], '-rf'],
    ['powerCycle', ['target', 'name'], 'w-1\u202e'],
    ['powerCycle', ['hook'], '../ipmi'],
    ['powerCycle', ['hook'], ['ipmi']],
    ['apply', ['target', 'ssh', 'user'], '-l'],
    ['apply', ['target', 'ssh', 'user'], 'root\nHost *'],
    ['apply', ['target', 'ssh', 'port'], 65_536],
    ['apply', ['target', 'ssh', 'port'], 22.5],
    ['apply', ['target', 'ssh', 'port'], '22'],
    ['apply', ['target', 'ssh', 'identity'], '../id_rsa'],
    ['apply', ['target', 'ssh', 'jump', 0, 'host'], '-oProxyCommand=id'],
    ['apply', ['target', 'ssh', 'jump'], Array.from({ length: 5 }, () => validInputs().apply.target.ssh.jump?.[0])],
    ['apply', ['target', 'hostKeys', 0], 'ssh-ed25519 AAAA\n* ssh-rsa BBBB'],
    ['apply', ['target', 'hostKeys', 0], `${validInputs().apply.target.hostKeys[0] ?? ''} comment\n* x`],
    ['apply', ['token'], '0123456789ABCDEF'],
    ['apply', ['attempt'], -1],
    ['apply', ['attempt'], null],
    ['apply', ['planDigest'], 'x;id'],
    ['apply', ['lostTimeoutMs'], 1e15],
    ['apply', ['lostTimeoutMs'], 'soon'],
    ['apply', ['packages', 'exclude', 0], '$(id)'],
    ['apply', ['packages'], 'all'],
    ['reboot', ['command'], '/bin/sh'],
    ['reboot', ['bootId'], 'a b'],
    ['restart', ['policy', 'services', 0], '--now'],
    ['readLog', ['maxBytes'], 1e12],
    ['drain', ['target', 'access', 'kubeconfig'], '../admin.conf'],
    ['drain', ['target', 'access', 'kubeconfig'], '/etc/kubernetes/admin.conf'],
    ['drain', ['target', 'nodeName'], '../pods'],
    ['drain', ['policy', 'rules', 0, 'podSelector'], 'a=b&limit=1'],
    ['drain', ['policy', 'timeout'], '9999999d'],
    ['drain', ['startedAt'], 'yesterday'],
    ['awaitWorkloads', ['workloads', 0, 'name'], '../../secrets'],
    ['awaitWorkloads', ['workloads', 0, 'kind'], 'Deployment/../x'],
    ['outOfService', ['nodeNames'], Array.from({ length: 5_001 }, () => 'w-1')],
    ['listNodegroups', ['access', 'endpoint'], 'http://169.254.169.254'],
    ['listNodegroups', ['access', 'endpoint'], 'http://127.0.0.1.example.com'],
    ['listNodegroups', ['access', 'endpoint'], 'https://user@example.com'],
    ['listNodegroups', ['access', 'region'], 'eu-west-1.example.com/'],
    ['listNodegroups', ['access', 'profile'], '../profile'],
    ['describeNodegroup', ['nodeGroup'], '../clusters'],
    ['followNodegroupUpdate', ['what'], 'a\u001b[2J'],
    ['cancelChildren', [], 'other/demo'],
    ['awaitWorkflowClosed', [], { workflowId: NODE_WORKFLOW }],
    ['awaitNodePatches', [0, 'workflowRunId'], 'a b'],
    ['nextWindowsByFiles', ['blackouts', 2, 'ical'], '../../etc/passwd'],
    ['nextWindows', ['count'], Number.NaN],
    ['recordAudit', ['trigger'], 'nobody'],
    ['recordAudit', ['result', 'node'], 'a\nb'],
    ['searchAttributes', [], {}],
  ];

  const named = hostile.map(([name, path, value]) => {
    const shown = (JSON.stringify(value) ?? '').slice(0, 60);
    return { title: `${name} with ${shown} in ${path.join('.')}`, name, path, value };
  });

  it.each(named)('refuses $title', async ({ name, path, value }) => {
    const { call, reached } = setUp();
    const failure = await failureOf(call(name, withValue(validInputs()[name], path, value)));
    expect(failure.nonRetryable).toBe(true);
    expect(failure.type).toBe('Refused');
    expect(failure.message).toMatch(new RegExp(`^the input of the activity ${name} is not valid in .+; allowed: .+`));
    expect(reached).toEqual([]);
  });

  it('names the field and never its value', async () => {
    const { call } = setUp();
    for (const path of [
      ['target', 'ssh', 'user'],
      ['target', 'ssh', 'port'],
      ['target', 'host'],
    ]) {
      const failure = await failureOf(call('apply', withValue(validInputs().apply, path, 'hunter2 hunter2')));
      expect(failure.message).toContain(path.join('.'));
      expect(JSON.stringify(failure)).not.toContain('hunter2');
    }
  });

  it('drops fields that it does not know, also __proto__', async () => {
    const { call, reached } = setUp();
    const text = JSON.stringify(validInputs().powerCycle).replace(
      '"hook"',
      '"__proto__":{"polluted":1},"later":2,"hook"',
    );
    await call('powerCycle', JSON.parse(text));
    expect(reached).toEqual([validInputs().powerCycle]);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it('refuses inputs that are too deep, too large or too many', async () => {
    const { call, reached } = setUp();
    let deep: unknown = {};
    for (let level = 0; level < 100_000; level += 1) deep = { deep };
    const wide = Array.from({ length: 1_000_001 }, () => 1);
    for (const name of NAMES) {
      expect((await failureOf(call(name, {}, {}))).message).toContain('is a list of 2 values');
      if (name.startsWith('check')) continue;
      expect((await failureOf(call(name, deep))).message).toContain('has more than 40 levels');
      expect((await failureOf(call(name, wide))).message).toContain('has more than 1000000 values');
    }
    expect(reached).toEqual([]);
  });

  it.each([
    ['apply', 'cluster/other/node/w-1', 'names another cluster than its workflow'],
    ['apply', 'cluster/demo/node/w-2', 'names another node or node group than its workflow'],
    ['apply', 'cluster/demo/run/3-abc', 'belongs to the workflow of one node or node group'],
    ['powerCycle', 'cluster/demo/inspect/1', 'belongs to the workflow of one node or node group'],
    ['readFacts', 'cluster/demo/node/w-2', 'names another node or node group than its workflow'],
    ['readLog', 'cluster/other/log/w-1/1', 'names another cluster than its workflow'],
    ['unreachableNodes', 'cluster/other', 'names another cluster than its workflow'],
    ['uncordon', 'cluster/other/run/3-abc', 'names another cluster than its workflow'],
    ['drain', 'cluster/demo/node/w-2', 'names another node or node group than its workflow'],
    ['beginNodegroupUpdate', 'cluster/demo/node/w-2', 'names another node or node group than its workflow'],
    ['recordAudit', 'cluster/other/node/w-1', 'names another cluster than its workflow'],
    ['awaitNodePatches', 'cluster/other', 'names another cluster than its workflow'],
    ['cancelChildren', 'cluster/other', 'names another cluster than its workflow'],
    ['awaitWorkflowClosed', 'cluster/other/run/1-a', 'names another cluster than its workflow'],
    ['listNodegroups', 'mine', 'comes from no workflow of a cluster'],
    ['readFacts', '', 'comes from no workflow of a cluster'],
  ] as const)('refuses %s from the workflow %s', async (name, workflowId, why) => {
    const { call, reached } = setUp({ workflowId });
    expect((await failureOf(call(name, validInputs()[name]))).message).toBe(`the input of the activity ${name} ${why}`);
    expect(reached).toEqual([]);
  });

  it('checks specs for workflows of any id, which get the reason why they are no cluster', async () => {
    const { call, reached } = setUp({ workflowId: 'mine' });
    await call('checkFirstSpec', validInputs().checkFirstSpec);
    expect(reached).toHaveLength(1);
  });

  it('asks with the parsed input and the cluster of the workflow whether the worker may do it', async () => {
    const { call, allowed } = setUp({ workflowId: CLUSTER_WORKFLOW });
    await call('listNodegroups', { ...validInputs().listNodegroups, more: 1 });
    expect(allowed).toEqual([{ activity: 'listNodegroups', input: validInputs().listNodegroups, cluster: 'demo' }]);
  });

  it('does nothing that is not allowed', async () => {
    const denied = new Error('denied');
    const { call, reached } = setUp({ authorise: () => Promise.reject(denied) });
    await expect(call('apply', validInputs().apply)).rejects.toBe(denied);
    expect(reached).toEqual([]);
  });
});
