import { alsoAt, foldProblems } from '../../../src/cli/render/problems';
import type { SpecProblem } from '../../../src/client/load/spec';

function problem(path: string, line: number, message = 'missing', file = 'a.yaml'): SpecProblem {
  return { severity: 'error', file, line, column: 5, path, message };
}

describe('src/cli/render/problems', () => {
  it('makes one line of the same problem of many nodes', () => {
    const all = Array.from({ length: 1_001 }, (_, at) => problem(`nodes[${at}].hostKeys`, 10 + at));
    const [only, ...none] = foldProblems(all);
    expect(none).toEqual([]);
    expect(only).toMatchObject({ path: 'nodes[0].hostKeys', line: 10 });
    expect(alsoAt(only?.others ?? [])).toBe(
      ' and 1000 more (nodes[1] in line 11, nodes[2] in line 12, nodes[3] in line 13, ...)',
    );
  });

  it('keeps problems of other fields, files and messages apart', () => {
    const all = [
      problem('nodes[0].host', 1),
      problem('nodes[1].port', 2),
      problem('nodes[1].host', 2, 'another'),
      problem('nodes[1].host', 2, 'missing', 'b.yaml'),
    ];
    expect(foldProblems(all)).toEqual(all.map((one) => ({ ...one, others: [] })));
    expect(alsoAt([])).toBe('');
  });
});
