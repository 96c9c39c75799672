/** An error or warning about a spec document, before its position in a file is known. */
export interface SpecIssue {
  severity: 'error' | 'warning';
  path: SpecPath;
  /** Which position in the file to report: the value, its key, or the mapping in which the key is missing. */
  at: 'value' | 'key' | 'parent';
  message: string;
}

export type SpecPath = (string | number)[];

/** `nodes[2].ssh.port`; keys other than plain words are quoted: `nodes[2].labels["example.com/tier"]`. */
export function renderPath(path: SpecPath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (!/^[A-Za-z_][\w-]*$/.test(part)) text += `[${printable(JSON.stringify(part))}]`;
    else text += text === '' ? part : `.${part}`;
  }
  return text;
}

/** The value at a path of an untrusted document; undefined where the path does not exist. */
export function valueAt(value: unknown, path: SpecPath): unknown {
  let at = value;
  for (const part of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, part)) return undefined;
    at = (at as Record<string | number, unknown>)[part];
  }
  return at;
}

/** A value as shown in messages: `"fortnightly"`, `5`, `nothing`, `a list`. */
export function show(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object') return 'a mapping';
  const text = typeof value === 'string' ? printable(JSON.stringify(value)) : `${value as number | boolean}`;
  return text.length <= 80 ? text : `${text.slice(0, 77)}..."`;
}

/** The text with control and bidirectional characters escaped, safe for a terminal. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`);
}
