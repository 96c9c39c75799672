/**
 * gzip of a page in pieces, each of which is compressed once for as long as it is there: of a large page little changes between two
 * scrapes. The pieces become one member, because not every client reads several.
 */
import { constants, crc32, deflateRaw } from 'node:zlib';
import { promisify } from 'node:util';

interface Packed {
  /** Blocks that end at a byte, none of which says that it is the last. */
  blocks: Buffer;
  checksum: number;
}

const deflate = promisify<Buffer, object, Buffer>(deflateRaw);
const OPTIONS = { level: constants.Z_BEST_SPEED, finishFlush: constants.Z_FULL_FLUSH };

/** RFC 1952: deflate, no name, no time, fast, of no particular system. */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255]);
/** The last block, which is empty. */
const LAST_BLOCK = Buffer.from([3, 0]);

const packed = new WeakMap<Buffer, Promise<Packed>>();

/** Compresses pieces that many pages will have. */
export async function prepare(pieces: readonly Buffer[]): Promise<void> {
  for (const piece of pieces) await pack(piece);
}

/** The pieces, which are not changed afterwards, as one gzip file in pieces. */
export async function gzipped(pieces: readonly Buffer[]): Promise<Buffer[]> {
  const all = await Promise.all(pieces.map((piece) => pack(piece)));
  let [checksum, length] = [0, 0];
  for (const [at, piece] of pieces.entries()) {
    checksum = combinedChecksum(checksum, all[at]?.checksum ?? 0, piece.length);
    length += piece.length;
  }
  const end = Buffer.alloc(8);
  end.writeUInt32LE(checksum, 0);
  end.writeUInt32LE(length % 2 ** 32, 4);
  return [HEADER, ...all.map(({ blocks }) => blocks), LAST_BLOCK, end];
}

/** Whether the value of the header `Accept-Encoding` allows gzip, which is said by name. */
export function acceptsGzip(header: string | readonly string[] | undefined): boolean {
  const all = typeof header === 'string' ? header : (header ?? []).join(',');
  return all.split(',').some((one) => {
    const [coding = '', ...parameters] = one.split(';').map((part) => part.trim().toLowerCase());
    return coding === 'gzip' && !parameters.some((parameter) => /^q=0(?:\.0*)?$/.test(parameter));
  });
}

function pack(piece: Buffer): Promise<Packed> {
  const before = packed.get(piece);
  if (before !== undefined) return before;
  const now = deflate(piece, OPTIONS).then((blocks) => ({ blocks, checksum: crc32(piece) }));
  packed.set(piece, now);
  return now;
}

/* The checksum of two texts from those of each, as zlib has it: polynomials over GF(2), the highest power in the lowest bit. */

const POLYNOMIAL = 0xed_b8_83_20;
const ONE = 0x80_00_00_00;

function product(one: number, other: number): number {
  let [sum, shifted] = [0, other];
  for (let bit = ONE; bit !== 0; bit >>>= 1) {
    if ((one & bit) !== 0) sum ^= shifted;
    shifted = (shifted & 1) === 0 ? shifted >>> 1 : (shifted >>> 1) ^ POLYNOMIAL;
  }
  return sum >>> 0;
}

/** x to the power of 8, 16, 32...: that of each bit of a length in bytes. */
const POWERS: readonly number[] = (() => {
  // x^8 by three squares of x.
  let power = ONE >>> 1;
  for (let at = 0; at < 3; at += 1) power = product(power, power);
  return Array.from({ length: 32 }, () => {
    const now = power;
    power = product(power, power);
    return now;
  });
})();

function combinedChecksum(one: number, other: number, lengthOfOther: number): number {
  let shifted = one;
  for (const [bit, power] of POWERS.entries()) {
    if (Math.floor(lengthOfOther / 2 ** bit) % 2 === 1) shifted = product(power, shifted);
  }
  return (shifted ^ other) >>> 0;
}
