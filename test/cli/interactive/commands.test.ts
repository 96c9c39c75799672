import { equivalentCommand, messageOf, readForUser, sendOrder } from '../../../src/cli/interactive/commands';
import { OspatchError } from '../../../src/domain/shared/errors';
import { NOW, PLAIN, fakeClient } from '../support';

const VIEW = { now: NOW, zone: 'UTC', color: PLAIN };

describe('src/cli/interactive/commands', () => {
  test.each([
    [{ action: 'pause', node: null, reason: '' }, 'ospatch pause prod-eu'],
    [{ action: 'retry', node: 'w-1', reason: "it's new" }, `ospatch retry prod-eu w-1 --reason 'it'\\''s new'`],
    [{ name: 'logs', node: 'w-1' }, 'ospatch logs prod-eu w-1'],
    [{ name: 'explain', node: null }, 'ospatch explain prod-eu'],
  ] as const)('the command of %j', (asked, command) => {
    expect(equivalentCommand(asked, 'prod-eu', {})).toBe(command);
  });

  test('names the server that was named on the command line', () => {
    const where = { address: 'temporal:7233', namespace: 'ops' };
    expect(equivalentCommand({ name: 'logs', node: 'w-1' }, 'prod-eu', where)).toBe(
      'ospatch logs prod-eu w-1 --address temporal:7233 --namespace ops',
    );
  });

  test('sends orders as the commands do', async () => {
    const calls: unknown[][] = [];
    const answering =
      (answer: unknown) =>
      (...args: unknown[]) => {
        calls.push(args);
        return Promise.resolve(answer);
      };
    const client = fakeClient({
      pause: answering({ changed: true, pause: null }),
      resume: answering({ changed: false }),
      steer: answering({ effect: 'w-1 gets another turn' }),
    });
    const send = (action: 'pause' | 'resume' | 'retry' | 'skip', node: string | null, reason: string) =>
      sendOrder(client, 'demo', { action, node, reason });
    expect(await send('pause', null, 'freeze')).toBe('demo is paused; continue with: ospatch resume demo');
    expect(await send('resume', null, '')).toBe('demo was not paused');
    expect(await send('retry', 'w-1', 'why')).toBe('demo: w-1 gets another turn');
    expect(await send('skip', 'w-1', '')).toBe('demo: w-1 gets another turn');
    expect(calls).toEqual([
      ['demo', { reason: 'freeze' }],
      ['demo', {}],
      ['demo', 'retry', { node: 'w-1', reason: 'why' }],
      ['demo', 'skip', { node: 'w-1' }],
    ]);
  });

  test('a log has no control characters, and an empty one says so', async () => {
    const logging = (log: string) => fakeClient({ nodeLog: () => Promise.resolve({ log, truncated: false }) });
    const read = (log: string) => readForUser(logging(log), 'demo', { name: 'logs', node: 'w-1' }, VIEW);
    expect(await read('one\u001b[2J\r\ntwo\u0007\n')).toBe('one\ntwo');
    expect(await read('\n')).toBe('no log on w-1: ospatch has not patched it yet');
  });

  test('a refusal becomes a message with what to do', () => {
    const refused = new OspatchError({ type: 'Refused', message: 'no run is\u001bin progress', remedy: 'start one' });
    expect(messageOf(refused)).toBe('error: no run is in progress\nfix: start one');
    expect(messageOf(new Error('bad'))).toBe('error: bad');
  });
});
