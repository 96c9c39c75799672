import { ClusterClient } from '../../../src/client/cluster-client';
import { requestNotificationTest } from '../../../src/client/notifications';
import type { TemporalCalls } from '../../../src/client/temporal-calls';
import { runCli } from '../../../src/cli/main';
import type { TargetTest } from '../../../src/domain/notifications/types';
import { clusterSpec } from '../../support/builders';
import { fakeClient, fakeTerminal } from '../support';

const TESTS: TargetTest[] = [
  { target: 'chat', fromWorker: false, answer: 'the message was posted' },
  {
    ...{ target: 'hook', fromWorker: true },
    error: { type: 'Denied', message: 'the policy of the worker does not allow it', remedy: 'ask its owner' },
  },
];

async function run(tests: TargetTest[], ...args: string[]) {
  jest
    .spyOn(ClusterClient, 'connect')
    .mockResolvedValue(fakeClient({ testNotifications: () => Promise.resolve(tests) }));
  const terminal = fakeTerminal();
  await runCli(['notify', 'test', 'prod-eu', ...args], terminal.context);
  return { out: terminal.out(), code: terminal.exitCode() };
}

afterEach(() => {
  jest.restoreAllMocks();
});

describe('src/cli/commands/notify', () => {
  it('shows what each target has answered; exit code 1 when one has not taken the message', async () => {
    expect(await run(TESTS)).toEqual({
      code: 1,
      out:
        'chat: delivered, the message was posted\n' +
        'hook (of the worker): not delivered: the policy of the worker does not allow it.\n' +
        '  fix: ask its owner\n',
    });
    expect((await run(TESTS.slice(0, 1))).code).toBe(0);
    const json = await run(TESTS, '-o', 'json');
    expect([json.code, JSON.parse(json.out)]).toMatchObject([1, { cluster: 'prod-eu', targets: TESTS }]);
  });

  it.each([
    [undefined, [], 'the spec of cluster demo has notifications: [], so nobody is told'],
    ['chat', ['hook', 'pager'], 'cluster demo has no target chat for notifications; there are hook, pager'],
  ])('says which targets there are, when there is no %s among %s', async (target, names, message) => {
    const notifications = names.map((name) => ({ name, on: [], program: 'page' }));
    const spec = { ...clusterSpec(['w-1'], {}, 'demo'), notifications };
    const test = requestNotificationTest(
      { session: {} } as TemporalCalls,
      { spec, createdAt: '' },
      {
        ...{ by: 'alice' },
        ...(target === undefined ? {} : { target }),
      },
    );
    await expect(test).rejects.toMatchObject({ type: 'NotFound', message: expect.stringContaining(message) as string });
  });
});
