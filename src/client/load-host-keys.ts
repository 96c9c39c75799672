import { createHmac } from 'node:crypto';
import { knownHostsName, lookUpHostKeys, parseKnownHosts } from '../domain/known-hosts';
import type { HmacSha1, KnownHostKeys, KnownHosts } from '../domain/known-hosts';
import { parseHostKey } from '../domain/spec-host-keys';
import { isHost } from '../domain/spec-hosts';
import type { SpecIssue, SpecPath } from '../domain/spec-issues';
import { valueAt } from '../domain/spec-issues';
import { DEFAULT_SSH } from '../domain/spec-normalise';

/** A known_hosts file that was looked for; `text` is null when there is none. */
export interface KnownHostsFile {
  name: string;
  text: string | null;
}

export interface HostKeysOptions {
  /** Whether a node without any key is a mistake. */
  required: boolean;
  /** How the user names the source of the spec, for the remedy. */
  source: string;
}

/** What hashed names in known_hosts are made with. */
export const hmacSha1: HmacSha1 = (keyBase64, message) =>
  createHmac('sha1', Buffer.from(keyBase64, 'base64')).update(message).digest('base64');

/**
 * The host keys of each node of a document: its own `hostKeys`, else what the known_hosts file has for its address.
 * Reads the document as it was written; a node whose address is not valid gets none and no issue.
 */
export function resolveHostKeys(
  document: unknown,
  file: KnownHostsFile,
  options: HostKeysOptions,
): { keys: string[][]; issues: SpecIssue[] } {
  const nodes = valueAt(document, ['nodes']);
  const issues: SpecIssue[] = [];
  if (!Array.isArray(nodes)) return { keys: [], issues };
  const knownHosts = parseKnownHosts(file.text ?? '');
  const keys = nodes.map((_, index) => resolveNode(document, ['nodes', index], file, knownHosts, options, issues));
  return { keys, issues };
}

function resolveNode(
  document: unknown,
  node: SpecPath,
  file: KnownHostsFile,
  knownHosts: KnownHosts,
  options: HostKeysOptions,
  issues: SpecIssue[],
): string[] {
  const host = valueAt(document, [...node, 'host']) ?? valueAt(document, [...node, 'name']);
  const port = valueAt(document, [...node, 'ssh', 'port']) ?? valueAt(document, ['ssh', 'port']) ?? DEFAULT_SSH.port;
  if (typeof host !== 'string' || !isHost(host) || typeof port !== 'number') return [];
  const known = lookUpHostKeys(knownHosts, host, port, hmacSha1);
  const path: SpecPath = [...node, 'hostKeys'];
  const given = valueAt(document, path);
  if (given !== undefined && !(Array.isArray(given) && given.length === 0)) {
    const pinned = Array.isArray(given)
      ? given.map((key) => (typeof key === 'string' ? (parseHostKey(key) ?? '') : ''))
      : [];
    for (const [index, key] of pinned.entries()) {
      if (!known.revoked.includes(key)) continue;
      const message = `found a key that ${file.name} marks as @revoked; remove it and run: ospatch enroll -f ${options.source}`;
      issues.push({ severity: 'error', path: [...path, index], at: 'value', message });
    }
    return pinned;
  }
  if (known.keys.length === 0 && options.required) {
    const message = `missing: ${whyNone(known, file, knownHostsName(host, port))}; read and check it with: ospatch enroll -f ${options.source}`;
    issues.push({ severity: 'error', path, at: 'parent', message });
  }
  return known.keys;
}

function whyNone(known: KnownHostKeys, file: KnownHostsFile, name: string): string {
  if (known.certAuthority) {
    return `${file.name} trusts a certificate authority for ${name}, and host certificates are not supported; a plain host key is needed`;
  }
  if (known.revoked.length > 0) return `every host key of ${name} in ${file.name} is @revoked`;
  const where =
    file.text === null ? `there is no file ${file.name} beside the spec` : `${file.name} has no entry for ${name}`;
  return `no host key in the spec, and ${where}`;
}
