import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';

import { bundleOptions } from '../../scripts/bundle-options';
import { cacheDir } from '../../src/dev/host';
import { withLock } from '../../src/dev/owner-lock';
import { WORKFLOW_INTERCEPTORS } from '../../src/workflow-interceptors';

const SRC = path.join(__dirname, '../../src');
const KEPT_BUNDLES = 15;
/** What decides how they are bundled. */
const OPTIONS = ['scripts/bundle-options.js', 'scripts/freeze-constants.js', 'src/workflow-interceptors.ts'];

/**
 * The workflows as `Worker.create({ workflowBundle })` takes them. Bundled once for all test files, from the sources,
 * and again after each change of these. In memory, because other checkouts may evict the file from the cache. `entry`
 * exports the workflows, for tests of broken ones.
 */
export async function workflowBundle(entry = path.join(SRC, 'workflows/index.ts')): Promise<{ code: string }> {
  const dir = cacheDir('test-bundles');
  const codePath = path.join(dir, `${sourceDigest(entry)}.js`);
  return withLock(
    path.join(dir, 'lock'),
    () => undefined,
    async () => {
      // Read at once: other checkouts share the cache, which drops the oldest bundles.
      if (existsSync(codePath)) return { code: readFileSync(codePath, 'utf8') };
      const { code } = await bundleWorkflowCode({
        ...bundleOptions(entry, (name) => path.join(SRC, `workflows/sandbox/${name}.ts`), WORKFLOW_INTERCEPTORS),
        logger: new DefaultLogger('ERROR'),
      });
      removeOldest(dir);
      writeFileSync(`${codePath}.tmp`, code);
      renameSync(`${codePath}.tmp`, codePath);
      return { code };
    },
  );
}

function sourceDigest(entry: string): string {
  const hash = createHash('sha256').update(readFileSync(entry));
  for (const file of OPTIONS) hash.update(readFileSync(path.join(SRC, '..', file)));
  for (const folder of ['domain', 'contract', 'workflows']) {
    const names = readdirSync(path.join(SRC, folder), { recursive: true }).map(String);
    for (const name of names.filter((file) => file.endsWith('.ts')).sort()) {
      hash.update(name).update(readFileSync(path.join(SRC, folder, name)));
    }
  }
  return hash.digest('hex').slice(0, 16);
}

function removeOldest(dir: string): void {
  const bundles = readdirSync(dir).filter((name) => name.endsWith('.js'));
  for (const name of bundles.slice(0, Math.max(0, bundles.length - KEPT_BUNDLES))) rmSync(path.join(dir, name));
}
