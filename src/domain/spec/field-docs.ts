/** The fields of a spec, from its JSON Schema: meaning, value, default and an example of each. */
import { EXAMPLES_BY_KEY, EXAMPLES_BY_PATH, NEEDED_BESIDE } from './field-examples';
import { specJsonSchema } from './json-schema';
import { suggest } from './suggest';
import { defined } from '../shared/defined';
import { DURATION_PATTERN } from '../shared/duration';

export interface FieldDoc {
  /** `patching.rollout.maxUnavailable`; empty for the whole spec. Elements of a list have no place in a path. */
  path: string;
  /** Types of cluster that have this field, when not all have the same. */
  clusterTypes: string[];
  description: string;
  /** What is allowed, in words. */
  value: string;
  /** In words; null when there is none. */
  default: string | null;
  required: boolean;
  fields: Omit<FieldDoc, 'fields' | 'example' | 'clusterTypes'>[];
  /** A spec with nothing but this field and what it needs. */
  example: unknown;
}

interface JsonSchema {
  type?: string;
  description?: string;
  const?: string;
  enum?: string[];
  default?: unknown;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  items?: JsonSchema;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  anyOf?: JsonSchema[];
}

/** Why there is no such field, and which was meant. */
export interface UnknownField {
  /** The part that exists; empty for the spec itself. */
  parent: string;
  key: string;
  /** A whole path. */
  suggestion: string | null;
  allowed: string[];
}

/**
 * The field at a path such as `patching.rollout` or `nodes[].host`, once for each kind of cluster in which it means something
 * else; `spec` and `spec.` in front are accepted.
 */
export function explainField(path: string): FieldDoc[] | UnknownField {
  const keys = path
    .replaceAll(/\[[^\]]*\]/g, '')
    .split('.')
    .filter((key, at) => key !== '' && !(at === 0 && key === 'spec'));
  const root: JsonSchema = specJsonSchema();
  const documents = alternatives(root);
  for (const depth of keys.keys()) {
    const known = documents.flatMap((document) => lookUp(document, keys.slice(0, depth)));
    const names = [...new Set(known.flatMap(({ schema }) => childrenOf(schema).map(([name]) => name)))];
    const key = keys[depth] ?? '';
    if (names.includes(key)) continue;
    const parent = keys.slice(0, depth).join('.');
    const near = suggest(key, names);
    const suggestion = near === null ? elsewhere(key) : depth === 0 ? near : `${parent}.${near}`;
    return { parent, key, suggestion, allowed: names };
  }
  const docs = documents.flatMap((document) =>
    lookUp(document, keys)
      .slice(0, 1)
      .map(({ schema, required }) => ({
        ...docOf(keys, { ...defined({ description: root.description }), ...schema }, required, document),
        type: typeOf(document),
      })),
  );
  return merge(docs, documents.length);
}

/** All paths, without those of list elements and alternatives twice. */
export function fieldPaths(): string[] {
  const paths = new Set<string>();
  const walk = (schema: JsonSchema, keys: string[]): void => {
    for (const [name, child] of childrenOf(schema)) {
      paths.add([...keys, name].join('.'));
      walk(child, [...keys, name]);
    }
  };
  alternatives(specJsonSchema()).forEach((document) => walk(document, []));
  return [...paths];
}

/** A field that is named so, or that other tools name so; the one nearest to the top. */
function elsewhere(key: string): string | null {
  const paths = fieldPaths().toSorted((a, b) => a.split('.').length - b.split('.').length);
  const last = (path: string): string => path.slice(path.lastIndexOf('.') + 1);
  const name = suggest(key, paths.map(last));
  return paths.find((path) => last(path) === name) ?? null;
}

interface Found {
  schema: JsonSchema;
  required: boolean;
}

function lookUp(schema: JsonSchema, keys: readonly string[]): Found[] {
  let found: Found[] = [{ schema, required: false }];
  for (const key of keys) {
    found = found.flatMap((one) =>
      mappingsOf(one.schema).flatMap(({ properties = {}, required = [] }) => {
        const child = properties[key];
        return child === undefined ? [] : [{ schema: child, required: required.includes(key) }];
      }),
    );
  }
  return found;
}

/** The mappings that a value may be, or may be a list of. */
function mappingsOf(schema: JsonSchema): JsonSchema[] {
  return alternatives(schema).flatMap((one) => {
    if (one.properties !== undefined) return [one];
    return one.items === undefined ? [] : mappingsOf(one.items);
  });
}

function alternatives(schema: JsonSchema): JsonSchema[] {
  return schema.anyOf === undefined ? [schema] : schema.anyOf.flatMap(alternatives);
}

/** The first of each name. */
function childrenOf(schema: JsonSchema): [string, JsonSchema, boolean][] {
  const children = new Map<string, [string, JsonSchema, boolean]>();
  for (const { properties = {}, required = [] } of mappingsOf(schema)) {
    for (const [name, child] of Object.entries(properties)) {
      if (!children.has(name)) children.set(name, [name, child, required.includes(name)]);
    }
  }
  return [...children.values()];
}

