/** The host keys of all nodes and jump hosts of a document: pinned in the spec, else from known_hosts. */
import { createHmac } from 'node:crypto';
import { knownHostsName, lookUpHostKeys, parseKnownHosts } from '../../domain/trust/known-hosts';
import type { HmacSha1, KnownHostKeys, KnownHosts } from '../../domain/trust/known-hosts';
import type { NodeSpec, SshTransport } from '../../domain/spec/types';
import {
  MIN_RSA_BITS,
  parseTrustEntry,
  revokedInList,
  trustsAnything,
  untrustedReason,
} from '../../domain/trust/host-keys';
import { isHost } from '../../domain/trust/hosts';
import type { SpecIssue, SpecPath } from '../../domain/spec/issues';
import { valueAt } from '../../domain/spec/issues';
import { DEFAULT_SSH } from '../../domain/spec/normalise';
import { defined } from '../../domain/shared/defined';

/** A known_hosts file; `text` is null when it does not exist. */
export interface KnownHostsFile {
  name: string;
  text: string | null;
}

export interface HostKeysOptions {
  /** Whether a machine without a host key is an error. */
  required: boolean;
  /** The source of the spec as named by the user, for remedies. */
  source: string;
}

/** The hash of host names in known_hosts. */
export const hmacSha1: HmacSha1 = (keyBase64, message) =>
  createHmac('sha1', Buffer.from(keyBase64, 'base64')).update(message).digest('base64');

/**
 * Issues about the host keys of a raw document. A machine with an invalid address has no issue here.
 */
export function hostKeyIssues(document: unknown, file: KnownHostsFile, options: HostKeysOptions): SpecIssue[] {
  const nodes = valueAt(document, ['nodes']);
  const check = new HostKeyCheck(document, file, options);
  if (!Array.isArray(nodes)) return [];
  let usesClusterJump = false;
  for (const index of nodes.keys()) {
    const node: SpecPath = ['nodes', index];
    const port = valueAt(document, [...node, 'ssh', 'port']) ?? valueAt(document, ['ssh', 'port']);
    const host = valueAt(document, [...node, 'host']) ?? valueAt(document, [...node, 'name']);
    check.machine([...node, 'hostKeys'], host, port, check.transportOf(node));
    const own = valueAt(document, [...node, 'ssh', 'jump']);
    if (own === undefined) usesClusterJump = true;
    else check.jump([...node, 'ssh', 'jump'], check.transportOf(node));
  }
  if (usesClusterJump) check.jump(['ssh', 'jump'], check.transportOf(['ssh']));
  return check.issues;
}

/** Adds the host keys of `file` to a node and its jump hosts that have none in the spec. */
export function embedHostKeys(node: NodeSpec, knownHosts: KnownHosts): NodeSpec {
  const { ssh } = node;
  const keysOf = (host: string, port: number, pinned: string[]): string[] =>
    pinned.length > 0 ? pinned : trustEntries(lookUpHostKeys(knownHosts, host, port, hmacSha1), ssh.transport);
  const jump = ssh.jump?.map((hop) => ({ ...hop, hostKeys: keysOf(hop.host, hop.port, hop.hostKeys) }));
  return {
    ...node,
    ssh: { ...ssh, ...defined({ jump }) },
    hostKeys: keysOf(node.host, ssh.port, node.hostKeys),
  };
}

/**
 * Only the OpenSSH client can verify certificates; it also needs revoked keys, since an authority may sign anything.
 */
function trustEntries({ keys, authorities, revoked }: KnownHostKeys, transport: SshTransport | undefined): string[] {
  if (transport !== 'openssh' || authorities.length === 0) return keys;
  return [...keys, ...authorities.map((key) => `@cert-authority ${key}`), ...revoked.map((key) => `@revoked ${key}`)];
}

class HostKeyCheck {
  readonly issues: SpecIssue[] = [];
  private readonly knownHosts: KnownHosts;

  constructor(
    private readonly document: unknown,
    private readonly file: KnownHostsFile,
    private readonly options: HostKeysOptions,
  ) {
    this.knownHosts = parseKnownHosts(file.text ?? '');
  }

  transportOf(node: SpecPath): SshTransport {
    const own = valueAt(this.document, [...node, 'ssh', 'transport']);
    return (own ?? valueAt(this.document, ['ssh', 'transport'])) === 'openssh' ? 'openssh' : 'builtin';
  }

  jump(path: SpecPath, transport: SshTransport): void {
    const hops = valueAt(this.document, path);
    if (!Array.isArray(hops)) return;
    for (const index of hops.keys()) {
      const hop = [...path, index];
      const [host, port] = [valueAt(this.document, [...hop, 'host']), valueAt(this.document, [...hop, 'port'])];
      this.machine([...hop, 'hostKeys'], host, port, transport);
    }
  }

  machine(path: SpecPath, host: unknown, givenPort: unknown, transport: SshTransport): void {
    const port = givenPort ?? DEFAULT_SSH.port;
    if (typeof host !== 'string' || !isHost(host) || typeof port !== 'number') return;
    const known = lookUpHostKeys(this.knownHosts, host, port, hmacSha1);
    const given: unknown = valueAt(this.document, path);
    if (given === undefined || (Array.isArray(given) && given.length === 0)) {
      if (this.options.required && !trustsAnything(trustEntries(known, transport), transport === 'openssh')) {
        const why = missingKeyReason(known, this.file, knownHostsName(host, port));
        this.error(path, `missing: ${why}; read and check it with: ospatch enroll -f ${this.options.source}`, 'parent');
      }
    } else if (Array.isArray(given)) this.pinned(path, given, known, transport);
  }

  private pinned(path: SpecPath, given: readonly unknown[], known: KnownHostKeys, transport: SshTransport): void {
    const entries = given.flatMap((key) => (typeof key === 'string' ? (parseTrustEntry(key) ?? []) : []));
    // Malformed keys have an issue of their own.
    if (entries.length < given.length) return;
    const revokedHere = revokedInList(entries);
    for (const [index, entry] of entries.entries()) {
      const key = entry.replace(/^@cert-authority /, '');
      const where = revokedHere.includes(index) ? 'this list' : known.revoked.includes(key) ? this.file.name : null;
      if (where === null) continue;
      const message = `found a key that ${where} marks as @revoked; remove it and run: ospatch enroll -f ${this.options.source}`;
      this.error([...path, index], message);
    }
    const why = untrustedReason(entries, transport === 'openssh');
    if (why !== null) this.error(path, why);
  }

  private error(path: SpecPath, message: string, at: SpecIssue['at'] = 'value'): void {
    this.issues.push({ severity: 'error', path, at, message });
  }
}

function missingKeyReason(known: KnownHostKeys, file: KnownHostsFile, name: string): string {
  if (known.authorities.length > 0) {
    return `${file.name} trusts only a certificate authority for ${name}, and host certificates need ssh.transport: openssh; set that, or add a plain host key`;
  }
  if (known.revoked.length > 0) return `every host key of ${name} in ${file.name} is @revoked`;
  if (known.shortRsaBits !== undefined) {
    return `${file.name} has only an RSA key of ${known.shortRsaBits} bits for ${name}, and fewer than ${MIN_RSA_BITS} are not trusted`;
  }
  const where =
    file.text === null ? `there is no file ${file.name} beside the spec` : `${file.name} has no entry for ${name}`;
  return `no host key in the spec, and ${where}`;
}
