import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { deflateSync } from 'node:zlib';
import { defaultPayloadConverter } from '@temporalio/common';
import type { Payload } from '@temporalio/common';
import { temporal } from '@temporalio/proto';
import { COMPRESSED_ENCODING, UNREADABLE_REASON } from '../../src/domain/shared/payload-encodings';
import { createCodec, isEncrypted } from '../../src/encryption/codec';
import { isCompressed, storedBytes } from '../../src/encryption/compression';
import { keyRingFromEnv, readKeyRing } from '../../src/encryption/key-ring';

const SECRET = { host: 'w-1.internal' };

describe('src/encryption/codec', () => {
  let dir: string;

  beforeEach(() => {
    dir = mkdtempSync(path.join(tmpdir(), 'ospatch-keys-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  function put(name: string, key: Buffer | string = randomBytes(32), mode = 0o600): void {
    writeFileSync(path.join(dir, name), typeof key === 'string' ? key : `${key.toString('base64')}\n`, { mode });
  }

  function textOf(one: Payload | undefined, name: string): string {
    return Buffer.from(one?.metadata?.[name] ?? []).toString();
  }

  const payload = (): Payload => defaultPayloadConverter.toPayload(SECRET);

  function bytesOf(one: Payload | undefined): string {
    return JSON.stringify(
      Object.values(one?.metadata ?? {})
        .concat(one?.data ?? [])
        .map((bytes) => Buffer.from(bytes).toString('latin1')),
    );
  }

  it('hides value and type, never twice in the same form, and decodes both', async () => {
    put('a.key');
    const codec = createCodec(readKeyRing(dir));
    const [one, two] = await codec.encode([payload(), payload()]);
    expect(bytesOf(one)).not.toMatch(/w-1|json/);
    expect(bytesOf(one)).not.toBe(bytesOf(two));
    const [back] = await codec.decode(one === undefined ? [] : [one]);
    expect(defaultPayloadConverter.fromPayload(back ?? {})).toEqual(SECRET);
  });

  it('decodes with every key and encodes with the current one', async () => {
    put('2026.key');
    const old = await createCodec(readKeyRing(dir)).encode([payload()]);
    put('2027.key', randomBytes(32).toString('hex'));
    expect(() => readKeyRing(dir)).toThrow('no file current says which of them encrypts');
    put('current', '2027\n');
    const ring = readKeyRing(dir);
    expect(ring.keys.map(({ id }) => id.split(':')[0])).toEqual(['2027', '2026']);
    const codec = createCodec(ring);
    const fresh = await codec.encode([payload()]);
    for (const one of await codec.decode([...old, ...fresh])) {
      expect(defaultPayloadConverter.fromPayload(one)).toEqual(SECRET);
    }
    rmSync(path.join(dir, '2026.key'));
    rmSync(path.join(dir, 'current'));
    const without = createCodec(readKeyRing(dir));
    await expect(without.decode(fresh)).resolves.toBeDefined();
    await expect(without.decode(old)).rejects.toMatchObject({
      type: 'Usage',
      message: expect.stringMatching(
        /^a payload in Temporal is encrypted with the key 2026:[0-9a-f]{12}, which is not in .*$/,
      ),
    });
  });

  it('distinguishes keys with the same name', async () => {
    put('a.key');
    const encrypted = await createCodec(readKeyRing(dir)).encode([payload()]);
    put('a.key');
    await expect(createCodec(readKeyRing(dir)).decode(encrypted)).rejects.toMatchObject({ type: 'Usage' });
    // A worker passes the payload on to code that reads it.
    for (const ring of [readKeyRing(dir), null]) {
      const [left] = await createCodec(ring, 'passthrough').decode(encrypted);
      expect([left?.data, textOf(left, UNREADABLE_REASON)]).toEqual([encrypted[0]?.data, 'key']);
    }
  });

  it('reports a missing key in one sentence', async () => {
    put('a.key');
    const encrypted = await createCodec(readKeyRing(dir)).encode([payload()]);
    await expect(createCodec(null).decode(encrypted)).rejects.toMatchObject({
      message: expect.stringMatching(
        /^a payload in Temporal is encrypted with the key a:[0-9a-f]{12}, and no key is configured here$/,
      ),
      remedy: expect.stringContaining('OSPATCH_ENCRYPTION_KEYS'),
    });
  });

  it.each([0, 5, 12, 40, -1])(
    'notices a changed byte at %i: an error for clients, left unreadable for workflows',
    async (at) => {
      put('a.key');
      const ring = readKeyRing(dir);
      const [one] = await createCodec(ring).encode([payload()]);
      const data = Buffer.from(one?.data ?? []);
      const index = at < 0 ? data.length + at : at;
      data[index] = (data[index] ?? 0) ^ 1;
      const tampered = { ...one, data };
      await expect(createCodec(ring).decode([tampered])).rejects.toThrow('was changed after encryption');
      const [left] = await createCodec(ring, 'passthrough').decode([tampered]);
      expect([left?.data, textOf(left, UNREADABLE_REASON)]).toEqual([data, 'damaged']);
      expect(await createCodec(ring, 'passthrough').decode([{ ...one, data: Buffer.alloc(3) }])).toHaveLength(1);
    },
  );

  it('decodes unencrypted payloads, and encrypts nothing without keys', async () => {
    put('a.key');
    expect(await createCodec(readKeyRing(dir)).decode([payload()])).toEqual([payload()]);
    const [plain] = await createCodec(null).encode([payload()]);
    expect(isEncrypted(plain ?? {})).toBe(false);
    expect(keyRingFromEnv({})).toBeNull();
    expect(keyRingFromEnv({ OSPATCH_ENCRYPTION_KEYS: '' })).toBeNull();
  });

  describe('large payloads', () => {
    const large = (): Payload => defaultPayloadConverter.toPayload({ nodes: 'worker-17.example '.repeat(20_000) });

    it.each([
      ['without keys', false],
      ['with keys, before they are encrypted', true],
    ])('are compressed %s, and survive a round trip', async (_, encrypts) => {
      put('a.key');
      const codec = createCodec(encrypts ? readKeyRing(dir) : null);
      const [small, packed] = await codec.encode([payload(), large()]);
      expect(packed?.data?.length).toBeLessThan(5_000);
      expect(isEncrypted(packed ?? {})).toBe(encrypts);
      expect(isCompressed(packed ?? {})).toBe(!encrypts);
      expect(isCompressed(small ?? {})).toBe(false);
      const back = await codec.decode([small ?? {}, packed ?? {}]);
      expect(back.map((one) => defaultPayloadConverter.fromPayload(one))).toEqual([
        SECRET,
        defaultPayloadConverter.fromPayload(large()),
      ]);
    });

    it('stay uncompressed when compression gains nothing', async () => {
      const random = { metadata: { encoding: Buffer.from('binary/plain') }, data: randomBytes(200_000) };
      expect(await createCodec(null).encode([random])).toEqual([random]);
    });

    it('are not unpacked when they are decompression bombs, alone or together', async () => {
      // Of which each piece grows eightfold.
      const piece = Buffer.concat([randomBytes(1024), Buffer.alloc(7 * 1024)]);
      const bomb = (MiB: number, content = piece): Payload => ({
        metadata: { encoding: Buffer.from(COMPRESSED_ENCODING) },
        data: deflateSync(
          temporal.api.common.v1.Payload.encode({
            metadata: {},
            data: Buffer.alloc(MiB * 1024 * 1024, content),
          }).finish(),
          { level: 1 },
        ),
      });
      const codec = createCodec(null);
      const refused = {
        type: 'Internal',
        message: expect.stringContaining('too large to be one of ospatch') as string,
      };
      await expect(codec.decode([bomb(17)])).rejects.toMatchObject(refused);
      // What grows by more than anything of ospatch does.
      await expect(codec.decode([bomb(2, Buffer.alloc(1))])).rejects.toMatchObject(refused);
      const one = bomb(15);
      await expect(codec.decode([one, one, one, one])).resolves.toHaveLength(4);
      await expect(codec.decode([one, one, one, one, one])).rejects.toThrow('cannot be decompressed');
    });

    it.each([
      ['cut', (data: Buffer) => data.subarray(0, 100)],
      ['changed', (data: Buffer) => Buffer.concat([data.subarray(0, 50), Buffer.from('xyz'), data.subarray(53)])],
      ['empty', () => Buffer.alloc(0)],
    ])('that were %s in transit are an error for clients, left unreadable for workflows', async (_, damage) => {
      const [packed] = await createCodec(null).encode([large()]);
      const damaged = { ...packed, data: damage(Buffer.from(packed?.data ?? [])) };
      await expect(createCodec(null).decode([damaged])).rejects.toThrow('cannot be decompressed');
      const [left] = await createCodec(null, 'passthrough').decode([damaged]);
      expect([left?.data, textOf(left, UNREADABLE_REASON)]).toEqual([damaged.data, 'damaged']);
    });

    it('take the documented size', async () => {
      const value = { keys: randomBytes(300_000).toString('base64') };
      const [packed] = await createCodec(null).encode([defaultPayloadConverter.toPayload(value)]);
      expect(Math.abs(storedBytes(value) - (packed?.data?.length ?? 0))).toBeLessThan(100);
      expect(storedBytes(SECRET)).toBe(JSON.stringify(SECRET).length);
    });
  });

  it('names what is wrong with the key directory', () => {
    expect(() => readKeyRing(path.join(dir, 'none'))).toThrow('OSPATCH_ENCRYPTION_KEYS: there is no directory');
    expect(() => readKeyRing(dir)).toThrow('holds no key');
    put('a.key', 'short');
    expect(() => readKeyRing(dir)).toThrow('a.key is not a key: allowed are 32 random bytes');
    put('b.key', randomBytes(32), 0o644);
    rmSync(path.join(dir, 'a.key'));
    expect(() => readKeyRing(dir)).toThrow('can be read by everybody');
    rmSync(path.join(dir, 'b.key'));
    put('c.key');
    put('current', 'd');
    expect(() => readKeyRing(dir)).toThrow('names the key "d", which is not there');
  });
});
