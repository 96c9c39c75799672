import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { helperScript } from '../../src/node/helper/script';

const dir = mkdtempSync(path.join(tmpdir(), 'helper-script-'));
const script = path.join(dir, 'ospatch-node');
writeFileSync(script, helperScript().content);

afterAll(() => rmSync(dir, { recursive: true }));

function has(command: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${command}`]).status === 0;
}

describe('src/node/helper', () => {
  const shells = [['sh'], ['dash'], ['bash', '--posix'], ['busybox', 'ash']].filter(([name = '']) => has(name));

  it.each(shells)('is valid for %s', (...shell) => {
    const [program = '', ...args] = shell;
    expect(() => execFileSync(program, [...args, '-n', script])).not.toThrow();
  });

  (has('shellcheck') ? it : it.skip)('passes shellcheck', () => {
    const { status, stdout } = spawnSync('shellcheck', ['-s', 'sh', script], { encoding: 'utf8' });
    expect(stdout).toBe('');
    expect(status).toBe(0);
  });

  it('is installed under the first twelve digits of its digest', () => {
    const { path: place, digest, content } = helperScript();
    expect(place).toBe(`/usr/local/libexec/ospatch-node-${digest.slice(0, 12)}`);
    expect(content.subarray(0, 10).toString()).toBe('#!/bin/sh\n');
  });

  it('rejects unknown verbs before any effect', () => {
    const { status, stdout } = spawnSync('sh', [script, 'reformat'], { encoding: 'utf8' });
    expect([status, stdout]).toEqual([64, 'ospatch 1 state=error why=bad-verb\n']);
  });
});
