/** Reads a machine's host key without logging in, for enrolment. */
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Client } from 'ssh2';
import { OspatchError } from '../../domain/shared/errors';
import { MIN_RSA_BITS } from '../../domain/trust/host-keys';
import { algorithmsFor } from '../algorithms';
import { classifyConnectError, describeMachine, floods } from '../connect-errors';
import type { OfferedKey, PinnedKey } from '../host-keys';
import { ALL_HOST_KEY_ALGORITHMS, offeredKey, pinnedAlgorithms, shortRsaBitsOf } from '../host-keys';
import { Meter } from './meter';

export interface ScannedHostKey extends OfferedKey {
  base64: string;
}

/**
 * The host key that a machine proves to hold, Ed25519 if available. Ends right after the key exchange. The key is not
 * trusted yet. With `known` keys only their types are negotiated, so that the result is comparable. `route`: a stream
 * to the machine instead of a connection of its own.
 *
 * @throws OspatchError `Unreachable`; `HostKeyMismatch` for an RSA key that is too short for anybody to trust
 */
export async function scanHostKey(
  host: string,
  port: number,
  timeoutMs: number,
  known: readonly PinnedKey[] = [],
  route: Duplex | null = null,
): Promise<ScannedHostKey> {
  const algorithms = algorithmsFor(known.length === 0 ? ALL_HOST_KEY_ALGORITHMS : pinnedAlgorithms(known), {});
  const client = new Client();
  const socket = new Socket();
  const meter = new Meter(route ?? socket, null);
  let key: Buffer | undefined;
  const failure = await new Promise<Error>((resolve) => {
    client.on('error', resolve);
    client.once('close', () => resolve(new Error('it closed the connection')));
    // The only event behind a jump host when the machine closes the connection.
    client.once('end', () => resolve(new Error('it closed the connection')));
    if (route === null) socket.connect({ host, port });
    client.connect({
      sock: route ?? socket,
      username: 'ospatch',
      authHandler: [],
      readyTimeout: timeoutMs,
      algorithms,
      hostVerifier: (offered: Buffer): boolean => {
        key = Buffer.from(offered);
        // Rejecting the key ends the connection before any further exchange.
        return false;
      },
    });
  });
  client.destroy();
  const target = { name: host, host, port, user: '', identity: '', hostKeys: [] };
  if (key === undefined) {
    if (meter.exceeded !== null) throw floods(target, 'before a login', meter.exceeded);
    throw classifyConnectError(target, failure, '', {
      left: null,
      partial: false,
      algorithms,
      beginning: meter.beginning,
    });
  }
  const bits = shortRsaBitsOf(key);
  if (bits === null) return { ...offeredKey(key), base64: key.toString('base64') };
  throw new OspatchError({
    type: 'HostKeyMismatch',
    message: `${describeMachine(target)} has an RSA host key of ${bits} bits, and fewer than ${MIN_RSA_BITS} are not trusted`,
    remedy: 'make a new host key on it: ssh-keygen -A, with an ed25519 key in its sshd_config',
  });
}
