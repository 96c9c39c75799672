/** Reads a machine's host key without logging in, for enrolment. */
import type { Duplex } from 'node:stream';
import { Client } from 'ssh2';
import { classifyConnectError } from '../connect-errors';
import type { OfferedKey, PinnedKey } from '../host-keys';
import { ALL_HOST_KEY_ALGORITHMS, offeredKey, pinnedAlgorithms } from '../host-keys';

export interface ScannedHostKey extends OfferedKey {
  base64: string;
}

/**
 * The host key that a machine proves to hold, Ed25519 if available. Ends right after the key exchange. The key is not
 * trusted yet. With `known` keys only their types are negotiated, so that the result is comparable. `route` may return
 * a stream to the machine.
 *
 * @throws OspatchError `Unreachable`
 */
export async function scanHostKey(
  host: string,
  port: number,
  timeoutMs: number,
  known: readonly PinnedKey[] = [],
  route: { sock?: Duplex } = {},
): Promise<ScannedHostKey> {
  const algorithms = known.length === 0 ? ALL_HOST_KEY_ALGORITHMS : pinnedAlgorithms(known);
  const client = new Client();
  let key: Buffer | undefined;
  const failure = await new Promise<Error>((resolve) => {
    client.on('error', resolve);
    client.once('close', () => resolve(new Error('it closed the connection')));
    // The only event behind a jump host when the machine closes the connection.
    client.once('end', () => resolve(new Error('it closed the connection')));
    client.connect({
      ...route,
      host,
      port,
      username: 'ospatch',
      authHandler: [],
      readyTimeout: timeoutMs,
      algorithms: { serverHostKey: [...algorithms] },
      hostVerifier: (offered: Buffer): boolean => {
        key = Buffer.from(offered);
        // Rejecting the key ends the connection before any further exchange.
        return false;
      },
    });
  });
  client.destroy();
  if (key !== undefined) return { ...offeredKey(key), base64: key.toString('base64') };
  const target = { name: host, host, port, user: '', identity: '', hostKeys: [] };
  throw classifyConnectError(target, failure, '', { left: null, partial: false });
}
