import { FIRST_STATE } from '../../../src/cli/interactive/state';
import type { WatchState } from '../../../src/cli/interactive/state';
import { textWidth } from '../../../src/cli/render/columns';
import { renderPage } from '../../../src/cli/render/pages';
import type { LiveStatus } from '../../../src/client/live-status';
import { NOW, PLAIN, node, status } from '../support';
import { fleet } from './fleet';

function pageOf(shown: LiveStatus, state: Partial<WatchState>, columns = 80, height = 24) {
  const equivalentCommand = (): string =>
    'ospatch pause prod-eu --reason "a rather long reason, so that the line is long"';
  const view = { now: NOW, zone: 'UTC', color: { ...PLAIN, columns }, height, notice: null, equivalentCommand };
  return renderPage(shown, { ...FIRST_STATE, ...state }, view);
}

const order = { action: 'pause', node: null, reason: 'because of '.repeat(20) } as const;
const reading = { name: 'logs', node: 'worker-001' } as const;
const STATES: [string, Partial<WatchState>][] = [
  ['nodes', {}],
  ['message', { message: `${'a long message '.repeat(12)}\nfix: ${'界'.repeat(60)}` }],
  ['reason', { prompt: { order, awaits: 'reason' } }],
  ['confirmation', { prompt: { order, awaits: 'confirmation' } }],
  ['node', { page: { kind: 'node', node: 'worker-001', top: 0 } }],
  ['help', { page: { kind: 'help', top: 99 } }],
  ['log', { page: { kind: 'reading', reading, text: `${'x'.repeat(300)}\n\ty\n`.repeat(40), top: 7 } }],
];

describe('src/cli/render/pages', () => {
  test.each(STATES.flatMap(([name, state]) => [20, 40, 60, 80, 140].map((columns) => [name, columns, state] as const)))(
    'the page with %s fits a terminal of %i columns, whatever its height',
    (_name, columns, state) => {
      for (const height of [4, 8, 12, 24, 50]) {
        const { lines } = pageOf(fleet(60), state, columns, height);
        expect(Math.max(...lines.map(textWidth))).toBeLessThanOrEqual(columns);
        expect(lines.length).toBeLessThan(height);
      }
    },
  );

  test('keeps the chosen node in view, and marks it without colour', () => {
    for (const selected of ['worker-001', 'worker-009', 'worker-057']) {
      const marked = pageOf(fleet(60), { selected }).lines.filter((line) => line.startsWith('>'));
      expect(marked).toEqual([expect.stringMatching(new RegExp(`^> ${selected} `))]);
    }
  });

  test('offers what there is: resume when paused, no node without nodes', () => {
    const hints = (shown: LiveStatus) => pageOf(shown, {}).lines.at(-1);
    expect(hints(status([node('w-1')]))).toBe(
      '? help  q quit  Enter detail  l logs  e explain  p pause  r retry  s skip',
    );
    const paused = { at: '2026-11-23T11:00:00Z', by: 'ann', reason: null };
    expect(hints(status([], { paused }))).toBe('? help  q quit  e explain  p resume');
  });

  test('a narrow terminal keeps the most important hints', () => {
    expect(pageOf(fleet(3), {}, 40).lines.at(-1)).toBe('? help  q quit  Enter detail  p pause');
    expect(pageOf(fleet(3), {}, 12).lines.at(-1)).toBe('? help');
  });

  test('says of a node what its status knows, without control characters', () => {
    const lock = { at: '2026-11-23T10:00:00Z', by: 'ann', reason: 'incident\u001b[2J', until: null };
    const error = { type: 'DiskFull', message: 'no\u0007 space', remedy: 'free some' } as const;
    const one = node('w-1', { state: 'failed', lastError: error, lock, kernel: '6.1\u001b]0;x', pendingUpdates: 3 });
    const text = pageOf(status([one]), { page: { kind: 'node', node: 'w-1', top: 0 } }).lines.join('\n');
    expect(text).toContain('failed, locked');
    expect(text).toMatch(/Error +DiskFull: no {2}space\.\nFix +free some\n/);
    expect(text).toMatch(/Lock +by ann: incident \[2J\n/);
    // oxlint-disable-next-line no-control-regex -- what must not be there
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
  });

  test('says that a node is gone', () => {
    const { lines } = pageOf(status([]), { page: { kind: 'node', node: 'w-1', top: 0 } });
    expect(lines).toContain('the cluster no longer has this node');
  });
});
