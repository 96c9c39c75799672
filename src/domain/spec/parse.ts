/** Validates and normalises spec documents. Never part of a workflow, because results may differ between releases. */
import { CLUSTER_TYPES } from './types';
import type { ClusterSpec, NotPatchableSpec } from './types';
import { isListedEks } from '../eks/node-groups';
import { eksSchema, notPatchableSchema, selfManagedSchema } from './document-schema';
import { explainEksIssues } from './eks-section';
import { renderPath } from './issues';
import type { SpecIssue } from './issues';
import { describeIssues } from './zod-messages';
import { normaliseEksCluster, normaliseNotPatchable, normaliseSelfManaged } from './normalise';
import { alertIssues } from './alerts-section';
import { blackoutIssues } from './blackout-section';
import { ruleIssues } from './cross-field-rules';
import { scheduleIssues } from './schedule-rules';
import { timeIssues } from './time-checks';

export { specSchema } from './document-schema';

export type ParsedSpec = { spec: ClusterSpec | null; issues: SpecIssue[] };

/** Validates everything that needs no time zone, clock or file. `spec` is null when an issue is an error. */
export function parseSpec(value: unknown): ParsedSpec {
  if (isEksDocument(value)) return parseEks(value);
  const patchable = isSelfManaged(value);
  const schema = patchable ? selfManagedSchema : notPatchableSchema;
  const parsed = schema.safeParse(value);
  const issues = parsed.success ? [] : describeIssues(parsed.error.issues, value, schema);
  if (patchable) issues.push(...ruleIssues(value));
  if (!parsed.success || issues.some(({ severity }) => severity === 'error')) return { spec: null, issues };
  const { data } = parsed;
  return { spec: data.type === 'self-managed' ? normaliseSelfManaged(data) : normaliseNotPatchable(data), issues };
}

function parseEks(value: unknown): ParsedSpec {
  const parsed = eksSchema.safeParse(value);
  const issues = parsed.success ? [] : explainEksIssues(describeIssues(parsed.error.issues, value, eksSchema));
  issues.push(...scheduleIssues(value), ...blackoutIssues(value), ...alertIssues(value));
  const isValid = parsed.success && issues.every(({ severity }) => severity !== 'error');
  return { spec: isValid ? normaliseEksCluster(parsed.data) : null, issues };
}

/**
 * Validates and normalises a spec given as plain data; a normalised spec is returned unchanged. Reads no file and no
 * clock.
 */
export function validateSpecObject(
  value: unknown,
): { ok: true; spec: ClusterSpec } | { ok: false; problems: string[] } {
  if (isListedEks(value)) return validateListedEks(value);
  const { spec, issues } = parseSpec(value);
  if (spec === null || 'patching' in spec) issues.push(...timeIssues(value, { now: 0, isNew: false }));
  const errors = issues.filter(({ severity }) => severity === 'error');
  if (spec !== null && errors.length === 0) return { ok: true, spec };
  return {
    ok: false,
    problems: errors.map(({ path, message }) => [renderPath(path), message].filter(Boolean).join(': ')),
  };
}

/** Fills in the defaults of fields that a spec of an older version does not have. */
export function withDefaults(spec: ClusterSpec): ClusterSpec {
  const checked = validateSpecObject(spec);
  return checked.ok ? checked.spec : spec;
}

/** Clusters keep the spec with which they were applied, even when it lacks fields required today. */
function validateListedEks(value: unknown): ReturnType<typeof validateSpecObject> {
  const checked = validateSpecObject({ ...(value as object), type: 'imported' });
  return checked.ok ? { ok: true, spec: { ...checked.spec, type: 'eks' } as NotPatchableSpec } : checked;
}

function isEksDocument(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'type' in value && value.type === 'eks';
}

// With an unknown type, the sections present indicate the intended one.
function isSelfManaged(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || !('type' in value)) return true;
  if (value.type === 'self-managed') return true;
  const known = CLUSTER_TYPES.some((type) => type === value.type);
  return !known && ('patching' in value || 'nodes' in value || 'ssh' in value);
}
