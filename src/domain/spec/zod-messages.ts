/** Converts zod issues to messages for the author of the spec. */
import { z } from 'zod';
import { notPatchableReason } from '../cluster/messages';
import { BLACKOUT_FORMAT, BLACKOUT_KINDS, BLACKOUT_LIST_FORMAT, blackoutKinds } from './blackout-section';
import { CLUSTER_TYPES, MAX_BLACKOUTS, MAX_SCHEDULE_ENTRIES, PRESETS } from './types';
import type { SpecIssue, SpecPath } from './issues';
import { printable, show, valueAt } from './issues';
import { RESTART_MODES } from './restart-policy';
import { RESTART_FORMAT, restartMapping } from './restart-section';
import { SCHEDULE_KINDS, SCHEDULE_LIST_FORMAT, scheduleKinds } from './schedule-section';
import { keyHint, quoted, valueHint } from './hints';
import { ourWord, suggest } from './suggest';

type ZodIssue = z.core.$ZodIssue;

const ENTRY_FORMAT = `${PRESETS.join(', ')}, or a mapping with exactly one of ${SCHEDULE_KINDS.join(', ')}`;

// Keys that do not apply to a cluster that ospatch does not patch.
const PATCHING_KEYS = ['patching', 'nodes', 'ssh', 'kubernetes', 'taskQueue'];

/**
 * The issues that zod found in `value`, one per mistake, in document order. `schema` is the schema used; `prefix` is
 * the path of `value` in the document.
 */
export function describeIssues(
  issues: readonly ZodIssue[],
  value: unknown,
  schema: z.core.$ZodType,
  prefix: SpecPath = [],
): SpecIssue[] {
  const misspelt = misspeltKeys(issues, schema);
  const wanted = issues.filter(
    ({ path }) => valueAt(value, path as SpecPath) !== undefined || !misspelt.has(JSON.stringify(path)),
  );
  const described = wanted.flatMap((issue) => describeIssue(issue, value, schema, prefix));
  const seen = new Set<string>();
  return described.filter(({ path, message }) => {
    const key = JSON.stringify([path, message]);
    return !seen.has(key) && seen.add(key);
  });
}

/**
 * Paths of keys that are missing only because they are misspelt; the message "unknown key; did you mean" covers them.
 */
function misspeltKeys(issues: readonly ZodIssue[], schema: z.core.$ZodType): Set<string> {
  const paths = new Set<string>();
  for (const issue of issues) {
    if (issue.code !== 'unrecognized_keys') continue;
    const allowed = keysOf(schema, issue.path);
    for (const key of issue.keys) {
      const meant = suggest(key, allowed);
      if (meant !== null) paths.add(JSON.stringify([...issue.path, meant]));
    }
  }
  return paths;
}

function describeIssue(issue: ZodIssue, value: unknown, schema: z.core.$ZodType, prefix: SpecPath): SpecIssue[] {
  const inner: SpecPath = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
  const path = [...prefix, ...inner];
  const found = valueAt(value, inner);
  if (inner[0] === 'patching' && inner[1] === 'blackouts') {
    return describeBlackouts(valueAt(value, inner.slice(0, 2)), [...prefix, ...inner.slice(0, 2)]);
  }
  // Its forms are many, so that zod tells little about the one that was meant.
  if (inner[0] === 'patching' && inner[1] === 'schedule') {
    return describeSchedule(valueAt(value, inner.slice(0, 2)), [...prefix, ...inner.slice(0, 2)]);
  }
  if (issue.code === 'invalid_union' && path.at(-1) === 'restartServices') return describeRestart(found, path);
  if (issue.code === 'unrecognized_keys') {
    const allowed = keysOf(schema, inner);
    // zod reports unknown keys without the enclosing union when only one branch matches otherwise.
    if (allowed.length === 0 && inner.includes('restartServices')) return describeRestart(found, path);
    return issue.keys.map((key) => ({
      severity: 'error',
      path: [...path, key],
      at: 'key',
      message: unknownKey(
        key,
        allowed,
        inner.length === 0 ? value : undefined,
        keyHint(inner, ourWord(key) ?? key, pathsOf(schema)),
      ),
    }));
  }
  if (issue.code === 'invalid_key') {
    const allowed = issue.issues[0]?.message ?? '';
    return [{ severity: 'error', path, at: 'key', message: `found ${show(inner.at(-1))}; allowed: ${allowed}` }];
  }
  if (found === undefined) {
    return [{ severity: 'error', path, at: 'parent', message: `missing; allowed: ${issue.message}` }];
  }
  return [{ severity: 'error', path, at: 'value', message: sentence(issue, found, path) }];
}

