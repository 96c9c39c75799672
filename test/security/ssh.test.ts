import type { ChildProcess } from 'node:child_process';
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import type { Algorithms } from 'ssh2';
import { hostKeyIssues } from '../../src/client/load/host-keys';
import { hostKey as hostKeySchema } from '../../src/domain/spec/fields';
import { hostKeysFor } from '../../src/domain/trust/known-hosts';
import type { OspatchError } from '../../src/domain/shared/errors';
import { CIPHERS, KEX, MACS, POST_QUANTUM_KEX, SIGNATURES, algorithmsFor } from '../../src/ssh/algorithms';
import { CryptoPolicyFile, parseCryptoPolicy } from '../../src/ssh/crypto-policy';
import { fingerprint } from '../../src/ssh/host-keys';
import type { ClientCapabilities } from '../../src/ssh/openssh/capabilities';
import { cryptoLines } from '../../src/ssh/openssh/crypto';
import { waitFor } from '../support/wait-for';
import { connectSsh } from '../../src/ssh/builtin/connection';
import { findIdentity } from '../../src/ssh/builtin/identity';
import { scanHostKey } from '../../src/ssh/builtin/scan';
import { renderKnownHosts } from '../../src/ssh/openssh/config';
import { createTransportPool } from '../../src/ssh/pool';
import { startBastion } from '../ssh/bastion';
import { keyDirectory, keyPair, startTcp, targetOn } from '../ssh/support';
import type { HostileServer, Hostility } from './hostile-sshd';
import { flood, message, startHostile } from './hostile-sshd';

const MIB = 1024 * 1024;
const hostKey = keyPair();
const keys = keyDirectory({ id: { content: keyPair().private } });
const options = { keyDir: keys.dir, connectTimeoutMs: 15_000 };
const [DISCONNECT, IGNORE, DEBUG, BANNER, GLOBAL_REQUEST, DATA, EXTENDED_DATA] = [1, 2, 4, 53, 80, 94, 95];
const chunk = Buffer.alloc(30_000, 'x');

const trusting = (port: number) => targetOn(port, [hostKey.public]);

afterAll(() => keys.remove());

async function hostile(hostility: Omit<Hostility, 'hostKey'>) {
  return startHostile({ hostKey: hostKey.private, ...hostility });
}

describe('security: algorithms of SSH', () => {
  it.each<[string, Algorithms, string]>([
    ['compresses', { compress: ['zlib@openssh.com', 'zlib'] }, 'compression: it offers only zlib@openssh.com, zlib'],
    ['knows SHA-1 MACs only', { cipher: ['aes128-ctr'], hmac: ['hmac-sha1-etm@openssh.com', 'hmac-sha1'] }, 'MAC: it'],
    ['knows CBC only', { cipher: ['aes256-cbc', '3des-cbc'] }, 'cipher: it offers only aes256-cbc, 3des-cbc'],
    ['exchanges keys with SHA-1 only', { kex: ['diffie-hellman-group14-sha1'] }, 'key exchange: it offers only diffie'],
    ['chooses the group', { kex: ['diffie-hellman-group-exchange-sha256'] }, 'diffie-hellman-group-exchange-sha256'],
  ])(
    'refuses a server that %s, for logins and scans alike, and says what it offers',
    async (_what, algorithms, said) => {
      const server = await hostile({ algorithms });
      const refused = { type: 'Unreachable', message: expect.stringContaining(said) };
      await expect(connectSsh(trusting(server.port), options)).rejects.toMatchObject(refused);
      await expect(scanHostKey('127.0.0.1', server.port, 15_000)).rejects.toMatchObject(refused);
      server.stop();
    },
  );

  it('takes no signature with SHA-1 for a pinned RSA key', async () => {
    const rsa = keyPair('rsa');
    const server = await startHostile({ hostKey: rsa.private, algorithms: { serverHostKey: ['ssh-rsa'] } });
    await expect(connectSsh(targetOn(server.port, [rsa.public]), options)).rejects.toMatchObject({
      type: 'HostKeyMismatch',
    });
    server.stop();
  });

  it('negotiates no compression with a server that prefers it', async () => {
    const server = await hostile({ algorithms: { compress: ['zlib@openssh.com', 'zlib', 'none'] } });
    const connection = await connectSsh(trusting(server.port), options);
    connection.end();
    server.stop();
  });
});

