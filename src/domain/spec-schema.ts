/**
 * Checks and normalises spec documents. Imported by workflows, so nothing here may read time-zone data or parse cron;
 * those checks are in `spec-time-checks.ts`.
 */
import { CLUSTER_TYPES } from './spec';
import type { ClusterSpec } from './spec';
import { notPatchableSchema, selfManagedSchema } from './spec-document';
import { renderPath } from './spec-issues';
import type { SpecIssue } from './spec-issues';
import { describeIssues } from './spec-messages';
import { normaliseNotPatchable, normaliseSelfManaged } from './spec-normalise';
import { ruleIssues } from './spec-rules';

export { specSchema } from './spec-document';

export type ParsedSpec = { spec: ClusterSpec | null; issues: SpecIssue[] };

/** Checks everything that needs no time zone, no clock and no file. `spec` is null when an issue is an error. */
export function parseSpec(value: unknown): ParsedSpec {
  const patchable = isSelfManaged(value);
  const schema = patchable ? selfManagedSchema : notPatchableSchema;
  const parsed = schema.safeParse(value);
  const issues = parsed.success ? [] : describeIssues(parsed.error.issues, value, schema);
  if (patchable) issues.push(...ruleIssues(value));
  if (!parsed.success || issues.some(({ severity }) => severity === 'error')) return { spec: null, issues };
  const { data } = parsed;
  return { spec: data.type === 'self-managed' ? normaliseSelfManaged(data) : normaliseNotPatchable(data), issues };
}

/** Checks and normalises a spec that arrives as plain data; a normalised spec comes back equal. */
export function validateSpecObject(
  value: unknown,
): { ok: true; spec: ClusterSpec } | { ok: false; problems: string[] } {
  const { spec, issues } = parseSpec(value);
  if (spec !== null) return { ok: true, spec };
  const errors = issues.filter(({ severity }) => severity === 'error');
  return {
    ok: false,
    problems: errors.map(({ path, message }) => [renderPath(path), message].filter(Boolean).join(': ')),
  };
}

// With a type that does not exist, the sections that are there tell which of the two was meant.
function isSelfManaged(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || !('type' in value)) return true;
  if (value.type === 'self-managed') return true;
  const known = CLUSTER_TYPES.some((type) => type === value.type);
  return !known && ('patching' in value || 'nodes' in value || 'ssh' in value);
}