function sentence(issue: ZodIssue, found: unknown, path: SpecPath): string {
  // A schema with more context provides the complete message.
  if (issue.message.startsWith('found ')) return issue.message;
  const hint = valueHint(path, found);
  if (hint !== null) return `found ${quoted(path, found)}; ${hint}; allowed: ${issue.message}`;
  const quoting = issue.code === 'invalid_type' && issue.expected === 'string' ? ` (${kindOf(found)})` : '';
  const meant =
    issue.code === 'invalid_value' && typeof found === 'string' ? suggest(found, issue.values.map(String)) : null;
  return `found ${quoted(path, found)}${quoting}; ${didYouMean(meant)}allowed: ${issue.message}`;
}

function kindOf(found: unknown): string {
  if (found === null) return 'an empty value';
  if (typeof found === 'object') return 'not text';
  return `a ${typeof found}; write it in quotes if it is text`;
}

function didYouMean(word: string | null): string {
  return word === null ? '' : `did you mean "${word}"? `;
}

function unknownKey(key: string, allowed: readonly string[], document: unknown, hint: string | null): string {
  const found = document === undefined ? undefined : valueAt(document, ['type']);
  const type = CLUSTER_TYPES.find((one) => one === found);
  const reason = type === undefined || allowed.includes('nodes') ? null : notPatchableReason(type);
  if (reason !== null && PATCHING_KEYS.includes(key)) {
    // Node settings do not apply to a provider's nodes, whatever the keys are called.
    const orElse = type === 'imported' ? ' or set type: self-managed' : '';
    return `${reason}; allowed: ${allowed.join(', ')}; remove ${key}${orElse}`;
  }
  const meant = suggest(key, allowed);
  if (meant === null && hint !== null) return `unknown key; ${hint}; allowed here: ${allowed.join(', ')}`;
  return `unknown key; ${didYouMean(meant)}allowed: ${allowed.join(', ')}`;
}

/** Explains a mistake for the intended form: a mode, or a mapping. */
function describeRestart(found: unknown, path: SpecPath): SpecIssue[] {
  if (typeof found !== 'object' || found === null || Array.isArray(found)) {
    const meant = typeof found === 'string' ? suggest(found, RESTART_MODES) : null;
    const message = `found ${show(found)}; ${didYouMean(meant)}allowed: ${RESTART_FORMAT}`;
    return [{ severity: 'error', path, at: 'value', message }];
  }
  const parsed = restartMapping.safeParse(found);
  return parsed.success ? [] : describeIssues(parsed.error.issues, found, restartMapping, path);
}

function describeSchedule(found: unknown, path: SpecPath): SpecIssue[] {
  if (!Array.isArray(found)) return describeEntry(found, path, `${ENTRY_FORMAT}, or ${SCHEDULE_LIST_FORMAT}`);
  if (found.length === 0 || found.length > MAX_SCHEDULE_ENTRIES) {
    const message = `found ${found.length === 0 ? 'an empty list' : `${found.length} entries`}; allowed: ${SCHEDULE_LIST_FORMAT}`;
    return [{ severity: 'error', path, at: 'value', message }];
  }
  return found.flatMap((entry, at) => describeEntry(entry, [...path, at], ENTRY_FORMAT));
}

