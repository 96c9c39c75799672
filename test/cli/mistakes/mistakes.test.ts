import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { ClusterClient } from '../../../src/client/cluster-client';
import { toClientError } from '../../../src/client/errors';
import { golden } from '../../support/golden';
import { runOffline } from '../offline-context';
import { fakeClient } from '../support';
import type { Mistake } from './mistakes';
import { MISTAKES } from './mistakes';

const NEVER = /this is a bug|\n\s+at |node:\d|hunter2|BEGIN OPENSSH/;

/** A client of a cluster that answers every request so. */
function rejecting(why: string): ClusterClient {
  const failure = new WorkflowUpdateFailedError('rejected', ApplicationFailure.nonRetryable(why, 'Refused'));
  const error = toClientError(failure, { address: 'h:1', namespace: 'default', cluster: 'prod-eu', deadlineMs: 1 });
  const reject = () => Promise.reject(error);
  return fakeClient({ patch: reject, cancelRun: reject });
}

describe('test/cli/mistakes', () => {
  const { env } = process;
  let cwd: string;
  beforeEach(() => {
    cwd = mkdtempSync(path.join(tmpdir(), 'ospatch-mistakes-'));
    const others = Object.entries(env).filter(([name]) => !/^(TEMPORAL|OSPATCH)_/.test(name));
    process.env = { ...Object.fromEntries(others), HOME: cwd, XDG_CONFIG_HOME: cwd };
  });
  afterEach(() => {
    process.env = env;
    rmSync(cwd, { recursive: true });
  });

  async function answerTo({ args, files = {}, env: more = {}, rejected }: Mistake): Promise<string> {
    const before = process.env;
    process.env = { ...before };
    if (rejected !== undefined) jest.spyOn(ClusterClient, 'connect').mockResolvedValue(rejecting(rejected));
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(path.dirname(path.join(cwd, name)), { recursive: true });
      writeFileSync(path.join(cwd, name), text);
    }
    for (const [name, value] of Object.entries(more)) {
      process.env[name] = value === 'temporal.toml' ? path.join(cwd, value) : value;
    }
    const { code, stdout, stderr } = await runOffline(args, { cwd });
    process.env = before;
    jest.restoreAllMocks();
    rmSync(cwd, { recursive: true });
    mkdirSync(cwd);
    const words = args.map((word) => (/^[\w./:%=-]+$/.test(word) ? word : `'${word}'`));
    const set = Object.entries(more).map(([name, value]) => `${name}=${value} `);
    return `$ ${set.join('')}ospatch ${words.join(' ')}\n${stdout}${stderr.replaceAll(cwd, '.')}(exit code ${code})\n`;
  }

  test('are each refused with the message that was reviewed, a remedy, no trace and no secret', async () => {
    expect(Object.keys(MISTAKES).length).toBeGreaterThan(100);
    const answers: string[] = [];
    for (const [title, mistake] of Object.entries(MISTAKES)) {
      const answer = await answerTo(mistake);
      expect([title, answer]).toEqual([title, expect.stringMatching(/^error: .*\n {2}fix: \S/m)]);
      expect([title, answer]).toEqual([title, expect.stringMatching(/\(exit code [12]\)\n$/)]);
      expect([title, answer]).not.toEqual([title, expect.stringMatching(NEVER)]);
      answers.push(`# ${title}\n${answer}`);
    }
    const text = answers.join('\n');
    expect(text).toBe(golden(__dirname, 'mistakes', text));
  });
});
