import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createContext, runInContext } from 'node:vm';
import { modulesOf, packageOf, unexpectedIn } from '../../scripts/bundle-contents';
import { workflowBundle } from '../support/workflow-bundle';

/** Every worker parses the bundle. */
const MAX_CODE_KIB = 1_450;

describe('the workflow bundle', () => {
  it('contains decisions and Temporal calls, and nothing whose answer may differ in a later release', async () => {
    const { code } = await workflowBundle();
    const modules = modulesOf(code);
    expect(modules).toContain('./src/workflows/cluster/cluster.ts');
    expect(unexpectedIn(code)).toEqual([]);
    const packages = new Set(modules.map(packageOf).filter((name) => name !== null));
    expect([...packages].sort()).toEqual(['@temporalio/common', '@temporalio/workflow', 'long', 'ms', 'nexus-rpc']);
    const rooms = new Set(modules.filter((id) => packageOf(id) === null).map((id) => id.split('/')[2]));
    expect([...rooms].sort()).toEqual(['contract', 'domain', 'workflows']);
  });

  it.each([
    './node_modules/zod/v4/core/parse.cjs',
    './src/domain/spec/parse.ts',
    './lib/domain/schedule/zone.js',
    './src/node/facts.ts',
  ])('rejects %s', (id) => expect(unexpectedIn(`/***/ "${id}"\n`)).toEqual([id]));

  it.each(['list', 'set', 'field'])(
    'freezes a %s at module level, because all workflows of a worker share modules',
    async (kind) => {
      const { code } = await workflowBundle(path.join(__dirname, '../support/broken-workflows/leaking.ts'));
      const context = createContext({ __webpack_module_cache__: {} });
      runInContext(code, context);
      expect(() => void runInContext(`__TEMPORAL__.importWorkflows().${kind}()`, context)).toThrow(
        /not extensible|cannot be changed|read only/,
      );
    },
  );

  it('has no variables at module level', async () => {
    const own = modulesOf((await workflowBundle()).code).filter((id) => id.startsWith('./src/'));
    expect(own.length).toBeGreaterThan(80);
    const source = (id: string): string => readFileSync(path.join(__dirname, '../..', id), 'utf8');
    expect(own.filter((id) => /^(export )?(let|var) /m.test(source(id)))).toEqual([]);
  });

  it('has no source map in production; stack traces name functions and lines of the bundle', () => {
    const file = path.join(tmpdir(), `ospatch-bundle-${process.pid}.js`);
    try {
      execFileSync(process.execPath, [path.join(__dirname, '../../scripts/build-bundle.js'), file]);
      const bundle = readFileSync(file, 'utf8');
      const [code, map] = bundle.split('//# sourceMappingURL=data:application/json;base64,');
      expect((code ?? '').length / 1024).toBeLessThan(MAX_CODE_KIB);
      expect(JSON.parse(Buffer.from(map ?? '', 'base64').toString())).toMatchObject({
        sources: ['workflow-bundle.js'],
        mappings: expect.stringMatching(/^AAAA(;AACA)+$/),
      });
    } finally {
      rmSync(file, { force: true });
    }
  });
});
