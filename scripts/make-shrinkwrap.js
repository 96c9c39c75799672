// Writes the published npm-shrinkwrap.json: an installation of ospatch gets exactly the packages that were tested.
const { readFileSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { withoutIntegrity } = require('./check-lock');

const root = path.join(__dirname, '..');

/** The lock file without development dependencies. */
function shrinkwrapOf(lock) {
  const own = { ...lock.packages[''] };
  delete own.devDependencies;
  const rest = Object.entries(lock.packages).filter(([name, { dev }]) => name !== '' && dev !== true);
  return { ...lock, packages: { '': own, ...Object.fromEntries(rest) } };
}

if (require.main === module) {
  const lock = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8'));
  const shrinkwrap = shrinkwrapOf(lock);
  const found = withoutIntegrity(shrinkwrap);
  if (found.length > 0) {
    console.error(`error: package-lock.json has no integrity for ${found.join(', ')}`);
    process.exit(1);
  }
  writeFileSync(path.join(root, 'npm-shrinkwrap.json'), `${JSON.stringify(shrinkwrap, null, 2)}\n`);
}

module.exports = { shrinkwrapOf };
