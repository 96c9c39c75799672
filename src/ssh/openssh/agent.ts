/**
 * A private ssh-agent (draft-miller-ssh-agent) for one login of the OpenSSH client, with one key decrypted by this
 * process. The key stays in the process, and the client needs no passphrase. The agent of ssh2 cannot be used: it loses
 * sync at the first unknown request, and OpenSSH starts with one.
 */
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import type { ParsedKey } from 'ssh2';

const FAILURE = 5;
const REQUEST_IDENTITIES = 11;
const IDENTITIES_ANSWER = 12;
const SIGN_REQUEST = 13;
const SIGN_RESPONSE = 14;
const RSA_SHA2_256 = 2;
const RSA_SHA2_512 = 4;

/** Far above any request during a login. */
const MAX_REQUEST_BYTES = 64 * 1024;

/** Listens on a socket in a private directory until `stop` is called. */
export async function startPrivateAgent(socket: string, key: ParsedKey): Promise<{ stop(): void }> {
  const server = createServer((connection) => serve(connection, key));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socket, resolve);
  });
  server.unref();
  return { stop: () => server.close() };
}

function serve(connection: Socket, key: ParsedKey): void {
  let pending = Buffer.alloc(0);
  connection.on('error', () => undefined);
  connection.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 4) {
      const end = 4 + pending.readUInt32BE(0);
      if (end > MAX_REQUEST_BYTES) return connection.destroy();
      if (pending.length < end) return;
      connection.write(string(answer(pending.subarray(4, end), key)));
      pending = pending.subarray(end);
    }
  });
}

function answer(request: Buffer, key: ParsedKey): Buffer {
  const publicKey = key.getPublicSSH();
  switch (request[0]) {
    case REQUEST_IDENTITIES:
      return Buffer.concat([Buffer.from([IDENTITIES_ANSWER, 0, 0, 0, 1]), string(publicKey), string(Buffer.alloc(0))]);
    case SIGN_REQUEST: {
      const [asked, data] = strings(request.subarray(1));
      const signed =
        asked?.equals(publicKey) === true && data !== undefined ? sign(key, data, request.at(-1) ?? 0) : null;
      return signed === null ? Buffer.from([FAILURE]) : Buffer.concat([Buffer.from([SIGN_RESPONSE]), string(signed)]);
    }
    default:
      return Buffer.from([FAILURE]);
  }
}

/** Format and signature; null for RSA with SHA-1, which is never given. */
function sign(key: ParsedKey, data: Buffer, flags: number): Buffer | null {
  const [format, hash] =
    key.type !== 'ssh-rsa'
      ? [key.type, undefined]
      : (flags & RSA_SHA2_512) !== 0
        ? ['rsa-sha2-512', 'sha512']
        : (flags & RSA_SHA2_256) !== 0
          ? ['rsa-sha2-256', 'sha256']
          : [null, undefined];
  if (format === null) return null;
  const signature: unknown = key.sign(data, hash);
  if (!Buffer.isBuffer(signature)) return null;
  const blob = key.type.startsWith('ecdsa-') ? fromDer(signature) : signature;
  return Buffer.concat([string(Buffer.from(format)), string(blob)]);
}

/** Converts a DER ECDSA signature, a sequence of two integers, to the two SSH strings; both fit in short form. */
function fromDer(der: Buffer): Buffer {
  // The sequence of a P-521 signature has a two-byte length.
  const first = (der[1] ?? 0) > 0x80 ? 3 : 2;
  const r = der.subarray(first + 2, first + 2 + (der[first + 1] ?? 0));
  const second = first + 2 + r.length;
  const s = der.subarray(second + 2, second + 2 + (der[second + 1] ?? 0));
  return Buffer.concat([string(r), string(s)]);
}

function string(value: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(value.length);
  return Buffer.concat([length, value]);
}

/** The complete strings at the beginning of `buffer`. */
function strings(buffer: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at + 4 <= buffer.length;) {
    const end = at + 4 + buffer.readUInt32BE(at);
    if (end > buffer.length) break;
    found.push(buffer.subarray(at + 4, end));
    at = end;
  }
  return found;
}
