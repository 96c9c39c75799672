/** The pages of docs/: each has a place on the site, every anchor exists, and every type of error is explained. */
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { ERROR_TYPES } from '../../src/domain/shared/errors';
import { parseDocuments } from '../../src/client/load/documents';
import { parseSpec } from '../../src/domain/spec/parse';
import { fencedBlocks, withoutCode } from '../support/markdown';

const ROOT = path.join(__dirname, '../..');
const { slug } = jest.requireActual<{ slug(text: string): string }>('../../site/slug.js');
const { groups, unlisted } = jest.requireActual<{
  groups(): { title: string; pages: [title: string, page: string][] }[];
  unlisted(): string[];
}>('../../site/navigation.js');
const { errorTypes, errorPage } = jest.requireActual<{ errorTypes(): string[]; errorPage(): string }>(
  '../../scripts/generate-error-reference.js',
);

const read = (name: string): string => readFileSync(path.join(ROOT, name), 'utf8');

function documents(): string[] {
  const docs = readdirSync(path.join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' });
  const top = readdirSync(ROOT).filter((name) => name.endsWith('.md'));
  return [...top, ...docs.filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)];
}

function headings(text: string, level = '#{1,6}'): string[] {
  return [...withoutCode(text).matchAll(new RegExp(`^${level} +(.+?) *$`, 'gm'))].map(([, title = '']) => title);
}

/** Anchors of a page, as the code host and the site make them. */
function anchors(text: string): Set<string> {
  const seen = new Map<string, number>();
  return new Set(
    headings(text).map((title) => {
      const anchor = slug(title.replace(/[`*]/g, '').replace(/\[([^\]]*)\]\([^)]*\)/g, '$1'));
      const times = seen.get(anchor) ?? 0;
      seen.set(anchor, times + 1);
      return times === 0 ? anchor : `${anchor}-${times}`;
    }),
  );
}

describe('the pages of docs/', () => {
  it('have a place in the navigation of the site, and one title each', () => {
    expect(unlisted()).toEqual([]);
    const pages = groups().flatMap((group) => group.pages.map(([, page]) => page));
    expect(pages.length).toBe(new Set(pages).size);
    expect(pages.filter((page) => headings(read(`docs/${page}.md`), '#').length !== 1)).toEqual([]);
  });

  it('have no dead anchor', () => {
    const known = new Map(documents().map((name) => [name, anchors(read(name))]));
    const dead = documents().flatMap((name) =>
      [...withoutCode(read(name)).matchAll(/\]\(([^)#\s:]*)#([^)\s]+)\)/g)].flatMap(([, target = '', anchor = '']) => {
        const file = target === '' ? name : path.posix.join(path.posix.dirname(name), target);
        return known.get(file)?.has(anchor) === false ? [`${name}: ${target}#${anchor}`] : [];
      }),
    );
    expect(dead).toEqual([]);
  });

  it('have no text in angle brackets, which neither the code host nor the site shows', () => {
    const hidden = documents().flatMap((name) =>
      [...withoutCode(read(name)).matchAll(/(?<!\\)<(?!!--)\/?[a-zA-Z][^>]*>/g)].map(([text]) => `${name}: ${text}`),
    );
    expect(hidden).toEqual([]);
  });
});

describe('docs/troubleshooting.md', () => {
  it('explains every type of error, and no other', () => {
    const [, byType = ''] = read('docs/troubleshooting.md').split('\n## By type\n');
    expect(headings(byType, '###').sort()).toEqual([...ERROR_TYPES].sort());
  });
});

