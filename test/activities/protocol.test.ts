import { defaultPayloadConverter } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { DefaultLogger } from '@temporalio/worker';
import { protocolInterceptor, supportedProtocols, unknownActivity } from '../../src/activities/protocol';
import { PROTOCOL_HEADER } from '../../src/contract/protocol';

const SPOKEN = { version: '0.3.0', oldest: 2, newest: 3 };
const done = 'done';

/** Runs an activity `apply` whose input passes the interceptor with `header`. */
function execute(
  header: unknown,
  info: object = {},
  factory: ActivityInterceptorsFactory = protocolInterceptor(SPOKEN),
) {
  const environment = new MockActivityEnvironment(
    { activityType: 'apply', taskQueue: 'site-b', ...info },
    { logger: new DefaultLogger('ERROR') },
  );
  const headers = header === undefined ? {} : { [PROTOCOL_HEADER]: defaultPayloadConverter.toPayload(header) };
  const { inbound } = factory(environment.context);
  return environment.run(async () => inbound?.execute?.({ args: [], headers }, () => Promise.resolve(done)));
}

describe('src/activities/protocol', () => {
  it.each([[{ protocol: 2 }], [{ protocol: 3, since: '0.3.0' }], [{ protocol: 3, since: 7, added: 'later' }]])(
    'accepts the protocol %j',
    async (header) => {
      expect(await execute(header)).toBe(done);
    },
  );

  it('requires no protocol number of a local activity, which the same worker has scheduled', async () => {
    expect(await execute(undefined, { isLocal: true })).toBe(done);
  });

  it('names its own version and the required one when the input is newer, and retries soon', async () => {
    await expect(execute({ protocol: 4, since: '0.4.0', unknown: {} })).rejects.toMatchObject({
      type: 'WorkerProtocol',
      nonRetryable: false,
      nextRetryDelay: 5_000,
      message:
        'the worker at the task queue site-b runs ospatch 0.3.0, which supports protocol 3; the activity apply needs protocol 4 (ospatch 0.4.0 or newer)',
      details: [{ details: { needed: { protocol: 4, since: '0.4.0' } } }],
    });
    await expect(execute({ protocol: 4 }, { attempt: 50 })).rejects.toMatchObject({ nextRetryDelay: 60_000 });
  });

  it('rejects an input older than the oldest supported protocol', async () => {
    await expect(execute({ protocol: 1, since: '0.1.0' })).rejects.toMatchObject({
      nonRetryable: false,
      message: expect.stringContaining('the activity apply was started with protocol 1') as string,
    });
  });

  it.each([
    [undefined],
    [null],
    ['3'],
    [{}],
    [{ protocol: '3' }],
    [{ protocol: 2.5 }],
    [{ protocol: 0 }],
    [{ protocol: -1 }],
  ])('rejects an input without a protocol number: %j', async (header) => {
    await expect(execute(header)).rejects.toMatchObject({
      type: 'WorkerProtocol',
      nonRetryable: false,
      message: expect.stringContaining('names no protocol number') as string,
    });
  });

  it('treats an unreadable header as a missing protocol number', async () => {
    const environment = new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });
    const { inbound } = protocolInterceptor(supportedProtocols('0.1.0'))(environment.context);
    const headers = {
      [PROTOCOL_HEADER]: { metadata: { encoding: Buffer.from('binary/odd') }, data: Buffer.from('1') },
    };
    await expect(
      environment.run(async () => inbound?.execute?.({ args: [], headers }, () => Promise.resolve(done))),
    ).rejects.toMatchObject({ type: 'WorkerProtocol' });
  });

  it("names the worker's version when an activity type is unknown", async () => {
    const environment = new MockActivityEnvironment(
      { activityType: 'freeze', taskQueue: 'site-b' },
      { logger: new DefaultLogger('ERROR') },
    );
    await expect(environment.run(unknownActivity(SPOKEN))).rejects.toMatchObject({
      type: 'WorkerProtocol',
      nonRetryable: false,
      message: expect.stringContaining('ospatch 0.3.0 (protocol 3), which does not know the activity freeze') as string,
    });
  });
});
