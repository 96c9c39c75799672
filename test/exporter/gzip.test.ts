import { gunzipSync } from 'node:zlib';
import { gzipped } from '../../src/exporter/gzip';

const roundTrip = async (pieces: Buffer[]): Promise<Buffer> => gunzipSync(Buffer.concat(await gzipped(pieces)));

describe('src/exporter/gzip', () => {
  it.each([
    ['no piece', []],
    ['empty pieces', ['', 'a', '']],
    ['one', ['a 1\n']],
    ['many of many lengths', Array.from({ length: 200 }, (_, at) => `series{at="${at}"} ${at}\n`.repeat(at))],
  ])('is what gunzip reads, with its checksum: %s', async (_, texts) => {
    const pieces = texts.map((text) => Buffer.from(text));
    expect((await roundTrip(pieces)).equals(Buffer.concat(pieces))).toBe(true);
  });

  it('is one member, which every client reads to its end', async () => {
    const file = Buffer.concat(await gzipped([Buffer.from('a 1\n'), Buffer.from('b 2\n')]));
    expect(file.subarray(4).indexOf(Buffer.from([0x1f, 0x8b, 8]))).toBe(-1);
  });

  it('compresses a piece once, in whichever pages it is', async () => {
    const [piece, other] = [Buffer.from('a 1\n'), Buffer.from('b 2\n')];
    const [first, second] = [await gzipped([piece]), await gzipped([other, piece])];
    expect(second[2]).toBe(first[1]);
    expect((await roundTrip([other, piece])).toString()).toBe('b 2\na 1\n');
  });
});
