/** The output of `enroll`. */
import type { Colors } from './table';
import { renderTable } from './table';
import { oneLine } from './text';

/** One node of one spec and the host key that it presents. */
export interface ScannedNode {
  cluster: string;
  node: string;
  host: string;
  port: number;
  /** Absolute path of the known_hosts file beside the spec. */
  knownHostsPath: string;
  found:
    /** Not known yet: offered for enrolment. */
    | { state: 'new'; type: string; base64: string; fingerprint: string }
    | { state: 'known'; fingerprint: string }
    /** Trusted by a certificate authority, or behind a jump host with manually entered keys: not scanned. */
    | { state: 'trusted' }
    /** Another key than the known one, or a revoked key: never enrolled. */
    | { state: 'refused'; type: string; fingerprint: string; why: string }
    | { state: 'unreachable'; why: string };
}

/** The table to compare with the fingerprints on the consoles of the nodes. */
export function renderNewKeys(nodes: readonly ScannedNode[], color: Colors): string {
  const rows = nodes.flatMap(({ node, host, port, found }) =>
    found.state === 'new' ? [[oneLine(node), addressText(host, port), oneLine(found.type), found.fingerprint]] : [],
  );
  return renderTable(['Node', 'Address', 'Type', 'Fingerprint'], rows, color);
}

/** Two lines per node that could not be enrolled. `file`: the source of the specs as named by the user. */
export function renderTrouble(nodes: readonly ScannedNode[], color: Colors, file: string): string[] {
  return nodes.flatMap(({ node, host, port, found }) => {
    const place = `${oneLine(node)} (${addressText(host, port)})`;
    if (found.state === 'unreachable') return [`${color.yellow('not reached:')} ${oneLine(found.why)}`];
    if (found.state !== 'refused') return [];
    return [
      color.red(`WARNING: ${place} ${found.why}: it shows ${oneLine(found.type)} ${found.fingerprint}`),
      `  ${color.bold('fix:')} ${remedyOf(found.why, oneLine(node), file)}`,
    ];
  });
}

/** Why a key is refused; the remedy depends on it. */
export const REFUSED = {
  known: 'has another host key than the known one',
  revoked: 'has a host key that is @revoked',
  expected: 'has another host key than --expect says',
  notNamed: 'is not named in the file of --expect',
} as const;

function remedyOf(why: string, node: string, file: string): string {
  const attack = 'otherwise this may be a man-in-the-middle attack';
  switch (why) {
    case REFUSED.known:
      return `if it was rebuilt, compare the fingerprint with its console, then: ospatch enroll -f ${file} --replace ${node.replace(/^jump host /, '')}; ${attack}`;
    case REFUSED.revoked:
      return `somebody has declared this key stolen: make new host keys on ${node} (rm /etc/ssh/ssh_host_*; ssh-keygen -A)`;
    case REFUSED.notNamed:
      return `add a line for ${node} with the fingerprint that its console shows`;
    default:
      return `compare the fingerprint with the console of ${node}, and correct --expect if it is wrong; ${attack}`;
  }
}

export function addressText(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
