/** Real nodes whose run needs more than one maintenance window, with another worker in each. */
import type { LiveStatus } from '../../src/client/live-status';
import { MINUTE_MS } from '../../src/domain/shared/time-units';
import '../support/slow-suite';
import { nullWhenTransient } from '../support/run-ended';
import { waitFor } from '../support/wait-for';
import type { Stack } from './stack';
import { startStack } from './stack';

const NAMES = ['w-1', 'w-2', 'w-3'];

/** A node takes so long that not all are begun in the first minute of a window, after which none is. */
const DARK_MS = 30_000;
const WINDOW = 'duration: 2m, cutoff: 1m';
const WINDOWS_LIMIT_MS = 10 * 60_000;

/** Two windows, 3 min apart. */
function schedule(): string {
  const first = Math.ceil((Date.now() + 15_000) / MINUTE_MS) * MINUTE_MS;
  const starts = [first, first + 3 * MINUTE_MS].map((at) => new Date(at).toISOString().slice(0, 16));
  return `[${starts.map((start) => `{once: "${start}", ${WINDOW}}`).join(', ')}]`;
}

let stack: Stack;

beforeAll(async () => {
  stack = await startStack(NAMES.map((name) => ({ name, updates: 'none' as const, labReboot: true })));
  for (const node of stack.lab.nodes) node.bootDelayMs = DARK_MS;
  const file = stack.writeSpec({ name: 'nightly', patching: `{rebootIfRequired: true, schedule: ${schedule()}}` });
  await stack.cli('enroll', '-f', file, '--yes');
  expect(await stack.cli('apply', '-f', file)).toMatchObject({ code: 0 });
});

afterAll(() => stack?.stop());

function until(what: string, is: (status: LiveStatus) => boolean): Promise<LiveStatus> {
  return waitFor(
    async () => {
      const status = await stack.status('nightly').catch(nullWhenTransient);
      return status !== null && is(status) && status;
    },
    { what, timeoutMs: WINDOWS_LIMIT_MS, pollMs: 500 },
  );
}

describe('e2e/two-windows', () => {
  it('goes on with its run in the next window, under its number and by another worker, and takes no node twice', async () => {
    const boots = stack.lab.nodes.map((node) => node.bootCount);
    const suspended = await until('the run to wait for its next window', ({ run }) => run?.state === 'suspended');
    expect(suspended.run).toMatchObject({ number: 1 });
    const done = suspended.nodes.filter(({ state }) => state === 'patched').map(({ name }) => name);
    expect(done.length).toBeGreaterThan(0);
    expect(done.length).toBeLessThan(NAMES.length);
    await stack.worker.stop();
    await stack.startWorker();

    await until('the run to end', ({ run, lastRun }) => run === null && lastRun?.number === 1);
    const { stdout } = await stack.cli('history', 'nightly', '-o', 'json');
    expect(JSON.parse(stdout)).toMatchObject({
      runs: expect.arrayContaining([expect.objectContaining({ number: 1, outcome: 'succeeded', patched: 3 })]),
    });
    expect(stack.lab.nodes.map((node, at) => node.bootCount - (boots[at] ?? 0))).toEqual([1, 1, 1]);
    expect(NAMES.map((name) => stack.transactions(name))).toEqual([1, 1, 1]);
  });
});
