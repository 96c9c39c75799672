/** Anybody who may write to the namespace can ask a worker to cut the power of a node. */
import { ChangesInProgress, assertMayPowerCycle } from '../../src/activities/power-cycle';
import { OspatchError } from '../../src/domain/shared/errors';
import type { ErrorType } from '../../src/domain/shared/errors';
import type { TransportPool } from '../../src/ssh/transport';
import { FakeTransport, TARGET, unreachableNode } from '../node/fake-node';
import type { Answer } from '../node/fake-node';

const { signal } = new AbortController();

function poolOf(answer: Answer): TransportPool {
  const transport = new FakeTransport([answer]);
  return {
    transport: () => transport,
    ownTransport: () => transport,
    probeHostKey: () => Promise.resolve(),
    close: () => undefined,
  };
}

function asked(answer: Answer, { changes = new ChangesInProgress(), pending = ['powerCycle'] } = {}): Promise<void> {
  const deps = { changes, pool: poolOf(answer), signal };
  return assertMayPowerCycle(TARGET, deps, () => Promise.resolve(pending));
}

function refused(why: string) {
  return { type: 'PowerCycle', message: `w-1 is not power-cycled: ${why}` };
}

describe('the power of a node', () => {
  it('may be cut when nobody answers there, also when it refuses logins', async () => {
    await expect(asked(unreachableNode())).resolves.toBeUndefined();
    await expect(asked(new OspatchError({ type: 'AuthFailed', message: 'going down' }))).resolves.toBeUndefined();
  });

  it('is not cut while the node answers', async () => {
    await expect(asked('')).rejects.toMatchObject(refused('it answers'));
  });

  it.each(['HostKeyMismatch', 'IdentityUnavailable'] as ErrorType[])('is not cut after %s', async (type) => {
    const failure = new OspatchError({ type, message: 'no' });
    await expect(asked(failure)).rejects.toMatchObject(refused('its state is not known: no'));
  });

  it.each(['apply', 'repair', 'restart', 'reboot'])(
    'is not cut while its %s is in progress anywhere',
    async (change) => {
      const pending = ['powerCycle', change];
      await expect(asked(unreachableNode(), { pending })).rejects.toMatchObject(
        refused(`its ${change} is in progress`),
      );
    },
  );

  it('is not cut while this worker changes it, under any name', async () => {
    const changes = new ChangesInProgress();
    const ended = asked(unreachableNode(), { changes });
    await expect(ended).resolves.toBeUndefined();
    await changes.during({ ...TARGET, cluster: 'other', name: 'alias' }, async () => {
      await changes.during(TARGET, () => Promise.resolve());
      await expect(asked(unreachableNode(), { changes })).rejects.toMatchObject(refused('this worker is changing it'));
    });
    await expect(asked(unreachableNode(), { changes })).resolves.toBeUndefined();
  });
});
