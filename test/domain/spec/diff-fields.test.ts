/** Whatever field of a spec changes, the diff names it and shows two values that look different. */
import { renderChanges } from '../../../src/cli/render/changes';
import { diffSpecs } from '../../../src/domain/spec/diff';
import { explainField, fieldPaths } from '../../../src/domain/spec/field-docs';
import { specJsonSchema } from '../../../src/domain/spec/json-schema';
import { parseSpec } from '../../../src/domain/spec/parse';
import type { ClusterSpec } from '../../../src/domain/spec/types';
import { PLAIN } from '../../cli/support';
import { KEY, OTHER_KEY } from './spec-document';

type Json = Record<string, unknown>;

const BASES: Readonly<Record<string, Json>> = {
  'self-managed': {
    ...{ apiVersion: 'ospatch/v1', name: 'x', ssh: { user: 'root' } },
    nodes: [{ name: 'w-1', host: '10.0.0.12', hostKeys: [KEY] }],
  },
  eks: { apiVersion: 'ospatch/v1', name: 'x', type: 'eks', eks: { region: 'eu-central-1', cluster: 'x' } },
  'imported, aks, gke, managed': { apiVersion: 'ospatch/v1', name: 'x', type: 'aks' },
};

/** They identify a cluster, cannot change, or are read by the command alone. */
const FIXED = ['apiVersion', 'name', 'type', 'ssh.knownHosts'];

/** Short for another field, which a diff names. */
const STANDS_FOR: Readonly<Record<string, string>> = { 'patching.rollout.onFailure': 'maxFailures' };

const WORDS = wordsIn(specJsonSchema());

/** Without a host, another name is another machine. */
const BESIDE: Readonly<Record<string, Json>> = { 'nodes.name': { nodes: BASES['self-managed']?.['nodes'] } };

/** Values to try for a field that has `value`: the first with which the spec is valid and another one. */
function others(value: unknown): unknown[] {
  if (typeof value === 'boolean') return [!value];
  if (typeof value === 'number') return [value + 1, value - 1];
  if (Array.isArray(value))
    return [
      [...value, ...value.slice(0, 1).flatMap(others)],
      ...value.slice(0, 1).flatMap((one) => others(one).map((other) => [other])),
    ];
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).flatMap(([key, field]) => others(field).map((other) => ({ ...value, [key]: other })));
  }
  const text = String(value);
  return [
    ...WORDS,
    ...[OTHER_KEY, '17m', '7h', '25h', '9%', 'Asia/Tokyo', '30 3 * * TUE', '2027-03-02T03:30', '2026-12-13'],
    ...['2026-12-19T00:00', '2027-01-05T00:00', `${text}2`, `x${text}`, 'https://example.com', 'x.ics', 'a=b'],
  ];
}

/** Every word that some field allows. */
function wordsIn(schema: unknown): string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  const { enum: words = [], const: word } = schema as { enum?: unknown[]; const?: unknown };
  const own = [...words, word].filter((one): one is string => typeof one === 'string');
  return [...new Set([...own, ...Object.values(schema).flatMap(wordsIn)])];
}

/** The documents with another value at `keys`, wherever a list or a mapping is in between. */
function variants(value: unknown, keys: readonly string[]): unknown[] {
  if (Array.isArray(value)) {
    const [first, ...rest] = value as unknown[];
    return keys.length === 0 ? others(value) : variants(first, keys).map((one) => [one, ...rest]);
  }
  const [key, ...below] = keys;
  if (key === undefined) return others(value);
  if (typeof value !== 'object' || value === null) return [];
  return variants((value as Json)[key], below).map((one) => ({ ...value, [key]: one }));
}

function specOf(document: unknown): ClusterSpec | null {
  const { spec, issues } = parseSpec(document);
  return issues.some(({ severity }) => severity === 'error') ? null : spec;
}

/** What is wrong with the diff of two specs that differ in the field `key`; null: nothing. */
function fault(before: ClusterSpec, after: ClusterSpec, key: string): string | null {
  const changes = diffSpecs(before, after);
  const wide = renderChanges(changes, PLAIN);
  if (!wide.some((row) => row.includes(key))) return `${key} is not named: ${wide.join(' | ')}`;
  const narrow = renderChanges(changes, { ...PLAIN, columns: 80 });
  const blind = narrow.find((row) => {
    const [, old, now] = /^ {2}~ \S+: (.*) -> (.*)$/.exec(row) ?? [];
    return old !== undefined && old === now;
  });
  return blind === undefined ? null : `both values look the same: ${blind}`;
}

const paths = fieldPaths().filter((path) => !FIXED.includes(path));

describe('src/domain/spec/diff: every field', () => {
  it('names the field that has changed, whichever field of the schema it is', () => {
    const faults: string[] = [];
    const unchanged: string[] = [];
    for (const path of paths) {
      const docs = explainField(path);
      if (!Array.isArray(docs)) throw new Error(path);
      for (const { clusterTypes, example } of docs) {
        const base = BASES[clusterTypes[0] ?? 'self-managed'] ?? {};
        const document = { ...base, ...(example as Json), ...BESIDE[path] };
        const [without, withField] = [specOf(base), specOf(document)];
        if (without === null || withField === null) throw new Error(`no valid example of ${path}`);
        const keys = path.split('.');
        const key = STANDS_FOR[path] ?? keys.at(-1) ?? '';
        const differs = (spec: ClusterSpec | null): spec is ClusterSpec =>
          spec !== null && JSON.stringify(spec) !== JSON.stringify(withField);
        const changed = variants(document, keys).map(specOf).find(differs);
        // A field that has only one value changes by being left out.
        const spec = changed ?? without;
        if (!differs(spec)) unchanged.push(path);
        else {
          const whys = [fault(withField, spec, key), fault(spec, withField, key)];
          faults.push(...whys.flatMap((why) => (why === null ? [] : [`${path}: ${why}`])));
        }
      }
    }
    expect(faults).toEqual([]);
    expect(unchanged).toEqual([]);
  }, 60_000);
});
