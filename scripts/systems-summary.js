// Prints the result of each system as a table; ends with "N passed, N failed, N skipped" of the jest report.
const { existsSync, readFileSync } = require('node:fs');
const path = require('node:path');
const Table = require('cli-table3');

const dir = process.argv[2];
const file = path.join(dir, 'systems.jsonl');
const rows = existsSync(file)
  ? readFileSync(file, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line))
  : [];
rows.sort((a, b) => a.system.localeCompare(b.system));

const table = new Table({
  head: ['system', 'package manager', 'sudo', 'coreutils', 'sh', 'steps', 's', 'result'],
  colWidths: [34, null, null, 24, null, 56, null, 30],
  wordWrap: true,
  style: { head: [], border: [], compact: true },
});
for (const { system, apt, sudo, coreutils, shell, steps, failed, seconds } of rows) {
  const result = failed.length === 0 ? 'passed' : `FAILED: ${failed.join(', ')}`;
  table.push([system, apt ?? '', sudo ?? '', coreutils ?? '', shell ?? '', steps.join(', '), seconds, result]);
}
if (rows.length > 0) console.log(table.toString());

const report = JSON.parse(readFileSync(path.join(dir, 'systems.json'), 'utf8'));
for (const test of report.testResults) {
  for (const one of test.assertionResults.filter(({ status }) => status === 'failed')) {
    console.log(`failed: ${path.relative(process.cwd(), test.name)}: ${one.fullName}`);
  }
}
// A file that failed to load has no failed test.
const broken = report.testResults.filter(
  (test) => test.status === 'failed' && !test.assertionResults.some((one) => one.status === 'failed'),
);
for (const test of broken) console.log(`failed: ${path.relative(process.cwd(), test.name)} could not run`);
const failed = report.numFailedTests + broken.length;
console.log(
  `${report.numPassedTests} passed, ${failed} failed, ${report.numPendingTests + report.numTodoTests} skipped`,
);
process.exitCode = failed > 0 ? 1 : 0;
