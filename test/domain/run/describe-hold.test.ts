import { describeHold, someOf } from '../../../src/domain/run/describe-hold';
import type { RunHold } from '../../../src/domain/run/next-step';

const END = Date.parse('2026-11-29T03:00:00Z');

describe('src/domain/run/describe-hold', () => {
  test.each<[RunHold, string]>([
    [{ kind: 'in-flight', members: ['w-1', 'w-2'] }, 'every node has been started, and w-1, w-2 have not ended'],
    [{ kind: 'concurrency', limit: 5 }, 'all 5 places are taken (concurrency 5)'],
    [{ kind: 'concurrency', limit: 1 }, 'one node is patched at a time'],
    [
      { kind: 'max-unavailable', limit: 2, unavailable: ['w-1', 'w-9'] },
      '2 nodes are unavailable (w-1, w-9), and no more than 2 may be',
    ],
    [{ kind: 'unobserved' }, 'which nodes are unavailable is not known yet'],
    [{ kind: 'control-plane', member: 'cp-1' }, 'control planes are patched one at a time, and cp-1 has not ended'],
    [{ kind: 'zone', zone: 'a', members: ['w-1'] }, 'one zone is patched at a time, and in zone a w-1 has not ended'],
    [
      { kind: 'zone', zone: null, members: ['w-1'] },
      'one zone is patched at a time, and of the nodes without a zone w-1 has not ended',
    ],
    [{ kind: 'role', role: 'worker', members: ['w-1'] }, 'workers end before the others begin, and w-1 has not ended'],
    [
      { kind: 'stage', stage: 0, members: ['w-1', 'w-2', 'w-3', 'w-4', 'w-5'] },
      'stage 1 ends before the next one begins, and w-1, w-2, w-3 and 2 more have not ended',
    ],
    [{ kind: 'soak', stage: 0, untilMs: END }, 'stage 1 soaks until 2026-11-29T03:00:00Z'],
    [
      { kind: 'lost', members: ['w-1'], failures: 1, limit: 1 },
      'w-1 cannot be reached after a change and counts as failed until it is back; 1 failed besides, and 1 may',
    ],
    [{ kind: 'budget', failures: 3, limit: 2 }, '3 failed, more than the 2 that may'],
    [
      { kind: 'window', endMs: END, next: 'w-4', forecast: { ms: 90 * 60_000, from: 'node' } },
      'w-4 is forecast to take 1h30m, and the window ends at 2026-11-29T03:00:00Z',
    ],
    [
      { kind: 'window', endMs: END, next: 'w-4', forecast: { ms: 20 * 60_000, from: 'guess' } },
      'w-4 is forecast to take 20m, which is a guess, and the window ends at 2026-11-29T03:00:00Z',
    ],
    [
      { kind: 'window', endMs: END, next: 'w-4', forecast: null },
      'no node is started so close to the end of the window at 2026-11-29T03:00:00Z',
    ],
  ])('says of %j: %s', (hold, text) => {
    expect(describeHold(hold, 'node')).toBe(text);
  });

  test('counts the names that are not shown', () => {
    expect(someOf(['a', 'b'], 3, 40)).toBe('a, b and 38 more');
    expect(someOf(['a', 'b', 'c'])).toBe('a, b, c');
  });
});
