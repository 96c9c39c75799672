/**
 * Large payloads are compressed before they go to Temporal, which keeps no value of more than 2 MiB. Small ones stay as they
 * are, so that everything a person looks at in the Temporal UI can be read there without a codec server.
 */
import { deflate, deflateSync, inflate } from 'node:zlib';
import { promisify } from 'node:util';
import type { Payload } from '@temporalio/common';
import { temporal } from '@temporalio/proto';
import { COMPRESSED_ENCODING } from '../domain/shared/payload-encodings';

/** Payloads of more bytes than this are compressed. */
export const COMPRESS_ABOVE_BYTES = 64 * 1024;

/**
 * More than any payload of ours has, and little enough to unpack for whoever sends a bomb: 2 MiB of zlib can unpack to
 * 2 GiB. Counted over all payloads of one message.
 */
export const MAX_UNPACKED_BYTES = 64 * 1024 * 1024;

const PayloadMessage = temporal.api.common.v1.Payload;

const pack = promisify(deflate);
const unpack = promisify<Uint8Array, { maxOutputLength: number }, Buffer>(inflate);

/** How many bytes Temporal keeps of `value` when it is sent as one payload of JSON, without encryption. */
export function storedBytes(value: unknown): number {
  const plain = Buffer.byteLength(JSON.stringify(value));
  return plain <= COMPRESS_ABOVE_BYTES ? plain : Math.min(plain, deflateSync(JSON.stringify(value)).length);
}

/** The payload, metadata and all, in a smaller one; itself when it is small already or does not get smaller. */
export async function compress(payload: Payload): Promise<Payload> {
  if ((payload.data?.length ?? 0) <= COMPRESS_ABOVE_BYTES) return payload;
  const data = await pack(PayloadMessage.encode(payload).finish());
  if (data.length >= (payload.data?.length ?? 0)) return payload;
  return { metadata: { encoding: Buffer.from(COMPRESSED_ENCODING) }, data };
}

export function isCompressed({ metadata }: Payload): boolean {
  return Buffer.from(metadata?.['encoding'] ?? []).toString('latin1') === COMPRESSED_ENCODING;
}

/** @throws Error when the bytes are no such payload, or one of more than `maxBytes` */
export async function decompress({ data }: Payload, maxBytes: number): Promise<Payload> {
  if (maxBytes < 1) throw new RangeError('nothing may be unpacked any more');
  const { metadata, data: content } = PayloadMessage.decode(
    await unpack(data ?? new Uint8Array(), { maxOutputLength: maxBytes }),
  );
  return { metadata, data: content };
}
