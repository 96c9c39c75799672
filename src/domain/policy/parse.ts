/** Validates policy documents. Never part of a workflow. */
import { z } from 'zod';
import { valueAt } from '../spec/issues';
import type { SpecIssue } from '../spec/issues';
import { describeIssues } from '../spec/zod-messages';
import { policySchema } from './schema';
import type { WorkerPolicy } from './types';

/** `policy` is null when an issue is an error. */
export function parsePolicy(value: unknown): { policy: WorkerPolicy | null; issues: SpecIssue[] } {
  const parsed = policySchema.safeParse(value);
  const issues = parsed.success ? [] : describeIssues(parsed.error.issues, value, policySchema);
  issues.push(...repeatedNames(value));
  const isValid = parsed.success && issues.every(({ severity }) => severity !== 'error');
  return { policy: isValid ? (parsed.data as WorkerPolicy) : null, issues };
}

/** Errors and logs tell rules apart by name. */
function repeatedNames(value: unknown): SpecIssue[] {
  const rules = valueAt(value, ['rules']);
  if (!Array.isArray(rules)) return [];
  const names = rules.map((_, at) => valueAt(value, ['rules', at, 'name']));
  return names.flatMap((name, at): SpecIssue[] => {
    const first = names.indexOf(name);
    if (typeof name !== 'string' || first === at) return [];
    const message = `found ${JSON.stringify(name)}, already the name of rules[${first}]; allowed: each name once`;
    return [{ severity: 'error', path: ['rules', at, 'name'], at: 'value', message }];
  });
}

/** JSON Schema (draft 2020-12) of a policy document. */
export function policyJsonSchema(): Record<string, unknown> {
  const { $schema, ...schema } = z.toJSONSchema(policySchema, { io: 'input' });
  return {
    $schema,
    title: 'ospatch worker policy',
    description: 'What a worker may be asked for: clusters, hosts, identities and more, per rule.',
    ...schema,
  };
}
