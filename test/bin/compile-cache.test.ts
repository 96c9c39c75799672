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

  test('keeps compiled code in a private directory', () => {
    start();
    start();
    expect(enableCompileCache.mock.calls).toEqual([[path.join(base, 'compiled')], [path.join(base, 'compiled')]]);
  });

  test('rejects a directory that others may write to', () => {
    const dir = path.join(base, 'compiled');
    mkdirSync(dir);
    chmodSync(dir, 0o777);
    start();
    expect(enableCompileCache).not.toHaveBeenCalled();
  });

  test('does not fail without a usable directory, or without support in Node.js', () => {
    start({});
    expect(existsSync(path.join(base, 'compiled'))).toBe(false);
    writeFileSync(path.join(base, 'compiled'), '');
    start();
    expect(enableCompileCache).not.toHaveBeenCalled();
  });
});
