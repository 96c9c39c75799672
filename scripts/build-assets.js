// Copies what tsc does not: the shell scripts beside the TypeScript sources.
const { chmodSync, copyFileSync, mkdirSync, readdirSync } = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..');
for (const name of readdirSync(path.join(root, 'src'), { recursive: true })) {
  if (!name.endsWith('.sh')) continue;
  const target = path.join(root, 'lib', name);
  mkdirSync(path.dirname(target), { recursive: true });
  copyFileSync(path.join(root, 'src', name), target);
  chmodSync(target, 0o755);
}
