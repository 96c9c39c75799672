/** Host keys of a spec as the workers get it: no known_hosts file is at hand, so each machine has to bring its own. */
import type { ClusterSpec, SshTransport } from '../spec/types';
import { revokedInList, whyNothingTrusted } from './host-keys';

/** A sentence for each node and jump host that could not be trusted, behind its place: `nodes[0].hostKeys: ...`. */
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
  const why = whyNothingTrusted(keys, transport === 'openssh');
  return why === null ? revoked : [...revoked, `${path}: ${why}`];
}
