import { ClusterClient } from '../../../src/client/cluster-client';
import { OspatchError } from '../../../src/domain/shared/errors';
import { runCli } from '../../../src/cli/main';
import { packageVersion } from '../../../src/version';
import { fakeClient, fakeTerminal } from '../support';

describe('src/cli/commands/version', () => {
  afterEach(() => jest.restoreAllMocks());

  async function run(...args: string[]) {
    const terminal = fakeTerminal();
    await runCli(['version', ...args], terminal.context);
    return { out: terminal.out(), err: terminal.err(), code: terminal.exitCode() };
  }

  function connectedTo(workers: unknown[]): jest.SpyInstance {
    const versions = () => Promise.resolve({ server: '1.29.1', workers });
    const client = fakeClient({ versions, address: 'temporal:7233', namespace: 'patching' });
    return jest.spyOn(ClusterClient, 'connect').mockResolvedValue(client);
  }

  test('shows the versions of the command, the server and the workers', async () => {
    const versioned = { identity: 'a', version: { deployment: 'ospatch', buildId: '0.1.0-5f3a' } };
    connectedTo([versioned, { ...versioned, identity: 'b' }, { identity: 'c', version: null }]);
    expect(await run()).toEqual({
      code: 0,
      err: '',
      out:
        `ospatch   ${packageVersion()} (Node.js ${process.versions.node})\n` +
        'Temporal  1.29.1 at temporal:7233, namespace patching\n' +
        'Workers   2 of version 0.1.0-5f3a, 1 without a version\n',
    });
    expect(JSON.parse((await run('-o', 'json')).out)).toMatchObject({
      client: { version: packageVersion() },
      server: {
        version: '1.29.1',
        workers: [
          { version: '0.1.0-5f3a', count: 2 },
          { version: null, count: 1 },
        ],
      },
      error: null,
    });
    connectedTo([]);
    expect((await run()).out).toContain('Workers   none\n');
  });

  test('succeeds without a server, and says why there is none', async () => {
    const gone = new OspatchError({ type: 'NoServer', message: 'nothing listens at localhost:7233' });
    jest.spyOn(ClusterClient, 'connect').mockRejectedValue(gone);
    const answer = await run();
    expect(answer).toMatchObject({ code: 0, err: 'Temporal  not known: nothing listens at localhost:7233\n' });
    expect(answer.out).toMatch(/^ospatch   \S+ \(Node\.js \S+\)\n$/);
    expect(JSON.parse((await run('-o', 'json')).out)).toMatchObject({ server: null, error: { type: 'NoServer' } });
  });

  test('contacts no server with --client, and waits at most 3 s for one without', async () => {
    const connect = connectedTo([]);
    expect((await run('--client')).out).not.toContain('Temporal');
    expect(connect).not.toHaveBeenCalled();
    await run();
    expect(connect).toHaveBeenLastCalledWith(expect.objectContaining({ deadlineMs: 3_000 }));
  });
});
