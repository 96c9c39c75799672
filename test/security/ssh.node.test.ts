import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { connectSsh } from '../../src/ssh/builtin/connection';
import { createTransportPool } from '../../src/ssh/pool';
import type { SshdLab } from '../ssh/sshd';
import { createSshdLab, on } from '../ssh/sshd';

const TRANSPORTS = ['builtin', 'openssh'] as const;

/** With OpenSSH 10, whose sshd bans addresses by default. */
describe('security: SSH with the newest sshd', () => {
  let lab: SshdLab;

  beforeAll(async () => {
    lab = await createSshdLab('sid');
    lab.key('id', '-t', 'ed25519');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path.join(lab.keyDir, 'wrong')]);
  });

  afterAll(() => lab.stop());

  it('a jump host never bans a worker with a wrong key and fifty nodes behind it, and lets it in at once afterwards', async () => {
    const [bastion, node] = [await lab.start(), await lab.start()];
    const pool = createTransportPool({ keyDir: lab.keyDir });
    const jump = [{ ...on(bastion), identity: 'wrong' }];
    const told = new Set<string>();
    const end = Date.now() + 12_000;
    while (Date.now() < end) {
      const calls = Array.from({ length: 50 }, (_, index) =>
        pool
          .transport({ ...on(node), name: `w-${index}`, jump })
          .exec('true')
          .catch((error: Error) => told.add(error.message)),
      );
      await Promise.race([Promise.all(calls), new Promise((resolve) => setTimeout(resolve, 500))]);
    }
    expect(
      [...told].every((message) => /the jump host 127\.0\.0\.1 .*does not accept the key "wrong"/.test(message)),
    ).toBe(true);
    expect(told.size).toBeGreaterThan(0);
    const log = bastion.log();
    expect(log.match(/Failed publickey/g)?.length).toBeGreaterThan(1);
    expect(log).not.toMatch(/activating|new active|drop connection/);
    const good = pool.transport({ ...on(node), jump: [on(bastion)] });
    expect((await good.exec('echo in')).stdout.toString()).toBe('in\n');
    pool.close();
  });

  it('the same logins without the gate are banned, and the error says so', async () => {
    const strict = await lab.start();
    const login = () => connectSsh(on(strict, { identity: 'wrong' }), { keyDir: lab.keyDir, connectTimeoutMs: 20_000 });
    let last: unknown;
    for (let attempt = 0; attempt < 8; attempt++) last = await login().catch((error: unknown) => error);
    expect(last).toMatchObject({
      type: 'Unreachable',
      message: expect.stringContaining('refuses connections from this address for a while'),
      remedy: expect.stringContaining('PerSourcePenaltyExemptList'),
    });
  });

  describe.each(TRANSPORTS)('transport %s', (transport) => {
    it.each([
      ['OpenSSH 7.4 with the defaults of RHEL 7', 'curve25519-sha256@libssh.org', 'aes128-ctr', 'hmac-sha2-256'],
      ['a FIPS system', 'ecdh-sha2-nistp384', 'aes256-gcm@openssh.com', 'hmac-sha2-512-etm@openssh.com'],
      ['a machine without elliptic curves', 'diffie-hellman-group14-sha256', 'aes256-ctr', 'hmac-sha2-512'],
      ['one with ChaCha20 only', 'diffie-hellman-group16-sha512', 'chacha20-poly1305@openssh.com', 'hmac-sha2-256'],
    ])('works with %s', async (_what, kex, ciphers, macs) => {
      const server = await lab.start([`KexAlgorithms ${kex}`, `Ciphers ${ciphers}`, `MACs ${macs}`]);
      const pool = createTransportPool({ keyDir: lab.keyDir });
      expect((await pool.transport(on(server, { transport })).exec('echo ok')).stdout.toString()).toBe('ok\n');
      pool.close();
    });

    it('refuses one with SHA-1 only, and says what it offers', async () => {
      const server = await lab.start([
        'KexAlgorithms diffie-hellman-group14-sha1,diffie-hellman-group-exchange-sha256',
      ]);
      const pool = createTransportPool({ keyDir: lab.keyDir });
      await expect(pool.transport(on(server, { transport })).exec('true')).rejects.toMatchObject({
        type: 'Unreachable',
        message: expect.stringContaining('diffie-hellman-group14-sha1'),
      });
      pool.close();
    });

    it('ends a command that prints without end', async () => {
      const server = await lab.start();
      const pool = createTransportPool({ keyDir: lab.keyDir });
      await expect(
        pool.transport(on(server, { transport })).exec('yes >&2', { maxBytes: 1_000, timeoutMs: 30_000 }),
      ).rejects.toMatchObject({ type: 'HelperProtocol', message: expect.stringContaining('sent far more') });
      pool.close();
    });
  });
});
