// Writes the data for scripts/summary.js to the file RESULTS_FILE, also when jest is ended before all files are through. Jest's own
// --json writes whole error objects, and produces no file when one of them is circular, as those of child_process are.
const { writeFileSync } = require('node:fs');
const { constants } = require('node:os');

/** What keeps a file from being loaded has a message; what happens after its last test has a stack only. */
function textOf(error) {
  return error.message || error.stack || String(error);
}

module.exports = class ResultsReporter {
  suites = new Map();
  open = new Set();
  results = null;

  constructor() {
    process.once('SIGTERM', (signal) => {
      this.write();
      process.exit(128 + constants.signals[signal]);
    });
  }

  /** The result of a file that does not load does not name its suite. */
  onTestFileStart({ path, context }) {
    this.suites.set(path, context.config.displayName?.name);
    this.open.add(path);
  }

  onTestFileResult({ path }, _result, results) {
    this.open.delete(path);
    this.results = results;
  }

  onRunComplete(_contexts, results) {
    this.results = results;
    this.open.clear();
    this.write();
  }

  write() {
    const { numPassedTests = 0, numFailedTests = 0, numPendingTests = 0, numTodoTests = 0 } = this.results ?? {};
    const ended = (this.results?.testResults ?? []).map((file) => ({
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
    const open = [...this.open].map((name) => ({
      name,
      suite: this.suites.get(name) ?? null,
      seconds: null,
      status: 'failed',
      error: 'the suite was ended before this file was through',
      assertionResults: [],
    }));
    const testResults = [...ended, ...open];
    const report = { numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults };
    writeFileSync(process.env.RESULTS_FILE, JSON.stringify(report));
  }
};