describe('docs/messages.md', () => {
  const text = read('docs/messages.md');
  const named = (kind: string): string[] =>
    [...read('src/contract/messages.ts').matchAll(new RegExp(`= define${kind}(?:<.*>)?\\('(\\w+)'\\)`, 'g'))].map(
      ([, name = '']) => name,
    );
  const section = (from: string, to: string): string => text.split(`\n## ${from}\n`)[1]?.split(`\n## ${to}\n`)[0] ?? '';

  it('has every signal, update and query, and no other', () => {
    const [, rest = ''] = text.split('\n## Runs and nodes\n');
    const ofOthers = [...rest.matchAll(/\| `(\w+)` +\| (?:query|update)/g)].map(([, name = '']) => name);
    const [, internal = ''] = rest.split('change with\nversions: ');
    const between = [...internal.matchAll(/`(\w+)`/g)].map(([, name = '']) => name);
    const updates = headings(section('Signals and updates', 'Queries'), '###');
    const queries = headings(section('Queries', 'Runs and nodes'), '###');
    expect([...updates, ...queries, ...ofOthers].sort()).toEqual([...named('Update'), ...named('Query')].sort());
    expect([...updates, ...between].sort()).toEqual(named('Signal').sort());
  });

  it('names every type of workflow', () => {
    const types = [...read('src/workflows/index.ts').matchAll(/^export \{ ([\w, ]+) \}/gm)].flatMap(([, names = '']) =>
      names.split(', '),
    );
    expect(types.length).toBeGreaterThan(10);
    expect(types.filter((type) => !text.includes(`\`${type}\``))).toEqual([]);
  });

  it('has every option of patchNow', () => {
    const [, list = ''] = /^type PatchOption = (.+);$/m.exec(read('src/domain/cluster/messages.ts')) ?? [];
    const options = [...list.matchAll(/'(\w+)'/g)].map(([, name = '']) => name);
    const table = /### patchNow[^#]*/.exec(text)?.[0] ?? '';
    expect([...table.matchAll(/^\| `(\w+)`/gm)].map(([, name = '']) => name).sort()).toEqual(
      ['nodes', ...options].sort(),
    );
  });
});

describe('the examples of specs in docs/', () => {
  it('are valid where they are whole', () => {
    const whole = documents().flatMap((name) =>
      fencedBlocks(read(name))
        .filter(({ language, code }) => ['yaml', 'json'].includes(language) && code.includes('ospatch/v1'))
        .map(({ line, code }) => ({ where: `${name}:${line}`, code })),
    );
    const problems = whole.flatMap(({ where, code }) =>
      parseDocuments(code).documents.flatMap(({ value }) =>
        parseSpec(value)
          .issues.filter(({ severity }) => severity === 'error')
          .map(({ path: field, message }) => `${where}: ${field.join('.')}: ${message}`),
      ),
    );
    expect(problems).toEqual([]);
    expect(whole.length).toBeGreaterThan(3);
  });
});

describe('docs/cli.md', () => {
  /** All values of the field `kind` in the objects below `schema`. */
  const kinds = (schema: unknown): string[] => {
    if (typeof schema !== 'object' || schema === null) return [];
    const { kind } = schema as { kind?: { const?: string; enum?: string[] } };
    return [kind?.const ?? [], kind?.enum ?? [], ...Object.values(schema).map(kinds)].flat();
  };

  it('names every kind of event, and everything that holds a run', () => {
    const text = read('docs/cli.md');
    const named = (section: string) => new Set([...section.matchAll(/`([\w-]+)`/g)].map(([, name = '']) => name));
    const [, events = ''] = text.split('\n### events\n');
    const [, hold = ''] = text.split('`hold` is what keeps');
    const schema = (name: string) => JSON.parse(read(`docs/schemas/${name}.json`)) as Record<string, unknown>;
    const { RunDetail } = schema('status')['$defs'] as { RunDetail: { properties: { hold: unknown } } };
    expect(kinds(schema('events')).filter((kind) => !named(events.split('\n### ')[0] ?? '').has(kind))).toEqual([]);
    expect(kinds(RunDetail.properties.hold).filter((kind) => !named(hold.split('\n- ')[0] ?? '').has(kind))).toEqual(
      [],
    );
    expect(kinds(RunDetail.properties.hold)).toContain('alerts');
  });
});

describe('docs/errors.md', () => {
  it('is what scripts/generate-error-reference.js writes, with every type', () => {
    expect(errorTypes()).toEqual([...ERROR_TYPES]);
    expect(read('docs/errors.md')).toBe(errorPage());
  });
});
