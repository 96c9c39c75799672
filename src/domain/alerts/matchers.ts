/**
 * Matchers in the syntax of Alertmanager: `alertname="Up", instance=~"w-1(:.*)?"`, also in braces. Values of regular
 * expressions are judged by Alertmanager (RE2), never here.
 */

export interface Matcher {
  name: string;
  value: string;
  isRegex: boolean;
  isEqual: boolean;
}

export type ParsedMatchers = { ok: true; matchers: Matcher[] } | { ok: false; problem: string };

export const MATCHERS_FORMAT =
  'matchers as in Alertmanager, all of which apply, e.g. severity="critical", team=~"infra|base"';

/** What stands for a value of the node in the matchers of a silence. */
export const PLACEHOLDERS = ['node', 'host', 'kubernetesName', 'cluster'] as const;
export type Placeholder = (typeof PLACEHOLDERS)[number];

/** Of those, the ones that limit a silence to the node. */
export const NODE_PLACEHOLDERS: readonly Placeholder[] = ['node', 'host', 'kubernetesName'];

const PLACEHOLDER = /\{\{\s*([^{}]*?)\s*\}\}/g;
const NAME = /^[A-Za-z_][A-Za-z0-9_]*/;
const OPERATOR = /^(=~|!~|!=|=)/;
const QUOTED = /^"((?:[^"\\]|\\.)*)"/;
const BARE = /^(?:\{\{[^{}]*\}\}|[^\s,{}"'`=~!\\])+/;

export function parseMatchers(text: string): ParsedMatchers {
  let rest = withoutBraces(text.trim());
  const matchers: Matcher[] = [];
  for (;;) {
    const name = NAME.exec(rest)?.[0];
    if (name === undefined) return problem(rest, 'the name of a label');
    rest = rest.slice(name.length).trimStart();
    const operator = OPERATOR.exec(rest)?.[0];
    if (operator === undefined) return problem(rest, '=, !=, =~ or !~');
    rest = rest.slice(operator.length).trimStart();
    const [quoted, inner] = QUOTED.exec(rest) ?? [];
    const bare = quoted === undefined ? BARE.exec(rest)?.[0] : undefined;
    const value = quoted === undefined ? bare : unescape(inner ?? '');
    if (value === undefined) return problem(rest, 'a value, in double quotes');
    rest = rest.slice((quoted ?? bare ?? '').length).trimStart();
    matchers.push({ name, value, isRegex: operator.endsWith('~'), isEqual: !operator.startsWith('!') });
    if (rest === '') return { ok: true, matchers };
    if (!rest.startsWith(',')) return problem(rest, 'a comma');
    rest = rest.slice(1).trimStart();
    if (rest === '') return { ok: true, matchers };
  }
}

/** What is wrong with matchers as a whole, in one clause; null: nothing. */
export function matchersProblem(text: string): string | null {
  const parsed = parseMatchers(text);
  if (!parsed.ok) return parsed.problem;
  for (const { value, isRegex } of parsed.matchers) {
    const fault = isRegex ? regexProblem(value.replace(PLACEHOLDER, 'x')) : null;
    if (fault !== null) return fault;
  }
  return null;
}

/** Alertmanager has RE2, which knows neither look-around nor references. */
export function regexProblem(text: string): string | null {
  if (/\(\?<?[=!]/.test(text)) return 'the regular expression has a look-around, which Alertmanager does not know';
  if (/(^|[^\\])(\\\\)*\\[1-9]/.test(text))
    return 'the regular expression refers to a group, which Alertmanager does not know';
  try {
    new RegExp(text, 'u');
    return null;
  } catch {
    return 'the regular expression is not valid';
  }
}

/** Whether an entry of `ignore` is the name of alerts, as a regular expression, and no matchers. */
export function isAlertName(entry: string): boolean {
  return !/[=~!"]/.test(entry);
}

/** `Watch.*` as the matchers of Alertmanager. */
export function entryMatchers(entry: string): Matcher[] {
  if (isAlertName(entry)) return [{ name: 'alertname', value: entry, isRegex: true, isEqual: true }];
  const parsed = parseMatchers(entry);
  return parsed.ok ? parsed.matchers : [];
}

/** One matcher in the syntax of Alertmanager. */
export function matcherText({ name, value, isRegex, isEqual }: Matcher): string {
  return `${name}${isEqual ? '=' : '!'}${isRegex ? '~' : isEqual ? '' : '='}"${escape(value)}"`;
}

/** Names in double braces; also those that mean nothing. */
export function placeholdersIn(text: string): string[] {
  return [...text.matchAll(PLACEHOLDER)].map(([, name = '']) => name);
}

/** A value is taken literally also where it becomes part of a regular expression. */
export function fillMatchers(text: string, values: Readonly<Record<Placeholder, string>>): Matcher[] {
  const parsed = parseMatchers(text);
  if (!parsed.ok) return [];
  return parsed.matchers.map((matcher) => ({
    ...matcher,
    value: matcher.value.replace(PLACEHOLDER, (all, name: string) => {
      const value = PLACEHOLDERS.some((one) => one === name) ? values[name as Placeholder] : all;
      return matcher.isRegex ? value.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`) : value;
    }),
  }));
}

export function sameMatchers(some: readonly Matcher[], others: readonly Matcher[]): boolean {
  const text = (all: readonly Matcher[]): string => all.map(matcherText).sort().join(',');
  return text(some) === text(others);
}

function withoutBraces(text: string): string {
  return text.startsWith('{') && !text.startsWith('{{') && text.endsWith('}') ? text.slice(1, -1).trim() : text;
}

function escape(value: string): string {
  return value
    .replaceAll('\\', '\\\\')
    .replaceAll('"', String.raw`\"`)
    .replaceAll('\n', String.raw`\n`);
}

function unescape(value: string): string {
  return value.replaceAll(/\\(.)/g, (all, one: string) =>
    one === 'n' ? '\n' : one === '"' || one === '\\' ? one : all,
  );
}

function problem(rest: string, wanted: string): ParsedMatchers {
  const at = rest === '' ? 'at the end' : `before ${JSON.stringify(rest.slice(0, 20))}`;
  return { ok: false, problem: `${wanted} is missing ${at}` };
}