describe('security: a machine that floods', () => {
  /** After the login, with or without a command to answer; none of these is output of the command. */
  it.each<[string, Buffer]>([
    ['standard output beyond every window', message(DATA, { uint32: 0 }, chunk)],
    ['standard error beyond every window', message(EXTENDED_DATA, { uint32: 0 }, { uint32: 1 }, chunk)],
    ['a stream that does not exist', message(EXTENDED_DATA, { uint32: 0 }, { uint32: 7 }, chunk)],
    ['data for no channel', message(DATA, { uint32: 99 }, chunk)],
    ['ignored messages', message(IGNORE, chunk)],
    ['debug messages', message(DEBUG, 1, chunk, '')],
    ['global requests', message(GLOBAL_REQUEST, 'x'.repeat(20_000), 0)],
    ['messages of no known type', Buffer.concat([Buffer.from([199]), chunk])],
  ])('is cut off during a command: %s', async (_what, payload) => {
    const server = await hostile({ onExec: (_channel, send) => flood(send, payload) });
    const connection = await connectSsh(trusting(server.port), options);
    await expect(connection.exec('facts', { maxBytes: 64 * 1024, timeoutMs: 15_000 })).rejects.toMatchObject({
      type: 'HelperProtocol',
      message: expect.stringContaining('sent far more for one command than any answer needs'),
    });
    expect(connection.closed).toBe(true);
    // What lies in buffers of the system is not read.
    expect(server.sent()).toBeLessThan(40 * MIB);
    server.stop();
  });

  it('is cut off between commands', async () => {
    const server = await hostile({ onLogin: (send) => flood(send, message(DEBUG, 1, chunk, '')) });
    const connection = await connectSsh(trusting(server.port), options);
    await new Promise<void>((resolve) => connection.onClose(resolve));
    expect(server.sent()).toBeLessThan(20 * MIB);
    server.stop();
  });

  it.each<[string, Buffer]>([
    ['banners', message(BANNER, chunk, '')],
    ['debug messages', message(DEBUG, 1, chunk, '')],
    ['ignored messages', message(IGNORE, chunk)],
  ])('is cut off during the login: %s', async (_what, payload) => {
    const server = await hostile({ onHandshake: (send) => flood(send, payload) });
    await expect(connectSsh(trusting(server.port), options)).rejects.toMatchObject({
      message: expect.stringContaining('sent far more during the login'),
    });
    expect(server.sent()).toBeLessThan(12 * MIB);
    server.stop();
  });

  it('gets a long reason for its disconnect shortened, and stripped of terminal controls', async () => {
    const reason = `\u001b[31m${'very '.repeat(5_000)}`;
    const server = await hostile({ onHandshake: (send) => send(message(DISCONNECT, { uint32: 2 }, reason, '')) });
    const error: unknown = await connectSsh(trusting(server.port), options).catch((thrown: unknown) => thrown);
    const { message: text } = error as Error;
    expect(text).toMatch(/^w-1 .*very very/);
    expect(text.length).toBeLessThan(400);
    // oxlint-disable-next-line no-control-regex -- that none is left is what is tested
    expect(text).not.toMatch(/\u001b/);
    server.stop();
  });

  it.each<[string, string]>([
    ['lines before its version', `${'x'.repeat(70)}\r\n`],
    ['a version without an end', 'S'.repeat(5_000)],
  ])('is cut off before the handshake: %s', async (_what, text) => {
    let taken = 0;
    const server = await startTcp((socket) => {
      const more = (): void => {
        if (socket.destroyed || taken > 8 * MIB) return;
        taken += text.length;
        socket.write(text, () => setImmediate(more));
      };
      more();
    });
    await expect(connectSsh(trusting(server.port), options)).rejects.toBeInstanceOf(Error);
    await expect(scanHostKey('127.0.0.1', server.port, 15_000)).rejects.toBeInstanceOf(Error);
    expect(taken).toBeLessThan(4 * MIB);
    server.stop();
  });

  it('cannot announce a packet that is larger than the protocol allows', async () => {
    const server = await startTcp((socket) => {
      socket.write('SSH-2.0-x\r\n');
      const head = Buffer.alloc(5);
      head.writeUInt32BE(0x7fff_fff0);
      socket.write(head);
    });
    await expect(connectSsh(trusting(server.port), options)).rejects.toMatchObject({ type: 'Unreachable' });
    server.stop();
  });

  describe('with the OpenSSH client', () => {
    const small = Buffer.alloc(900, 'x');
    /** Bytes on the disk of the worker, of all connections. */
    const stored = () => {
      const bases = readdirSync(tmpdir()).filter((name) => name.startsWith(`ospatch-ssh-${process.pid}-`));
      const files = bases.flatMap((base) =>
        readdirSync(path.join(tmpdir(), base), { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => path.join(entry.parentPath, entry.name)),
      );
      return files.reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0);
    };

    it('fills no disk during the login', async () => {
      const server = await hostile({ onHandshake: (send) => flood(send, message(DEBUG, 1, small, '')) });
      const pool = createTransportPool(options);
      let most = 0;
      const watch = setInterval(() => (most = Math.max(most, stored())), 20);
      try {
        const call = pool.transport({ ...trusting(server.port), transport: 'openssh' }).exec('true');
        await expect(call).rejects.toBeInstanceOf(Error);
      } finally {
        clearInterval(watch);
      }
      expect(most).toBeGreaterThan(0);
      expect(most).toBeLessThan(20 * MIB);
      pool.close();
      server.stop();
    });

    it('fills no disk after the login, when nobody reads the log any more', async () => {
      const server = await hostile({
        onExec: (channel, send) => {
          channel.exit(0);
          channel.end();
          flood(send, message(DEBUG, 0, small, ''));
        },
      });
      const pool = createTransportPool(options);
      await pool
        .transport({ ...trusting(server.port), transport: 'openssh' })
        .exec('true')
        .catch(() => undefined);
      let most = 0;
      const before = server.sent();
      await waitFor(
        () => {
          most = Math.max(most, stored());
          return server.connections() === 0;
        },
        { what: 'the end of the master', pollMs: 20 },
      );
      expect(server.sent() - before).toBeLessThan(40 * MIB);
      expect(most).toBeLessThan(20 * MIB);
      pool.close();
      server.stop();
    });
  });

  it('leaves the other machines behind the same jump host alone', async () => {
    const bad = await hostile({ onExec: (_channel, send) => flood(send, message(DATA, { uint32: 0 }, chunk)) });
    const good = await hostile({
      onExec: (channel) => {
        channel.exit(0);
        channel.end('fine');
      },
    });
    const bastion = await startBastion(hostKey.private);
    const pool = createTransportPool(options);
    const jump = [
      { host: '127.0.0.1', port: bastion.port, user: 'ospatch', identity: 'id', hostKeys: [hostKey.public] },
    ];
    const through = (port: number) => pool.transport({ ...trusting(port), jump });
    expect((await through(good.port).exec('facts')).stdout.toString()).toBe('fine');
    for (let round = 0; round < 3; round++) {
      await expect(through(bad.port).exec('facts', { maxBytes: 1_000 })).rejects.toMatchObject({
        type: 'HelperProtocol',
      });
    }
    expect((await through(good.port).exec('facts')).stdout.toString()).toBe('fine');
    expect(bastion.logins()).toBe(1);
    pool.close();
    for (const { stop } of [bad, good, bastion]) stop();
  });
});

