/** Names that lead elsewhere: what counts is the address that is connected to. */
import { createTransportPool } from '../../src/ssh/pool';
import { LoginGate } from '../../src/ssh/login-gate';
import { JumpHosts } from '../../src/ssh/jump-hosts';
import { renderConfig, renderKnownHosts } from '../../src/ssh/openssh/config';
import type { Connection } from '../../src/ssh/builtin/connection';
import type { SshTarget } from '../../src/ssh/transport';
import { isOspatchError } from '../../src/domain/shared/errors';
import type { TestServer } from '../ssh/support';
import { keyDirectory, keyPair, startServer, targetOn } from '../ssh/support';

const within = (...networks: string[]) => ({ within: { networks, rule: 'demo', cluster: 'demo', path: 'host' } });

describe('a name that the policy allows at addresses in a network', () => {
  const client = keyPair();
  const keys = keyDirectory({ id: { content: client.private } });
  const pool = createTransportPool({ keyDir: keys.dir });
  let server: TestServer;

  beforeAll(async () => {
    server = await startServer({
      hostKeys: [keyPair()],
      accepts: client.public,
      onExec: (_, channel) => {
        channel.exit(0);
        channel.end('here');
      },
    });
  });
  afterAll(() => {
    pool.close();
    server.stop();
    keys.remove();
  });

  const run = (other: Partial<SshTarget>) => pool.transport(targetOn(server.port, [server.hostKey], other)).exec(':');

  it('is connected to at that address only', async () => {
    const { stdout } = await run({ host: 'localhost', ...within('127.0.0.0/8') });
    expect(stdout.toString()).toBe('here');
  });

  it('is never connected to at another one, also when a connection to it is open', async () => {
    const { logins, connections } = server;
    const before = connections.size;
    const denied = await run({ host: 'localhost', ...within('10.0.0.0/8', '2001:db8::/32') }).catch((e: unknown) => e);
    expect(isOspatchError(denied) && denied.type).toBe('Denied');
    expect((denied as Error).message).toContain(
      'host localhost leads to an address outside of the networks of its rule demo',
    );
    // No DNS for whoever may ask.
    expect((denied as Error).message).not.toMatch(/127\.0\.0\.1|10\.0\.0\.0/);
    expect([server.logins, connections.size]).toEqual([logins, before]);
  });

  it('is resolved by the worker for a jump host too, which gets the address', async () => {
    const made: SshTarget[] = [];
    const connection: Connection = {
      closed: false,
      exec: () => Promise.reject(new Error()),
      onClose: () => undefined,
      end: () => undefined,
    };
    const hosts = new JumpHosts(
      {
        connect: (target) => (made.push(target), Promise.resolve(connection)),
        probe: () => Promise.resolve(),
        close: () => undefined,
      },
      1_000,
      new LoginGate(),
    );
    const jump = [{ host: 'localhost', port: 22, user: 'u', identity: 'id', hostKeys: [], ...within('127.0.0.1') }];
    await hosts.connect(targetOn(22, [], { host: 'localhost', jump, ...within('127.0.0.0/8') }));
    expect(made.map(({ address }) => address)).toEqual(['127.0.0.1', '127.0.0.1']);
    const denied = hosts.connect(targetOn(22, [], { host: 'localhost', jump, ...within('10.0.0.0/8') }));
    await expect(denied).rejects.toMatchObject({ type: 'Denied' });
    expect(made).toHaveLength(2);
    hosts.close();
  });

  it('gives the OpenSSH client the address, and the name only for host keys', () => {
    const endpoint = { ...targetOn(2222, [keyPair().public], { host: 'W1.example' }), address: '10.0.0.5' };
    const files = {
      identity: { kind: 'file', file: '/k' } as const,
      knownHostsFile: '/h',
      controlPath: '/s',
      crypto: [],
    };
    const config = renderConfig({ endpoint, ...files, jumpControlPath: null, connectTimeoutSeconds: 1 });
    expect(config).toContain('HostName 10.0.0.5\nHostKeyAlias w1.example\n');
    expect(config).not.toContain('W1');
    expect(renderKnownHosts(endpoint)).toMatch(/^w1\.example ssh-ed25519 /);
    expect(() =>
      renderConfig({
        endpoint: { ...endpoint, address: 'a\nProxyCommand x' },
        ...files,
        jumpControlPath: null,
        connectTimeoutSeconds: 1,
      }),
    ).toThrow(/is not one that can be passed/);
  });
});
