/** Label selectors in kubectl syntax: `app=web,tier!=cache,env in (a,b),!legacy`. */

export type LabelRequirement =
  | { key: string; operator: 'in' | 'notin'; values: string[] }
  | { key: string; operator: 'exists' | 'absent' }
  | { key: string; operator: 'gt' | 'lt'; value: number };

/** All requirements must hold; an empty list selects everything. */
export type LabelSelector = readonly LabelRequirement[];

export type ParsedSelector = { ok: true; selector: LabelSelector } | { ok: false; problem: string };

/** The format of a selector, for error messages. */
export const LABEL_SELECTOR_FORMAT = 'a label selector as kubectl takes it, e.g. app=web,tier!=cache or env in (a,b)';

const NAME = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
const PREFIX = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;
const TOKEN = /\s*(==|!=|[=!(),<>]|[^\s=!(),<>]+)/y;
const SPECIAL = /^[=!(),<>]/;
const MAX_PREFIX = 253;

/** Parses the syntax of `kubectl --selector`. The problem is one clause that does not repeat the text. */
export function parseLabelSelector(text: string): ParsedSelector {
  const tokens = tokenise(text);
  const selector: LabelRequirement[] = [];
  if (tokens.length === 0) return { ok: true, selector };
  for (;;) {
    const requirement = parseRequirement(tokens);
    if (typeof requirement === 'string') return { ok: false, problem: requirement };
    selector.push(requirement);
    const next = tokens.shift();
    if (next === undefined) return { ok: true, selector };
    if (next !== ',') return { ok: false, problem: `a comma is missing before "${next}"` };
  }
}

/** Whether the selector matches these labels. */
export function matchesLabels(selector: LabelSelector, labels: Readonly<Record<string, string>>): boolean {
  return selector.every((requirement) => {
    const value = Object.hasOwn(labels, requirement.key) ? labels[requirement.key] : undefined;
    switch (requirement.operator) {
      case 'exists':
        return value !== undefined;
      case 'absent':
        return value === undefined;
      case 'in':
        return value !== undefined && requirement.values.includes(value);
      case 'notin':
        return value === undefined || !requirement.values.includes(value);
      case 'gt':
      case 'lt': {
        const number = value !== undefined && /^[+-]?\d+$/.test(value) ? Number(value) : Number.NaN;
        return requirement.operator === 'gt' ? number > requirement.value : number < requirement.value;
      }
    }
  });
}

function tokenise(text: string): string[] {
  const trimmed = text.trim();
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < trimmed.length) {
    const token = TOKEN.exec(trimmed)?.[1];
    if (token === undefined) break;
    tokens.push(token);
  }
  return tokens;
}

function parseRequirement(tokens: string[]): LabelRequirement | string {
  const isNegated = tokens[0] === '!';
  if (isNegated) tokens.shift();
  const key = tokens.shift();
  if (key === undefined || SPECIAL.test(key))
    return `a label key is missing${key === undefined ? '' : ` before "${key}"`}`;
  const wrongKey = checkKey(key);
  if (wrongKey !== null) return wrongKey;
  if (isNegated) return { key, operator: 'absent' };
  const operator = tokens[0];
  if (operator === undefined || operator === ',') return { key, operator: 'exists' };
  tokens.shift();
  switch (operator) {
    case '=':
    case '==':
      return withValues(key, 'in', [parseValue(tokens)]);
    case '!=':
      return withValues(key, 'notin', [parseValue(tokens)]);
    case 'in':
    case 'notin': {
      const values = parseValues(tokens);
      return typeof values === 'string' ? values : withValues(key, operator, values);
    }
    case '>':
    case '<': {
      const value = parseValue(tokens);
      if (!/^[+-]?\d{1,15}$/.test(value)) return `"${value}" after ${operator} is not a whole number`;
      return { key, operator: operator === '>' ? 'gt' : 'lt', value: Number(value) };
    }
    default:
      return `"${operator}" is not an operator; allowed: =, ==, !=, in, notin, <, >`;
  }
}

/** An empty value is valid. */
function parseValue(tokens: string[]): string {
  return tokens[0] === undefined || SPECIAL.test(tokens[0]) ? '' : (tokens.shift() ?? '');
}

function parseValues(tokens: string[]): string[] | string {
  if (tokens.shift() !== '(') return 'the values after in and notin must be in parentheses';
  const values: string[] = [];
  for (;;) {
    values.push(parseValue(tokens));
    const next = tokens.shift();
    if (next === ')') return values;
    if (next !== ',') return 'a closing parenthesis is missing';
  }
}

function withValues(key: string, operator: 'in' | 'notin', values: string[]): LabelRequirement | string {
  const wrong = values.find((value) => value !== '' && !NAME.test(value));
  return wrong === undefined ? { key, operator, values } : `"${wrong}" is not a label value`;
}

function checkKey(key: string): string | null {
  const parts = key.split('/');
  const name = parts.pop() ?? '';
  const [prefix] = parts;
  const isRight =
    parts.length <= 1 &&
    NAME.test(name) &&
    (prefix === undefined || (prefix.length <= MAX_PREFIX && PREFIX.test(prefix)));
  return isRight ? null : `"${key}" is not a label key`;
}
