import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import os, { tmpdir } from 'node:os';
import path from 'node:path';

import { cacheDir, mustRun, processStartTime, runProgram } from '../../src/dev/host';
import { hasLiveOwner, markOwner, withLock } from '../../src/dev/owner-lock';

describe('src/dev/host', () => {
  it('reports a missing and a failed command without throwing', async () => {
    expect((await runProgram('no-such-command-here', [])).code).toBe(127);
    expect(await runProgram('sh', ['-c', 'echo out; echo bad >&2; exit 3'])).toEqual({
      code: 3,
      stdout: 'out\n',
      stderr: 'bad\n',
    });
  });

  it('throws with the command, the exit code and the tail of standard error when failure is not accepted', async () => {
    await expect(mustRun('sh', ['-c', 'echo broken pipe of the kitchen >&2; exit 4'])).rejects.toThrow(
      /sh -c .* exited with code 4:\nbroken pipe of the kitchen/,
    );
  });

  it('has no start time for a process that is gone', async () => {
    const child = spawn('true');
    await once(child, 'exit');
    expect(processStartTime(child.pid ?? 0)).toBeUndefined();
    expect(processStartTime(process.pid)).toMatch(/^\d+$/);
  });
});

describe('src/dev/owner-lock', () => {
  let dir: string;

  beforeEach(() => {
    dir = mkdtempSync(path.join(tmpdir(), 'ospatch-lock-'));
  });

  afterEach(() => rmSync(dir, { recursive: true }));

  it('admits one holder at a time and notifies the others that they wait', async () => {
    const lock = path.join(dir, 'lock');
    const order: string[] = [];
    let isIn = (): void => undefined;
    let isTold = (): void => undefined;
    const locked = new Promise<void>((resolve) => {
      isIn = resolve;
    });
    const notified = new Promise<void>((resolve) => {
      isTold = resolve;
    });
    const first = withLock(
      lock,
      () => undefined,
      async () => {
        order.push('first in');
        isIn();
        await notified;
        order.push('first out');
      },
    );
    await locked;
    const second = withLock(lock, isTold, async () => {
      order.push('second in');
    });
    await Promise.all([first, second]);
    expect(order).toEqual(['first in', 'first out', 'second in']);
  });

  it('releases the lock when the locked function throws', async () => {
    const lock = path.join(dir, 'lock');
    const failing = withLock(
      lock,
      () => undefined,
      () => Promise.reject(new Error('no')),
    );
    await expect(failing).rejects.toThrow('no');
    await expect(
      withLock(
        lock,
        () => undefined,
        async () => 'yes',
      ),
    ).resolves.toBe('yes');
  });

  it('treats a directory as owned only while its owner process lives', () => {
    expect(hasLiveOwner(dir)).toBe(false);
    markOwner(dir);
    expect(hasLiveOwner(dir)).toBe(true);
  });
});

describe('the cache directory', () => {
  const before = { ...process.env };
  afterEach(() => {
    for (const name of ['OSPATCH_CACHE', 'XDG_CACHE_HOME']) {
      delete process.env[name];
      if (before[name] !== undefined) process.env[name] = before[name];
    }
  });

  it('is not created below a home directory that does not exist', () => {
    const root = mkdtempSync(path.join(tmpdir(), 'ospatch-home-'));
    try {
      for (const name of ['OSPATCH_CACHE', 'XDG_CACHE_HOME']) delete process.env[name];
      // In a Jest sandbox `process.env` is a copy, invisible to the C library.
      const home = jest.spyOn(os, 'homedir');
      home.mockReturnValue(path.join(root, 'gone'));
      expect(() => cacheDir('dev')).toThrow(/gone does not exist/);
      expect(existsSync(path.join(root, 'gone'))).toBe(false);
      home.mockReturnValue(root);
      expect(cacheDir('dev')).toBe(path.join(root, '.cache/ospatch/dev'));
    } finally {
      jest.restoreAllMocks();
      rmSync(root, { recursive: true });
    }
  });
});
