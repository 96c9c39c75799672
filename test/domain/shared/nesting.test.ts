import { isDeeperThan } from '../../../src/domain/shared/nesting';

describe('src/domain/shared/nesting', () => {
  test('counts levels of lists and objects', () => {
    expect(isDeeperThan('text', 0)).toBe(false);
    expect(isDeeperThan(null, 0)).toBe(false);
    expect(isDeeperThan({}, 0)).toBe(true);
    expect(isDeeperThan({ a: [{ b: 1 }] }, 3)).toBe(false);
    expect(isDeeperThan({ a: 1, b: [{ c: [] }] }, 3)).toBe(true);
  });

  test('stops at the limit, whatever the depth below', () => {
    const deep: unknown = JSON.parse(`${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}`);
    expect(isDeeperThan(deep, 32)).toBe(true);
  });
});
