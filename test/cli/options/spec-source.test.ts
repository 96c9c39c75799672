import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { runOffline, specText } from '../offline-context';

describe('src/cli/options/spec-source', () => {
  let cwd: string;
  beforeEach(() => {
    cwd = mkdtempSync(path.join(tmpdir(), 'ospatch-sources-'));
    mkdirSync(path.join(cwd, 'clusters'));
    for (const name of ['a', 'b', 'c']) writeFileSync(path.join(cwd, `clusters/${name}.yaml`), specText('{}', name));
  });
  afterEach(() => rmSync(cwd, { recursive: true }));

  const run = (...args: string[]) => runOffline(args, { cwd });
  const namesOf = (stdout: string): string[] =>
    (JSON.parse(stdout) as { clusters: { name: string }[] }).clusters.map(({ name }) => name);

  test.each([
    ['as a shell expands a pattern', ['-f', 'clusters/a.yaml', 'clusters/b.yaml', 'clusters/c.yaml'], 'abc'],
    ['with an option after each', ['-f', 'clusters/b.yaml', '--file', 'clusters/a.yaml'], 'ba'],
    ['and directories', ['-f', 'clusters', 'clusters/c.yaml'], 'abc'],
    [
      'once, however often they are named',
      ['-f', 'clusters/a.yaml', './clusters/a.yaml', '-f', 'clusters/a.yaml'],
      'a',
    ],
  ])('takes files %s', async (_how, args, names) => {
    const { code, stdout } = await run('validate', ...args, '-o', 'json');
    expect([code, namesOf(stdout)]).toEqual([0, [...names]]);
  });

  test('reports the problems of several files as those of a directory, and names the files that have some', async () => {
    writeFileSync(path.join(cwd, 'clusters/b.yaml'), specText('{schedule: fortnightly}', 'b'));
    writeFileSync(path.join(cwd, 'clusters/c.yaml'), specText('{}', 'a'));
    const files = ['a', 'b', 'c'].map((name) => `clusters/${name}.yaml`);
    const many = await run('validate', '-f', ...files);
    const one = await run('validate', '-f', 'clusters');
    expect(many.code).toBe(2);
    const [error, ...problems] = [many, one].map(({ stderr }) =>
      stderr.split('\n').filter((line) => /^clusters\/.*:\d/.test(line)),
    );
    expect(problems).toEqual([error]);
    expect(many.stderr).toContain('already the name of the cluster at clusters/a.yaml:2');
    expect(many.stderr).toContain('error: clusters/b.yaml, clusters/c.yaml are not valid: 2 errors.');
  });

  test.each([
    [
      'validate',
      'prod-eu',
      'found "prod-eu" after -f, which is no file',
      'name only the files of the clusters that you mean',
    ],
    ['apply', 'none.yaml', 'none.yaml cannot be used: 1 error', 'name a file or directory that exists'],
  ])('%s -f FILE %s says what is missing', async (command, more, message, remedy) => {
    const { code, stderr } = await run(command, '-f', 'clusters/a.yaml', more);
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
    expect(stderr).toContain(`  fix: ${remedy}`);
  });

  test.each([
    [['apply', 'clusters/a.yaml'], 'ospatch apply -f clusters/a.yaml'],
    [['plan', 'clusters/a.yaml', 'clusters/b.yaml'], 'ospatch plan -f clusters/a.yaml clusters/b.yaml'],
    [['doctor', 'clusters/'], 'ospatch doctor -f clusters/'],
    [['calendar', 'a', 'b'], 'run it once for each cluster, e.g. ospatch calendar a'],
  ])('%j is answered with the command that was meant', async (args, remedy) => {
    const { code, stdout, stderr } = await run(...args);
    expect([code, stdout, stderr]).toEqual([2, '', expect.stringContaining(remedy)]);
  });

  test('a command for one cluster takes the name of one of several specs', async () => {
    const files = ['-f', 'clusters/a.yaml', 'clusters/b.yaml'];
    const two = await run('plan', ...files);
    expect([two.code, two.stderr]).toEqual([2, expect.stringContaining('has 2 specs, and a plan is of one cluster')]);
    const other = await run('plan', ...files, 'x');
    expect(other.stderr).toContain('clusters/a.yaml clusters/b.yaml has no spec of the name x');
    expect((await run('calendar', ...files, '-o', 'json')).code).toBe(0);
  });

  test('an empty name after -f is not the working directory', async () => {
    const { code, stderr } = await run('validate', '-f', '');
    expect([code, stderr]).toEqual([2, expect.stringContaining('-f: found an empty name')]);
  });
});
