/** Problems of a spec as a person reads them: the same one of a thousand nodes is one line. */
import type { SpecProblem } from '../../client/load/spec';

export interface FoldedProblem extends SpecProblem {
  /** The same problem at other elements of a list of the same file. */
  others: { path: string; line: number | null }[];
}

const SHOWN = 3;

/** In the order of the first of each kind. Problems are the same when only the number of a list element differs. */
export function foldProblems(problems: readonly SpecProblem[]): FoldedProblem[] {
  const folded = new Map<string, FoldedProblem>();
  for (const problem of problems) {
    const { severity, file, path, message, line } = problem;
    const key = JSON.stringify([severity, file, path.replace(/\[\d+\]/g, '[]'), message]);
    const first = folded.get(key);
    if (first === undefined) folded.set(key, { ...problem, others: [] });
    else first.others.push({ path, line });
  }
  return [...folded.values()];
}

/** ` and 2 more (nodes[1] in line 19, nodes[2] in line 20)`; empty when there are none. */
export function alsoAt(others: FoldedProblem['others']): string {
  if (others.length === 0) return '';
  const shown = others.slice(0, SHOWN).map(({ path, line }) => {
    const element = /^.*\[\d+\]/.exec(path)?.[0] ?? path;
    return line === null ? element : `${element} in line ${line}`;
  });
  const rest = others.length > SHOWN ? ', ...' : '';
  return ` and ${others.length} more (${shown.join(', ')}${rest})`;
}
