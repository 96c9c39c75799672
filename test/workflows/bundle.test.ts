import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { modulesOf, packageOf, unexpectedIn } from '../../scripts/bundle-contents';
import { workflowBundle } from '../support/workflow-bundle';

/** Every worker parses it, and what it holds runs once for every cached workflow. */
const MAX_CODE_KIB = 1_024;

describe('the workflow bundle', () => {
  it('holds what decides and what talks to Temporal, and nothing that a later release may answer differently', async () => {
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
  ])('may not hold %s', (id) => expect(unexpectedIn(`/***/ "${id}"\n`)).toEqual([id]));

  it('has no source map in production; a stack trace names functions and lines of the bundle', () => {
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