describe('security: RSA keys that can be factored', () => {
  const short = keyPair('rsa', 1024);
  const odd = keyPair('rsa', 2047);
  const long = keyPair('rsa', 2048);
  const noHmac = () => '';

  it.each(['', '@cert-authority '])('are no trust entry of a spec (%s)', (marker) => {
    const answer = hostKeySchema.safeParse(`${marker}${short.public}`);
    expect(answer.error?.issues[0]?.message).toContain('this RSA key has 1024 bits, and at least 2048 are needed');
    expect(hostKeySchema.safeParse(`${marker}${odd.public}`).success).toBe(false);
    expect(hostKeySchema.safeParse(`${marker}${long.public}`).success).toBe(true);
  });

  it('are not taken from known_hosts, and are named as the reason', () => {
    const known = hostKeysFor(
      `h ${short.public}\n@cert-authority h ${short.public}\nh ${long.public}`,
      'h',
      22,
      noHmac,
    );
    expect(known).toEqual({ keys: [long.public], revoked: [], authorities: [], shortRsaBits: 1024 });
    const document = { nodes: [{ name: 'h' }] };
    const file = { name: 'known_hosts', text: `h ${short.public}` };
    expect(hostKeyIssues(document, file, { required: true, source: 's.yaml' })[0]?.message).toContain(
      'known_hosts has only an RSA key of 1024 bits for h, and fewer than 2048 are not trusted',
    );
  });

  it('are refused from a server, when a message pins one and when one is to be enrolled', async () => {
    const server = await startHostile({ hostKey: short.private });
    await expect(connectSsh(targetOn(server.port, [short.public]), options)).rejects.toMatchObject({
      type: 'HostKeyMismatch',
      message: expect.stringContaining('its RSA key of 1024 bits is too short'),
    });
    await expect(scanHostKey('127.0.0.1', server.port, 15_000)).rejects.toMatchObject({
      type: 'HostKeyMismatch',
      message: expect.stringContaining('RSA host key of 1024 bits'),
    });
    expect(renderKnownHosts(targetOn(server.port, [short.public, `@cert-authority ${short.public}`]))).toBe('');
    server.stop();
  });

  it('are not used to log in', async () => {
    const weak = keyDirectory({ id: { content: short.private } });
    await expect(findIdentity('id', { keyDir: weak.dir })).rejects.toMatchObject({
      type: 'IdentityUnavailable',
      message: 'the key "id" is an RSA key of 1024 bits, and fewer than 2048 are not used',
    });
    weak.remove();
  });
});

