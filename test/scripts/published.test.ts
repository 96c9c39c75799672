import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';

const ROOT = path.join(__dirname, '../..');
const { withoutIntegrity } = jest.requireActual<{ withoutIntegrity(lock: unknown): string[] }>(
  '../../scripts/check-lock.js',
);

function text(...names: string[]): string {
  return readFileSync(path.join(ROOT, ...names), 'utf8');
}

function markdownFiles(): string[] {
  const docs = readdirSync(path.join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.md'),
  );
  const top = readdirSync(ROOT).filter((name) => name.endsWith('.md'));
  return [...top, ...docs.map((name) => `docs/${name}`)];
}

describe('published documents', () => {
  const { files } = JSON.parse(text('package.json')) as { files: string[] };

  it('include every page that a message of the program links to', () => {
    const pointed = new Map<string, string>();
    for (const name of readdirSync(path.join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })) {
      if (!/\.(ts|sh)$/.test(name)) continue;
      for (const [page] of text('src', name).matchAll(/(?<![\w/])docs\/[\w./-]+?\.\w+/g)) pointed.set(page, name);
    }
    expect(pointed.size).toBeGreaterThan(3);
    expect(files).toContain('docs/**/*.md');
    const missing = [...pointed].filter(([page]) => !existsSync(path.join(ROOT, page)) || !/^docs\/.+\.md$/.test(page));
    expect(missing).toEqual([]);
  });

  it.each(markdownFiles())('have no dead link in %s', (name) => {
    const broken = [...text(name).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
      .map(([, target = '']) => target)
      .filter((target) => !/^[a-z]+:/.test(target) && !existsSync(path.join(ROOT, path.dirname(name), target)));
    expect(broken).toEqual([]);
  });

  it.each(markdownFiles().filter((name) => name !== 'CHANGELOG.md'))('name no missing file in %s', (name) => {
    const gone = [
      ...text(name).matchAll(
        /(?<![\w/.-])((?:src|test|tools|scripts|docs|deploy|examples|schema)\/[\w./-]+\.(?:ts|js|sh|md|yaml|json))\b/g,
      ),
    ]
      .map(([, file = '']) => file)
      .filter((file) => !existsSync(path.join(ROOT, file)));
    expect(gone).toEqual([]);
  });
});

describe('scripts/check-lock.js', () => {
  it('lists the packages without a digest, ignoring the project itself and links', () => {
    const packages = {
      '': {},
      'node_modules/a': { integrity: 'sha512-x' },
      'node_modules/b': { optional: true },
      'node_modules/c': { link: true },
    };
    expect(withoutIntegrity({ packages })).toEqual(['node_modules/b']);
  });

  it('finds no problem in the lock file', () => {
    expect(withoutIntegrity(JSON.parse(text('package-lock.json')))).toEqual([]);
  });
});
