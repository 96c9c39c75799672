/** Checks that every node and jump host of a spec has host keys, because workers have no known_hosts file. */
import type { ClusterSpec, SshTransport } from '../spec/types';
import { revokedInList, untrustedReason } from './host-keys';

/** One message per node and jump host that cannot be verified, prefixed by its path: `nodes[0].hostKeys: ...`. */
export function hostKeyProblems(spec: ClusterSpec): string[] {
  if (spec.type !== 'self-managed') return [];
  return spec.nodes.flatMap(({ ssh, hostKeys }, index) => [
    ...problemsOf(`nodes[${index}].hostKeys`, hostKeys, ssh.transport),
    ...(ssh.jump ?? []).flatMap((hop, at) =>
      problemsOf(`nodes[${index}].ssh.jump[${at}].hostKeys`, hop.hostKeys, ssh.transport),
    ),
  ]);
}

function problemsOf(path: string, keys: readonly string[], transport: SshTransport | undefined): string[] {
  if (keys.length === 0) {
    return [`${path}: missing: no host key; \`ospatch apply\` takes it from known_hosts, \`ospatch enroll\` reads it`];
  }
  const revoked = revokedInList(keys).map(
    (index) => `${path}[${index}]: found a key that this list marks as @revoked; remove it`,
  );
  const why = untrustedReason(keys, transport === 'openssh');
  return why === null ? revoked : [...revoked, `${path}: ${why}`];
}
