import { chmodSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { runHook } from '../../src/hooks/run-hook';
import { nodeSpec } from '../support/builders';

const dir = mkdtempSync(path.join(tmpdir(), 'hooks-'));
const target = { cluster: 'prod', ...nodeSpec('w-1') };
const { signal } = new AbortController();

afterAll(() => rmSync(dir, { recursive: true }));

function place(name: string, body: string, mode = 0o755): void {
  writeFileSync(path.join(dir, name), `#!/bin/sh\n${body}\n`);
  chmodSync(path.join(dir, name), mode);
}

describe('src/hooks/run-hook', () => {
  it('runs the hook with cluster, node and address as arguments, without a shell', async () => {
    place('cycle', `printf '%s,' "$@" >${dir}/seen`);
    await runHook(dir, 'cycle', { ...target, host: '$(touch x); 10.0.0.1' }, signal);
    expect(readFileSync(path.join(dir, 'seen'), 'utf8')).toBe('prod,w-1,$(touch x); 10.0.0.1,');
  });

  it('reports the failure of a hook in one sentence', async () => {
    place('fails', 'echo "no such BMC" >&2; exit 3');
    await expect(runHook(dir, 'fails', target, signal)).rejects.toMatchObject({
      type: 'PowerCycle',
      message: 'the hook fails did not power-cycle w-1: it exited with code 3 (no such BMC)',
    });
  });

  it.each([
    ['missing', 'the worker has no hook missing'],
    ['../cycle', 'is not a bare name'],
    ['writable', 'can be changed by everybody (mode 0777)'],
    ['link', 'the hook link is not used: '],
    ['plain', 'the hook plain is not executable'],
  ])('refuses to run %s', async (name, why) => {
    place('writable', 'true', 0o777);
    place('plain', 'true', 0o644);
    // The target is what others may change.
    if (name === 'link') symlinkSync(path.join(dir, 'writable'), path.join(dir, name));
    await expect(runHook(dir, name, target, signal)).rejects.toMatchObject({
      type: 'PowerCycle',
      message: expect.stringContaining(why),
    });
  });

  it('names the setting when the worker has no hook directory', async () => {
    await expect(runHook(null, 'cycle', target, signal)).rejects.toMatchObject({
      remedy: expect.stringContaining('OSPATCH_HOOK_DIR'),
    });
  });
});
