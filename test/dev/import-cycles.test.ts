/** Files that import each other cannot be read, tested or moved alone; types count, because readers follow them too. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';

const ROOT = path.join(__dirname, '../..');
const IMPORT = /(?:from|import\()\s*['"](\.[^'"]+)['"]/g;

function filesOf(folder: string): string[] {
  return readdirSync(path.join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => path.join(folder, name));
}

function resolveImport(file: string, name: string): string | undefined {
  const base = path.join(path.dirname(file), name.replace(/\.js$/, ''));
  return [`${base}.ts`, path.join(base, 'index.ts')].find((one) => existsSync(path.join(ROOT, one)));
}

function importsOf(file: string): string[] {
  const text = readFileSync(path.join(ROOT, file), 'utf8');
  return [...text.matchAll(IMPORT)].flatMap(([, name = '']) => resolveImport(file, name) ?? []);
}

/** The first cycle as the files along its path; empty without a cycle. */
function findCircle(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>();
  const visit = (file: string, above: readonly string[]): string[] => {
    if (above.includes(file)) return [...above.slice(above.indexOf(file)), file];
    if (done.has(file)) return [];
    for (const next of graph.get(file) ?? []) {
      const circle = visit(next, [...above, file]);
      if (circle.length > 0) return circle;
    }
    done.add(file);
    return [];
  };
  for (const file of graph.keys()) {
    const circle = visit(file, []);
    if (circle.length > 0) return circle;
  }
  return [];
}

describe('imports of src and tools', () => {
  it('form no cycle, neither of types nor of lazy imports', () => {
    const graph = new Map([...filesOf('src'), ...filesOf('tools')].map((file) => [file, importsOf(file)]));
    expect([...graph.values()].flat().length).toBeGreaterThan(1_000);
    expect(findCircle(graph)).toEqual([]);
  });

  it('with a cycle are detected', () => {
    expect(findCircle(new Map(Object.entries({ a: ['b'], b: ['c', 'd'], c: [], d: ['b'] })))).toEqual(['b', 'd', 'b']);
  });
});
