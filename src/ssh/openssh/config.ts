/**
 * Generates the configuration and known_hosts file of the OpenSSH client for one connection. No value of a spec can
 * become an option, another line or a program.
 */
import { OspatchError } from '../../domain/shared/errors';
import { knownHostsName } from '../../domain/trust/known-hosts';
import { parseTrustEntry } from '../../domain/trust/host-keys';
import { isHost } from '../../domain/trust/hosts';
import { isUserName } from '../../domain/trust/user-name';
import type { SshEndpoint } from '../transport';

/** Host alias of the machine in its configuration; the command line always contains this word. */
export const ALIAS = 'target';
const JUMP_ALIAS = 'jump';

/** How the client authenticates. */
export type ClientIdentity =
  | { kind: 'none' }
  | { kind: 'agent'; socket: string }
  | { kind: 'file'; file: string }
  /** The public keys in `files`, with signatures from the agent at `socket`; with a certificate if there is one. */
  | { kind: 'held'; files: string[]; socket: string; certificate: string | null };

export interface ClientConfig {
  endpoint: SshEndpoint;
  identity: ClientIdentity;
  knownHostsFile: string;
  controlPath: string;
  /** Control path of the connection to the jump host, or null. */
  jumpControlPath: string | null;
  connectTimeoutSeconds: number;
  /** Of `cryptoLines`. */
  crypto: readonly string[];
}

/** The configuration file. @throws OspatchError `InvalidSpec` for a value that cannot be written safely */
export function renderConfig(config: ClientConfig): string {
  const { host, address, port, user } = checkEndpoint(config.endpoint);
  const lines = [
    `Host ${ALIAS}`,
    ...(address === undefined ? [`HostName ${host}`] : [`HostName ${address}`, `HostKeyAlias ${host.toLowerCase()}`]),
    `Port ${port}`,
    // A backslash escapes the next character in ssh_config.
    `User ${user.replaceAll('\\', '\\\\')}`,
    ...config.crypto,
    ...identityLines(config.identity),
    'BatchMode yes',
    'PreferredAuthentications publickey',
    'StrictHostKeyChecking yes',
    `UserKnownHostsFile ${quoted(config.knownHostsFile)}`,
    'GlobalKnownHostsFile /dev/null',
    'UpdateHostKeys no',
    'CheckHostIP no',
    'CanonicalizeHostname no',
    'ForwardAgent no',
    'RequestTTY no',
    'EscapeChar none',
    `ControlPath ${quoted(config.controlPath)}`,
    // The master of a worker that died ends by itself after this many idle seconds.
    'ControlPersist 60',
    'ServerAliveInterval 10',
    'ServerAliveCountMax 3',
    `ConnectTimeout ${config.connectTimeoutSeconds}`,
  ];
  if (config.jumpControlPath !== null) {
    lines.push(
      `ProxyJump ${JUMP_ALIAS}`,
      `Host ${JUMP_ALIAS}`,
      `ControlPath ${quoted(config.jumpControlPath)}`,
      'ControlMaster no',
      // Never a connection of its own: only the one with the verified host key.
      'ProxyCommand false',
    );
  }
  return `${lines.join('\n')}\n`;
}

/** The known_hosts file of one machine, from the trusted host keys of its target. */
export function renderKnownHosts(endpoint: SshEndpoint): string {
  const { host, address, port, hostKeys } = checkEndpoint(endpoint);
  // A HostKeyAlias has no port.
  const name = address === undefined ? knownHostsName(host, port) : host.toLowerCase();
  const lines = hostKeys.flatMap((text) => {
    const entry = parseTrustEntry(text);
    if (entry === null) return [];
    const [marker, ...key] = entry.split(' ');
    return [entry.startsWith('@') ? `${marker} ${name} ${key.join(' ')}` : `${name} ${entry}`];
  });
  return lines.map((line) => `${line}\n`).join('');
}

function identityLines(identity: ClientIdentity): string[] {
  switch (identity.kind) {
    case 'none':
      return ['IdentityAgent none', 'IdentitiesOnly yes', 'IdentityFile none'];
    case 'agent':
      return [`IdentityAgent ${quoted(identity.socket)}`, 'IdentityFile none'];
    case 'file':
      return ['IdentityAgent none', 'IdentitiesOnly yes', `IdentityFile ${quoted(identity.file)}`];
    case 'held':
      return [
        `IdentityAgent ${quoted(identity.socket)}`,
        'IdentitiesOnly yes',
        ...identity.files.map((file) => `IdentityFile ${quoted(file)}`),
        ...(identity.certificate === null ? [] : [`CertificateFile ${quoted(identity.certificate)}`]),
      ];
  }
}

function checkEndpoint(endpoint: SshEndpoint): SshEndpoint {
  const { host, address, port, user } = endpoint;
  if (
    isHost(host) &&
    (address === undefined || isHost(address)) &&
    isUserName(user) &&
    Number.isInteger(port) &&
    port > 0 &&
    port < 65_536
  )
    return endpoint;
  throw new OspatchError({
    type: 'InvalidSpec',
    message: 'the host, port or user of an SSH target is not one that can be passed to the OpenSSH client',
  });
}

/** A file name as a configuration value: percent signs would be expanded, and a quote would end the value. */
function quoted(file: string): string {
  if (/["\p{Cc}]|\$\{/u.test(file)) {
    throw new OspatchError({
      type: 'IdentityUnavailable',
      message:
        'a file name of the worker contains a quote, a control character or ${, which cannot be passed to the OpenSSH client',
      remedy: 'choose another OSPATCH_KEY_DIR',
    });
  }
  return `"${file.replaceAll('%', '%%').replaceAll('\\', '\\\\')}"`;
}
