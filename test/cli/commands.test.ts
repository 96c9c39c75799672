import type { Command } from 'commander';
import { ClusterClient } from '../../src/client/cluster-client';
import { runCli } from '../../src/cli/main';
import { buildProgram } from '../../src/cli/program';
import { OspatchError } from '../../src/domain/shared/errors';
import type { ClusterOverview } from '../../src/client/fleet';
import type { LiveStatus } from '../../src/client/live-status';
import { worstOf } from '../../src/domain/shared/severity';
import type { QueuedRun, RunSummary } from '../../src/domain/cluster/messages';
import { withDrain } from '../../src/domain/inspection/drain';
import { describeStuck } from '../../src/domain/inspection/stuck';
import { failedInspection } from '../../src/domain/inspection/node';
import type { DrainPreview } from '../../src/domain/kubernetes/types';
import { clusterSpec, nodeInspection } from '../support/builders';
import { ListOption } from '../../src/cli/options/repeated';
import { fakeClient, fakeTerminal, node, runStatus, status, summary } from './support';

type Answers = Parameters<typeof fakeClient>[0];

/** Runs a command line against a client that returns `answers`. */
async function run(args: string[], answers: Answers = {}) {
  jest.spyOn(ClusterClient, 'connect').mockResolvedValue(fakeClient(answers));
  const terminal = fakeTerminal();
  await runCli(args, terminal.context);
  return { out: terminal.out(), err: terminal.err(), code: terminal.exitCode() };
}

/** Values that the parsers of these options take. */
const VALUES: Readonly<Record<string, string>> = {
  ...{
    timeout: '3s',
    wait: '3s',
    until: '3d',
    notBefore: '1h',
    deadline: '2h',
    concurrency: '2',
    run: '1',
    count: '1',
    port: '8000',
    uiPort: '8001',
    weeks: '1',
    uiOrigin: 'http://localhost:1',
  },
};

afterEach(() => jest.restoreAllMocks());

