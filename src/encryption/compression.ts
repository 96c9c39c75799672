/**
 * Large payloads are compressed, because Temporal rejects values above 2 MiB. Small ones are not, so that everything
 * shown in the Temporal UI is readable without a codec server.
 */
import { deflate, deflateSync, inflate } from 'node:zlib';
import { promisify } from 'node:util';
import type { Payload } from '@temporalio/common';
import { temporal } from '@temporalio/proto';
import { COMPRESSED_ENCODING } from '../domain/shared/payload-encodings';

/** Larger payloads are compressed. */
export const COMPRESS_ABOVE_BYTES = 64 * 1024;

/**
 * More than any legitimate payload, and small enough to be harmless to decompress: 2 MiB of zlib can expand to 2 GiB.
 * Total for all payloads of one message.
 */
export const MAX_UNPACKED_BYTES = 64 * 1024 * 1024;

const PayloadMessage = temporal.api.common.v1.Payload;

const pack = promisify(deflate);
const unpack = promisify<Uint8Array, { maxOutputLength: number }, Buffer>(inflate);

/** Size of `value` in Temporal as a JSON payload, compressed but not encrypted. */
export function storedBytes(value: unknown): number {
  const plain = Buffer.byteLength(JSON.stringify(value));
  return plain <= COMPRESS_ABOVE_BYTES ? plain : Math.min(plain, deflateSync(JSON.stringify(value)).length);
}

/**
 * A smaller payload that contains the whole payload with its metadata; the payload itself when it is small or
 * incompressible.
 */
export async function compress(payload: Payload): Promise<Payload> {
  if ((payload.data?.length ?? 0) <= COMPRESS_ABOVE_BYTES) return payload;
  const data = await pack(PayloadMessage.encode(payload).finish());
  if (data.length >= (payload.data?.length ?? 0)) return payload;
  return { metadata: { encoding: Buffer.from(COMPRESSED_ENCODING) }, data };
}

export function isCompressed({ metadata }: Payload): boolean {
  return Buffer.from(metadata?.['encoding'] ?? []).toString('latin1') === COMPRESSED_ENCODING;
}

/** @throws Error for malformed bytes, or content above `maxBytes` */
export async function decompress({ data }: Payload, maxBytes: number): Promise<Payload> {
  if (maxBytes < 1) throw new RangeError('nothing may be unpacked any more');
  const { metadata, data: content } = PayloadMessage.decode(
    await unpack(data ?? new Uint8Array(), { maxOutputLength: maxBytes }),
  );
  return { metadata, data: content };
}
