/**
 * The payload codec: large payloads are compressed, and with keys all payloads are then encrypted.
 *
 * AES-256-GCM over the whole payload including its metadata: Temporal stores a key name and random bytes. Other
 * payloads are accepted as they are, so that older histories and requests typed into the Temporal UI work.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Payload, PayloadCodec } from '@temporalio/common';
import { temporal } from '@temporalio/proto';
import { ENCRYPTED_ENCODING, ENCRYPTION_KEY } from '../domain/shared/payload-encodings';
import { OspatchError } from '../domain/shared/errors';
import { plainText } from '../domain/shared/text';
import { PAYLOAD_ENCRYPTED } from '../domain/shared/unreadable';
import { MAX_UNPACKED_BYTES, compress, decompress, isCompressed } from './compression';
import { KEYS_SETTING } from './key-ring';
import type { EncryptionKey, KeyRing } from './key-ring';

const CIPHER = 'aes-256-gcm';
const IV_BYTES = 12;
const TAG_BYTES = 16;

const PayloadMessage = temporal.api.common.v1.Payload;

/**
 * What happens with a payload that cannot be decrypted or decompressed. `passthrough`: in workers, which learn the use
 * of a payload only later: in a signal it must not stop a workflow, see `workflows/sandbox/payload-converter.ts`.
 */
export type OnUnreadable = 'throw' | 'passthrough';

/** Without keys nothing is encrypted, and encrypted payloads are rejected with an explanatory error. */
export function createCodec(ring: KeyRing | null, onUnreadable: OnUnreadable = 'throw'): PayloadCodec {
  return {
    encode: (payloads) =>
      Promise.all(
        payloads.map(async (payload) => {
          const small = await compress(payload);
          return ring === null ? small : encrypt(small, ring.keys[0]);
        }),
      ),
    decode: async (payloads) => {
      const decoded: Payload[] = [];
      let unpackedBytes = 0;
      for (const payload of payloads) {
        const plain = isEncrypted(payload) ? decrypt(payload, ring, onUnreadable) : payload;
        const one = isCompressed(plain) ? await unpack(plain, MAX_UNPACKED_BYTES - unpackedBytes, onUnreadable) : plain;
        if (one !== plain) unpackedBytes += one.data?.length ?? 0;
        decoded.push(one);
      }
      return decoded;
    },
  };
}

export function isEncrypted({ metadata }: Payload): boolean {
  return textOf(metadata?.['encoding']) === ENCRYPTED_ENCODING;
}

/** Id of the encryption key of a payload; null: not encrypted. */
export function keyIdOf(payload: Payload | null | undefined): string | null {
  return payload && isEncrypted(payload) ? plainText(textOf(payload.metadata?.[ENCRYPTION_KEY]), 80) : null;
}

function encrypt(payload: Payload, { id, key }: EncryptionKey): Payload {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv(CIPHER, key, iv, { authTagLength: TAG_BYTES });
  cipher.setAAD(Buffer.from(id));
  const plain = PayloadMessage.encode(payload).finish();
  const data = Buffer.concat([iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  return { metadata: { encoding: Buffer.from(ENCRYPTED_ENCODING), [ENCRYPTION_KEY]: Buffer.from(id) }, data };
}

function decrypt(payload: Payload, ring: KeyRing | null, onUnreadable: OnUnreadable): Payload {
  const id = textOf(payload.metadata?.[ENCRYPTION_KEY]);
  const found = ring?.keys.find((one) => one.id === id);
  if (found === undefined) {
    if (onUnreadable === 'passthrough') return payload;
    throw keyMissing(id, ring);
  }
  try {
    const data = Buffer.from(payload.data ?? []);
    const iv = data.subarray(0, IV_BYTES);
    const decipher = createDecipheriv(CIPHER, found.key, iv, { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.from(id));
    decipher.setAuthTag(data.subarray(-TAG_BYTES));
    const plain = Buffer.concat([decipher.update(data.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()]);
    const { metadata, data: content } = PayloadMessage.decode(plain);
    return { metadata, data: content };
  } catch (cause) {
    if (onUnreadable === 'passthrough') return payload;
    throw new OspatchError(
      {
        type: 'Internal',
        message: `a payload that was encrypted with the key ${plainText(id, 80)} was changed after encryption`,
        remedy: 'the payload was changed in Temporal; do not trust the workflow it belongs to',
      },
      { cause },
    );
  }
}

async function unpack(payload: Payload, maxBytes: number, onUnreadable: OnUnreadable): Promise<Payload> {
  try {
    return await decompress(payload, maxBytes);
  } catch (cause) {
    if (onUnreadable === 'passthrough') return payload;
    throw new OspatchError(
      {
        type: 'Internal',
        message: 'a compressed payload cannot be decompressed: it is damaged, or too large to be one of ospatch',
        remedy: 'the payload was changed in Temporal; do not trust the workflow it belongs to',
      },
      { cause },
    );
  }
}

function keyMissing(id: string, ring: KeyRing | null): OspatchError {
  const name = plainText(id, 80);
  return new OspatchError({
    type: 'Usage',
    message:
      ring === null
        ? `a ${PAYLOAD_ENCRYPTED} ${name}, and no key is configured here`
        : `a ${PAYLOAD_ENCRYPTED} ${name}, which is not in ${ring.directory}`,
    remedy:
      ring === null
        ? `set ${KEYS_SETTING} to the directory with the keys that the workers use`
        : `put that key file there; a key stays until nothing in Temporal needs it any more`,
  });
}

function textOf(bytes: Uint8Array | null | undefined): string {
  return Buffer.from(bytes ?? []).toString('latin1');
}
