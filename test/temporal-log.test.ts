import { UNHANDLED_EVENTS } from '../src/contract/unhandled-events';
import { TemporalLog } from '../src/temporal-log';

const RUN = '01a218e7-2bfa-7189-8020-22a9448582bd';
const FAILURE = `Failure { failure: Some(Failure { message: "[TMPRL1100] Nondeterminism error: \\"x\\" is new", source: "" }) }`;

function logged(): { log: TemporalLog; lines: unknown[]; clock: { now: number } } {
  const lines: unknown[] = [];
  const clock = { now: 0 };
  const sink = {
    warn: (fields: object, message: string) => lines.push({ level: 'warn', ...fields, message }),
    error: (fields: object, message: string) => lines.push({ level: 'error', ...fields, message }),
  };
  return { log: new TemporalLog(sink, () => clock.now), lines, clock };
}

describe('src/temporal-log', () => {
  test('logs a failing workflow in one line with the name of its cluster, and again after ten minutes', async () => {
    const { log, lines, clock } = logged();
    log.workflowOf = () => Promise.resolve('cluster/prod-eu/run/3');
    const core = { level: 'WARN', message: 'Failing workflow task', meta: { runId: RUN, failure: FAILURE } } as const;
    await log.write(core);
    for (let attempt = 0; attempt < 100; attempt += 1) await log.write(core);
    const line = {
      ...{ level: 'warn', cluster: 'prod-eu', workflowId: 'cluster/prod-eu/run/3', runId: RUN },
      message: 'cluster prod-eu fails on this worker, and is retried: [TMPRL1100] Nondeterminism error: "x" is new',
    };
    expect(lines).toEqual([line]);
    clock.now += 10 * 60_000;
    await log.write(core);
    expect(lines).toEqual([line, line]);
  });

  test('merges the two reports of the SDK on one failure', async () => {
    const { log, lines } = logged();
    const meta = { runId: RUN, workflowId: 'cluster/lab', error: new Error('boom\u001b[2J') };
    await log.write({ level: 'WARN', message: 'Workflow failed', meta });
    await log.write({ level: 'WARN', message: 'Failing workflow task', meta: { runId: RUN, failure: FAILURE } });
    expect(lines).toEqual([
      expect.objectContaining({ message: 'cluster lab fails on this worker, and is retried: boom [2J' }),
    ]);
  });

  test.each([
    ['with a stack', 'ApplicationFailure: n1 was unreachable\n    at failed (workflow-bundle.js:1:1)'],
    ['without one, as failures for users', ''],
  ])('does not announce a retry of an ended workflow, %s', async (_, stack) => {
    const { log, lines } = logged();
    const error = new Error('n1 was unreachable');
    error.stack = stack;
    const meta = { runId: RUN, workflowId: 'cluster/lab/node/n1', error };
    await log.write({ level: 'WARN', message: 'Workflow failed', meta });
    expect(lines).toEqual([
      expect.objectContaining({
        cluster: 'lab',
        message: 'workflow cluster/lab/node/n1 has failed: n1 was unreachable',
      }),
    ]);
  });

  test('says nothing of a query that is asked again, and all of the same workflow that fails after it', async () => {
    const { log, lines } = logged();
    const failure = `Failure { failure: Some(Failure { message: ${JSON.stringify(UNHANDLED_EVENTS)}, source: "" }) }`;
    const meta = { runId: RUN, workflowId: 'cluster/lab', error: new Error(UNHANDLED_EVENTS) };
    await log.write({ level: 'ERROR', message: 'Failed to process Workflow Activation', meta });
    await log.write({ level: 'WARN', message: 'Failing legacy query request', meta: { runId: RUN, failure } });
    expect(lines).toEqual([]);
    await log.write({
      level: 'ERROR',
      message: 'Failed to process Workflow Activation',
      meta: { ...meta, error: new Error('boom') },
    });
    expect(lines).toEqual([
      expect.objectContaining({ message: 'cluster lab fails on this worker, and is retried: boom' }),
    ]);
  });

  test('names the run of a workflow without a workflow id', async () => {
    const { log, lines } = logged();
    log.workflowOf = () => Promise.reject(new Error('away'));
    await log.write({ level: 'WARN', message: 'Failing workflow task', meta: { runId: RUN, failure: 'odd' } });
    expect(lines).toEqual([
      expect.objectContaining({ message: `workflow of run ${RUN} fails on this worker, and is retried: odd` }),
    ]);
  });

  test('passes everything else on, without repetitions', async () => {
    const { log, lines } = logged();
    const retried = { level: 'WARN', message: 'gRPC call poll retried 5 times', meta: { error: 'x' } } as const;
    for (let times = 0; times < 5; times += 1) await log.write(retried);
    await log.write({ level: 'ERROR', message: 'out of memory', meta: {} });
    expect(lines).toEqual([
      { level: 'warn', error: 'x', message: retried.message },
      { level: 'error', message: 'out of memory' },
    ]);
  });
});
