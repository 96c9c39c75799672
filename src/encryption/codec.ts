/**
 * The payload codec: large payloads are compressed, and with keys all payloads are then encrypted.
 *
 * AES-256-GCM over the whole payload including its metadata: Temporal stores a key name, a place and random bytes. The
 * place (namespace, workflow id, and whether the payload passes between a workflow and its activities) is readable, and
 * a part of what is authenticated: a payload that was copied to another workflow is unreadable there. Payloads that are not
 * encrypted are accepted as they are, so that older histories and requests typed into the Temporal UI work; what may be
 * done with them is decided by whoever acts on them, see {@link AUTHENTIC}.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Payload, PayloadCodec, SerializationContext } from '@temporalio/common';
import { temporal } from '@temporalio/proto';
import type { PayloadPlace, UnreadableReason } from '../domain/shared/payload-encodings';
import {
  AUTHENTIC,
  ENCRYPTED_ENCODING,
  ENCRYPTION_KEY,
  ENCRYPTION_PLACE,
  UNREADABLE_REASON,
  parsePlace,
  placeText,
} from '../domain/shared/payload-encodings';
import type { ErrorInfo } from '../domain/shared/errors';
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

export interface CodecOptions {
  /** For histories in files, which do not name their namespace: a payload of any namespace is of this one. */
  anyNamespace?: boolean;
}

