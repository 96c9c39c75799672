import { OspatchError } from '../../src/domain/shared/errors';
import type { LiveStatus } from '../../src/client/live-status';
import { watchCluster } from '../../src/cli/watch';
import { formatClock, ownZone } from '../../src/cli/render/text';
import { NOW, fakeClient, fakeTerminal, live, node, runStatus, status, summary } from './support';

const noWorker = new OspatchError({ type: 'NoWorker', message: 'no worker polls the task queue ospatch' });
const running = status([node('w-1', { state: 'patching' })], {
  run: runStatus(7),
  current: [live('w-1', { step: 'apply' })],
});
const ended = status([node('w-1', { state: 'patched' })], { lastRun: summary(7) });

/** Returns the answers in order, then repeats the last one. */
function answering(...answers: (LiveStatus | Error)[]) {
  let at = 0;
  const statusOf = (): Promise<LiveStatus> => {
    const answer = answers[Math.min(at++, answers.length - 1)];
    return answer instanceof Error || answer === undefined ? Promise.reject(answer) : Promise.resolve(answer);
  };
  return fakeClient({ status: statusOf });
}

const hasEnded = ({ lastRun }: LiveStatus): boolean => lastRun !== null;

/** NOW in the zone of this machine. */
const clock = (): string => formatClock(NOW, ownZone());

describe('src/cli/watch', () => {
  test('survives the loss of its worker, with one line on loss and one on return', async () => {
    const terminal = fakeTerminal();
    const client = answering(running, noWorker, noWorker, ended);
    const { end } = await watchCluster(terminal.context, client, { cluster: 'demo', until: hasEnded });
    expect(end).toBe('done');
    const lines = terminal
      .out()
      .trim()
      .split('\n')
      .map((line) => line.replace(/^\d\d:\d\d:\d\d /, ''));
    expect(lines).toEqual([
      'run 7 (on-demand) of 2 nodes',
      'w-1 apply',
      'no worker polls the task queue ospatch; retrying; the run itself continues in Temporal',
      'Temporal and the worker answer again',
      'w-1 patched',
      'run 7 succeeded: 2 patched',
    ]);
  });

  test('fails at once when the very first poll gets no answer', async () => {
    const watching = watchCluster(fakeTerminal().context, answering(noWorker), { cluster: 'demo', until: hasEnded });
    await expect(watching).rejects.toMatchObject({ type: 'NoWorker' });
  });

  test('ends when the cluster is removed', async () => {
    const gone = new OspatchError({ type: 'NotFound', message: 'there is no cluster demo' });
    const { end } = await watchCluster(fakeTerminal().context, answering(running, gone), {
      cluster: 'demo',
      until: hasEnded,
    });
    expect(end).toBe('removed');
  });

  test.each([
    ['re-created', null, 'removed'],
    ['reset', 'run 7 is not known', 'reset'],
  ])('never takes a run of a %s cluster for the awaited one', async (_, reset, expected) => {
    const again = status([node('w-1', { state: 'patched' })], {
      createdAt: '2026-11-23T12:00:00.000Z',
      lastRun: summary(7),
      reset,
    });
    const watching = watchCluster(fakeTerminal().context, answering(running, again), {
      cluster: 'demo',
      before: running,
      until: hasEnded,
    });
    expect((await watching).end).toBe(expected);
  });

  test('detaches on Ctrl-C even during a pending call, and leaves no handler behind', async () => {
    const before = process.listenerCount('SIGINT');
    const client = fakeClient({ status: () => new Promise(() => undefined) });
    const watching = watchCluster(fakeTerminal().context, client, {
      cluster: 'demo',
      before: running,
      until: hasEnded,
    });
    process.emit('SIGINT');
    await expect(watching).resolves.toEqual({ end: 'detached', status: running });
    expect(process.listenerCount('SIGINT')).toBe(before);
  });

  describe('a wait with a notification of the end', () => {
    // No real waiting between two polls.
    beforeEach(() => jest.useFakeTimers());
    afterEach(() => jest.useRealTimers());

    test('polls once at the notification', async () => {
      const { end } = await watchCluster(fakeTerminal().context, answering(running, ended), {
        cluster: 'demo',
        until: hasEnded,
        awaitEnd: () => Promise.resolve(true),
      });
      expect(end).toBe('done');
    });

    test('keeps polling until the cluster has recorded the end', async () => {
      const watching = watchCluster(fakeTerminal().context, answering(running, running, running, ended), {
        cluster: 'demo',
        until: hasEnded,
        awaitEnd: () => Promise.resolve(true),
      });
      await jest.advanceTimersByTimeAsync(100);
      expect((await watching).end).toBe('done');
    });

    test('polls at the usual interval without a notification', async () => {
      const client = answering(running, ended);
      const looks = jest.spyOn(client, 'status');
      const watching = watchCluster(fakeTerminal().context, client, {
        cluster: 'demo',
        until: hasEnded,
        awaitEnd: () => Promise.resolve(false),
      });
      await jest.advanceTimersByTimeAsync(0);
      expect(looks).toHaveBeenCalledTimes(1);
      await jest.advanceTimersByTimeAsync(2_000);
      expect((await watching).end).toBe('done');
    });

    test('drops the notification after the last poll', async () => {
      const signals: AbortSignal[] = [];
      await watchCluster(fakeTerminal().context, answering(ended), {
        cluster: 'demo',
        until: hasEnded,
        awaitEnd: (signal) => {
          signals.push(signal);
          return new Promise(() => undefined);
        },
      });
      expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    });
  });

  test('prints the present state at once where there is no display, then changes', async () => {
    const terminal = fakeTerminal();
    await watchCluster(terminal.context, answering(running, ended), {
      cluster: 'demo',
      until: hasEnded,
      describe: ({ cluster }) => `${cluster}, described`,
    });
    expect(terminal.out()).toBe(
      'demo, described\n\n12:00:00 w-1 patched\n12:00:00 run 7 succeeded: 2 patched\n'.replaceAll('12:00:00', clock()),
    );
  });

  test('prints JSON documents line by line, one for each change', async () => {
    const terminal = fakeTerminal({ isTTY: true });
    const forecast = { ...running, runEnd: { at: '2026-11-23T12:10:00.000Z', from: 'guess' } as const };
    await watchCluster(terminal.context, answering(running, forecast, running, noWorker, ended), {
      cluster: 'demo',
      asJson: true,
      until: hasEnded,
    });
    const lines = terminal.out().trim().split('\n');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([running, ended]);
    expect(terminal.err()).toContain('no worker polls');
  });

  test('redraws frames on a terminal and restores cursor and line wrapping', async () => {
    const terminal = fakeTerminal({ isTTY: true, env: { NO_COLOR: '1' } });
    await watchCluster(terminal.context, answering(running, ended), { cluster: 'demo', until: hasEnded });
    expect(terminal.out()).toContain('\u001b[4A');
    expect(terminal.out().endsWith('\u001b[?7h\u001b[?25h')).toBe(true);
    expect(terminal.out()).toContain('last run 7 succeeded');
  });

  test('keeps standard output free when reserved for the result', async () => {
    const terminal = fakeTerminal({ isTTY: true });
    await watchCluster(terminal.context, answering(running, ended), {
      cluster: 'demo',
      toStderr: true,
      until: hasEnded,
    });
    expect(terminal.out()).toBe('');
    expect(terminal.err()).toContain('w-1 patched');
  });
});
