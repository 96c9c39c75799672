/** What is wrong or doubtful in one spec document, before it is known where in which file it stands. */
export interface SpecIssue {
  severity: 'error' | 'warning';
  path: SpecPath;
  /** Which place of the file to point at: the value, the key in front of it, or the mapping in which it is missing. */
  at: 'value' | 'key' | 'parent';
  message: string;
}

export type SpecPath = (string | number)[];

/** `nodes[2].ssh.port`; keys that are no plain words are quoted: `nodes[2].labels["example.com/tier"]`. */
export function renderPath(path: SpecPath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (!/^[A-Za-z_][\w-]*$/.test(part)) text += `[${printable(JSON.stringify(part))}]`;
    else text += text === '' ? part : `.${part}`;
  }
  return text;
}

/** The value at a path of a document that may have any shape; undefined where the path leads nowhere. */
export function valueAt(value: unknown, path: SpecPath): unknown {
  let at = value;
  for (const part of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, part)) return undefined;
    at = (at as Record<string | number, unknown>)[part];
  }
  return at;
}

/** A found value in the words of a message: `"fortnightly"`, `5`, `nothing`, `a list`. */
export function show(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object') return 'a mapping';
  const text = typeof value === 'string' ? printable(JSON.stringify(value)) : `${value as number | boolean}`;
  return text.length <= 80 ? text : `${text.slice(0, 77)}..."`;
}

/** The text with control and direction characters written as escapes, so that it cannot steer a terminal. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`);
}
