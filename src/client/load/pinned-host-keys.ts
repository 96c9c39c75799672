/** Replaces host keys that are written in a spec file (`hostKeys`), and nothing else in it. */
import { isScalar, isSeq, parseAllDocuments } from 'yaml';
import type { Document, Scalar, YAMLSeq } from 'yaml';
import { canonicalJson } from '../../domain/shared/canonical-json';
import { OspatchError } from '../../domain/shared/errors';
import type { SpecPath } from '../../domain/spec/issues';
import { renderPath, valueAt } from '../../domain/spec/issues';
import { DEFAULT_SSH } from '../../domain/spec/normalise';

export interface PinnedReplacement {
  /** Name of the cluster: a file may have several. */
  cluster: string;
  host: string;
  port: number;
  /** All keys that the machine has now, each `TYPE BASE64`. */
  keys: readonly string[];
}

/** Where a spec file has host keys of this machine; empty: nowhere, so they come from known_hosts. */
export function pinnedPlaces(text: string, machine: Omit<PinnedReplacement, 'keys'>): string[] {
  const document = documentOf(text, machine.cluster);
  return document === null ? [] : placesOf(document.toJS(), machine).map(renderPath);
}

/**
 * The text with the new keys at every place of this machine. Comments, quotes, the order, and entries with a marker
 * (`@revoked`, `@cert-authority`) stay.
 *
 * @throws OspatchError `Usage` when the file is written in a way that only a person can change
 */
export function replacePinnedKeys(text: string, machine: PinnedReplacement): string {
  const document = documentOf(text, machine.cluster);
  if (document === null) return text;
  const before: unknown = document.toJS();
  const places = placesOf(before, machine);
  const edits = new Map<number, Edit>();
  for (const place of places) {
    const list: unknown = document.getIn(place, true);
    if (!isSeq(list)) throw byHand(place, machine);
    for (const edit of editsOf(text, list, machine.keys)) edits.set(edit.from, edit);
  }
  const changed = apply(text, [...edits.values()]);
  const after: unknown = documentOf(changed, machine.cluster)?.toJS();
  // An anchor may be used for other machines too.
  if (canonicalJson(after) !== canonicalJson(expected(before, places, machine.keys)))
    throw byHand(places[0] ?? [], machine);
  return changed;
}

function documentOf(text: string, cluster: string): Document.Parsed | null {
  const parsed = parseAllDocuments(text, { prettyErrors: false, logLevel: 'error' });
  const documents = Array.isArray(parsed) ? parsed : [];
  return documents.find((one) => one.errors.length === 0 && one.get('name') === cluster) ?? null;
}

function placesOf(document: unknown, { host, port }: { host: string; port: number }): SpecPath[] {
  const places: SpecPath[] = [];
  const machine = (path: SpecPath, foundHost: unknown, foundPort: unknown): void => {
    const keys = valueAt(document, [...path, 'hostKeys']);
    if (!Array.isArray(keys) || keys.length === 0 || typeof foundHost !== 'string') return;
    if (foundHost.toLowerCase() === host.toLowerCase() && (foundPort ?? DEFAULT_SSH.port) === port)
      places.push([...path, 'hostKeys']);
  };
  const jumpHosts = (path: SpecPath): void => {
    for (const index of indexesOf(valueAt(document, path))) {
      const hop = [...path, index];
      machine(hop, valueAt(document, [...hop, 'host']), valueAt(document, [...hop, 'port']));
    }
  };
  jumpHosts(['ssh', 'jump']);
  for (const index of indexesOf(valueAt(document, ['nodes']))) {
    const node: SpecPath = ['nodes', index];
    jumpHosts([...node, 'ssh', 'jump']);
    const nodePort = valueAt(document, [...node, 'ssh', 'port']) ?? valueAt(document, ['ssh', 'port']);
    machine(node, valueAt(document, [...node, 'host']) ?? valueAt(document, [...node, 'name']), nodePort);
  }
  return places;
}

function indexesOf(value: unknown): number[] {
  return Array.isArray(value) ? [...value.keys()] : [];
}

interface Edit {
  from: number;
  to: number;
  text: string;
}

/** Old keys become new ones, of their own type where there is one; those without a successor are removed. */
function editsOf(text: string, list: YAMLSeq, keys: readonly string[]): Edit[] {
  const items = list.items.filter((item): item is Scalar<string> => isScalar(item) && typeof item.value === 'string');
  const next = successors(
    items.map(({ value }) => value),
    keys,
  );
  return items.flatMap((item, index) => {
    const [from, to] = item.range ?? [0, 0];
    const key = next[index] ?? null;
    if (key === item.value) return [];
    const quote = /^["']/.exec(text.slice(from, to))?.[0] ?? '';
    return [key === null ? removal(text, list, from, to) : { from, to, text: `${quote}${key}${quote}` }];
  });
}

function removal(text: string, list: YAMLSeq, from: number, to: number): Edit {
  if (list.flow === true) {
    const after = /^\s*,\s*/.exec(text.slice(to))?.[0].length ?? 0;
    const before = after > 0 ? 0 : (/,\s*$/.exec(text.slice(0, from))?.[0].length ?? 0);
    return { from: from - before, to: to + after, text: '' };
  }
  const lineStart = text.lastIndexOf('\n', from) + 1;
  const lineEnd = text.indexOf('\n', to);
  return { from: lineStart, to: lineEnd < 0 ? text.length : lineEnd + 1, text: '' };
}

function apply(text: string, edits: readonly Edit[]): string {
  const backwards = edits.toSorted((a, b) => b.from - a.from);
  return backwards.reduce((done, { from, to, text: next }) => `${done.slice(0, from)}${next}${done.slice(to)}`, text);
}

/** The value that the document must have afterwards, whatever the order of the keys. */
function expected(before: unknown, places: readonly SpecPath[], keys: readonly string[]): unknown {
  // What an anchor and its aliases share becomes parts of their own.
  const copy: unknown = JSON.parse(JSON.stringify(before));
  for (const place of places) {
    const list = valueAt(copy, place);
    if (!Array.isArray(list)) continue;
    const next = successors(list.map(String), keys).filter((one) => one !== null);
    list.splice(0, list.length, ...next);
  }
  return copy;
}

/** What comes into the place of each entry; null: nothing. */
function successors(list: readonly string[], keys: readonly string[]): (string | null)[] {
  const fresh = keys.filter((key) => !list.some((one) => keyOf(one) === key));
  const kept: (string | null)[] = list.map((one) =>
    one.trim().startsWith('@') || keys.includes(keyOf(one)) ? one : null,
  );
  const place = (matches: (old: string, key: string) => boolean): void => {
    for (const [index, old] of list.entries()) {
      const key = kept[index] === null ? fresh.find((one) => matches(old, one)) : undefined;
      if (key === undefined) continue;
      kept[index] = key;
      fresh.splice(fresh.indexOf(key), 1);
    }
  };
  place((old, key) => typeOf(old) === typeOf(key));
  place(() => true);
  return kept;
}

function typeOf(entry: string): string {
  return entry.trim().split(/\s+/)[0] ?? '';
}

/** Without the comment. */
function keyOf(entry: string): string {
  return entry.trim().split(/\s+/).slice(0, 2).join(' ');
}

function byHand(place: SpecPath, { keys }: PinnedReplacement): OspatchError {
  return new OspatchError({
    type: 'Usage',
    message: `${renderPath(place)} cannot be changed without changing other parts of the file, such as an anchor that several nodes use`,
    remedy: `put the new key there yourself: ${keys.join(' or ')}`,
  });
}
