// Sums up the results of scripts/test.sh, lists failures, and ends with "N passed, N failed, N skipped".
const { existsSync, readFileSync, readdirSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { stripVTControlCharacters } = require('node:util');

const dir = process.argv[2];
const sum = { passed: 0, failed: 0, skipped: 0 };
const failures = [];

/** Without the colours that jest's own messages have, and with the next line where the first one announces it. */
function firstLine(text) {
  const lines = stripVTControlCharacters(text ?? '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const end = lines.findIndex((line) => !line.endsWith(':'));
  const first = lines.slice(0, end + 1 || 1).join(' ');
  return first.replace(/^(Error: )?(thrown: ")?/, '') || 'no reason is known';
}

/** A set-up that fails is the same failure of every test after it, which is told once. */
function describe(failed, file) {
  const reasons = failed.map(({ error }) => firstLine(error));
  if (failed.length > 1 && new Set(failed.map(({ error }) => error)).size === 1)
    return [`${file}: ${failed.length} tests fail alike: ${reasons[0]}`];
  return failed.map(({ fullName }, at) => `${fullName}: ${reasons[at]}`);
}

for (const name of ['lint.txt', 'checks.txt', 'skipped.txt']) {
  const file = path.join(dir, name);
  if (!existsSync(file)) continue;
  for (const line of readFileSync(file, 'utf8').split('\n').filter(Boolean)) {
    const [state, ...what] = line.split(' ');
    sum[state] += 1;
    if (state === 'failed') failures.push(what.join(' '));
  }
}

for (const file of readdirSync(dir).filter((name) => name.endsWith('.json'))) {
  const report = JSON.parse(readFileSync(path.join(dir, file), 'utf8'));
  sum.passed += report.numPassedTests;
  sum.skipped += report.numPendingTests + report.numTodoTests;
  sum.failed += report.numFailedTests;
  for (const test of report.testResults) {
    const failed = test.assertionResults.filter((result) => result.status === 'failed');
    const suite = test.suite ?? file.replace('.json', '');
    failures.push(...describe(failed, path.relative(process.cwd(), test.name)).map((line) => `${suite}: ${line}`));
    // A file that does not load, or fails after its last test, has no failed test of its own.
    if (test.status === 'failed' && failed.length === 0) {
      sum.failed += 1;
      failures.push(
        `${suite}: ${path.relative(process.cwd(), test.name)} failed outside its tests: ${firstLine(test.error)}`,
      );
    }
  }
}

for (const failure of failures) console.log(`failed: ${failure}`);
const line = `${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`;
writeFileSync(path.join(dir, 'summary.txt'), `${line}\n`);
console.log(line);
process.exitCode = sum.failed > 0 ? 1 : 0;