describe('src/cli/commands', () => {
  const commands = buildProgram(fakeTerminal().context).commands.map((command) => command.name());

  test.each(commands)('%s shows an example in its help', async (name) => {
    const { out, code } = await run([name, '--help']);
    expect(out).toMatch(new RegExp(`Examples:\\n  .*ospatch ${name}`));
    expect(code).toBe(0);
  });

  test.each(commands)('%s rejects surplus arguments', async (name) => {
    const file = ['validate', 'next', 'enroll', 'diff', 'apply'].includes(name) ? ['-f', 'x.yaml'] : [];
    const reason = name === 'lock' ? ['--reason', 'x'] : [];
    const { err, code } = await run([name, ...file, ...reason, 'demo', 'w-1', 'one-too-many']);
    const isHelper = ['helper', 'policy', 'audit'].includes(name);
    expect(err).toMatch(isHelper ? /unknown command/ : /too many arguments|found "demo" after -f|found 3 names/);
    expect(code).toBe(2);
  });

  test('takes several values of an option or refuses the second, and never drops one in silence', async () => {
    const all = (command: Command): Command[] => [command, ...command.commands.flatMap(all)];
    const path = (command: Command): string[] => {
      const { parent } = command;
      return parent === null ? [] : [...path(parent), command.name()];
    };
    for (const command of all(buildProgram(fakeTerminal().context))) {
      for (const option of command.options) {
        if (!option.required || option instanceof ListOption) continue;
        const value = option.argChoices?.[0] ?? VALUES[option.attributeName()] ?? 'x';
        const twice = [option.long ?? '', value, option.long ?? '', value];
        const { err, code } = await run([...path(command), ...twice]);
        expect(err).toContain(`${option.short ?? option.long} is given twice: found`);
        expect(code).toBe(2);
      }
    }
  });

  test.each([
    ['status', 'Prod_EU'],
    ['patch', 'demo', '--nodes', 'w-1,W 2'],
    ['patch', 'demo', '--nodes', ','],
    ['history', 'demo', '--run', '0'],
    ['logs', 'demo', '../etc'],
    ['pause', 'demo', '--reason', ' '],
    ['dev', '--port', '80'],
    ['apply', '-f', 'x.yaml', '--dry-run', '--wait'],
    ['validate', '-f', ''],
    ['helper', 'install', 'demo'],
  ])('%s %s %s %s is a usage error with a fix', async (...args) => {
    const { err, code } = await run(args);
    expect(code).toBe(2);
    expect(err).toMatch(/error: .*\n +fix: /);
    expect(err.trim().split('\n')).toHaveLength(2);
  });

  test.each([
    ['a terminal escape', '--nodes', 'w-1\u001b[2J'],
    ['thousands of characters', '--reason', 'x'.repeat(6_000)],
  ])('an invalid value with %s is quoted without harm', async (_, option, value) => {
    const { err, code } = await run(['patch', 'demo', option, value]);
    expect(code).toBe(2);
    expect(err).toMatch(/^error: --(nodes|reason): found ".*"; allowed: .*\n +fix: /);
    expect(err).not.toContain('\u001b');
    expect(err.length).toBeLessThan(600);
  });

  test.each(['http://localhost:7233', 'https://t.example', 'localhost:99999', 'localhost:0'])(
    'the server address %s is a usage error, without waiting for a connection',
    async (address) => {
      const terminal = fakeTerminal();
      await runCli(['list', '--address', address], terminal.context);
      expect(terminal.exitCode()).toBe(2);
      expect(terminal.err()).toMatch(/^error: .*allowed: host:port.*\n {2}fix: .*--address/);
    },
  );

  test.each([
    ['status', ['status', 'demo', '--watch'], /run 7 of demo continues/],
    ['patch', ['patch', 'demo', '--wait'], /run 7 of demo continues/],
    ['remove', ['remove', 'demo', '--yes'], /the removal of demo continues/],
  ])('Ctrl-C detaches from %s with exit code 130', async (_, args, message) => {
    const never = (): Promise<never> => new Promise(() => undefined);
    const before = process.listenerCount('SIGINT');
    const ctrlC = setInterval(() => {
      if (process.listenerCount('SIGINT') > before) process.emit('SIGINT');
    }, 10);
    const { err, code } = await run(args, {
      status: () => Promise.resolve(status([node('w-1')], { run: runStatus(7) })),
      patch: () => Promise.resolve({ run: 7, started: true, after: null }),
      health: () => Promise.resolve({ state: 'running' }),
      remove: () => Promise.resolve({ run: null }),
      untilRemoved: never,
      awaitRunEnd: never,
    }).finally(() => clearInterval(ctrlC));
    expect(err).toMatch(message);
    expect(code).toBe(130);
  });

  test('a missing server or cluster is one sentence with a fix and exit code 1', async () => {
    const missing = new OspatchError({
      type: 'NotFound',
      message: 'there is no cluster demo',
      remedy: '`ospatch list` shows all',
    });
    const { err, code } = await run(['get', 'demo'], { spec: () => Promise.reject(missing) });
    expect(err).toBe('error: there is no cluster demo.\n  fix: `ospatch list` shows all\n');
    expect(code).toBe(1);
  });

  test('patch reports whether the run starts now or after another one', async () => {
    const now = await run(['patch', 'demo'], { patch: () => Promise.resolve({ run: 7, started: true, after: null }) });
    expect(now).toMatchObject({ out: 'run 7 of demo started\n', code: 0 });
    const later = await run(['patch', 'demo'], { patch: () => Promise.resolve({ run: 8, started: false, after: 7 }) });
    expect(later.out).toBe('run 8 of demo will start after run 7\n');
  });

  test('patch sends the nodes and the reason', async () => {
    const patch = jest.fn().mockResolvedValue({ run: 7, started: true, after: null });
    await run(['patch', 'demo', '--nodes', 'w-1, w-2,w-1', '--reason', 'CVE'], { patch });
    expect(patch).toHaveBeenCalledWith('demo', { nodes: ['w-1', 'w-2'], reason: 'CVE' });
  });

  test.each([
    ['succeeded', { patched: 1, rebootPending: 1 }, 0],
    ['failed', { failed: 1 }, 1],
    ['stopped', { failed: 1, notTried: 1 }, 1],
    ['cancelled', { notTried: 2 }, 1],
  ] as const)('patch --wait of a run that %s ends with the right exit code', async (outcome, counts, expected) => {
    const done = status([node('w-1')], { lastRun: summary(7, { requestId: 'r7', outcome, ...counts }) });
    const { out, code } = await run(['patch', 'demo', '--wait'], {
      status: jest
        .fn()
        .mockResolvedValueOnce(status([node('w-1')]))
        .mockResolvedValue(done),
      patch: () => Promise.resolve({ run: 7, requestId: 'r7', started: true, after: null }),
      awaitRunEnd: () => Promise.resolve(null),
      settledNodes: () => Promise.resolve([]),
    });
    expect(out).toContain(`run 7 of demo ${outcome} after 1m5s`);
    expect(code).toBe(expected);
  });

  test('patch --wait -o json prints one JSON document', async () => {
    const { out, code } = await run(['patch', 'demo', '--wait', '-o', 'json'], {
      status: jest
        .fn()
        .mockResolvedValueOnce(status([]))
        .mockResolvedValue(status([], { lastRun: summary(7, { requestId: 'r7' }) })),
      patch: () => Promise.resolve({ run: 7, requestId: 'r7', started: true, after: null }),
      awaitRunEnd: () => Promise.resolve(null),
      settledNodes: () => Promise.resolve([]),
    });
    expect(JSON.parse(out)).toMatchObject({ cluster: 'demo', run: 7, end: 'done', summary: { outcome: 'succeeded' } });
    expect(code).toBe(0);
  });

  describe('patch --wait of a queued run', () => {
    const queued: QueuedRun = {
      ...{ run: 8, requestId: 'r8', state: 'queued', by: 'me', reason: null, nodes: null },
      ...{ requestedAt: null, after: 7 },
    };
    const other = summary(8, { requestId: 'r9' });
    const wait = (seen: LiveStatus[], runs: RunSummary[] = []) =>
      run(['patch', 'demo', '--wait'], {
        status: seen.reduce((mock, one) => mock.mockResolvedValueOnce(one), jest.fn()),
        patch: () => Promise.resolve({ run: 8, requestId: 'r8', started: false, after: 7 }),
        awaitRunEnd: () => Promise.resolve(null),
        history: () => Promise.resolve({ runs }),
        settledNodes: () => Promise.resolve([]),
      });

    test('reports the failure of the run before it, and ends with its own result', async () => {
      const { out, code } = await wait([
        status([], { run: runStatus(7), queued: [queued] }),
        status([], {
          queued: [queued],
          lastRun: summary(7, { outcome: 'stopped', patched: 0, failed: 1, notTried: 1 }),
        }),
        status([], { lastRun: summary(8, { requestId: 'r8' }) }),
      ]);
      expect(out).toContain('run 7 of demo stopped after 1m5s: 1 failed, 1 not tried');
      expect(out).toContain('run 8 of demo succeeded');
      expect(code).toBe(0);
    });

    test('ends at once when it is cancelled with the run before it', async () => {
      const message = 'cancelled by bob together with run 7, before it started';
      const { out, code } = await wait([
        status([], { run: runStatus(7), queued: [queued] }),
        status([], {
          run: runStatus(7, { state: 'cancelling' }),
          queued: [{ ...queued, state: 'cancelled', message }],
        }),
      ]);
      expect(out).toContain(`run 8 of demo cancelled: ${message}\n  fix: ospatch patch demo`);
      expect(code).toBe(1);
    });

    test('says that the cluster was removed while it still answers, without the request', async () => {
      const { err, code } = await wait([
        status([], { run: runStatus(7), queued: [queued] }),
        status([], { run: runStatus(7, { state: 'cancelling' }), state: 'removing' }),
      ]);
      expect(err).toContain('the cluster demo was removed meanwhile, so run 8 of demo will not be reported');
      expect(code).toBe(1);
    });

    test('reports its summary when it was cancelled, and another run has its place', async () => {
      const { out, code } = await wait(
        [status([], { queued: [queued] }), status([], { run: runStatus(9) })],
        [summary(8, { requestId: 'r8', outcome: 'cancelled', patched: 0, notTried: 2 })],
      );
      expect(out).toContain('run 8 of demo cancelled');
      expect(code).toBe(1);
    });

    test.each([
      [null, 'the cluster demo was removed and created again meanwhile, so run 8 of demo will not be reported'],
      ['run 8 is not known', 'the workflow of the cluster demo was reset in Temporal to before the request, so run 8'],
    ])('says what has become of the cluster it followed (reset: %s)', async (reset, sentence) => {
      const another = status([], { createdAt: '2026-11-23T11:00:00.000Z', reset });
      const { err, code } = await wait([status([], { queued: [queued] }), another]);
      expect(err).toContain(sentence);
      expect(code).toBe(1);
    });

    test.each([
      ['in progress', status([], { run: runStatus(8, { requestId: 'r9' }) }), []],
      ['over', status([], { lastRun: other }), [other]],
      ['not there', status([]), []],
    ])('never takes another run of the same number for its own: one that is %s', async (_, seen, runs) => {
      const { err, code } = await wait([status([], { queued: [queued] }), seen], runs);
      expect(err).toContain('the request for run 8 of demo is gone');
      expect(code).toBe(1);
    });
  });

  describe('status -A', () => {
    const overview = (cluster: string, more: Partial<LiveStatus>): ClusterOverview => {
      const { statusLines, state, type, lastRun } = status([node('w-1', { state: 'up-to-date' })], {
        cluster,
        ...more,
      });
      return {
        cluster,
        type,
        state,
        statusLines,
        severity: worstOf(statusLines),
        lastRun,
        nextWindow: null,
        counts: {},
      };
    };
    const paused = { at: '2026-11-23T10:00:00Z', by: 'ann', reason: 'freeze' };
    const fleet = [overview('prod-eu', { state: 'paused', paused }), overview('lab', {})];
    const answers = { fleet: () => Promise.resolve(fleet) };

    test('shows one sentence for each cluster, with the next command', async () => {
      const { out, code } = await run(['status', '-A'], answers);
      expect(out).toMatch(
        /^prod-eu +paused +prod-eu is paused: by ann \(freeze\), since 2026-11-23 10:00:00 \(2h\) +ospatch resume prod-eu$/m,
      );
      expect(out).toMatch(/^lab +idle +the node of lab is up to date: /m);
      expect(out).toContain('Times are in UTC');
      expect(code).toBe(0);
    });

    test.each([
      [['--problems'], ['prod-eu']],
      [['--state', 'idle'], ['lab']],
      [['--problems', '--state', 'idle'], []],
    ])('with %j shows %j', async (options, expected) => {
      const { out } = await run(['status', '-A', '-o', 'json', ...options], answers);
      expect((JSON.parse(out) as ClusterOverview[]).map(({ cluster }) => cluster)).toEqual(expected);
    });

    test.each([
      [['-A', 'demo'], '-A shows all clusters'],
      [['-A', '--watch'], 'follows one cluster'],
      [['-A', '--state', 'failed'], 'allowed: idle, running'],
      [['demo', '--state', 'paused'], 'allowed: unknown, up-to-date'],
      [['demo', '--problems'], 'needs -A'],
      [[], 'takes the name of a cluster'],
    ])('refuses %j', async (options, message) => {
      const { err, code } = await run(['status', ...options]);
      expect(err).toContain(message);
      expect(code).toBe(2);
    });
  });

  test('status shows the nodes that --state and --selector choose', async () => {
    const nodes = [node('w-1', { state: 'failed' }), node('w-2', { state: 'failed' }), node('w-3')];
    const spec = clusterSpec(['w-1', 'w-2', 'w-3']);
    const labelled = spec.nodes.map((one) => ({ ...one, labels: { zone: one.name === 'w-1' ? 'a' : 'b' } }));
    const { out } = await run(['status', 'demo', '--state', 'failed', '-l', 'zone=b', '-o', 'json'], {
      statusAmongClusters: () => Promise.resolve(status(nodes)),
      spec: () => Promise.resolve({ ...spec, nodes: labelled }),
    });
    expect((JSON.parse(out) as LiveStatus).nodes.map(({ name }) => name)).toEqual(['w-2']);
  });

  test('status -o json has exactly the documented fields', async () => {
    const { out } = await run(['status', 'demo', '-o', 'json'], {
      statusAmongClusters: () => Promise.resolve(status([node('w-1')])),
    });
    const answer = JSON.parse(out) as { nodes: object[] };
    expect(Object.keys(answer).sort()).toEqual([
      'blackouts',
      'cluster',
      'createdAt',
      'current',
      'explanation',
      'lastRejection',
      'lastRun',
      'loopError',
      'nextWindow',
      'nodes',
      'paused',
      'queued',
      'ready',
      'reset',
      'run',
      'scheduleError',
      'state',
      'statusLines',
      'timeZone',
      'type',
    ]);
    expect(Object.keys(answer.nodes[0] ?? {}).sort()).toEqual([
      'bootPatch',
      'kernel',
      'kind',
      'lastAppliedPatchTime',
      'lastCheckedTime',
      'lastError',
      'lastOutcome',
      'name',
      'packageSetDigest',
      'patchedVersion',
      'pendingUpdates',
      'rebootRequired',
      'role',
      'state',
      'warnings',
    ]);
  });

  test('check fails when a node cannot be patched and prints the progress of the inspection', async () => {
    const error = { type: 'SudoDenied', message: 'w-1 refuses sudo', remedy: 'allow it' } as const;
    const { out, code } = await run(['check', 'demo'], {
      check: () => Promise.resolve([failedInspection('w-1', error)]),
    });
    expect(out).toMatch(/^w-1 +yes +yes +no/m);
    expect(out).toContain('fix: allow it');
    expect(code).toBe(1);
  });

  const running = () => Promise.resolve({ state: 'running' });

  test('patch says how to follow the run, and where the Temporal UI shows it', async () => {
    const patch = () => Promise.resolve({ run: 3, started: true, after: null });
    const link = 'https://ui/namespaces/default/workflows/cluster%2Fdemo';
    const text = await run(['patch', 'demo'], { patch, uiLink: () => link });
    expect(text).toEqual({
      out: 'run 3 of demo started\n',
      err: `follow: ospatch status demo --watch\nTemporal UI: ${link}\n`,
      code: 0,
    });
    expect(JSON.parse((await run(['patch', 'demo', '-o', 'json'], { patch, uiLink: () => link })).out)).toMatchObject({
      ui: link,
    });
    const noAddress = () => {
      throw new OspatchError({ type: 'Usage', message: 'TEMPORAL_UI_URL: found "x"' });
    };
    const wrong = await run(['patch', 'demo'], { patch, uiLink: noAddress });
    expect([wrong.code, wrong.err]).toEqual([0, expect.stringContaining('warning: TEMPORAL_UI_URL: found "x"\n')]);
  });

  test('remove without a terminal requires --yes and removes nothing', async () => {
    const remove = jest.fn();
    const { code, err } = await run(['remove', 'demo'], {
      ...{ health: running, status: () => Promise.resolve(status([])), remove },
    });
    expect(code).toBe(2);
    expect(err).toContain('fix: ospatch remove demo --yes');
    expect(remove).not.toHaveBeenCalled();
  });

  test('remove announces the cancellation of the run and waits for its end', async () => {
    const { out, err, code } = await run(['remove', 'demo', '--yes'], {
      health: running,
      remove: () => Promise.resolve({ run: 7 }),
      untilRemoved: () => Promise.resolve(),
    });
    expect(err).toContain('run 7 of demo is being cancelled first');
    expect(out).toBe('demo removed\n');
    expect(code).toBe(0);
  });

  test('remove clears a cluster whose workflow has failed, after listing what recover would keep', async () => {
    const stuck = describeStuck('demo', { kind: 'ended', how: 'terminated', at: null, message: null });
    const health = () => Promise.resolve({ state: 'stuck', stuck });
    const clearEnded = jest.fn(() => Promise.resolve({ done: false, finishing: 2 }));
    const asked = await run(['remove', 'demo'], { health, clearEnded });
    expect(asked.code).toBe(2);
    expect(clearEnded).not.toHaveBeenCalled();
    const { out, err, code } = await run(['remove', 'demo', '--yes'], { health, clearEnded });
    expect(err).toContain('was terminated in Temporal; to keep what the cluster knew: ospatch recover demo\n');
    expect(err).toContain('2 workflows of its last run continue');
    expect(err).toContain('may show demo until');
    expect(out).toBe('demo removed\n');
    expect(code).toBe(0);
  });

  test('logs prints no terminal escape and reports a truncated log on standard error', async () => {
    const nodeLog = () => Promise.resolve({ log: 'a\u001b[2J\u0007\nb\n', truncated: true });
    const { out, err } = await run(['logs', 'demo', 'w-1'], { nodeLog });
    expect(out).toBe('a\nb\n');
    expect(err).toContain('was cut');
  });

  test.each([
    ['text', [], 'a\nb\n'],
    [
      'a document a line',
      ['-o', 'json'],
      /^\{"cluster":"demo","node":"w-1","run":null,"log":"a","truncated":false\}\n\{.*"b".*\}\n$/,
    ],
  ])('logs --follow prints what is added as %s, and tells the rest on standard error', async (_, options, expected) => {
    async function* followNodeLog() {
      yield { kind: 'waiting' } as const;
      yield { kind: 'lines', text: 'a\n', isGap: false } as const;
      yield await Promise.resolve({ kind: 'lines', text: '\u001b[2Jb\n', isGap: false } as const);
      yield { kind: 'over', wasInProgress: true } as const;
    }
    const { out, err, code } = await run(['logs', 'demo', 'w-1', '-f', ...options], { followNodeLog });
    expect(out).toMatch(expected);
    expect(err).toBe(
      'w-1 waits for its turn in the run in progress; `ospatch explain demo w-1` says what for\nthe patch of w-1 has ended\n',
    );
    expect(code).toBe(0);
  });

  test('list -o json prints an array also without clusters', async () => {
    expect((await run(['list', '-o', 'json'], { list: () => Promise.resolve([]) })).out).toBe('[]\n');
  });

  test('check fails when a drain could never finish', async () => {
    const preview: DrainPreview = {
      ...{ nodeName: 'w-1', cordonedBy: 'nobody', owner: null, evict: 1, pods: [], ignored: {}, pending: [] },
      blockers: ['The budget shop/web never allows it'],
    };
    const one = withDrain(nodeInspection('w-1'), { ok: true, preview });
    const { out, code } = await run(['check', 'demo'], { check: () => Promise.resolve([one]) });
    expect(out).toMatch(/^w-1 .* blocked$/m);
    expect(out).toContain('w-1  error: the node cannot be drained: The budget shop/web never allows it');
    expect(code).toBe(1);
  });

  test.each([
    [true, 'w-1 is uncordoned\n'],
    [false, 'nothing to do: ospatch has no cordon on w-1\n'],
  ])('uncordon reports whether the cordon was removed: %s', async (uncordoned, text) => {
    const answers = { uncordon: () => Promise.resolve(uncordoned) };
    expect(await run(['uncordon', 'demo', 'w-1'], answers)).toEqual({ out: text, err: '', code: 0 });
  });

  test('release reports which wait has ended, and sends the reason', async () => {
    const release = jest.fn(() => Promise.resolve({ step: 'reboot' as const }));
    const { out } = await run(['release', 'demo', 'w-1', '--reason', 'disk is dead'], { release });
    expect(out).toBe('the wait for w-1 has ended (step reboot)\n');
    expect(release).toHaveBeenCalledWith('demo', 'w-1', { reason: 'disk is dead' });
  });

  test('rbac prints the manifest of the package', async () => {
    const { out, code } = await run(['rbac']);
    expect(out).toMatch(/^kind: ClusterRole$/m);
    expect(code).toBe(0);
    expect(out).not.toContain('delete');
    expect((await run(['rbac', '--disable-eviction'])).out).toMatch(/verbs: \[.*delete.*\]/);
    expect(out).toMatch(/^kind: ValidatingAdmissionPolicy$/m);
    expect((await run(['rbac', '--no-node-policy'])).out).not.toMatch(/^kind: ValidatingAdmissionPolicy$/m);
  });

  test('worker rejects an invalid task queue', async () => {
    const { err, code } = await run(['worker', '--task-queue', 'site b']);
    expect(err).toMatch(/task-queue.*allowed: at most 100 letters/);
    expect(code).toBe(2);
  });
});
