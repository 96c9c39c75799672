import { parse } from 'yaml';
import type { ClusterSpec } from '../../../src/domain/spec/types';
import { renderPath } from '../../../src/domain/spec/issues';
import { parseSpec } from '../../../src/domain/spec/parse';

export const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g';
export const OTHER_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICAfHh0cGxoZGBcWFRQTEhEQDw4NDAsKCQgHBgUEAwIB';

/** A valid spec document as plain data, with overrides. */
export function specDocument(parts: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    apiVersion: 'ospatch/v1',
    name: 'prod-eu',
    ssh: { user: 'ospatch' },
    nodes: [{ name: 'w-1', host: '10.0.0.12', hostKeys: [KEY] }],
    ...parts,
  };
}

/** The same document with a schedule in YAML. */
export function withSchedule(yaml: string): Record<string, unknown> {
  return specDocument({ patching: { schedule: parse(yaml) as unknown } });
}

/** The issues of a document, each as `path: message`. */
export function issuesOf(document: unknown): string[] {
  return parseSpec(document).issues.map(
    ({ severity, path, message }) => `${severity === 'warning' ? 'warning: ' : ''}${renderPath(path)}: ${message}`,
  );
}

/** The normalised spec of a valid document. */
export function specOf(document: unknown): ClusterSpec {
  const { spec, issues } = parseSpec(document);
  if (spec === null) throw new Error(JSON.stringify(issues));
  return spec;
}
