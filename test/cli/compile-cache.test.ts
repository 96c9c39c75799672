import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

interface NodeModules {
  enableCompileCache?: (dir: string) => unknown;
}
const { useCompileCache } = jest.requireActual<{
  useCompileCache(env: Record<string, string>, nodeModules: NodeModules): void;
}>('../../bin/compile-cache.js');

describe('bin/compile-cache', () => {
  let base: string;
  const enableCompileCache = jest.fn();

  beforeEach(() => {
    base = mkdtempSync(path.join(tmpdir(), 'ospatch-compiled-'));
    enableCompileCache.mockReset();
  });
  afterEach(() => rmSync(base, { recursive: true }));

  const start = (nodeModules: NodeModules = { enableCompileCache }): void =>
    useCompileCache({ OSPATCH_CACHE: base }, nodeModules);

  test('keeps what is compiled in a directory of its own', () => {
    start();
    start();
    expect(enableCompileCache.mock.calls).toEqual([[path.join(base, 'compiled')], [path.join(base, 'compiled')]]);
  });

  test('uses no directory that others may write to', () => {
    const dir = path.join(base, 'compiled');
    mkdirSync(dir);
    chmodSync(dir, 0o777);
    start();
    expect(enableCompileCache).not.toHaveBeenCalled();
  });

  test('starts all the same where there can be no directory, or Node.js keeps nothing', () => {
    start({});
    expect(existsSync(path.join(base, 'compiled'))).toBe(false);
    writeFileSync(path.join(base, 'compiled'), '');
    start();
    expect(enableCompileCache).not.toHaveBeenCalled();
  });
});
