// Keeps the workflow bundle of a release for test/upgrade, in which later releases continue its workflows. Run once per
// release, after the build. Usage: keep-bundle.js
const { mkdirSync, readFileSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { gzipSync } = require('node:zlib');

const root = path.join(__dirname, '..');
const { version } = require('../package.json');

const dir = path.join(root, 'test', 'upgrade', 'previous');
const file = path.join(dir, `${version}.js.gz`);
mkdirSync(dir, { recursive: true });
writeFileSync(file, gzipSync(readFileSync(path.join(root, 'lib', 'workflow-bundle.js')), { level: 9 }));
console.log(path.relative(root, file));