describe('security: keys of an agent', () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'ospatch-agent-'));
  const socket = path.join(dir, 's');
  const before = process.env['SSH_AUTH_SOCK'];
  const pairs = Array.from({ length: 8 }, () => keyPair());
  const shown = ({ public: text }: { public: string }) =>
    `agent:${fingerprint(Buffer.from(text.split(' ')[1] ?? '', 'base64'))}`;
  const last = pairs[7] ?? keyPair();
  let agent: ChildProcess;
  let offered: string[] = [];
  let server: HostileServer;

  beforeAll(async () => {
    agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
    process.env['SSH_AUTH_SOCK'] = socket;
    await waitFor(() => existsSync(socket), { what: 'the agent', pollMs: 20 });
    for (const [index, pair] of pairs.entries()) {
      const file = path.join(dir, String(index));
      writeFileSync(file, pair.private, { mode: 0o600 });
      execFileSync('ssh-add', ['-q', file], { env: { ...process.env }, stdio: 'ignore' });
    }
    server = await hostile({
      onExec: (channel) => {
        channel.exit(0);
        channel.end();
      },
      accepts: (key) => {
        if (!offered.includes(key)) offered.push(key);
        return key === last.public;
      },
    });
  });

  afterAll(() => {
    agent.kill();
    server.stop();
    rmSync(dir, { recursive: true });
    if (before === undefined) delete process.env['SSH_AUTH_SOCK'];
    else process.env['SSH_AUTH_SOCK'] = before;
  });

  beforeEach(() => {
    offered = [];
  });

  it.each(['builtin', 'openssh'] as const)('show a node none but the chosen one (%s)', async (transport) => {
    const pool = createTransportPool(options);
    const target = { ...trusting(server.port), transport };
    expect((await pool.transport({ ...target, identity: shown(last) }).exec('true')).code).toBe(0);
    expect(offered).toEqual([last.public]);
    pool.close();
  });

  it.each(['builtin', 'openssh'] as const)('are offered up to the number that sshd allows (%s)', async (transport) => {
    const pool = createTransportPool(options);
    await expect(
      pool.transport({ ...trusting(server.port), transport, identity: 'agent' }).exec('true'),
    ).rejects.toMatchObject({
      type: 'AuthFailed',
      message: expect.stringContaining('does not accept any offered key of the ssh-agent'),
      remedy: expect.stringContaining('agent:SHA256:'),
    });
    expect(offered).toEqual(pairs.slice(0, 6).map((pair) => pair.public));
    pool.close();
  });

  it('are not listed in the error about one that is missing', async () => {
    const stranger = shown(keyPair());
    const error: unknown = await findIdentity(stranger, options).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      type: 'IdentityUnavailable',
      message: `the ssh-agent of the worker does not hold the key ${stranger.slice(6)}`,
    });
    for (const pair of pairs)
      expect(JSON.stringify((error as OspatchError).toInfo())).not.toContain(shown(pair).slice(6));
  });
});

