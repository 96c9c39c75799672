import { foldProblemLines } from '../../../src/domain/spec/fold-problems';

describe('src/domain/spec/fold-problems', () => {
  it('names the same problem of many elements of a list once', () => {
    const missing = [0, 1, 2, 3, 4].map((at) => `nodes[${at}].hostKeys: missing: no host key`);
    expect(
      foldProblemLines([
        'patching.schedule: found "x"',
        ...missing,
        'nodes[1].host: found 5',
        'nodes[2].host: found 6',
      ]),
    ).toEqual([
      'patching.schedule: found "x"',
      'nodes[0].hostKeys and 4 more (nodes[1], nodes[2], nodes[3], ...): missing: no host key',
      'nodes[1].host: found 5',
      'nodes[2].host: found 6',
    ]);
    expect(foldProblemLines(['the same', 'a[0]: b', 'a[1]: b'])).toEqual(['the same', 'a[0] and 1 more (a[1]): b']);
    expect(foldProblemLines(['the spec is text'])).toEqual(['the spec is text']);
  });
});