function docOf(keys: readonly string[], schema: JsonSchema, required: boolean, document: JsonSchema): FieldDoc {
  const path = keys.join('.');
  return {
    ...summaryOf(path, schema, required),
    clusterTypes: [],
    fields: childrenOf(schema).map(([name, child, isNeeded]) =>
      summaryOf(path === '' ? name : `${path}.${name}`, child, isNeeded),
    ),
    example: path === '' ? null : exampleOf(document, keys, [typeOf(document)]),
  };
}

function summaryOf(path: string, schema: JsonSchema, required: boolean): FieldDoc['fields'][number] {
  const { description = '' } = schema;
  const [, inWords = null] = /Default: (.*?)\.(?: |$)/s.exec(description) ?? [];
  const isPlain = schema.default !== undefined && typeof schema.default !== 'object';
  return {
    path,
    description,
    value: valueWords(schema),
    default: isPlain ? String(schema.default) : inWords,
    required,
  };
}

function typeOf({ properties = {} }: JsonSchema): string {
  const { const: one, enum: several = [] } = properties['type'] ?? {};
  return one ?? several.join(', ');
}

/** Fields that mean the same in several kinds of cluster are one. */
function merge(docs: (FieldDoc & { type: string })[], kinds: number): FieldDoc[] {
  const merged = new Map<string, FieldDoc>();
  for (const { type, ...doc } of docs) {
    const key = JSON.stringify({ ...doc, example: null });
    const same = merged.get(key) ?? doc;
    merged.set(key, { ...same, clusterTypes: [...same.clusterTypes, type] });
  }
  return [...merged.values()].map((doc) => (doc.clusterTypes.length === kinds ? { ...doc, clusterTypes: [] } : doc));
}

function valueWords(schema: JsonSchema): string {
  const words = alternatives(schema).map((one) => oneValue(one));
  return [...new Set(words)].join(', or ');
}

function oneValue({ const: only, enum: choices, type, items, pattern, minimum, maximum }: JsonSchema): string {
  if (only !== undefined) return only;
  if (choices !== undefined) return choices.join(', ');
  if (type === 'integer') return `whole number from ${minimum ?? 0} to ${maximum ?? 'any'}`;
  if (type === 'boolean') return 'true, false';
  if (type === 'array') return items?.properties === undefined ? 'list' : 'list of mappings';
  if (type === 'object') return 'mapping';
  if (pattern === DURATION_PATTERN.source) return 'duration such as 90s, 30m, 12h or 7d';
  if (pattern?.includes('%') === true) return 'share such as 10%';
  return 'text';
}

/** `above`: the kind of cluster and the keys so far. A mapping on the way has what it requires; the document itself has not. */
function exampleOf(schema: JsonSchema, keys: readonly string[], above: readonly [string, ...string[]]): unknown {
  const [key, ...rest] = keys;
  if (key === undefined) return valueExample(schema, above);
  const mapping = mappingsOf(schema).find(({ properties = {} }) => properties[key] !== undefined);
  const { properties = {}, required = [] } = mapping ?? {};
  const path = above.slice(1).join('.');
  const beside = [...(NEEDED_BESIDE[path] ?? []), ...(NEEDED_BESIDE[`${path}.${key}`] ?? [])];
  const needed = path === '' ? [] : [...required, ...beside];
  const names = Object.keys(properties).filter((name) => name === key || needed.includes(name));
  const value = Object.fromEntries(
    names.map((name) => [name, exampleOf(properties[name] ?? {}, name === key ? rest : [], [...above, name])]),
  );
  return isList(schema) ? [value] : value;
}

function isList(schema: JsonSchema): boolean {
  return alternatives(schema).every(({ type }) => type === 'array');
}

function valueExample(schema: JsonSchema, above: readonly [string, ...string[]]): unknown {
  const [kind, ...keys] = above;
  const path = keys.join('.');
  const own = EXAMPLES_BY_PATH[`${kind}:${path}`] ?? EXAMPLES_BY_PATH[path] ?? EXAMPLES_BY_KEY[keys.at(-1) ?? ''];
  if (own !== undefined) return own;
  const [first = {}] = alternatives(schema);
  if (first.const !== undefined) return first.const;
  const other = first.enum?.find((value) => value !== schema.default);
  if (other !== undefined) return other;
  if (first.type === 'boolean') return schema.default !== true;
  if (first.type === 'integer') return schema.default ?? first.minimum;
  if (first.pattern === DURATION_PATTERN.source) return typeof schema.default === 'string' ? schema.default : '30m';
  if (first.type === 'array') return first.items === undefined ? [] : [valueExample(first.items, above)];
  if (first.properties !== undefined) {
    const { properties, required = [] } = first;
    const names = required.length > 0 ? required : Object.keys(properties).slice(0, 1);
    return Object.fromEntries(names.map((name) => [name, valueExample(properties[name] ?? {}, [...above, name])]));
  }
  return 'text';
}
