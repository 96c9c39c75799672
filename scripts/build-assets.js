// Copies what tsc does not: the shell scripts and Go sources beside the TypeScript sources.
const { chmodSync, copyFileSync, mkdirSync, readdirSync } = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..');
for (const name of readdirSync(path.join(root, 'src'), { recursive: true })) {
  const script = name.endsWith('.sh');
  if (!script && !/\.(go|mod|sum)$/.test(name)) continue;
  const target = path.join(root, 'lib', name);
  mkdirSync(path.dirname(target), { recursive: true });
  copyFileSync(path.join(root, 'src', name), target);
  if (script) chmodSync(target, 0o755);
}
