/** Reading a machine's host key without logging in, for the enrolment of new nodes. */
import type { Duplex } from 'node:stream';
import { Client } from 'ssh2';
import { classifyConnectError } from '../connect-errors';
import type { OfferedKey, PinnedKey } from '../host-keys';
import { ALL_HOST_KEY_ALGORITHMS, offeredKey, pinnedAlgorithms } from '../host-keys';

export interface ScannedHostKey extends OfferedKey {
  base64: string;
}

/**
 * The host key a machine proves to hold, Ed25519 if it has one. Ends right after the key exchange. What it says is not
 * trusted by anybody yet. With `known` keys it is asked for a key of their types only, so that the answer can be
 * compared with them. `route` may hold a stream that leads to the machine.
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
    // All that comes from behind a jump host when the machine there hangs up.
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
        // Refusing it ends the connection before anything else is said.
        return false;
      },
    });
  });
  client.destroy();
  if (key !== undefined) return { ...offeredKey(key), base64: key.toString('base64') };
  const target = { name: host, host, port, user: '', identity: '', hostKeys: [] };
  throw classifyConnectError(target, failure, '', { left: null, partial: false });
}
