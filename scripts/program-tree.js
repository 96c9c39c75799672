'use strict';
/**
 * Makes the tree of the program as packages install it: what `npm pack` publishes that the program needs, its production
 * dependencies from node_modules, and the native library of one architecture only. Whatever only developers need is left
 * out: sources, types, maps, tests, documentation.
 * Usage: node scripts/program-tree.js --arch amd64|arm64 --package DIR TARGET
 * DIR is an unpacked `ospatch-X.Y.Z.tgz`; TARGET must not exist.
 */
const {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');

const ROOT = path.join(__dirname, '..');

/** Architectures as Debian and OCI call them, and as Rust calls them in the native library of Temporal's SDK. */
const ARCHITECTURES = { amd64: 'x86_64-unknown-linux-gnu', arm64: 'aarch64-unknown-linux-gnu' };

/** Of the published package; the rest is documentation. */
const OWN = ['bin', 'deploy', 'lib', 'schema', 'package.json'];

/** Directories at the top of a package of node_modules that no program loads. */
const DEVELOPERS =
  /^(?:\.github|\.vscode|test|tests|__tests__|example|examples|benchmark|benchmarks|coverage|prebuilds|sdk-core|deps|bridge-macros)$/;

/** Types, sources, maps, build files, documentation; licences are in the package's own file of licences. */
const LEFT_OUT =
  /(?:\.(?:d\.ts|ts|mts|cts|map|flow|tsbuildinfo|markdown|md|txt|c|cc|cpp|h|rs|gyp|gypi|toml|ya?ml|bare|lock|bnf|html|png|svg|opts|nix|patch|exe|bat|ico|jsdoc)|(?:^|\/)(?:Makefile|\.[a-z][\w.-]*|(?:[\w.-]*LICEN[CS]E|NOTICE|COPYING|AUTHORS|CHANGELOG|README|UNLICENSE|CNAME|Jenkinsfile)[\w.-]*))$/i;

/** Compilers, for the bundle of the workflows, which is built already. */
const COMPILERS = /^node_modules\/@swc\/core-/;

/** Paths of the production dependencies below node_modules that are installed, from the lock file. */
function productionPackages(lock, root = ROOT) {
  return Object.entries(lock.packages)
    .filter(([name, { dev, link }]) => name !== '' && dev !== true && link !== true && !COMPILERS.test(name))
    .map(([name]) => name)
    .filter((name) => existsSync(path.join(root, name, 'package.json')))
    .sort();
}

/**
 * What node-gyp has built on this machine, where packages are installed with their scripts: it would differ from build to
 * build, and be of the wrong architecture. The packages that have it do without.
 */
function isBuiltHere(file) {
  return path.basename(file) === 'build' && existsSync(path.join(path.dirname(file), 'binding.gyp'));
}

function copyDependency(name, target, triple) {
  const from = path.join(ROOT, name);
  const isBridge = name.endsWith('node_modules/@temporalio/core-bridge');
  cpSync(from, path.join(target, name), {
    recursive: true,
    filter: (file) => {
      const inside = path.relative(from, file);
      if (inside === '') return true;
      const [top, second] = inside.split('/');
      if (top === 'node_modules' || DEVELOPERS.test(top)) return false;
      if (isBridge && top === 'releases' && second !== undefined && second !== triple) return false;
      if (isBuiltHere(file)) return false;
      return !LEFT_OUT.test(inside) || inside === 'package.json';
    },
  });
}

/** Empty directories say nothing. */
function removeEmpty(dir) {
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    if (entry.isDirectory()) removeEmpty(path.join(dir, entry.name));
  }
  if (readdirSync(dir).length === 0) rmSync(dir, { recursive: true });
}

/** The same modes on every machine, and programs only where somebody runs them. */
function setModes(dir) {
  chmodSync(dir, 0o755);
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const file = path.join(dir, entry.name);
    if (entry.isDirectory()) setModes(file);
    else if (!entry.isSymbolicLink()) chmodSync(file, 0o644);
  }
}

/** `from`: the unpacked package of npm. */
function makeProgramTree({ arch, from, target }) {
  const triple = ARCHITECTURES[arch];
  if (triple === undefined)
    throw new Error(`unknown architecture ${arch}; known: ${Object.keys(ARCHITECTURES).join(', ')}`);
  mkdirSync(target, { recursive: true });
  for (const name of OWN) {
    cpSync(path.join(from, name), path.join(target, name), {
      recursive: true,
      filter: (file) => !/\.(?:d\.ts|map)$/.test(file),
    });
  }
  const lock = JSON.parse(readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8'));
  const packages = productionPackages(lock);
  for (const name of packages) copyDependency(name, target, triple);
  const bridge = path.join(target, 'node_modules/@temporalio/core-bridge/releases', triple, 'index.node');
  if (!existsSync(bridge)) throw new Error(`@temporalio/core-bridge has no native library for ${arch}`);
  removeEmpty(target);
  setModes(target);
  const program = path.join(target, 'bin/ospatch.js');
  // Packages bring Node.js in a fixed place; the PATH of a service or a person may lead to another one.
  writeFileSync(program, readFileSync(program, 'utf8').replace(/^#!.*/, '#!/usr/bin/node'));
  chmodSync(program, 0o755);
  return packages;
}

module.exports = { ARCHITECTURES, LEFT_OUT, makeProgramTree, productionPackages };

if (require.main === module) {
  const { values, positionals } = parseArgs({
    options: { arch: { type: 'string' }, package: { type: 'string' } },
    allowPositionals: true,
  });
  const [target] = positionals;
  if (values.arch === undefined || values.package === undefined || target === undefined || existsSync(target)) {
    console.error(
      'usage: node scripts/program-tree.js --arch amd64|arm64 --package DIR TARGET    (TARGET must not exist)',
    );
    process.exit(2);
  }
  try {
    makeProgramTree({ arch: values.arch, from: values.package, target });
  } catch (error) {
    console.error(`error: ${error.message}`);
    process.exit(1);
  }
}
