// Checks that the lock file has a digest for every package: without one npm accepts whatever the registry returns.
const { readFileSync } = require('node:fs');
const path = require('node:path');

/** Names of the entries without a digest. */
function withoutIntegrity({ packages }) {
  return Object.entries(packages)
    .filter(([name, { integrity, link }]) => name !== '' && link !== true && integrity === undefined)
    .map(([name]) => name);
}

if (require.main === module) {
  const file = path.join(__dirname, '..', process.argv[2] ?? 'package-lock.json');
  const found = withoutIntegrity(JSON.parse(readFileSync(file, 'utf8')));
  for (const name of found) console.error(`${path.basename(file)}: ${name} has no integrity`);
  if (found.length > 0) {
    console.error('  fix: remove these entries from the file, then: npm install --package-lock-only --ignore-scripts');
    process.exitCode = 1;
  }
}

module.exports = { withoutIntegrity };
