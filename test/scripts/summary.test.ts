import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { runProgram } from '../../src/dev/host';

/** Jest loads the reporter by name; the reporter has no types. */
const ResultsReporter = jest.requireActual<
  new () => {
    onTestFileStart(test: unknown): void;
    onTestFileResult(test: unknown, result: unknown, results: unknown): void;
    onRunComplete(contexts: unknown, results: unknown): void;
    write(): void;
  }
>('../../scripts/results-reporter.js');
const SCRIPT = path.join(__dirname, '../../scripts/summary.js');

describe('scripts/summary.js', () => {
  let dir: string;

  beforeEach(() => {
    dir = mkdtempSync(path.join(tmpdir(), 'ospatch-summary-'));
  });

  afterEach(() => rmSync(dir, { recursive: true }));

  function suite(
    name: string,
    counts: { passed: number; failed?: Record<string, string>; skipped?: number; broken?: boolean; suite?: string },
  ): void {
    const failed = Object.entries(counts.failed ?? {}).map(([fullName, error]) => ({
      status: 'failed',
      fullName,
      error,
    }));
    const report = {
      numPassedTests: counts.passed,
      numFailedTests: failed.length,
      numPendingTests: counts.skipped ?? 0,
      numTodoTests: 0,
      testResults: [
        {
          name: path.join(process.cwd(), 'test/a.test.ts'),
          suite: counts.suite ?? null,
          status: failed.length > 0 || counts.broken === true ? 'failed' : 'passed',
          assertionResults: failed,
        },
      ],
    };
    writeFileSync(path.join(dir, `${name}.json`), JSON.stringify(report));
  }

  it('sums the suites and the lint checks and succeeds', async () => {
    suite('unit', { passed: 5 });
    suite('node', { passed: 2 });
    writeFileSync(path.join(dir, 'lint.txt'), 'passed types\npassed rules\n');
    expect(await runProgram('node', [SCRIPT, dir])).toMatchObject({
      code: 0,
      stdout: '9 passed, 0 failed, 0 skipped\n',
    });
    expect(readFileSync(path.join(dir, 'summary.txt'), 'utf8')).toBe('9 passed, 0 failed, 0 skipped\n');
  });

  it('names the failures and fails', async () => {
    suite('unit', { passed: 5, failed: { 'a thing works': 'Error: it does not\n    at a.ts:1' } });
    writeFileSync(path.join(dir, 'lint.txt'), 'failed types\n');
    const result = await runProgram('node', [SCRIPT, dir]);
    expect(result.code).toBe(1);
    expect(result.stdout).toBe(
      'failed: types\nfailed: unit: a thing works: it does not\n5 passed, 2 failed, 0 skipped\n',
    );
  });

  it('names the suite of a test among others, and reports a failed set-up once', async () => {
    const error = 'Error: waited 30 s in vain for the node\n    at a.ts:1';
    suite('side-by-side-1', { passed: 1, suite: 'node', failed: { 'one works': error, 'another works': error } });
    expect((await runProgram('node', [SCRIPT, dir])).stdout).toBe(
      'failed: node: test/a.test.ts: 2 tests fail alike: waited 30 s in vain for the node\n1 passed, 2 failed, 0 skipped\n',
    );
  });

  it('counts a test file that failed to load as a failure', async () => {
    suite('unit', { passed: 0, broken: true });
    expect((await runProgram('node', [SCRIPT, dir])).stdout).toContain('0 passed, 1 failed, 0 skipped');
  });

  it('counts a failure whose error refers to itself, and names suite and reason of what fails outside the tests of a file', async () => {
    const error: Record<string, unknown> = { message: 'spawnSync sh EPIPE' };
    error['error'] = error;
    process.env['RESULTS_FILE'] = path.join(dir, 'unit.json');
    const reporter = new ResultsReporter();
    const files = ['a.test.ts', 'b.test.ts', 'c.test.ts'].map((file) => path.resolve(file));
    const context = { config: { displayName: { name: 'node' } } };
    for (const file of files) reporter.onTestFileStart({ path: file, context });
    reporter.onRunComplete(undefined, {
      ...{ numPassedTests: 4, numFailedTests: 1, numPendingTests: 0, numTodoTests: 0 },
      testResults: [
        {
          testFilePath: files[0],
          numFailingTests: 1,
          testResults: [
            { status: 'failed', fullName: 'a thing works', failureDetails: [error], failureMessages: ['Error: EPIPE'] },
          ],
        },
        { testFilePath: files[1], numFailingTests: 0, testExecError: error, testResults: [] },
        {
          testFilePath: files[2],
          numFailingTests: 0,
          testExecError: { message: '', stack: 'Error: the server ended at once:\nport in use\n    at c.ts:1' },
          testResults: [{ status: 'passed', fullName: 'c works' }],
        },
      ],
    });
    const { stdout } = await runProgram('node', [SCRIPT, dir]);
    expect(stdout).toBe(
      'failed: node: a thing works: EPIPE\nfailed: node: b.test.ts failed outside its tests: spawnSync sh EPIPE\nfailed: node: c.test.ts failed outside its tests: the server ended at once: port in use\n4 passed, 3 failed, 0 skipped\n',
    );
  });

  it('counts what passed before a suite was ended, and names the files that were not through', async () => {
    process.env['RESULTS_FILE'] = path.join(dir, 'node.json');
    const reporter = new ResultsReporter();
    const tests = ['a.test.ts', 'b.test.ts'].map((file) => ({
      path: path.resolve(file),
      context: { config: { displayName: { name: 'node' } } },
    }));
    for (const test of tests) reporter.onTestFileStart(test);
    const passed = [{ status: 'passed', fullName: 'a works' }];
    const result = { testFilePath: tests[0]?.path, numFailingTests: 0, testResults: passed };
    reporter.onTestFileResult(tests[0], result, { numPassedTests: 1, testResults: [result] });
    reporter.write();
    expect((await runProgram('node', [SCRIPT, dir])).stdout).toBe(
      'failed: node: b.test.ts failed outside its tests: the suite was ended before this file was through\n1 passed, 1 failed, 0 skipped\n',
    );
  });

  it('counts an excluded suite as skipped', async () => {
    suite('unit', { passed: 1, skipped: 2 });
    writeFileSync(path.join(dir, 'skipped.txt'), 'skipped node: needs root\n');
    expect((await runProgram('node', [SCRIPT, dir])).stdout).toBe('1 passed, 0 failed, 3 skipped\n');
  });
});
