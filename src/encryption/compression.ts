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

/** The same of one payload. The largest of ospatch, the state of a cluster of 5,000 nodes, has 4 MiB. */
const MAX_PAYLOAD_BYTES = 16 * 1024 * 1024;

/**
 * A worker decodes many messages at once, so what somebody sends must not grow a thousandfold either. The specs of the most
 * uniform clusters grow 50-fold.
 */
const MAX_GROWTH = 200;
const GROWS_FREELY_BYTES = 1024 * 1024;

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
  const growth = Math.max(GROWS_FREELY_BYTES, MAX_GROWTH * (data?.length ?? 0));
  const maxOutputLength = Math.min(maxBytes, MAX_PAYLOAD_BYTES, growth);
  const { metadata, data: content } = PayloadMessage.decode(
    await unpack(data ?? new Uint8Array(), { maxOutputLength }),
  );
  return { metadata, data: content };
}
