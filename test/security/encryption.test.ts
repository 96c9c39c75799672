/** Payloads that somebody has copied, forged or inflated, at the codec of a worker and of a client. */
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { activityInfo } from '@temporalio/activity';
import { defaultPayloadConverter } from '@temporalio/common';
import type { Payload, SerializationContext } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { requiredEncryption } from '../../src/activities/required-encryption';
import { noteEncrypted } from '../../src/domain/shared/encrypted-values';
import {
  AUTHENTIC,
  ENCRYPTION_KEY,
  ENCRYPTION_PLACE,
  UNREADABLE_REASON,
} from '../../src/domain/shared/payload-encodings';
import { createCodec } from '../../src/encryption/codec';
import { encryptionRequiredFromEnv, readKeyRing } from '../../src/encryption/key-ring';
import type { KeyRing } from '../../src/encryption/key-ring';
import { payloadConverter } from '../../src/workflows/sandbox/payload-converter';

const RING: KeyRing = { directory: '/keys', keys: [{ id: 'a:0', key: randomBytes(32) }] };
const HERE: SerializationContext = { type: 'workflow', namespace: 'default', workflowId: 'cluster/prod' };

const worker = createCodec(RING, 'passthrough');
const client = createCodec(RING);

function payload(value: unknown = { nodes: ['w-1'] }): Payload {
  return defaultPayloadConverter.toPayload(value);
}

function textOf(one: Payload | undefined, name: string): string | null {
  const bytes = one?.metadata?.[name];
  return bytes ? Buffer.from(bytes).toString() : null;
}

async function encrypted(context: SerializationContext | undefined = HERE): Promise<Payload> {
  const [one] = await client.encode([payload()], context);
  return one ?? {};
}

/** What a worker makes of it: the mark, why it cannot be read, the value. */
async function read(one: Payload, context: SerializationContext | undefined = HERE) {
  const [decoded = {}] = await worker.decode([one], context);
  return {
    mark: textOf(decoded, AUTHENTIC),
    reason: textOf(decoded, UNREADABLE_REASON),
    value: textOf(decoded, UNREADABLE_REASON) === null ? defaultPayloadConverter.fromPayload(decoded) : undefined,
  };
}

describe('src/encryption: who may speak to a workflow', () => {
  it('marks what was encrypted for the very workflow', async () => {
    expect(await read(await encrypted())).toEqual({ mark: 'yes', reason: null, value: { nodes: ['w-1'] } });
  });

  it.each([
    ['of another workflow', { ...HERE, workflowId: 'cluster/test' }],
    ['of another namespace', { ...HERE, namespace: 'lab' }],
    ['of an activity of the same workflow', { ...HERE, type: 'activity', isLocal: false } as const],
    ['of no workflow', { type: 'activity', namespace: 'default', isLocal: false } as const],
    ['of a workflow whose id joins the two', { ...HERE, namespace: 'default","cluster/prod', workflowId: '' }],
  ])('cannot be told to do what was encrypted for a request %s', async (_, elsewhere) => {
    const stolen = await encrypted(elsewhere);
    expect(await read(stolen)).toEqual({ mark: null, reason: 'place', value: undefined });
    await expect(client.decode([stolen], HERE)).rejects.toMatchObject({
      message: expect.stringMatching(/^a payload that was encrypted for .* stands in the workflow cluster\/prod in /),
    });
  });

  it.each([ENCRYPTION_PLACE, ENCRYPTION_KEY])('notices that %s of a payload was changed', async (name) => {
    const one = await encrypted({ ...HERE, workflowId: 'cluster/test' });
    const place = '["workflow","default","cluster/prod"]';
    const forged = {
      ...one,
      metadata: { ...one.metadata, [name]: Buffer.from(name === ENCRYPTION_PLACE ? place : 'b:1') },
    };
    expect(await read(forged)).toMatchObject({ mark: null, reason: name === ENCRYPTION_PLACE ? 'damaged' : 'key' });
  });

  it('never takes the mark from a sender', async () => {
    const mark = { [AUTHENTIC]: Buffer.from('yes') };
    const plain = { ...payload(), metadata: { ...payload().metadata, ...mark } };
    expect(await read(plain)).toMatchObject({ mark: null, reason: null });
    expect(await createCodec(null, 'passthrough').decode([plain], HERE)).toEqual([payload()]);
    const large = payload({ text: 'x'.repeat(100_000) });
    const [packed = {}] = await createCodec(null).encode(
      [{ ...large, metadata: { ...large.metadata, ...mark } }],
      HERE,
    );
    expect(await read({ ...packed, metadata: { ...packed.metadata, ...mark } })).toMatchObject({ mark: null });
    // Nor in what is unreadable.
    const damaged = { metadata: { ...(await encrypted()).metadata, ...mark }, data: Buffer.alloc(40) };
    expect(await read(damaged)).toMatchObject({ mark: null, reason: 'damaged' });
  });

  it('marks nothing where the workflow is not known, which the codec server decodes', async () => {
    const [one = {}] = await client.decode([await encrypted()]);
    expect(textOf(one, AUTHENTIC)).toBeNull();
    expect(defaultPayloadConverter.fromPayload(one)).toEqual({ nodes: ['w-1'] });
  });

  it('reads histories in files, which do not name their namespace', async () => {
    const replayer = createCodec(RING, 'passthrough', { anyNamespace: true });
    const [one] = await replayer.decode([await encrypted({ ...HERE, namespace: 'prod' })], HERE);
    expect(textOf(one, AUTHENTIC)).toBe('yes');
    const [other] = await replayer.decode([await encrypted({ ...HERE, workflowId: 'cluster/test' })], HERE);
    expect(textOf(other, UNREADABLE_REASON)).toBe('place');
  });
});

