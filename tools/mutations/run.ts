/**
 * Takes the guards of a run away, one by one, in a copy of the sources, and shows which test notices.
 * Usage: node tools/run.js mutations/run [unit|workflows|PART OF A NAME]. Exit code 1: one was not noticed.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { runProgram } from '../../src/dev/host';
import type { Mutation } from './guards';
import { MUTATIONS } from './guards';

const ROOT = path.join(__dirname, '../..');
const COPIED = ['src', 'test', 'tools', 'scripts', 'schema', 'jest.config.js', 'package.json', 'tsconfig.json'];
/** Far above what the slowest of them takes; a test that waits for what a mutation keeps from happening does not end. */
const TESTS_LIMIT_S = 400;
/** Exit code of `timeout`. */
const TIMED_OUT = 124;

interface Verdict {
  mutation: Mutation;
  /** Titles of the tests that failed; null: the tests did not run. */
  noticedBy: string[] | null;
  seconds: number;
}

async function main(wanted: string): Promise<void> {
  const mutations = MUTATIONS.filter(({ name, project }) => project === wanted || name.includes(wanted));
  const dir = mkdtempSync(path.join(tmpdir(), 'ospatch-mutations-'));
  try {
    for (const name of COPIED) cpSync(path.join(ROOT, name), path.join(dir, name), { recursive: true });
    symlinkSync(path.join(ROOT, 'node_modules'), path.join(dir, 'node_modules'));
    const verdicts: Verdict[] = [];
    for (const mutation of mutations) {
      const verdict = await tryOut(dir, mutation);
      verdicts.push(verdict);
      process.stdout.write(`${lineOf(verdict)}\n`);
    }
    const missed = verdicts.filter(({ noticedBy }) => noticedBy === null || noticedBy.length === 0);
    process.stdout.write(`${verdicts.length - missed.length} of ${verdicts.length} noticed\n`);
    process.exitCode = missed.length === 0 ? 0 : 1;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function tryOut(dir: string, mutation: Mutation): Promise<Verdict> {
  const { name, file, from, to, project, tests } = mutation;
  const target = path.join(dir, file);
  const source = readFileSync(target, 'utf8');
  if (source.split(from).length !== 2) throw new Error(`${name}: ${file} has not exactly one ${JSON.stringify(from)}`);
  const begun = Date.now();
  const results = path.join(dir, 'results.json');
  rmSync(results, { force: true });
  writeFileSync(
    target,
    source.replace(from, () => to),
  );
  let code: number;
  try {
    ({ code } = await runProgram(
      'timeout',
      [
        ...[String(TESTS_LIMIT_S), path.join(dir, 'node_modules/.bin/jest'), ...tests],
        ...['--selectProjects', project, '--json', '--outputFile', results, '--forceExit'],
      ],
      { cwd: dir },
    ));
  } finally {
    writeFileSync(target, source);
  }
  const noticedBy = code === TIMED_OUT ? ['a test that does not end'] : failedTests(results);
  return { mutation, noticedBy, seconds: Math.round((Date.now() - begun) / 1_000) };
}

interface JestResults {
  testResults: { assertionResults: { status: string; title: string }[] }[];
}

function failedTests(file: string): string[] | null {
  try {
    const { testResults } = JSON.parse(readFileSync(file, 'utf8')) as JestResults;
    const all = testResults.flatMap(({ assertionResults }) => assertionResults);
    return all.length === 0 ? null : all.filter(({ status }) => status === 'failed').map(({ title }) => title);
  } catch {
    return null;
  }
}

function lineOf({ mutation, noticedBy, seconds }: Verdict): string {
  const [first, ...others] = noticedBy ?? [];
  const more = others.length === 0 ? '' : ` and ${others.length} more`;
  if (noticedBy === null) return `| ${mutation.name} | the tests did not run | ${seconds} s |`;
  return `| ${mutation.name} | ${first === undefined ? 'NOBODY' : `${first}${more}`} | ${seconds} s |`;
}

void main(process.argv[2] ?? '');
