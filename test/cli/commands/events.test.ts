import { ClusterClient } from '../../../src/client/cluster-client';
import { runCli } from '../../../src/cli/main';
import { eventLines } from '../../../src/cli/render/events';
import { textWidth } from '../../../src/cli/render/columns';
import type { ClusterEvent, EventsPage, EventsRequest } from '../../../src/domain/cluster/event-pages';
import { OspatchError } from '../../../src/domain/shared/errors';
import { PLAIN, fakeClient, fakeTerminal } from '../support';

const at = (minutes: number): string =>
  new Date(Date.parse('2026-11-23T11:00:00.000Z') + minutes * 60_000).toISOString();

function event(seq: number, more: Partial<ClusterEvent> = {}): ClusterEvent {
  return {
    ...{
      seq,
      at: at(seq),
      kind: 'action',
      message: 'pause: no run and no node is started until a resume',
      run: null,
      nodes: [],
    },
    ...{ by: 'ann@host', reason: 'release freeze', request: 'pause', ...more },
  };
}

const EVENTS = [
  event(1, { kind: 'run-started', run: 7, by: null, reason: null, message: 'run 7 started (schedule) with 2 nodes' }),
  event(2),
  event(3, { kind: 'rejected', message: 'patch rejected 3 times: the cluster is paused', from: at(1), reason: null }),
];

function page(events: ClusterEvent[]): EventsPage {
  const last = events.at(-1)?.seq ?? 0;
  return { cluster: 'demo', createdAt: at(0), life: at(0), lifeFrom: 1, droppedUpTo: 0, events, next: null, last };
}

const answer = ({ since = 0 }: EventsRequest): Promise<EventsPage> =>
  Promise.resolve(page(EVENTS.filter(({ seq }) => seq > since)));

async function run(
  args: string[],
  events: (cluster: string, request: EventsRequest) => Promise<EventsPage>,
  more: object = {},
) {
  jest.spyOn(ClusterClient, 'connect').mockResolvedValue(fakeClient({ events, ...more }));
  const terminal = fakeTerminal();
  await runCli(['events', 'demo', ...args], terminal.context);
  return { out: terminal.out(), err: terminal.err(), code: terminal.exitCode() };
}

describe('src/cli/commands/events', () => {
  const zone = process.env['TZ'];
  beforeAll(() => {
    process.env['TZ'] = 'UTC';
  });
  afterAll(() => {
    process.env['TZ'] = zone;
  });
  afterEach(() => jest.restoreAllMocks());

  test('shows what happened, who did it and why', async () => {
    const { out, code } = await run([], (_, request) => answer(request));
    expect(out.split('\n').map((line) => line.slice(21))).toEqual([
      'run 7 started (schedule) with 2 nodes',
      'pause: no run and no node is started until a resume, by ann@host (release freeze)',
      expect.stringContaining('patch rejected 3 times: the cluster is paused, by ann@host, since '),
      '',
    ]);
    expect(code).toBe(0);
  });

  test.each([
    [
      ['--since', '58m'],
      [2, 3],
    ],
    [['--since', '2026-11-23T11:03:00Z'], [3]],
    [['--run', '7'], [1]],
  ])('filters by %s', async (args, numbers) => {
    const { out } = await run([...args, '-o', 'json'], (_, request) => answer(request));
    expect((JSON.parse(out) as ClusterEvent[]).map(({ seq }) => seq)).toEqual(numbers);
  });

  test('shows what Temporal still has of a removed cluster, and follows nothing', async () => {
    const gone = (): Promise<never> =>
      Promise.reject(new OspatchError({ type: 'NotFound', message: 'there is no cluster demo' }));
    const removed = { eventsOfRemoved: () => Promise.resolve(page([event(9, { message: 'remove: at once' })])) };
    for (const args of [[], ['--follow']]) {
      const { out, err, code } = await run(args, gone, removed);
      expect(out).toContain('remove: at once, by ann@host (release freeze)');
      expect(err).toBe('the cluster demo was removed; this is what Temporal still has of it\n');
      expect(code).toBe(0);
    }
    const none = await run([], gone, { eventsOfRemoved: () => Promise.resolve(null) });
    expect([none.out, none.code]).toEqual(['', 1]);
    expect(none.err).toContain('there is no cluster demo');
  });

  test('says that nothing matches, and what --since takes', async () => {
    expect((await run(['--since', '1s'], (_, request) => answer(request))).err).toBe('no event of demo matches\n');
    const { err, code } = await run(['--since', 'yesterday'], (_, request) => answer(request));
    expect(err).toContain('--since: found "yesterday"; allowed: a duration such as 2h');
    expect(code).toBe(2);
  });

  test('follows, waits for a worker that is away, and ends with the cluster', async () => {
    const answers: (() => Promise<EventsPage>)[] = [
      () => Promise.resolve(page(EVENTS.slice(0, 1))),
      () => Promise.reject(new OspatchError({ type: 'NoWorker', message: 'no worker polls ospatch' })),
      () => Promise.resolve(page(EVENTS.slice(1))),
      () => Promise.reject(new OspatchError({ type: 'NotFound', message: 'no such cluster' })),
    ];
    const { out, err, code } = await run(['-f', '-o', 'json'], () => (answers.shift() ?? answers[0] ?? fail)());
    const lines = out.trim().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as ClusterEvent).seq)).toEqual([1, 2, 3]);
    expect(err).toBe(
      'no worker polls ospatch; retrying\nTemporal and the worker answer again\nthe cluster demo was removed\n',
    );
    expect(code).toBe(0);
  }, 20_000);

  test('ends with 130 after Ctrl-C', async () => {
    let polls = 0;
    const { code } = await run(['--follow'], (_, request) => {
      polls += 1;
      if (polls === 2) process.emit('SIGINT');
      return answer(request);
    });
    expect(code).toBe(130);
  }, 20_000);

  test.each([40, 60, 80])('fits %i columns, and is one line in a pipe', (columns) => {
    for (const one of EVENTS) {
      const lines = eventLines(one, 'UTC', { ...PLAIN, columns });
      for (const line of lines) expect(textWidth(line)).toBeLessThanOrEqual(columns);
      expect(lines.join(' ').replaceAll(/\s+/g, ' ')).toBe(
        eventLines(one, 'UTC', PLAIN).join('').replaceAll(/\s+/g, ' '),
      );
      expect(eventLines(one, 'UTC', PLAIN)).toHaveLength(1);
    }
  });
});

function fail(): Promise<EventsPage> {
  return Promise.reject(new Error('no answer is left'));
}