describe('src/activities/required-encryption', () => {
  const input: SerializationContext = { type: 'activity', namespace: 'default', workflowId: 'w', isLocal: false };

  /** What an activity gets that was scheduled with `payloads`, at a worker that requires encryption. */
  async function execute(payloads: readonly Payload[], info: { isLocal?: boolean; heartbeatDetails?: unknown } = {}) {
    const args = (await worker.decode([...payloads], input)).map((one) => payloadConverter.fromPayload<unknown>(one));
    const environment = new MockActivityEnvironment(
      { activityType: 'powerCycle', taskQueue: 'site-b', ...info },
      { logger: new DefaultLogger('ERROR') },
    );
    const { inbound } = requiredEncryption()(environment.context);
    const run = () => Promise.resolve({ did: args, after: activityInfo().heartbeatDetails as unknown });
    return environment.run(async () => inbound?.execute?.({ args, headers: {} }, run));
  }

  it('acts on input that was encrypted for an activity of that workflow', async () => {
    const sealed = await encrypted(input);
    expect(await execute([sealed])).toMatchObject({ did: [{ nodes: ['w-1'] }] });
  });

  it('acts on no other input, and lets an honest workflow try again when its worker has the keys', async () => {
    for (const payloads of [[payload()], [await encrypted(input), payload()], [payload('text')], []]) {
      await expect(execute(payloads)).rejects.toMatchObject({
        ...{ type: 'Denied', nonRetryable: false, nextRetryDelay: 5_000 },
        message: expect.stringContaining('the input of the activity powerCycle was not encrypted') as string,
      });
    }
    // Copied from a message to the workflow: not even decoded.
    await expect(async () => execute([await encrypted({ ...HERE, workflowId: 'w' })])).rejects.toThrow('encrypted for');
  });

  it('believes no heartbeat that somebody else has sent', async () => {
    const sealed = await encrypted(input);
    const plain = { observedMs: 1e9 };
    expect(await execute([sealed], { heartbeatDetails: plain })).toMatchObject({ after: undefined });
    const own = noteEncrypted({ observedMs: 5 });
    expect(await execute([sealed], { heartbeatDetails: own })).toMatchObject({ after: { observedMs: 5 } });
  });

  it('takes local activities, which its own workflows schedule', async () => {
    expect(await execute([payload()], { isLocal: true })).toMatchObject({ did: [{ nodes: ['w-1'] }] });
  });
});

describe('OSPATCH_ENCRYPTION_REQUIRED', () => {
  const required = (value: string | undefined, ring: KeyRing | null = RING) =>
    encryptionRequiredFromEnv({ OSPATCH_ENCRYPTION_REQUIRED: value }, ring);

  it('is 1 or 0, and needs keys', () => {
    expect([undefined, '', '0', 'false', '1', 'true'].map((value) => required(value))).toEqual([
      ...[false, false, false, false],
      ...[true, true],
    ]);
    expect(() => required('yes')).toThrow('OSPATCH_ENCRYPTION_REQUIRED: found "yes"; allowed: 1 or 0');
    expect(() => required('1', null)).toThrow('OSPATCH_ENCRYPTION_REQUIRED is set, and there are no keys');
  });
});

describe('OSPATCH_ENCRYPTION_KEYS', () => {
  let dir: string;

  beforeEach(() => {
    dir = mkdtempSync(path.join(tmpdir(), 'ospatch-keys-'));
    writeFileSync(path.join(dir, 'a.key'), randomBytes(32).toString('base64'), { mode: 0o600 });
    writeFileSync(path.join(dir, 'current'), 'a\n', { mode: 0o644 });
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it.each([
    ['key that others can read', 'a.key', 0o604, 'can be read by everybody'],
    ['key that a group can change', 'a.key', 0o660, 'can be changed by group'],
    ['choice of the key that everybody can change', 'current', 0o666, 'can be changed by everybody'],
    ['directory in which others can put keys', '', 0o770, 'can be changed by group'],
  ])('takes no %s', (_, file, mode, why) => {
    expect(readKeyRing(dir).keys).toHaveLength(1);
    chmodSync(path.join(dir, file), mode);
    expect(() => readKeyRing(dir)).toThrow(why);
  });
});
