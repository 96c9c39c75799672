import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { exposedHelper, helperCommand, helperDefect } from '../../../src/node/job/call';
import { privilegeOf } from '../../../src/node/privilege';

describe('src/node/job/call', () => {
  let dir: string;
  const content = '#!/bin/sh\necho "ran $*"\ncat\n';
  const digest = createHash('sha256').update(content).digest('hex');
  const script = () => ({ content: Buffer.from(content), digest, path: path.join(dir, 'helper') });
  const command = () => helperCommand(script(), privilegeOf('root'), 'poll 0123456789abcdef-plan-1 0 1 2');
  /** With a `stat` that answers that all of it is root's: the directory of a test never is. */
  const run = (shell: string) => {
    const trusting = command().replace('PATH=', `PATH=${dir}:`);
    return spawnSync(shell, ['-c', trusting], { input: 'stdin' });
  };

  beforeEach(() => {
    dir = mkdtempSync(path.join(tmpdir(), 'ospatch-call-'));
    writeFileSync(script().path, content, { mode: 0o755 });
    writeFileSync(path.join(dir, 'stat'), '#!/bin/sh\necho 0 drwxr-xr-x root:root /\n', { mode: 0o755 });
  });

  afterEach(() => rmSync(dir, { recursive: true }));

  const shells = ['sh', 'bash', 'dash', 'zsh', 'fish', 'tcsh'].filter((one) => spawnSync('which', [one]).status === 0);

  it.each(shells)('runs the helper with its arguments and standard input under any login shell: %s', (shell) => {
    expect(run(shell).stdout.toString()).toBe('ran poll 0123456789abcdef-plan-1 0 1 2\nstdin');
  });

  it.each([
    [['sudo', 'doas'], 'sudo'],
    [['doas'], 'doas'],
  ])('becomes root by sudo, and by doas without sudo: %j', (tools, expected) => {
    for (const tool of tools) {
      writeFileSync(path.join(dir, tool), `#!/bin/sh\nshift\necho ${tool}\nexec "$@"\n`, { mode: 0o755 });
    }
    const call = helperCommand(script(), privilegeOf('op'), 'facts');
    const search = `PATH=${dir}:/tmp/without-sudo`;
    for (const tool of ['sh', 'env', 'sha256sum', 'echo', 'cat']) {
      const found = execFileSync('which', [tool], { encoding: 'utf8' }).trim();
      execFileSync('ln', ['-sf', found, path.join(dir, tool)]);
    }
    const output = execFileSync('sh', ['-c', call.replace(/PATH=[^;]*/, search)], { input: '' });
    expect(output.toString()).toBe(`${expected}\nran facts\n`);
  });

  it('does not run a helper that differs in a single byte, and reports its digest', () => {
    writeFileSync(script().path, `${content}\n`);
    const { stdout, status } = run('sh');
    const found = execFileSync('sha256sum', [script().path]).toString().slice(0, 64);
    expect(status).toBe(127);
    expect(helperDefect(stdout)).toEqual({ kind: 'changed', found });
  });

  it('does not run a helper in a directory that others can change', () => {
    const { status, stdout } = spawnSync('sh', ['-c', command()], { input: 'stdin' });
    expect([status, helperDefect(stdout)]).toEqual([127, null]);
    expect(exposedHelper(stdout)?.place).toMatch(/^\//);
    expect(stdout.toString()).not.toContain('ran ');
  });

  it('distinguishes a missing helper from one without execute permission', () => {
    chmodSync(script().path, 0o644);
    expect(helperDefect(run('sh').stdout)).toMatchObject({ kind: 'mode' });
    rmSync(script().path);
    expect(helperDefect(run('sh').stdout)).toEqual({ kind: 'missing', found: null });
  });

  it('rejects anything but a verb with plain arguments', () => {
    for (const call of [
      '',
      'facts;id',
      'poll $(id)',
      'log ../x 1',
      "log 'x' 1",
      'facts\nid',
      'poll x NaN 1 1',
      '-x',
      'a  b',
    ]) {
      expect(() => helperCommand(script(), privilegeOf('root'), call)).toThrow('not a call of the helper');
    }
  });

  it('does not mistake output of the helper for an error of the call', () => {
    expect(helperDefect(Buffer.from('ospatch 1 facts\nos_id=debian\nend\n'))).toBeNull();
  });
});
