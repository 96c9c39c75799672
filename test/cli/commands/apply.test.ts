import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ClusterClient } from '../../../src/client/cluster-client';
import { runCli } from '../../../src/cli/main';
import { OspatchError } from '../../../src/domain/shared/errors';
import { settled } from '../../support/builders';
import { fakeClient, fakeTerminal, node, runStatus, status, summary } from '../support';

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPkpR8DGFn4jmFPqkSDKZXQ6kWwEHzJqhPTTaDRy0Tb';

function yaml(name: string, schedule = 'weekly'): string {
  return [
    'apiVersion: ospatch/v1',
    `name: ${name}`,
    `patching: {patchOnBoot: true, schedule: ${schedule}}`,
    'ssh: {user: root}',
    `nodes: [{name: w-1, host: ${name}.example.com, hostKeys: ["${KEY}"]}]`,
    '',
  ].join('\n');
}

const unchanged = { result: 'unchanged', changes: [], notice: null };
const created = { result: 'created', changes: [], notice: null };

function storedOnce(once: string) {
  return { type: 'self-managed', patching: { timeZone: 'UTC', schedule: [{ once, startWithin: '24h' }] } };
}

describe('src/cli/commands/apply/apply', () => {
  let cwd: string;
  beforeEach(() => {
    cwd = mkdtempSync(path.join(tmpdir(), 'ospatch-apply-'));
  });
  afterEach(() => {
    jest.restoreAllMocks();
    rmSync(cwd, { recursive: true });
  });

  async function run(args: string[], text: string, answers: Parameters<typeof fakeClient>[0] = {}) {
    const sharedMachines = () => Promise.resolve(new Map());
    const client = fakeClient({ sharedMachines, ...answers });
    const connect = jest.spyOn(ClusterClient, 'connect').mockResolvedValue(client);
    writeFileSync(path.join(cwd, 'spec.yaml'), text);
    const terminal = fakeTerminal({ cwd });
    await runCli(args, terminal.context);
    return {
      out: terminal.out(),
      err: terminal.err(),
      code: terminal.exitCode(),
      connected: connect.mock.calls.length > 0,
    };
  }

  test('applies nothing and contacts no server when one of several specs is invalid', async () => {
    const apply = jest.fn();
    const answer = await run(['apply', '-f', 'spec.yaml'], `${yaml('one')}---\n${yaml('two', 'wekly')}`, { apply });
    expect(answer).toMatchObject({ code: 2, connected: false });
    expect(answer.err).toContain('did you mean "weekly"?');
    expect(apply).not.toHaveBeenCalled();
  });

  test('applies the remaining clusters when one fails', async () => {
    const rejection = new OspatchError({ type: 'Refused', message: 'it is being removed by ann', remedy: 'wait' });
    const apply = jest.fn().mockRejectedValueOnce(rejection).mockResolvedValueOnce(created);
    const answer = await run(['apply', '-f', 'spec.yaml'], `${yaml('one')}---\n${yaml('two')}`, { apply });
    expect(answer.err).toBe('error: one: it is being removed by ann.\n  fix: wait\n');
    expect(answer.out).toBe('two created\n');
    expect(answer.code).toBe(1);
  });

  test('reports a missing worker once for all clusters', async () => {
    const apply = jest.fn().mockRejectedValue(new OspatchError({ type: 'NoWorker', message: 'no worker polls' }));
    const answer = await run(['apply', '-f', 'spec.yaml', '-o', 'json'], `${yaml('one')}---\n${yaml('two')}`, {
      apply,
    });
    expect(apply).toHaveBeenCalledTimes(1);
    expect(answer.err.match(/no worker polls/g)).toHaveLength(1);
    expect(JSON.parse(answer.out)).toMatchObject({ clusters: [{ result: 'failed' }, { result: 'failed' }] });
    expect(answer.code).toBe(1);
  });

  test('prints the changes, and the notice for a cluster that is not patched by ospatch', async () => {
    const changes = [{ path: 'patching.rebootIfRequired', before: false, after: true }];
    const updated = await run(['apply', '-f', 'spec.yaml'], yaml('one'), {
      apply: () => Promise.resolve({ result: 'updated', changes, notice: null }),
    });
    expect(updated.out).toBe('one updated (1 change)\n  ~ patching.rebootIfRequired: false -> true\n');
    const aks = await run(['apply', '-f', 'spec.yaml'], 'apiVersion: ospatch/v1\nname: two\ntype: aks\n', {
      apply: () => Promise.resolve({ ...created, notice: 'Azure patches it' }),
    });
    expect(aks.out).toBe('two created\n  note: Azure patches it\n');
  });

  test.each([['apply', '--dry-run'], ['diff']])(
    '%s %s changes nothing and succeeds with differences',
    async (...args) => {
      const apply = jest.fn();
      const diff = () => Promise.resolve([{ path: 'patching.timeZone', before: 'UTC', after: 'Europe/Berlin' }]);
      const answer = await run([...args, '-f', 'spec.yaml'], yaml('one'), { apply, diff });
      expect(answer).toMatchObject({
        code: 0,
        out: 'one would be updated (1 change)\n  ~ patching.timeZone: UTC -> Europe/Berlin\n',
      });
      expect(apply).not.toHaveBeenCalled();
    },
  );

  test('apply warns of nodes that are machines of other nodes, once for what it has changed', async () => {
    const finding = { message: 'w-1 and node w-9 of cluster lab have the same address', remedy: 'remove one' };
    const sharedMachines = jest.fn().mockResolvedValue(new Map([['one', [finding]]]));
    const answers = { apply: () => Promise.resolve(created), sharedMachines };
    const text = await run(['apply', '-f', 'spec.yaml'], yaml('one'), answers);
    expect(text.err).toContain(`warning: one: ${finding.message}\n  fix: remove one\n`);
    expect(text.code).toBe(0);
    const json = await run(['apply', '-f', 'spec.yaml', '-o', 'json'], yaml('one'), answers);
    expect(JSON.parse(json.out)).toMatchObject({ clusters: [{ warnings: [finding] }] });
    sharedMachines.mockClear();
    await run(['apply', '-f', 'spec.yaml'], yaml('one'), { ...answers, apply: () => Promise.resolve(unchanged) });
    expect(sharedMachines).not.toHaveBeenCalled();
  });

  test('apply sends the reason', async () => {
    const apply = jest.fn().mockResolvedValue(unchanged);
    await run(['apply', '-f', 'spec.yaml', '--reason', 'change 4711'], yaml('one'), { apply });
    expect(apply).toHaveBeenCalledWith(expect.anything(), { reason: 'change 4711' }, expect.anything());
  });

  test('apply names the address of what it created or changed in the Temporal UI', async () => {
    const apply = ({ name }: { name: string }) => Promise.resolve(name === 'one' ? created : unchanged);
    const uiLink = (name: string) => `https://ui/${name}`;
    const two = `${yaml('one')}---\n${yaml('two')}`;
    expect((await run(['apply', '-f', 'spec.yaml'], two, { apply, uiLink })).err).toBe(
      '  Temporal UI: https://ui/one\n',
    );
    const { out } = await run(['apply', '-f', 'spec.yaml', '-o', 'json'], two, { apply, uiLink });
    expect((JSON.parse(out) as { clusters: { ui: string }[] }).clusters.map(({ ui }) => ui)).toEqual([
      'https://ui/one',
      'https://ui/two',
    ]);
  });

  test.each([
    ['unchanged', [], 0],
    ['changed', [{ path: 'patching.timeZone', before: 'UTC', after: 'Europe/Berlin' }], 3],
    ['new', null, 3],
    ['failed', new OspatchError({ type: 'Stuck', message: 'it is stuck' }), 1],
  ])('diff --exit-code of a cluster that is %s', async (_state, answer, code) => {
    const diff = () => (answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer));
    expect((await run(['diff', '--exit-code', '-f', 'spec.yaml'], yaml('one'), { diff })).code).toBe(code);
    // Differences of one cluster do not hide the failure of another.
    const both = (spec: { name: string }) => (spec.name === 'two' ? Promise.resolve(null) : diff());
    const two = await run(['diff', '--exit-code', '-f', 'spec.yaml'], `${yaml('one')}---\n${yaml('two')}`, {
      diff: both,
    });
    expect(two.code).toBe(code === 0 ? 3 : code);
  });

  test('rejects a single start in the past for a new cluster only', async () => {
    const text = yaml('one', '{once: "2020-01-01T02:30"}');
    const apply = jest.fn().mockResolvedValue(unchanged);
    const fresh = await run(['apply', '-f', 'spec.yaml'], text, { apply, findSpec: () => Promise.resolve(null) });
    expect(fresh.code).toBe(2);
    expect(fresh.err).toContain('in the past');
    expect(apply).not.toHaveBeenCalled();
    const old = await run(['apply', '-f', 'spec.yaml'], text, {
      apply,
      findSpec: () => Promise.resolve(storedOnce('2020-01-01T02:30')),
    });
    expect(old).toMatchObject({ code: 0, out: 'one unchanged\n' });
    expect(old.err).toContain('warning: patching.schedule.once: found "2020-01-01T02:30" (UTC), which is in the past');
  });

  test.each([['apply'], ['apply', '--dry-run'], ['diff']])(
    'rejects a single start in the past for %s %s when the cluster has another schedule in force',
    async (...args) => {
      const apply = jest.fn();
      const answer = await run([...args, '-f', 'spec.yaml'], yaml('one', '{once: "2020-01-01T02:30"}'), {
        apply,
        diff: apply,
        findSpec: () => Promise.resolve(storedOnce('2020-01-02T02:30')),
      });
      expect(answer.code).toBe(2);
      expect(answer.err).toContain('in the past');
      expect(apply).not.toHaveBeenCalled();
    },
  );

  test.each([['apply', '--dry-run'], ['diff']])(
    '%s %s rejects a changed type as the cluster itself would',
    async (...args) => {
      const answer = await run([...args, '-f', 'spec.yaml'], 'apiVersion: ospatch/v1\nname: one\ntype: aks\n', {
        diff: () => Promise.resolve([{ path: 'type', before: 'self-managed', after: 'aks' }]),
      });
      expect(answer).toMatchObject({ code: 1, out: '' });
      expect(answer.err).toBe(
        'error: one: the type of a cluster cannot be changed (from self-managed to aks); remove the cluster and apply it again.\n',
      );
    },
  );

  test('reads standard input once, also when the spec is checked twice', async () => {
    jest
      .spyOn(ClusterClient, 'connect')
      .mockResolvedValue(fakeClient({ apply: () => Promise.resolve(created), findSpec: () => Promise.resolve(null) }));
    const terminal = fakeTerminal({ cwd });
    terminal.stdin.end(yaml('one', '{once: "2031-01-01T02:30"}'));
    await runCli(['apply', '-f', '-'], terminal.context);
    expect(terminal.out()).toBe('one created\n');
  });

  test('--wait follows the boot patch and fails when a node did not get one', async () => {
    const bootStatus = jest
      .fn()
      .mockResolvedValueOnce(status([node('w-1', { bootPatch: 'pending' })]))
      .mockResolvedValueOnce(status([node('w-1', { bootPatch: 'pending', state: 'patching' })]))
      .mockResolvedValue(status([node('w-1', { bootPatch: 'failed', state: 'failed' })]));
    const answer = await run(['apply', '-f', 'spec.yaml', '--wait'], yaml('one'), {
      apply: () => Promise.resolve(created),
      status: bootStatus,
    });
    expect(answer.out).toContain('boot patch of one: 0 of 1 node done');
    expect(answer.code).toBe(1);
  });

  test('--wait reports the end of the boot run also when the next run already patches the nodes', async () => {
    const boot = { trigger: 'boot' } as const;
    const followUp = status([node('w-1', { bootPatch: 'done', state: 'patching' })], {
      run: runStatus(2),
      lastRun: summary(1, boot),
    });
    const settledNodes = jest.fn().mockResolvedValue([settled('w-1', { outcome: 'reboot-pending' })]);
    const awaitRunEnd = jest.fn().mockResolvedValue([settled('w-1', { outcome: 'reboot-pending' })]);
    const answer = await run(['apply', '-f', 'spec.yaml', '--wait'], yaml('one'), {
      apply: () => Promise.resolve(created),
      status: jest
        .fn()
        .mockResolvedValueOnce(status([node('w-1', { bootPatch: 'pending' })], { run: runStatus(1, boot) }))
        .mockResolvedValue(followUp),
      awaitRunEnd,
      settledNodes,
    });
    expect(awaitRunEnd.mock.calls).toEqual([['one', followUp.createdAt, 1, expect.any(AbortSignal)]]);
    expect(settledNodes.mock.calls).toEqual([['one', 1]]);
    expect(answer.out).toContain('boot patch of one: 1 of 1 node done\nreboot pending on w-1: ');
    expect(answer.code).toBe(0);
  });

  test('--wait returns at once when no node was added', async () => {
    const answer = await run(['apply', '-f', 'spec.yaml', '--wait'], yaml('one'), {
      apply: () => Promise.resolve(unchanged),
      status: () => Promise.resolve(status([node('w-1', { bootPatch: 'failed' })])),
    });
    expect(answer).toMatchObject({ code: 0, out: 'one unchanged\n' });
  });
});
