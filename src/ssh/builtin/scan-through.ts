/** Reads the host key of a machine behind jump hosts, for enrolment: logs in to the jump hosts, never to the machine. */
import type { SshTarget } from '../transport';
import type { Ssh2Connection, SshConnectOptions } from './connection';
import { connectSsh } from './connection';
import type { ScannedHostKey } from './scan';
import { scanHostKey } from './scan';

/** @throws OspatchError that names the machine that failed */
export async function scanThrough(
  jump: readonly SshTarget[],
  { host, port }: { host: string; port: number },
  options: SshConnectOptions,
): Promise<ScannedHostKey> {
  const opened: Ssh2Connection[] = [];
  try {
    for (const hop of jump) opened.push(await connectSsh(hop, options, opened.at(-1) ?? null));
    const machine = { name: host, host, port, user: '', identity: '', hostKeys: [] };
    const route = (await opened.at(-1)?.tunnel(machine, options.connectTimeoutMs)) ?? null;
    return await scanHostKey(host, port, options.connectTimeoutMs, [], route);
  } finally {
    for (const connection of opened.toReversed()) connection.end();
  }
}
