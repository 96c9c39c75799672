// Writes what scripts/summary.js counts to the file RESULTS_FILE. Jest's own --json writes whole error objects, and
// leaves no file at all when one of them refers to itself, as those of child_process do.
const { writeFileSync } = require('node:fs');

module.exports = class ResultsReporter {
  onRunComplete(_contexts, results) {
    const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = results;
    const testResults = results.testResults.map((file) => ({
      name: file.testFilePath,
      suite: file.displayName?.name ?? null,
      seconds: file.perfStats === undefined ? null : file.perfStats.runtime / 1000,
      status: file.numFailingTests > 0 || file.testExecError ? 'failed' : 'passed',
      // Of a file that did not load, or whose set-up did not end: no test of its own tells why.
      error: file.testExecError ? String(file.testExecError.message ?? file.testExecError) : null,
      assertionResults: file.testResults.map(({ status, fullName, duration, failureMessages }) => ({
        status,
        fullName,
        seconds: typeof duration === 'number' ? duration / 1000 : null,
        error: failureMessages?.[0] ?? null,
      })),
    }));
    const report = { numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults };
    writeFileSync(process.env.RESULTS_FILE, JSON.stringify(report));
  }
};
