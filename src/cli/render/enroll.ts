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
    found.state === 'new' ? [[oneLine(node), address(host, port), oneLine(found.type), found.fingerprint]] : [],
  );
  return renderTable(['Node', 'Address', 'Type', 'Fingerprint'], rows, color);
}

/** One line per node that could not be enrolled. */
export function renderTrouble(nodes: readonly ScannedNode[], color: Colors): string[] {
  return nodes.flatMap(({ node, host, port, found }) => {
    const place = `${oneLine(node)} (${address(host, port)})`;
    if (found.state === 'unreachable') return [`${color.yellow('not reached:')} ${oneLine(found.why)}`];
    if (found.state !== 'refused') return [];
    return [
      color.red(`WARNING: ${place} ${found.why}: it shows ${oneLine(found.type)} ${found.fingerprint}`),
      `  ${color.bold('fix:')} if it was reinstalled, check the fingerprint on its console and remove the old key from the file or the spec; otherwise this may be a man-in-the-middle attack`,
    ];
  });
}

function address(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
