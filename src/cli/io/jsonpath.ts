/**
 * JSONPath templates as `kubectl -o jsonpath` takes them: text, `{.nodes[*].name}`, `{"\n"}`, `{range .nodes[*]}...{end}`. Steps:
 * `.key`, `['key']`, `[n]`, `[from:to]`, `[*]`, `..key`, `[?(@.state=="failed")]`.
 */
import { OspatchError } from '../../domain/shared/errors';

type Step =
  | { kind: 'key'; key: string }
  | { kind: 'all' }
  | { kind: 'deep' }
  | { kind: 'slice'; from: number | null; to: number | null }
  | { kind: 'index'; at: number }
  | { kind: 'filter'; path: Step[]; operator: string | null; value: unknown };

type Part =
  | { kind: 'text'; text: string }
  | { kind: 'path'; steps: Step[]; isRoot: boolean }
  | { kind: 'range'; steps: Step[]; parts: Part[] };

/**
 * The text of `template` for a value.
 *
 * @throws OspatchError `Usage` at once when the template is malformed
 */
export function jsonPath(template: string): (value: unknown) => string {
  const parts = parseTemplate(template.includes('{') ? template : `{${template}}`);
  return (root) => render(parts, root, root);
}

function render(parts: readonly Part[], root: unknown, here: unknown): string {
  return parts
    .map((part) => {
      switch (part.kind) {
        case 'text':
          return part.text;
        case 'path':
          return follow(part.steps, part.isRoot ? root : here)
            .map(show)
            .join(' ');
        case 'range':
          return follow(part.steps, here)
            .map((item) => render(part.parts, root, item))
            .join('');
      }
    })
    .join('');
}

function show(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function follow(steps: readonly Step[], start: unknown): unknown[] {
  return steps.reduce<unknown[]>((values, step) => values.flatMap((value) => take(step, value)), [start]);
}

function take(step: Step, value: unknown): unknown[] {
  switch (step.kind) {
    case 'key':
      return isObject(value) && Object.hasOwn(value, step.key) ? [value[step.key]] : [];
    case 'all':
      return childrenOf(value);
    case 'deep':
      return [value, ...childrenOf(value).flatMap((child) => take(step, child))];
    case 'index':
      return Array.isArray(value) && step.at < value.length && step.at >= -value.length ? [value.at(step.at)] : [];
    case 'slice':
      return Array.isArray(value) ? value.slice(step.from ?? 0, step.to ?? undefined) : [];
    case 'filter':
      return childrenOf(value).filter((child) => matches(step, child));
  }
}

function matches({ path, operator, value }: Extract<Step, { kind: 'filter' }>, child: unknown): boolean {
  const found = follow(path, child);
  if (operator === null) return found.length > 0;
  const [first] = found;
  switch (operator) {
    case '==':
      return first === value;
    case '!=':
      return first !== value;
    default:
      return compares(first, value, operator);
  }
}

/** Numbers with numbers, and texts, such as ISO 8601 times, with texts. */
function compares(one: unknown, other: unknown, operator: string): boolean {
  const isComparable = typeof one === typeof other && (typeof one === 'number' || typeof one === 'string');
  if (!isComparable) return false;
  const [a, b] = [one as string, other as string];
  return operator === '<' ? a < b : operator === '<=' ? a <= b : operator === '>' ? a > b : a >= b;
}

function childrenOf(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  return isObject(value) ? Object.values(value) : [];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseTemplate(template: string): Part[] {
  const top: Part[] = [];
  const open: Part[][] = [top];
  const pieces = template.matchAll(/\{((?:[^{}"']|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')*)\}|([^{]+)|(\{)/g);
  for (const [, inner, text, stray] of pieces) {
    const into = open.at(-1) ?? top;
    if (stray !== undefined) throw malformed('a { that is not closed');
    if (text !== undefined) into.push({ kind: 'text', text });
    else if (inner !== undefined) parsePart(inner.trim(), into, open);
  }
  if (open.length > 1) throw malformed('{range} without {end}');
  return top;
}

function parsePart(inner: string, into: Part[], open: Part[][]): void {
  const [, literal] = /^(["'].*["'])$/s.exec(inner) ?? [];
  const [, range] = /^range\s+(.*)$/s.exec(inner) ?? [];
  if (literal !== undefined) into.push({ kind: 'text', text: textOf(literal) });
  else if (range !== undefined) {
    const parts: Part[] = [];
    into.push({ kind: 'range', steps: parseSteps(range), parts });
    open.push(parts);
  } else if (inner === 'end') {
    if (open.length === 1) throw malformed('{end} without {range}');
    open.pop();
  } else into.push({ kind: 'path', steps: parseSteps(inner), isRoot: inner.startsWith('$') });
}

const STEP =
  /\.\.|\.?\[\?\(\s*@(?<path>(?:\.[\w-]+|\['[^']*'\])*)\s*(?:(?<operator>==|!=|<=|>=|<|>)\s*(?<value>"[^"]*"|'[^']*'|-?[\d.]+|true|false|null)\s*)?\)\]|\.?\[\s*(?:(?<star>\*)|(?<quoted>'[^']*'|"[^"]*")|(?<from>-?\d+)?(?<colon>:)?(?<to>-?\d+)?)\s*\]|\.\*|\.?(?<key>[\w-]+)/y;

function parseSteps(text: string): Step[] {
  const rest = text.replace(/^[$@]/, '');
  if (rest === '' || rest === '.') return [];
  const steps: Step[] = [];
  // A filter has steps of its own, and an expression one place.
  const step = new RegExp(STEP);
  while (step.lastIndex < rest.length) {
    const at = step.lastIndex;
    const match = step.exec(rest);
    if (match === null) throw malformed(`nothing like ${rest.slice(at, at + 30)}`);
    steps.push(toStep(match[0], match.groups ?? {}));
  }
  return steps;
}

function toStep(text: string, groups: Record<string, string | undefined>): Step {
  const { path, operator, value, star, quoted, from, colon, to, key } = groups;
  if (text === '..') return { kind: 'deep' };
  if (text === '.*' || star !== undefined) return { kind: 'all' };
  if (key !== undefined) return { kind: 'key', key };
  if (quoted !== undefined) return { kind: 'key', key: quoted.slice(1, -1) };
  if (path !== undefined)
    return {
      ...{ kind: 'filter', path: parseSteps(path), operator: operator ?? null },
      value: value === undefined ? null : valueOf(value),
    };
  if (colon !== undefined) return { kind: 'slice', from: numberOf(from), to: numberOf(to) };
  if (from !== undefined) return { kind: 'index', at: Number(from) };
  throw malformed(`nothing like ${text}`);
}

function numberOf(text: string | undefined): number | null {
  return text === undefined ? null : Number(text);
}

function valueOf(text: string): unknown {
  return /^["']/.test(text) ? text.slice(1, -1) : (JSON.parse(text) as unknown);
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' };

function textOf(literal: string): string {
  return literal.slice(1, -1).replace(/\\(.)/gs, (_, char: string) => ESCAPES[char] ?? char);
}

function malformed(what: string): OspatchError {
  return new OspatchError({
    type: 'Usage',
    message: `the jsonpath template has ${what}`,
    remedy: `write it as for kubectl, e.g. -o jsonpath='{range .nodes[*]}{.name}{"\\n"}{end}'`,
  });
}