function describeBlackouts(found: unknown, path: SpecPath): SpecIssue[] {
  if (!Array.isArray(found) || found.length === 0 || found.length > MAX_BLACKOUTS) {
    const many = Array.isArray(found) && found.length > 0 ? `${found.length} blackouts` : show(found);
    return [{ severity: 'error', path, at: 'value', message: `found ${many}; allowed: ${BLACKOUT_LIST_FORMAT}` }];
  }
  return found.flatMap((blackout: unknown, at) => describeBlackout(blackout, [...path, at]));
}

/** Explains a mistake for the intended kind of a blackout. */
function describeBlackout(found: unknown, path: SpecPath): SpecIssue[] {
  const isMapping = typeof found === 'object' && found !== null && !Array.isArray(found);
  const kinds = isMapping ? BLACKOUT_KINDS.filter((kind) => Object.hasOwn(found, kind)) : [];
  const [kind] = kinds;
  if (!isMapping || kind === undefined || kinds.length > 1) {
    const keys = isMapping ? Object.keys(found) : [];
    const having = keys.length === 0 ? show(found) : `a mapping with ${keys.slice(0, 10).map(printable).join(', ')}`;
    return [{ severity: 'error', path, at: 'value', message: `found ${having}; allowed: ${BLACKOUT_FORMAT}` }];
  }
  const schema = blackoutKinds[kind];
  const parsed = schema.safeParse(found);
  return parsed.success ? [] : describeIssues(parsed.error.issues, found, schema, path);
}

/** Explains a mistake for the intended form of an entry. */
function describeEntry(found: unknown, path: SpecPath, allowed: string): SpecIssue[] {
  const problem = (message: string): SpecIssue[] => [{ severity: 'error', path, at: 'value', message }];
  if (PRESETS.some((preset) => preset === found)) return [];
  if (typeof found === 'string') {
    const hint = valueHint(['schedule'], found);
    if (hint !== null) return problem(`found ${show(found)}; ${hint}; allowed: ${allowed}`);
    return problem(`found ${show(found)}; ${didYouMean(suggest(found, PRESETS))}allowed: ${allowed}`);
  }
  if (typeof found !== 'object' || found === null || Array.isArray(found)) {
    const remedy = found === null ? '; remove the key for on demand only' : '';
    return problem(`found ${show(found)}; allowed: ${allowed}${remedy}`);
  }
  const kinds = SCHEDULE_KINDS.filter((kind) => Object.hasOwn(found, kind));
  const [kind] = kinds;
  if (kind === undefined || kinds.length > 1) {
    const keys = kind === undefined ? Object.keys(found) : kinds;
    const having =
      keys.length === 0 ? 'an empty mapping' : `a mapping with ${keys.slice(0, 10).map(printable).join(', ')}`;
    const meant = kind === undefined ? (keys.map((key) => suggest(key, SCHEDULE_KINDS)).find(Boolean) ?? null) : null;
    return problem(`found ${having}; ${didYouMean(meant)}allowed: ${allowed}`);
  }
  const schema = scheduleKinds[kind];
  const parsed = schema.safeParse(found);
  return parsed.success ? [] : describeIssues(parsed.error.issues, found, schema, path);
}

/** The allowed keys of the mapping at `path`. */
function keysOf(schema: z.core.$ZodType, path: readonly PropertyKey[]): string[] {
  let at: unknown = schema;
  for (const part of path) {
    at = unwrap(at);
    if (at instanceof z.ZodArray) at = at.element;
    else if (at instanceof z.ZodObject) at = at.shape[String(part)];
  }
  at = unwrap(at);
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}

/** Paths of all keys below `schema`; elements of lists are 0. */
function pathsOf(schema: unknown, path: SpecPath = []): SpecPath[] {
  const at = unwrap(schema);
  if (at instanceof z.ZodArray) return pathsOf(at.element, [...path, 0]);
  if (!(at instanceof z.ZodObject)) return [];
  return Object.entries(at.shape).flatMap(([key, inner]) => [[...path, key], ...pathsOf(inner, [...path, key])]);
}

function unwrap(schema: unknown): unknown {
  let at = schema;
  while (at instanceof z.ZodOptional || at instanceof z.ZodDefault || at instanceof z.ZodPrefault) at = at.unwrap();
  return at;
}