/** Without keys nothing is encrypted, and encrypted payloads are rejected with an explanatory error. */
export function createCodec(
  ring: KeyRing | null,
  onUnreadable: OnUnreadable = 'throw',
  { anyNamespace = false }: CodecOptions = {},
): PayloadCodec {
  return {
    encode: (payloads, context) =>
      Promise.all(
        payloads.map(async (payload) => {
          const small = await compress(withoutMarks(payload));
          return ring === null ? small : encrypt(small, ring.keys[0], placeOf(context));
        }),
      ),
    decode: async (payloads, context) => {
      const decoded: Payload[] = [];
      const here = context === undefined ? null : { place: placeOf(context), anyNamespace };
      let unpackedBytes = 0;
      for (const payload of payloads) {
        const [one, size] = await decodeOne(payload, MAX_UNPACKED_BYTES - unpackedBytes);
        unpackedBytes += size;
        decoded.push(one);
      }
      return decoded;

      /** The payload, and how many bytes it took when it was decompressed. */
      async function decodeOne(payload: Payload, maxBytes: number): Promise<[Payload, number]> {
        const original = withoutMarks(payload);
        try {
          const isSealed = isEncrypted(original);
          const plain = isSealed ? decrypt(original, ring, here) : original;
          const isPacked = isCompressed(plain);
          const content = withoutMarks(isPacked ? await unpack(plain, maxBytes) : plain);
          const isAuthentic = isSealed && here !== null && here.place !== null;
          return [
            isAuthentic ? marked(content, AUTHENTIC, 'yes') : content,
            isPacked ? (content.data?.length ?? 0) : 0,
          ];
        } catch (error) {
          if (onUnreadable === 'throw' || !(error instanceof Unreadable)) throw error;
          return [marked(original, UNREADABLE_REASON, error.reason), 0];
        }
      }
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

/** Null: of no workflow. */
function placeOf(context: SerializationContext | undefined): PayloadPlace | null {
  if (context?.workflowId === undefined || context.workflowId === '') return null;
  return { kind: context.type, namespace: context.namespace, workflowId: context.workflowId };
}

/** Without the metadata that only a decoding codec may add. */
function withoutMarks(payload: Payload): Payload {
  const { metadata } = payload;
  if (!metadata || !(AUTHENTIC in metadata || UNREADABLE_REASON in metadata)) return payload;
  const others = Object.entries(metadata).filter(([name]) => name !== AUTHENTIC && name !== UNREADABLE_REASON);
  return { ...payload, metadata: Object.fromEntries(others) };
}

function marked(payload: Payload, name: string, value: string): Payload {
  return { ...payload, metadata: { ...payload.metadata, [name]: Buffer.from(value) } };
}

function encrypt(payload: Payload, { id, key }: EncryptionKey, place: PayloadPlace | null): Payload {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv(CIPHER, key, iv, { authTagLength: TAG_BYTES });
  const text = placeText(place);
  cipher.setAAD(boundTo(id, text));
  const plain = PayloadMessage.encode(payload).finish();
  const data = Buffer.concat([iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  return {
    metadata: {
      encoding: Buffer.from(ENCRYPTED_ENCODING),
      [ENCRYPTION_KEY]: Buffer.from(id),
      [ENCRYPTION_PLACE]: Buffer.from(text),
    },
    data,
  };
}

/** A key id has no line break. */
function boundTo(keyId: string, place: string): Buffer {
  return Buffer.from(`${keyId}\n${place}`);
}

/** `here`: where the payload is read; null: not known, by the codec server for example. */
function decrypt(
  payload: Payload,
  ring: KeyRing | null,
  here: { place: PayloadPlace | null; anyNamespace: boolean } | null,
): Payload {
  const id = textOf(payload.metadata?.[ENCRYPTION_KEY]);
  const found = ring?.keys.find((one) => one.id === id);
  if (found === undefined) throw new Unreadable('key', keyMissing(id, ring));
  const place = textOf(payload.metadata?.[ENCRYPTION_PLACE]);
  let content: Payload;
  try {
    const data = Buffer.from(payload.data ?? []);
    const iv = data.subarray(0, IV_BYTES);
    const decipher = createDecipheriv(CIPHER, found.key, iv, { authTagLength: TAG_BYTES });
    decipher.setAAD(boundTo(id, place));
    decipher.setAuthTag(data.subarray(-TAG_BYTES));
    const plain = Buffer.concat([decipher.update(data.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()]);
    const { metadata, data: bytes } = PayloadMessage.decode(plain);
    content = { metadata, data: bytes };
  } catch (cause) {
    throw new Unreadable(
      'damaged',
      {
        type: 'Internal',
        message: `a payload that was encrypted with the key ${plainText(id, 80)} was changed after encryption`,
        remedy: 'the payload was changed in Temporal; do not trust the workflow it belongs to',
      },
      cause,
    );
  }
  if (here !== null && !isSamePlace(place, here.place, here.anyNamespace)) {
    throw new Unreadable('place', elsewhere(place, here.place));
  }
  return content;
}

function isSamePlace(text: string, here: PayloadPlace | null, anyNamespace: boolean): boolean {
  if (!anyNamespace || here === null) return text === placeText(here);
  const namespace = parsePlace(text)?.namespace;
  return namespace !== undefined && text === placeText({ ...here, namespace });
}

async function unpack(payload: Payload, maxBytes: number): Promise<Payload> {
  try {
    return await decompress(payload, maxBytes);
  } catch (cause) {
    throw new Unreadable(
      'damaged',
      {
        type: 'Internal',
        message: 'a compressed payload cannot be decompressed: it is damaged, or too large to be one of ospatch',
        remedy: 'the payload was changed in Temporal; do not trust the workflow it belongs to',
      },
      cause,
    );
  }
}

class Unreadable extends OspatchError {
  constructor(
    readonly reason: UnreadableReason,
    info: ErrorInfo,
    cause?: unknown,
  ) {
    super(info, { cause });
  }
}

function keyMissing(id: string, ring: KeyRing | null): ErrorInfo {
  const name = plainText(id, 80);
  return {
    type: 'Usage',
    message:
      ring === null
        ? `a ${PAYLOAD_ENCRYPTED} ${name}, and no key is configured here`
        : `a ${PAYLOAD_ENCRYPTED} ${name}, which is not in ${ring.directory}`,
    remedy:
      ring === null
        ? `set ${KEYS_SETTING} to the directory with the keys that the workers use`
        : `put that key file there; a key stays until nothing in Temporal needs it any more`,
  };
}

function elsewhere(text: string, here: PayloadPlace | null): ErrorInfo {
  return {
    type: 'Internal',
    message: `a payload that was encrypted for ${describePlace(parsePlace(text))} stands in ${describePlace(here)}`,
    remedy: 'the payload was copied in Temporal; do not trust the workflow in which it stands',
  };
}

function describePlace(place: PayloadPlace | null): string {
  if (place === null) return 'no workflow';
  const { kind, workflowId, namespace } = place;
  const whose = kind === 'activity' ? 'the activities of the workflow' : 'the workflow';
  return `${whose} ${plainText(workflowId, 200)} in the namespace ${plainText(namespace, 100)}`;
}

function textOf(bytes: Uint8Array | null | undefined): string {
  return Buffer.from(bytes ?? []).toString();
}
