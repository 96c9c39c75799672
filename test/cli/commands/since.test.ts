import { ClusterClient } from '../../../src/client/cluster-client';
import type { ClusterListItem } from '../../../src/client/cluster-client';
import { runCli } from '../../../src/cli/main';
import type { ClusterHistory } from '../../../src/domain/cluster/messages';
import { fakeClient, fakeTerminal, summary } from '../support';

const DAY_MS = 86_400_000;

async function run(args: string[], client: object) {
  jest.spyOn(ClusterClient, 'connect').mockResolvedValue(fakeClient(client));
  const terminal = fakeTerminal();
  await runCli(args, terminal.context);
  return { out: terminal.out(), err: terminal.err(), code: terminal.exitCode() };
}

const NOW = fakeTerminal().context.now();
const ago = (days: number): string => new Date(NOW - days * DAY_MS).toISOString();

/** The one at `days`: a run that ended, a window that began, a request. */
function historyOf(...days: number[]): ClusterHistory {
  return {
    createdAt: ago(100),
    runs: days.map((at) => summary(at, { startedAt: ago(at + 1), endedAt: ago(at) })),
    windows: days.map((at) => ({ at: ago(at), result: `run ${at}` })),
    requests: days.map((at) => ({ at: ago(at), request: 'pause', by: `by-${at}`, reason: null, result: 'x' })),
  };
}

const ITEM: ClusterListItem = {
  ...{ cluster: 'x', type: 'self-managed', state: 'idle', ready: true, nextWindow: null, lastOutcome: 'succeeded' },
  ...{ lastRunAt: null, inRun: false, failedNodes: 0, rebootPending: null, problems: [], createdAt: ago(100) },
  ...{ sites: [], sitesWithoutWorker: [], stuck: null, looked: true },
};

describe('src/cli/options/since', () => {
  afterEach(() => jest.restoreAllMocks());

  test.each([
    ['7d', [3, 1]],
    [ago(2), [1]],
    ['1000h', [30, 8, 3, 1]],
  ])('history --since %s has runs, windows and requests of then', async (since, days) => {
    const history = (): Promise<ClusterHistory> => Promise.resolve(historyOf(30, 8, 3, 1));
    const { out, err, code } = await run(['history', 'demo', '--since', since, '-o', 'json'], { history });
    const printed = JSON.parse(out) as ClusterHistory;
    expect(printed.runs.map(({ number }) => number)).toEqual(days);
    expect(printed.windows.map(({ result }) => result)).toEqual(days.map((at) => `run ${at}`));
    expect(printed.requests.map(({ by }) => by)).toEqual(days.map((at) => `by-${at}`));
    expect([err, code]).toEqual(['', 0]);
  });

  test('history --since says when nothing was then, and when there may have been more', async () => {
    const few = await run(['history', 'demo', '--since', '1h'], { history: () => Promise.resolve(historyOf(3)) });
    expect(few.out).toMatch(/^no run of demo has ended since \d{4}-\d\d-\d\d /);
    expect(few.out).not.toContain('by-3');
    const full = historyOf(...Array.from({ length: 20 }, (_, at) => 20 - at));
    const many = await run(['history', 'demo', '--since', '50d'], { history: () => Promise.resolve(full) });
    expect(many.err).toBe('there may have been more since then: a cluster keeps its last runs, windows and requests\n');
    const enough = await run(['history', 'demo', '--since', '7d'], { history: () => Promise.resolve(full) });
    expect(enough.err).toBe('');
  });

  test('list --since has clusters with a run in progress, one that ended then, and those that cannot be read', async () => {
    const list = (): Promise<ClusterListItem[]> =>
      Promise.resolve([
        { ...ITEM, cluster: 'recent', lastRunAt: ago(6) },
        { ...ITEM, cluster: 'old', lastRunAt: ago(8) },
        { ...ITEM, cluster: 'new', lastOutcome: null },
        { ...ITEM, cluster: 'running', lastRunAt: ago(30), inRun: true, state: 'paused' },
        { ...ITEM, cluster: 'secret', state: 'encrypted' },
      ]);
    const { out } = await run(['list', '--since', '7d', '-o', 'json'], { list });
    expect((JSON.parse(out) as ClusterListItem[]).map(({ cluster }) => cluster)).toEqual([
      'recent',
      'running',
      'secret',
    ]);
    const none = await run(['list', '--since', '1h', '--state', 'idle'], { list });
    expect([none.out, none.err, none.code]).toEqual(['', 'no such cluster has had a run since then\n', 0]);
  });

  test.each([[['history', 'demo']], [['list']], [['events', 'demo']]])(
    '%j refuses what is no time',
    async (command) => {
      const { err, code } = await run([...command, '--since', 'yesterday'], {});
      expect(err).toContain('--since: found "yesterday"; allowed: a duration such as 2h');
      expect(code).toBe(2);
    },
  );

  test('history refuses --since beside --run', async () => {
    const { err, code } = await run(['history', 'demo', '--since', '7d', '--run', '3'], {});
    expect(err).toContain("'--since <time>' cannot be used with option '--run <number>'");
    expect(code).toBe(2);
  });
});
