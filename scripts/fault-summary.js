// Prints the result of each fault as a table. With --sum (and --skipped when a suite could not run), ends with "N
// passed, N failed, N skipped" of the jest report.
const { existsSync, readFileSync } = require('node:fs');
const path = require('node:path');
const Table = require('cli-table3');

const dir = process.argv[2];
const file = path.join(dir, 'faults.jsonl');
const records = existsSync(file)
  ? readFileSync(file, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line))
  : [];
records.sort((a, b) => a.row.localeCompare(b.row));

const table = new Table({
  head: ['row', 'fault', 'moment', 'end state', 'transactions', 'reboots', 'what the user reads', 's', ''],
  colWidths: [null, 50, 28, null, null, null, 60, null, null],
  wordWrap: true,
  style: { head: [], border: [], compact: true },
});
for (const { row, title, moment, state, transactions, reboots, sentence, seconds, ok } of records) {
  table.push([
    row,
    title,
    moment,
    state,
    transactions ?? '?',
    reboots ?? '?',
    sentence ?? '',
    seconds,
    ok ? '' : 'FAILED',
  ]);
}
if (records.length > 0) {
  console.log(table.toString());
  console.log(
    `repeat with OSPATCH_FAULT_SEED=${records[0].seed}; failed ones have a report in ${path.join(dir, 'faults/')}`,
  );
}

if (process.argv.includes('--sum')) {
  const report = JSON.parse(readFileSync(path.join(dir, 'faults.json'), 'utf8'));
  // A file that failed to load has no failed test.
  const broken = report.testResults.filter(
    (test) => test.status === 'failed' && !test.assertionResults.some((one) => one.status === 'failed'),
  );
  const failed = report.numFailedTests + broken.length;
  const skipped = report.numPendingTests + report.numTodoTests + (process.argv.includes('--skipped') ? 1 : 0);
  console.log(`${report.numPassedTests} passed, ${failed} failed, ${skipped} skipped`);
  process.exitCode = failed > 0 ? 1 : 0;
}
