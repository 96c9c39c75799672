/** Problems of a spec in one text: the same one of a thousand nodes is named once, as on the command line. */

const SHOWN = 3;

/** `problems`: each as `path: message`. They are the same when only the number of a list element differs. */
export function foldProblemLines(problems: readonly string[]): string[] {
  const folded = new Map<string, { path: string; message: string; others: string[] }>();
  for (const problem of problems) {
    const [path = ''] = /^\S+\[\d+\]\S*(?=: )/.exec(problem) ?? [];
    const message = problem.slice(path.length);
    const key = `${path.replace(/\[\d+\]/g, '[]')}${message}`;
    const first = folded.get(key);
    if (first === undefined) folded.set(key, { path, message, others: [] });
    else first.others.push(/^.*\[\d+\]/.exec(path)?.[0] ?? path);
  }
  return [...folded.values()].map(({ path, message, others }) => {
    if (others.length === 0 || path === '') return `${path}${message}`;
    const rest = others.length > SHOWN ? ', ...' : '';
    return `${path} and ${others.length} more (${others.slice(0, SHOWN).join(', ')}${rest})${message}`;
  });
}
