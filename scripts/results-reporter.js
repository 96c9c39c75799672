// Writes the data for scripts/summary.js to the file RESULTS_FILE. Jest's own --json writes whole error objects, and
// produces no file when one of them is circular, as those of child_process are.
const { writeFileSync } = require('node:fs');

/** What keeps a file from being loaded has a message; what happens after its last test has a stack only. */
function textOf(error) {
  return error.message || error.stack || String(error);
}

module.exports = class ResultsReporter {
  suites = new Map();

  /** The result of a file that does not load does not name its suite. */
  onTestFileStart({ path, context }) {
    this.suites.set(path, context.config.displayName?.name);
  }

  onRunComplete(_contexts, results) {
    const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = results;
    const testResults = results.testResults.map((file) => ({
      name: file.testFilePath,
      suite: this.suites.get(file.testFilePath) ?? null,
      seconds: file.perfStats === undefined ? null : file.perfStats.runtime / 1000,
      status: file.numFailingTests > 0 || file.testExecError ? 'failed' : 'passed',
      // Of a file that did not load, or whose set-up did not end: no test of its own tells why.
      error: file.testExecError ? textOf(file.testExecError) : null,
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
