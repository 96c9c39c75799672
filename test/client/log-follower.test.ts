import type { LogNews, LogSource } from '../../src/client/log-follower';
import { followLog } from '../../src/client/log-follower';
import { OspatchError } from '../../src/domain/shared/errors';

interface Moment {
  log?: string;
  /** Absent: `t1`, which is in progress. */
  inProgress?: string | null;
  isWaiting?: boolean;
  error?: Error;
}

/** A node over time: each `pause` goes on to the next moment, and the last one stays. */
function nodeWith(moments: Moment[]): LogSource & { reads: (string | null)[] } {
  let at = 0;
  const now = (): Moment => moments[Math.min(at, moments.length - 1)] ?? {};
  const reads: (string | null)[] = [];
  return {
    reads,
    read: (token) => {
      reads.push(token);
      const { error, log = '' } = now();
      return error === undefined ? Promise.resolve({ log, truncated: false }) : Promise.reject(error);
    },
    inProgress: () => Promise.resolve(now().inProgress === undefined ? 't1' : (now().inProgress ?? null)),
    isWaiting: () => Promise.resolve(now().isWaiting ?? false),
    pause: () => {
      at += 1;
      return Promise.resolve(at < 20);
    },
  };
}

async function newsOf(source: LogSource, asked: string | null = null): Promise<LogNews[]> {
  const news: LogNews[] = [];
  for await (const one of followLog(source, asked)) news.push(one);
  return news;
}

const lines = (text: string): LogNews => ({ kind: 'lines', text, isGap: false });
const unreachable = new OspatchError({ type: 'Unreachable', message: 'w-1 is unreachable' });

describe('src/client/log-follower', () => {
  it('tells every line once, the last ones after the patch has ended', async () => {
    const source = nodeWith([
      { log: 'a\nb' },
      { log: 'a\nbc\n' },
      { log: 'a\nbc\n' },
      { log: 'a\nbc\nd', inProgress: null },
    ]);

    expect(await newsOf(source)).toEqual([
      lines('a\n'),
      lines('bc\n'),
      lines('d'),
      { kind: 'over', wasInProgress: true },
    ]);
    expect(new Set(source.reads)).toEqual(new Set(['t1']));
  });

  it('waits for the turn of the node, and does not take the log of an older patch for its own', async () => {
    const source = nodeWith([
      { log: 'old\n', inProgress: null, isWaiting: true },
      { log: 'old\n', inProgress: null, isWaiting: true },
      { log: 'new\n' },
      { log: 'new\n', inProgress: null },
    ]);

    expect(await newsOf(source)).toEqual([{ kind: 'waiting' }, lines('new\n'), { kind: 'over', wasInProgress: true }]);
  });

  it('ends with the log of the last patch when none is in progress or to come', async () => {
    const source = nodeWith([{ log: 'old\n', inProgress: null }]);

    expect(await newsOf(source)).toEqual([lines('old\n'), { kind: 'over', wasInProgress: false }]);
    expect(source.reads).toEqual([null]);
  });

  it('ends with the log of the requested patch while another one is in progress', async () => {
    const source = nodeWith([{ log: 'old\n', inProgress: 't2' }]);

    expect(await newsOf(source, 't1')).toEqual([lines('old\n'), { kind: 'over', wasInProgress: false }]);
    expect(source.reads).toEqual(['t1']);
  });

  it('goes on after a reboot, which it tells once', async () => {
    const source = nodeWith([
      { log: 'a\n' },
      { error: unreachable },
      { error: unreachable },
      { log: 'a\nb\n' },
      { log: 'a\nb\n', inProgress: null },
    ]);

    expect(await newsOf(source)).toEqual([
      lines('a\n'),
      { kind: 'unreadable', message: 'w-1 is unreachable' },
      lines('b\n'),
      { kind: 'over', wasInProgress: true },
    ]);
  });

  it.each<[string, Moment[]]>([
    ['of a node that is unreachable after its patch', [{ log: 'a\n' }, { error: unreachable, inProgress: null }]],
    ['that does not pass', [{ error: new OspatchError({ type: 'AuthFailed', message: 'no' }) }]],
  ])('fails with an error %s', async (_, moments) => {
    await expect(newsOf(nodeWith(moments))).rejects.toBeInstanceOf(OspatchError);
  });

  it('ends when nobody reads on, also while it waits', async () => {
    expect((await newsOf(nodeWith([{ log: 'a\n' }]))).at(-1)).toEqual(lines('a\n'));
    expect(await newsOf(nodeWith([{ inProgress: null, isWaiting: true }]))).toEqual([{ kind: 'waiting' }]);
  });
});
