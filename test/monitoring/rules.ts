/** The rules of deploy/monitoring, as data. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';

export const ROOT = path.join(__dirname, '../..');
export const RULES = path.join(ROOT, 'deploy/monitoring/ospatch.rules.yml');

export interface Rule {
  expr: string;
  labels?: Record<string, string>;
}

export interface AlertRule extends Rule {
  alert: string;
  annotations: Record<string, string>;
}

/** All rules, those that record and those that alert. */
export function allRules(): Rule[] {
  const { groups } = parse(readFileSync(RULES, 'utf8')) as { groups: { rules: Rule[] }[] };
  return groups.flatMap(({ rules }) => rules);
}

export function alertRules(): AlertRule[] {
  return allRules().filter((rule): rule is AlertRule => 'alert' in rule);
}