describe('security: a crypto policy of the system', () => {
  const dir = mkdtempSync(path.join(homedir(), '.ospatch-policy-'));
  const file = path.join(dir, 'openssh.config');
  const known: ClientCapabilities = {
    kex: [...POST_QUANTUM_KEX, ...KEX],
    ciphers: CIPHERS,
    macs: MACS,
    signatures: [...SIGNATURES, 'ssh-ed25519-cert-v01@openssh.com', 'rsa-sha2-512-cert-v01@openssh.com'],
    checksRsaSize: true,
  };

  afterAll(() => rmSync(dir, { recursive: true }));

  it('can take algorithms away, and can neither run a program nor bring others', () => {
    const policy = parseCryptoPolicy(
      [
        '# as of RHEL',
        'ProxyCommand /tmp/evil',
        'Ciphers aes256-ctr,aes256-gcm@openssh.com,3des-cbc',
        'MACs hmac-sha1,hmac-sha2-512',
        'KexAlgorithms ecdh-sha2-nistp384,diffie-hellman-group14-sha1',
        'RequiredRSASize 3072',
        'PKCS11Provider /tmp/evil.so',
        'LocalCommand id',
        'Ciphers aes128-ctr',
        'Match exec /tmp/evil',
        'CASignatureAlgorithms ssh-rsa',
      ].join('\n'),
    );
    const lines = cryptoLines([hostKey.public], known, policy);
    expect(lines).toEqual(
      expect.arrayContaining([
        'Ciphers aes256-ctr,aes256-gcm@openssh.com',
        'MACs hmac-sha2-512',
        'KexAlgorithms ecdh-sha2-nistp384',
        expect.stringMatching(/^HostKeyAlgorithms ssh-ed25519,/),
        'RequiredRSASize 3072',
        `CASignatureAlgorithms ${SIGNATURES.join(',')}`,
      ]),
    );
    expect(lines.join('\n')).not.toMatch(/evil|Command|PKCS11|Match|sha1|3des/);
    expect(algorithmsFor(['ssh-ed25519'], policy)).toEqual({
      kex: ['ecdh-sha2-nistp384'],
      cipher: ['aes256-ctr', 'aes256-gcm@openssh.com'],
      hmac: ['hmac-sha2-512'],
      compress: ['none'],
      serverHostKey: ['ssh-ed25519'],
    });
  });

  it.each(['Ciphers aes128-ctr ProxyCommand', 'MACs +hmac-sha1', 'KexAlgorithms ^x', 'Ciphers aes*'])(
    'is refused when a list is not plain: %s',
    (line) => expect(() => parseCryptoPolicy(line)).toThrow('is not a plain list of algorithms'),
  );

  it('that leaves nothing is an error, and never means everything', () => {
    expect(() => algorithmsFor(['ssh-ed25519'], parseCryptoPolicy('MACs hmac-sha1'))).toThrow(
      'allows none of the MACs',
    );
  });

  it('is followed when it changes, and opens nothing when others may write it or it is gone', () => {
    writeFileSync(file, 'MACs hmac-sha2-256\n', { mode: 0o644 });
    const policy = new CryptoPolicyFile(file);
    expect(policy.current()).toEqual({ macs: ['hmac-sha2-256'] });
    writeFileSync(file, 'MACs hmac-sha2-512,hmac-sha2-256\n');
    expect(policy.current()).toEqual({ macs: ['hmac-sha2-512', 'hmac-sha2-256'] });
    chmodSync(file, 0o666);
    expect(() => policy.current()).toThrow('OSPATCH_SSH_INCLUDE');
    rmSync(file);
    expect(() => policy.current()).toThrow('does not exist');
  });

  it('an old client, which checks no RSA key in a certificate, takes no certificate with one', () => {
    const entry = `@cert-authority ${hostKey.public}`;
    const of = (checksRsaSize: boolean) =>
      cryptoLines([entry], { ...known, checksRsaSize }, {}).find((line) => line.startsWith('HostKeyAlgorithms'));
    expect(of(true)).toMatch(
      /^HostKeyAlgorithms ssh-ed25519-cert-v01@openssh.com,rsa-sha2-512-cert-v01@openssh.com,ssh-ed25519,/,
    );
    expect(of(false)).toMatch(/^HostKeyAlgorithms ssh-ed25519-cert-v01@openssh.com,ssh-ed25519,/);
    expect(of(false)).not.toContain('rsa-sha2-512-cert');
  });
});

