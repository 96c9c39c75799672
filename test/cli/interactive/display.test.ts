import { PassThrough } from 'node:stream';
import { watchCluster } from '../../../src/cli/watch';
import { waitFor } from '../../support/wait-for';
import { fakeClient, fakeTerminal, node, runStatus, status } from '../support';

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

type Answers = Parameters<typeof fakeClient>[0];

const SHOWN = status([node('w-1', { state: 'failed' }), node('w-2', { state: 'patched' })], { run: runStatus(7) });

/** A display on a terminal whose keys are `sent`, each after what was sent before it has had its effect. */
async function watch(sent: readonly string[], answers: Answers = {}, more: { orders?: boolean; term?: string } = {}) {
  const stdin = Object.assign(new PassThrough(), { isTTY: true, setRawMode: jest.fn() });
  const terminal = fakeTerminal({ isTTY: true, stdin, env: { NO_COLOR: '1', TERM: more.term ?? 'xterm' } });
  const client = fakeClient({ status: () => Promise.resolve(SHOWN), ...answers });
  const orders = { client, cluster: 'demo', where: {} };
  const watching = watchCluster(terminal.context, client, {
    cluster: 'demo',
    until: () => false,
    ...(more.orders === false ? {} : { orders }),
  });
  const shown: string[] = [];
  if (sent.length > 0)
    await waitFor(() => terminal.out().includes('demo  run 7'), { what: 'the first frame', pollMs: 5 });
  for (const keys of sent) {
    const before = terminal.out().length;
    stdin.write(keys);
    // Every key that does something is followed by a frame; the others by none.
    await pause(20);
    if (more.orders !== false) await waitFor(() => terminal.out().length > before, { what: 'a frame', pollMs: 5 });
    shown.push(terminal.out().slice(before));
  }
  const { end } = await watching;
  return { end, shown, out: terminal.out(), err: terminal.err(), modes: stdin.setRawMode.mock.calls.flat() };
}

describe('src/cli/interactive/display', () => {
  const signals = ['exit', 'SIGINT', 'SIGTERM', 'SIGCONT', 'SIGTSTP', 'SIGHUP', 'SIGQUIT'] as const;
  const listeners = () => signals.map((signal) => process.listenerCount(signal));

  test('q ends the display, and the terminal is as it was', async () => {
    const before = listeners();
    const { end, out, err, modes } = await watch(['j', 'q']);
    expect(end).toBe('quit');
    expect(modes).toEqual([true, false]);
    expect(listeners()).toEqual(before);
    expect(out).toContain('> w-2');
    // The last frame asks for nothing.
    expect(out.slice(out.lastIndexOf('demo  run 7'))).not.toMatch(/> w-|q quit/);
    expect(out.endsWith('\u001b[?2004l')).toBe(true);
    expect(err).toBe('');
  });

  test('Ctrl-C detaches', async () => {
    const { end, modes } = await watch(['\u0003']);
    expect(end).toBe('detached');
    expect(modes).toEqual([true, false]);
  });

  test('an error gives the terminal back too', async () => {
    const stdin = Object.assign(new PassThrough(), { isTTY: true, setRawMode: jest.fn() });
    const { context } = fakeTerminal({ isTTY: true, stdin });
    const client = fakeClient({ status: () => Promise.reject(new Error('broken')) });
    await expect(watchCluster(context, client, { cluster: 'demo', until: () => false })).rejects.toThrow('broken');
    expect(stdin.setRawMode.mock.calls).toEqual([[true], [false]]);
  });

  test('shows the command and the answer of an order, and prints both at the end', async () => {
    const pause = jest.fn().mockResolvedValue({ changed: true, pause: null });
    const { shown, err } = await watch(['p', 'a b', '\r', 'y', 'q'], { pause });
    expect(shown[1]).toContain('pause demo, reason: a b_');
    expect(shown[2]).toContain(`ospatch pause demo --reason 'a b'`);
    expect(pause.mock.calls).toEqual([['demo', { reason: 'a b' }]]);
    expect(shown[3]).toContain('demo is paused');
    expect(err).toBe(`ospatch pause demo --reason 'a b'\n  demo is paused; continue with: ospatch resume demo\n`);
  });

  test('says that an order is not answered yet', async () => {
    const { err } = await watch(['s', '\r', 'y', 'q'], { steer: () => new Promise(() => undefined) });
    expect(err).toBe('ospatch skip demo w-1\n  not answered yet\n');
  });

  test('a wait takes no key but those that end or stop it', async () => {
    const { end, out } = await watch(['p', 'q', '\r', '?', '\u0003'], {}, { orders: false });
    expect(end).toBe('detached');
    expect(out).not.toContain('reason');
    expect(out).not.toContain('? help');
  });

  test('a dumb terminal gets lines, and no key is read', async () => {
    const watching = watch([], { status: () => Promise.resolve(SHOWN) }, { term: 'dumb' });
    await pause(10);
    process.emit('SIGINT');
    const { out, modes } = await watching;
    expect(out).toMatch(/^\d\d:\d\d:\d\d run 7/);
    expect(out).not.toContain('\u001b');
    expect(modes).toEqual([]);
  });
});
