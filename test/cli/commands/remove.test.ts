import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ClusterClient } from '../../../src/client/cluster-client';
import { runCli } from '../../../src/cli/main';
import { describeStuck } from '../../../src/domain/inspection/stuck';
import { OspatchError } from '../../../src/domain/shared/errors';
import { specText } from '../offline-context';
import { fakeClient, fakeTerminal, node, status } from '../support';

const STUCK = describeStuck('gone', { kind: 'ended', how: 'terminated', at: null, message: null });

describe('src/cli/commands/remove and apply --prune', () => {
  let cwd: string;
  beforeEach(() => {
    cwd = mkdtempSync(path.join(tmpdir(), 'ospatch-remove-'));
    mkdirSync(path.join(cwd, 'specs'));
  });
  afterEach(() => {
    jest.restoreAllMocks();
    rmSync(cwd, { recursive: true });
  });

  function specs(...names: string[]): void {
    for (const name of names) writeFileSync(path.join(cwd, `specs/${name}.yaml`), specText('{}', name));
  }

  /** A namespace with these clusters. `gone` is one whose workflow was terminated. */
  function namespaceOf(...names: string[]) {
    const removed: string[] = [];
    const applied: string[] = [];
    const answers = {
      namespace: 'default',
      health: (name: string) => {
        if (name === 'gone') return Promise.resolve({ state: 'stuck', stuck: STUCK });
        return Promise.resolve({ state: names.includes(name) ? 'running' : 'absent' });
      },
      list: () => Promise.resolve(names.map((cluster) => ({ cluster, state: cluster === 'gone' ? 'ended' : 'idle' }))),
      status: (cluster: string) => Promise.resolve(status([node('w-1'), node('w-2')], { cluster })),
      remove: (name: string) => {
        removed.push(name);
        return Promise.resolve({ run: null });
      },
      untilRemoved: () => Promise.resolve(),
      clearEnded: (name: string) => {
        removed.push(name);
        return Promise.resolve({ done: true, finishing: 0 });
      },
      apply: ({ name }: { name: string }) => {
        applied.push(name);
        return Promise.resolve({ result: 'unchanged', changes: [], notice: null });
      },
      diff: () => Promise.resolve([]),
    };
    return { removed, applied, answers };
  }

  /** `answer`: typed on a terminal; null: there is none. */
  async function run(args: string[], answers: object, answer: string | null = null) {
    jest.spyOn(ClusterClient, 'connect').mockResolvedValue(fakeClient(answers));
    const terminal = fakeTerminal({ cwd, isErrorTTY: answer !== null });
    if (answer !== null) {
      Object.assign(terminal.stdin, { isTTY: true });
      terminal.stdin.write(`${answer}\n`);
    }
    await runCli(args, terminal.context);
    return { out: terminal.out(), err: terminal.err(), code: terminal.exitCode() };
  }

  describe('remove -f', () => {
    test('names the clusters and their nodes, asks, and removes them', async () => {
      specs('a', 'b', 'gone');
      const { removed, answers } = namespaceOf('a', 'b', 'gone', 'other');
      const no = await run(['remove', '-f', 'specs'], answers, 'n');
      expect(no.err).toContain('  a with 2 nodes\n  b with 2 nodes\n  gone, whose workflow has ended\n');
      expect(no.err).toContain('stop managing these 3 clusters and discard their history? [y/N]');
      expect([no.code, removed]).toEqual([1, []]);
      const yes = await run(['remove', '-f', 'specs'], answers, 'y');
      expect([yes.code, removed.toSorted()]).toEqual([0, ['a', 'b', 'gone']]);
      expect(yes.out).toContain('a removed\n');
      expect(yes.out).toContain('3 of 3 clusters removed\n');
    });

    test('reports a cluster that does not exist, and removes the others', async () => {
      specs('a', 'b');
      const { removed, answers } = namespaceOf('b');
      const { code, err, out } = await run(
        ['remove', '-f', 'specs/a.yaml', 'specs/b.yaml', '--yes', '-o', 'json'],
        answers,
      );
      expect([code, removed]).toEqual([1, ['b']]);
      expect(err).toContain('error: a is not removed: there is no cluster a in namespace default.\n  fix: ');
      expect(JSON.parse(out)).toEqual({
        clusters: [
          { cluster: 'a', removed: false, cancelledRun: null, error: expect.objectContaining({ type: 'NotFound' }) },
          { cluster: 'b', removed: true, cancelledRun: null, error: null },
        ],
      });
    });

    test.each([
      [['remove', '-f', 'specs'], 'fix: ospatch remove -f specs --yes'],
      [['remove', 'a', '-f', 'specs'], 'found a name and -f'],
      [['remove'], 'found neither a name nor -f'],
      [['remove', 'a', 'b'], 'found 2 names (a, b); allowed: one'],
    ])('%j without a terminal removes nothing', async (args, message) => {
      specs('a', 'b');
      const { removed, answers } = namespaceOf('a', 'b');
      const { code, err } = await run(args, answers);
      expect([code, err, removed]).toEqual([2, expect.stringContaining(message), []]);
    });
  });

  describe('apply --prune', () => {
    const prune = ['apply', '-f', 'specs', '--prune', 'team-'];

    test('removes what has the prefix and is in no spec, after it has asked', async () => {
      specs('team-a', 'team-b');
      const { removed, applied, answers } = namespaceOf('team-a', 'team-old', 'prod', 'team');
      const no = await run(prune, answers, 'n');
      expect(no.err).toContain('in no spec: team-old\n');
      expect(no.err).toContain('stop managing cluster team-old with 2 nodes and discard its history? [y/N]');
      expect([no.code, removed, applied]).toEqual([1, [], []]);
      const yes = await run(prune, answers, 'y');
      expect([yes.code, removed, applied]).toEqual([0, ['team-old'], ['team-a', 'team-b']]);
      expect(yes.out).toContain('team-old removed\n');
    });

    test('asks nothing where nothing is to be removed', async () => {
      specs('team-a');
      const { removed, applied, answers } = namespaceOf('team-a', 'prod');
      expect(await run(prune, answers, '')).toMatchObject({ code: 0, err: '' });
      expect([removed, applied]).toEqual([[], ['team-a']]);
    });

    test('needs --yes without a terminal, and changes nothing without it or in a dry run', async () => {
      specs('team-a');
      const { removed, applied, answers } = namespaceOf('team-a', 'team-old');
      const refused = await run(prune, answers);
      expect([refused.code, refused.err]).toEqual([2, expect.stringContaining('--prune team- --yes')]);
      const dry = await run([...prune, '--dry-run'], answers);
      expect(dry).toMatchObject({ code: 0, out: expect.stringContaining('team-old would be removed\n') });
      expect([removed, applied]).toEqual([[], []]);
      const json = await run([...prune, '--yes', '-o', 'json'], answers);
      expect(JSON.parse(json.out)).toMatchObject({ pruned: [{ cluster: 'team-old', removed: true }] });
      expect(removed).toEqual(['team-old']);
    });

    test('refuses a prefix that a cluster of the specs does not have', async () => {
      specs('staging-a');
      const { removed, applied, answers } = namespaceOf('staging-a', 'prod-a');
      const { code, err } = await run(['apply', '-f', 'specs', '--prune', 'prod-', '--yes'], answers);
      expect([code, removed, applied]).toEqual([2, [], []]);
      expect(err).toContain('--prune prod-: found the cluster staging-a in the specs');
    });

    test('removes nothing when a spec could not be applied', async () => {
      specs('team-a');
      const { removed, answers } = namespaceOf('team-a', 'team-old');
      const apply = () => Promise.reject(new OspatchError({ type: 'Refused', message: 'it is being removed' }));
      const { code, err } = await run([...prune, '--yes'], { ...answers, apply });
      expect([code, removed]).toEqual([1, []]);
      expect(err).toContain('nothing is pruned, because not every spec was applied: team-old');
    });

    test('leaves a cluster alone whose workflow has ended otherwise', async () => {
      specs('a');
      const { removed, answers } = namespaceOf('a', 'gone', 'b');
      const { code, err } = await run(['apply', '-f', 'specs', '--prune-all', '--yes'], answers);
      expect([code, removed]).toEqual([0, ['b']]);
      expect(err).toContain('note: gone is in no spec and stays, because its workflow has ended: ospatch recover gone');
    });

    test.each([
      [['--prune'], '--prune-all all of the namespace'],
      [['--prune', ''], '--prune: found ""; allowed: the beginning of names'],
      [['--prune', 'a', '--prune-all'], "option '--prune-all' cannot be used with option '--prune <prefix>'"],
    ])('rejects %j', async (more, message) => {
      specs('a');
      const { code, err } = await run(['apply', '-f', 'specs', ...more], namespaceOf('a').answers);
      expect([code, err]).toEqual([2, expect.stringContaining(message)]);
    });
  });
});
