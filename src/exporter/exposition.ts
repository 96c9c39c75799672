/** The text format of Prometheus, version 0.0.4. */

export interface Family {
  name: string;
  type: 'gauge' | 'counter' | 'histogram';
  help: string;
}

export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Values that nodes report may be of any length; names of nodes have at most this one, so no two become the same. */
const MAX_LABEL = 253;

/** Text in quotes: backslash, quote and line feed are escaped, other control characters are left out. */
export function shownLabel(value: string): string {
  const kept = value.length <= MAX_LABEL ? value : cut(value);
  return PLAIN.test(kept) ? kept : escaped(kept);
}

const PLAIN = /^[ !#-[\]-~]*$/;
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

function escaped(value: string): string {
  return value
    .replace(CONTROL, '')
    .replace(LONE_SURROGATE, '\ufffd')
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"')
    .replaceAll('\n', '\\n');
}

/** Half a character has no bytes of its own. */
const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

function cut(value: string): string {
  return `${value.slice(0, MAX_LABEL - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}

/** `labels`: name and raw value in turn. Returns `name="value",...`. */
export function labels(...pairs: string[]): string {
  const parts: string[] = [];
  for (let at = 0; at + 1 < pairs.length; at += 2)
    parts.push(`${pairs[at] ?? ''}="${shownLabel(pairs[at + 1] ?? '')}"`);
  return parts.join(',');
}

/** One line; `set`: as `labels` returns it, empty: none. */
export function sample(name: string, set: string, value: number): string {
  return set === '' ? `${name} ${value}\n` : `${name}{${set}} ${value}\n`;
}

/** The two lines before the samples of a family. */
export function header({ name, type, help }: Family): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
}

/** Families whose samples are there already; those without samples are left out. */
export function exposition(families: readonly { family: Family; samples: string }[]): string {
  return families.map(({ family, samples }) => (samples === '' ? '' : header(family) + samples)).join('');
}
