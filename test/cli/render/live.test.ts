import { renderFrame } from '../../../src/cli/render/live';
import { NOW, PLAIN, live, node, runStatus, status } from '../support';

const VIEW = { now: NOW, zone: 'UTC', color: PLAIN, height: 24, notice: null };

describe('src/cli/render/live', () => {
  test('lists the node in progress first, with step, packages and elapsed time', () => {
    const frame = renderFrame(
      status([node('w-1', { state: 'patched' }), node('w-2', { state: 'patching' })], {
        run: runStatus(7, { done: 1 }),
        current: [
          live('w-2', { step: 'apply', done: 3, total: 12, waitingFor: 'package lock held by apt-get (pid 812)' }),
        ],
      }),
      VIEW,
    );
    expect(frame[0]).toBe('demo  run 7 (on-demand)  1 of 2 nodes  1m30s');
    expect(frame[3]).toMatch(
      /^w-2 +patching +apply 3\/12 +1m5s +waiting for package lock held by apt-get \(pid 812\)$/,
    );
    expect(frame[4]).toMatch(/^w-1 +patched/);
  });

  test('never has more lines than the terminal, shows failures first and counts the rest', () => {
    const fine = Array.from({ length: 500 }, (_, index) => node(`w-${index}`, { state: 'up-to-date' }));
    const bad = node('z-9', { state: 'failed', lastError: { type: 'DiskFull', message: 'no space left' } });
    const frame = renderFrame(status([...fine, bad]), { ...VIEW, height: 12, notice: 'no worker. Still trying' });
    expect(frame.length).toBeLessThan(12);
    expect(frame.slice(1, 3)).toEqual([
      expect.stringMatching(/^z-9 failed: no space left/),
      expect.stringMatching(/^ {2}next: /),
    ]);
    expect(frame[5]).toMatch(/^z-9 +failed .*DiskFull: no space left/);
    expect(frame.at(-2)).toBe('and 497 more nodes: 497 up-to-date');
    expect(frame.at(-1)).toBe('no worker. Still trying');
  });

  test('shows the failure of the last attempt while the next one runs', () => {
    const frame = renderFrame(
      status([node('w-1', { state: 'patching' })], {
        run: runStatus(1),
        current: [live('w-1', { step: 'reboot', attempt: 3, lastFailure: 'cannot be\u001b[2J reached' })],
      }),
      VIEW,
    );
    expect(frame[3]).toContain('attempt 3: cannot be [2J reached');
  });
});