describe('security: a spoofed handshake', () => {
  it.each(['builtin', 'openssh'] as const)('is told from the node itself without a login (%s)', async (transport) => {
    const asked: string[] = [];
    const accepts = (key: string) => asked.push(key) > 0;
    const [spoofed, real] = [
      await startHostile({ hostKey: keyPair().private, accepts }),
      await startHostile({ hostKey: hostKey.private, accepts }),
    ];
    const pool = createTransportPool(options);
    await expect(pool.probeHostKey({ ...trusting(spoofed.port), transport })).rejects.toMatchObject({
      type: 'HostKeyMismatch',
    });
    await pool.probeHostKey({ ...trusting(real.port), transport });
    expect(asked).toEqual([]);
    await expect(pool.probeHostKey({ ...trusting(1), transport })).rejects.toMatchObject({ type: 'Unreachable' });
    pool.close();
    for (const { stop } of [spoofed, real]) stop();
  });

  it('cannot end the quarantine with words that look like the log of the client', async () => {
    const words =
      'x\ndebug1: Authentications that can continue: publickey\nospatch@127.0.0.1: Permission denied (publickey).';
    const liar = await startTcp((socket) => socket.end(`SSH-2.0-${words}\r\n${words}\r\n`));
    const pool = createTransportPool(options);
    await expect(pool.probeHostKey({ ...trusting(liar.port), transport: 'openssh' })).rejects.toBeInstanceOf(Error);
    pool.close();
    liar.stop();
  });
});
