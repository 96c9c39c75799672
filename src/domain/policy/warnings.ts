/** Parts of a valid policy that allow less than their author may think. */
import { plural } from '../shared/plural';
import type { PolicyRule, WorkerPolicy } from './types';

/** `rules[0] (production): ...`. */
export function policyWarnings({ rules }: WorkerPolicy): string[] {
  if (rules.length === 0) return ['the policy has no rule, so it allows nothing'];
  return rules.flatMap((rule, at) => ruleWarnings(rule).map((why) => `rules[${at}] (${rule.name}): ${why}`));
}

function ruleWarnings(rule: PolicyRule): string[] {
  if (isEmpty(rule.taskQueues))
    return ['taskQueues is empty, so the rule allows nothing; list the task queue of the worker, e.g. ospatch'];
  const needed = (['ports', 'users', 'identities'] as const).filter((field) => isEmpty(rule[field]));
  if (isEmpty(rule.hosts) || needed.length === 0) return [];
  return [
    `no login is allowed, because ${plural(needed.length, 'list')} (${needed.join(', ')}) beside hosts ${needed.length === 1 ? 'is' : 'are'} empty`,
  ];
}

function isEmpty(list: readonly unknown[] | undefined): boolean {
  return list === undefined || list.length === 0;
}
