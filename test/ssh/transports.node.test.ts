import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fingerprint } from '../../src/ssh/host-keys';
import { createTransportPool } from '../../src/ssh/pool';
import type { SshTarget, TransportPool } from '../../src/ssh/transport';
import { waitFor } from '../support/wait-for';
import type { Sshd, SshdLab } from './sshd';
import { createSshdLab, on } from './sshd';
import { keyPair } from './support';

const TRANSPORTS = ['builtin', 'openssh'] as const;

function shown(publicKey: string): string {
  return fingerprint(Buffer.from(publicKey.split(' ')[1] ?? '', 'base64'));
}

function privateDirectories(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith(`ospatch-ssh-${process.pid}-`));
}

describe('src/ssh with a real sshd', () => {
  let lab: SshdLab;
  let server: Sshd;

  beforeAll(async () => {
    lab = await createSshdLab();
    lab.key('id', '-t', 'ed25519');
    server = await lab.start();
  });

  afterAll(() => lab.stop());

  describe.each(TRANSPORTS)('transport %s', (transport) => {
    let pool: TransportPool;

    beforeEach(() => {
      pool = createTransportPool({ keyDir: lab.keyDir, connectTimeoutMs: 60_000 });
    });

    afterEach(() => pool.close());

    const target = (to: Sshd, more: Partial<SshTarget> = {}): SshTarget => on(to, { transport, ...more });
    const run = (to: SshTarget, command = 'id -un') => pool.transport(to).exec(command);
    const user = async (to: SshTarget): Promise<string> => (await run(to)).stdout.toString().trim();

    it('returns exit code and both streams, and passes standard input', async () => {
      const result = await pool
        .transport(target(server))
        .exec('cat; echo "$(id -un) complains" >&2; exit 3', { stdin: 'hello' });
      expect({ ...result, stdout: result.stdout.toString(), stderr: result.stderr.toString() }).toEqual({
        code: 3,
        signal: null,
        stdout: 'hello',
        stderr: 'ospatch complains\n',
        truncated: false,
      });
    });

    it('distinguishes a command that exits with 255 from a client that failed', async () => {
      expect(await run(target(server), 'exit 255')).toMatchObject({ code: 255 });
      // Taken as an option of the client, this command would print a version and succeed.
      expect((await run(target(server), '-V')).code).not.toBe(0);
    });

    it('transfers megabytes both ways and caps the kept output', async () => {
      const stdin = Buffer.alloc(3_000_000, 'x');
      const whole = await pool.transport(target(server)).exec('cat', { stdin });
      expect(whole.stdout.equals(stdin)).toBe(true);
      const capped = await pool.transport(target(server)).exec('cat', { stdin, maxBytes: 1_000 });
      expect([capped.code, capped.stdout.length, capped.truncated]).toEqual([0, 1_000, true]);
    });

    it('logs in once for sequential and concurrent commands', async () => {
      const own = await lab.start();
      await Promise.all([run(target(own)), run(target(own))]);
      await run(target(own));
      expect(own.log().match(/Accepted publickey/g)).toHaveLength(1);
      pool.close();
      await waitFor(() => own.sessions() === 0, { what: 'the end of the connection', pollMs: 20 });
    });

    it('runs commands one at a time where MaxSessions is 1', async () => {
      const narrow = await lab.start(['MaxSessions 1']);
      const results = await Promise.all(['a', 'b', 'c'].map((one) => run(target(narrow), `sleep 0.2; echo ${one}`)));
      expect(results.map(({ stdout }) => stdout.toString())).toEqual(['a\n', 'b\n', 'c\n']);
      expect(narrow.log().match(/Accepted publickey/g)).toHaveLength(1);
    });

    it('reports a host that opens no session at all as unreachable', async () => {
      const none = await lab.start(['MaxSessions 0']);
      await expect(run(target(none))).rejects.toMatchObject({
        type: 'Unreachable',
        message: expect.stringContaining('MaxSessions'),
      });
    });

    it('reports a handshake that MaxStartups drops as unreachable, and connects later', async () => {
      const busy = await lab.start(['MaxStartups 1']);
      const squatter = await waitFor(() => occupySession(busy.port), { what: 'the only session slot', pollMs: 20 });
      await expect(run(target(busy))).rejects.toMatchObject({ type: 'Unreachable' });
      squatter.destroy();
      await waitFor(
        () =>
          run(target(busy)).then(
            () => true,
            () => false,
          ),
        { what: 'a free slot' },
      );
    });

    it('fails with both fingerprints on a changed host key, and offers no key there', async () => {
      const other = keyPair().public;
      await expect(run(target(server, { hostKeys: [other] }))).rejects.toMatchObject({
        type: 'HostKeyMismatch',
        message: `w-1 (127.0.0.1:${server.port}) has another host key than the trusted one: expected ssh-ed25519 ${shown(other)}, got ssh-ed25519 ${shown(server.hostKey)}`,
      });
    });

    it('fails with both fingerprints where the host has no key of the trusted type', async () => {
      const other = keyPair('ecdsa').public;
      await expect(run(target(server, { hostKeys: [other] }))).rejects.toMatchObject({
        type: 'HostKeyMismatch',
        message: expect.stringContaining(`got ssh-ed25519 ${shown(server.hostKey)}`),
      });
    });

    it('rejects a revoked key, also when the same key is trusted', async () => {
      const hostKeys = [server.hostKey, `@revoked ${server.hostKey}`];
      await expect(run(target(server, { hostKeys }))).rejects.toMatchObject({ type: 'HostKeyMismatch' });
    });

    it.each(['ecdsa', 'rsa'])('verifies a host key of type %s', async (type) => {
      const typed = await lab.start([], type);
      expect(await user(target(typed))).toBe('ospatch');
    });

    it.each([
      ['ed25519', ['-t', 'ed25519']],
      ['ecdsa', ['-t', 'ecdsa', '-b', '384']],
      ['rsa', ['-t', 'rsa', '-b', '2048']],
      ['rsa in PEM form', ['-t', 'rsa', '-b', '2048', '-m', 'PEM']],
    ])('logs in with a key of type %s', async (type, options) => {
      const name = `${transport}-${type.replaceAll(' ', '-')}`;
      lab.key(name, ...options);
      expect(await user(target(server, { identity: name }))).toBe('ospatch');
      if (type.startsWith('rsa')) expect(server.log()).not.toContain('ssh-rsa SHA1');
    });

    it.each([
      ['ed25519', ['-t', 'ed25519']],
      ['rsa', ['-t', 'rsa', '-b', '2048']],
      ['ecdsa', ['-t', 'ecdsa', '-b', '521']],
    ])('logs in with an encrypted %s key and the passphrase of a file beside it', async (type, options) => {
      const name = `${transport}-locked-${type}`;
      lab.key(name, ...options, '-N', 'pass phrase');
      await expect(run(target(server, { identity: name }))).rejects.toMatchObject({
        type: 'IdentityUnavailable',
        message: expect.stringContaining('is encrypted'),
      });
      const file = path.join(lab.keyDir, `${name}.passphrase`);
      writeFileSync(file, 'pass phrase\n', { mode: 0o600 });
      expect(await user(target(server, { identity: name }))).toBe('ospatch');
    });

    it('logs in with the key of an agent', async () => {
      const before = process.env['SSH_AUTH_SOCK'];
      const socket = path.join(lab.keyDir, `${transport}.agent`);
      const started = execFileSync('ssh-agent', ['-a', socket, '-s'], { encoding: 'utf8' });
      const pid = Number(/SSH_AGENT_PID=(\d+)/.exec(started)?.[1]);
      try {
        process.env['SSH_AUTH_SOCK'] = socket;
        execFileSync('ssh-add', ['-q', path.join(lab.keyDir, 'id')], { env: { ...process.env } });
        expect(await user(target(server, { identity: 'agent' }))).toBe('ospatch');
      } finally {
        process.kill(pid);
        if (before === undefined) delete process.env['SSH_AUTH_SOCK'];
        else process.env['SSH_AUTH_SOCK'] = before;
      }
    });

    it('reports a rejected key with the message of the host, capped and sanitised', async () => {
      const stranger = `${transport}-stranger`;
      execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path.join(lab.keyDir, stranger)]);
      writeFileSync(path.join(lab.root, 'etc/banner'), `\u001b[2JKeep out.\r\n${'x'.repeat(5_000)}`);
      const rude = await lab.start(['Banner /etc/banner']);
      const error: unknown = await run(target(rude, { identity: stranger })).catch((caught: unknown) => caught);
      expect(error).toMatchObject({
        type: 'AuthFailed',
        message: expect.stringMatching(
          /does not accept the key ".*stranger" for the user ospatch, with the message: .*Keep out\. x+…$/,
        ),
      });
      expect((error as Error).message.length).toBeLessThan(400);
      // oxlint-disable-next-line no-control-regex -- that none is left is what is tested
      expect((error as Error).message).not.toMatch(/[\u0000-\u001f]/);
    });

    it.each([
      ['publickey,password', 'also requires password'],
      ['publickey,keyboard-interactive', 'also requires keyboard-interactive'],
      ['publickey,publickey', 'also requires another key'],
    ])('reports that the key was accepted where a second factor is required: %s', async (methods, words) => {
      const settings = [
        `AuthenticationMethods ${methods}`,
        'PasswordAuthentication yes',
        'KbdInteractiveAuthentication yes',
      ];
      const strict = await lab.start(settings);
      const error = await run(target(strict)).catch((failure: unknown) => failure);
      expect(error).toMatchObject({ type: 'AuthFailed', message: expect.stringContaining('accepts the key "id"') });
      expect(error).toMatchObject({ message: expect.stringContaining(words) });
      expect(error).toMatchObject({ remedy: expect.stringContaining('AuthenticationMethods publickey') });
    });

    it('reports a host that accepts no public keys', async () => {
      const passwords = await lab.start(['PubkeyAuthentication no', 'PasswordAuthentication yes']);
      await expect(run(target(passwords))).rejects.toMatchObject({
        type: 'AuthFailed',
        message: expect.stringContaining('does not allow logins as ospatch by key; it offers password'),
      });
    });

    it.each([
      ['First.Last', 4711],
      ['svc-patch@corp.example.com', 4712],
      ['CORP\\svc', 4713],
    ])('logs in as %s', async (name, uid) => {
      appendFileSync(path.join(lab.root, 'etc/passwd'), `${name}:x:${uid}:${uid}::/tmp:/bin/sh\n`);
      appendFileSync(path.join(lab.root, 'etc/shadow'), `${name}:*:19000:0:99999:7:::\n`);
      // The two transports add one each; the first line of a name counts.
      expect(await user(target(server, { user: name }))).toBe(name);
    });

    it('distinguishes an expired account from a rejected key', async () => {
      const strict = await lab.start(['UsePAM yes']);
      lab.inside('useradd', '-m', `expired-${transport}`);
      expect(await user(target(strict, { user: `expired-${transport}` }))).toBe(`expired-${transport}`);
      pool.close();
      lab.inside('chage', '-E', '1', `expired-${transport}`);
      await expect(run(target(strict, { user: `expired-${transport}` }))).rejects.toMatchObject({
        type: 'AuthFailed',
        message: expect.stringMatching(/accepts the key, but not the account expired-\w+, with the message: .*expired/),
      });
    });

    it('reports calls in flight as lost when the host dies, and reconnects later', async () => {
      const dying = await lab.start();
      const hanging = run(target(dying), `echo started >/tmp/started-${transport}; sleep 60`);
      hanging.catch(() => undefined);
      await waitFor(() => existsSync(path.join(lab.root, `tmp/started-${transport}`)), {
        what: 'the command',
        pollMs: 20,
      });
      await dying.stop();
      await expect(hanging).rejects.toMatchObject({ type: 'Unreachable' });
      await expect(run(target(dying))).rejects.toMatchObject({
        type: 'Unreachable',
        message: expect.stringContaining('refused'),
      });
    });

    it('ends on its own timeout, and on abort with the abort reason', async () => {
      await run(target(server));
      const abort = new AbortController();
      const running = pool.transport(target(server)).exec('sleep 60', { signal: abort.signal });
      setTimeout(() => abort.abort(new Error('cancelled')), 50);
      await expect(running).rejects.toThrow('cancelled');
      expect(await user(target(server))).toBe('ospatch');
      await expect(pool.transport(target(server)).exec('sleep 60', { timeoutMs: 200 })).rejects.toMatchObject({
        type: 'Unreachable',
        message: expect.stringContaining('has not answered there within 0.2 s'),
      });
      expect(await user(target(server))).toBe('ospatch');
    });

    it('reports a closed port and an unknown name', async () => {
      await expect(run(target(server, { port: 1 }))).rejects.toMatchObject({
        type: 'Unreachable',
        message: expect.stringContaining('refused'),
      });
      await expect(run(target(server, { host: 'does-not-exist.invalid' }))).rejects.toMatchObject({
        type: 'Unreachable',
        message: expect.stringContaining('cannot be resolved'),
      });
    });

    describe('jump hosts', () => {
      it('are chained, share one connection, and are verified by their own keys', async () => {
        const [outer, inner] = [await lab.start(), await lab.start()];
        const nodes = await Promise.all(Array.from({ length: 4 }, () => lab.start()));
        const jump = [on(outer), on(inner)];
        const names = await Promise.all(nodes.map((node) => user(target(node, { jump }))));
        expect(names).toEqual(['ospatch', 'ospatch', 'ospatch', 'ospatch']);
        for (const hop of [outer, inner]) expect(hop.log().match(/Accepted publickey/g)).toHaveLength(1);
      });

      it('with a changed key are named with both fingerprints, and nothing behind them is contacted', async () => {
        const node = await lab.start();
        const hop = { ...on(server), host: 'localhost', hostKeys: [node.hostKey] };
        await expect(run(target(node, { jump: [hop] }))).rejects.toMatchObject({
          type: 'HostKeyMismatch',
          message: expect.stringMatching(
            `the jump host localhost .*expected ssh-ed25519 ${escape(shown(node.hostKey))}, got ssh-ed25519 ${escape(shown(server.hostKey))}`,
          ),
        });
        // The one connection is the test's own probe.
        expect(node.log().match(/Connection from/g)).toHaveLength(1);
      });

      it('are not trusted for the node, which is verified under its own key', async () => {
        const node = await lab.start();
        await expect(run(target(node, { jump: [on(server)], hostKeys: [server.hostKey] }))).rejects.toMatchObject({
          type: 'HostKeyMismatch',
          message: expect.stringMatching(`w-1 .*got ssh-ed25519 ${escape(shown(node.hostKey))}`),
        });
      });

      it('that reject the login or cannot forward are named', async () => {
        const node = await lab.start();
        execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path.join(lab.keyDir, `${transport}-no`)]);
        await expect(
          run(target(node, { jump: [{ ...on(server), identity: `${transport}-no` }] })),
        ).rejects.toMatchObject({
          type: 'AuthFailed',
          message: expect.stringContaining('the jump host 127.0.0.1'),
        });
        await node.stop();
        await expect(run(target(node, { jump: [on(server)] }))).rejects.toMatchObject({
          type: 'Unreachable',
          message: expect.stringMatching(/w-1 .*jump host/),
        });
        const shut = await lab.start(['AllowTcpForwarding no']);
        await expect(run(target(server, { jump: [on(shut)] }))).rejects.toMatchObject({
          type: 'Unreachable',
          message: expect.stringMatching(/w-1 .*jump host/),
        });
      });

      it('do not hide that the machine behind them hangs up', async () => {
        const node = await lab.start();
        const dying = createServer({ allowHalfOpen: true }, (socket) => socket.on('error', () => undefined).end());
        await new Promise<void>((resolve) => dying.listen(0, '127.0.0.1', resolve));
        try {
          const { port } = dying.address() as AddressInfo;
          await expect(run(target(node, { port, jump: [on(server)] }))).rejects.toMatchObject({ type: 'Unreachable' });
        } finally {
          dying.close();
        }
        const hanging = run(target(node, { jump: [on(server)] }), 'sleep 60');
        hanging.catch(() => undefined);
        await waitFor(() => node.sessions() > 0, { what: 'the session', pollMs: 20 });
        await node.stop();
        await expect(hanging).rejects.toMatchObject({ type: 'Unreachable' });
      });

      it('that die take the connections behind them along, and are reached again', async () => {
        const node = await lab.start();
        const hop = await lab.start();
        const behind = target(node, { jump: [on(hop)] });
        expect(await user(behind)).toBe('ospatch');
        const hanging = run(behind, 'sleep 60');
        hanging.catch(() => undefined);
        await waitFor(() => node.sessions() > 0, { what: 'the session', pollMs: 20 });
        await hop.stop();
        await expect(hanging).rejects.toMatchObject({ type: 'Unreachable' });
        await expect(run(behind)).rejects.toMatchObject({
          type: 'Unreachable',
          message: expect.stringContaining('the jump host 127.0.0.1'),
        });
      });
    });

    it('leave nothing behind', async () => {
      const own = await lab.start();
      await run(target(own, { jump: [on(server)] }));
      pool.close();
      await waitFor(() => own.sessions() === 0, { what: 'the end of the connection', pollMs: 20 });
      await waitFor(() => privateDirectories().length === 0, {
        what: 'the removal of the private directory',
        pollMs: 20,
      });
    });
  });

  describe('OpenSSH client only', () => {
    let pool: TransportPool;

    beforeEach(() => {
      pool = createTransportPool({ keyDir: lab.keyDir, connectTimeoutMs: 60_000 });
    });

    afterEach(() => pool.close());

    const openssh = (to: Sshd, more: Partial<SshTarget> = {}): SshTarget => on(to, { transport: 'openssh', ...more });

    it('logs in with a certificate, also for an encrypted key', async () => {
      const ca = path.join(lab.keyDir, 'user-ca');
      execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', ca]);
      writeFileSync(path.join(lab.root, 'etc/user-ca.pub'), readFileSync(`${ca}.pub`));
      const certified = await lab.start(['TrustedUserCAKeys /etc/user-ca.pub', 'AuthorizedKeysFile none']);
      for (const [name, passphrase] of [
        ['certified', ''],
        ['certified-locked', 'secret'],
      ] as const) {
        const file = path.join(lab.keyDir, name);
        execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', passphrase, '-f', file]);
        const to = openssh(certified, { identity: name });
        if (passphrase !== '') writeFileSync(`${file}.passphrase`, passphrase, { mode: 0o600 });
        await expect(pool.transport(to).exec('true')).rejects.toMatchObject({ type: 'AuthFailed' });
        execFileSync('ssh-keygen', ['-q', '-s', ca, '-I', name, '-n', 'ospatch', '-V', '+1h', `${file}.pub`]);
        expect((await pool.transport(to).exec('id -un')).stdout.toString()).toBe('ospatch\n');
      }
    });

    it('verifies a host by the certificate of a trusted authority, and rejects an expired or revoked one', async () => {
      const ca = path.join(lab.keyDir, 'host-ca');
      execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', ca]);
      const authority = `@cert-authority ${readFileSync(`${ca}.pub`, 'utf8').split(' ').slice(0, 2).join(' ')}`;
      const hosts: Sshd[] = [];
      for (const validity of ['+1h', '-2d:-1d']) {
        const key = path.join(lab.root, `etc/ssh/certified${hosts.length}`);
        execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
        execFileSync('ssh-keygen', ['-q', '-s', ca, '-h', '-I', 'h', '-n', '127.0.0.1', '-V', validity, `${key}.pub`]);
        const name = key.slice(lab.root.length);
        hosts.push(await lab.start([`HostKey ${name}`, `HostCertificate ${name}-cert.pub`]));
      }
      const [good, expired] = hosts as [Sshd, Sshd];
      expect((await pool.transport(openssh(good, { hostKeys: [authority] })).exec('true')).code).toBe(0);
      await expect(pool.transport(openssh(expired, { hostKeys: [authority] })).exec('true')).rejects.toMatchObject({
        type: 'HostKeyMismatch',
        message: expect.stringMatching(/expected a certificate of the authority ssh-ed25519 SHA256:\S+, got/),
      });
      const key = readFileSync(path.join(lab.root, 'etc/ssh/certified0.pub'), 'utf8').split(' ').slice(0, 2).join(' ');
      const revoked = openssh(good, { hostKeys: [authority, `@revoked ${key}`] });
      await expect(pool.transport(revoked).exec('true')).rejects.toMatchObject({
        type: 'HostKeyMismatch',
        message: expect.stringContaining('which is revoked'),
      });
      await expect(pool.transport(on(good, { hostKeys: [authority] })).exec('true')).rejects.toMatchObject({
        type: 'HostKeyMismatch',
      });
    });

    it('connects to a host with post-quantum key exchange only, for which the builtin transport names the setting', async () => {
      const quantum = await lab.start(['KexAlgorithms sntrup761x25519-sha512@openssh.com']);
      expect((await pool.transport(openssh(quantum)).exec('id -un')).stdout.toString()).toBe('ospatch\n');
      await expect(pool.transport(on(quantum)).exec('true')).rejects.toMatchObject({
        type: 'Unreachable',
        message: expect.stringContaining('it offers only sntrup761x25519-sha512@openssh.com'),
        remedy: expect.stringContaining('ssh.transport: openssh'),
      });
    });

    it('never uses a connection other than the verified one', async () => {
      const own = await lab.start();
      const transport = pool.transport(openssh(own));
      await transport.exec('true');
      const [dir = ''] = privateDirectories();
      const base = path.join(tmpdir(), dir);
      const { mode } = statSync(base);
      expect((mode & 0o777).toString(8)).toBe('700');
      const pid = Number(
        /pid=(\d+)/.exec(
          execFileSync('sh', ['-c', `ssh -F ${base}/1/config -O check target 2>&1`], { encoding: 'utf8' }),
        )?.[1],
      );
      process.kill(pid, 'SIGKILL');
      await waitFor(() => own.sessions() === 0, { what: 'the end of the master', pollMs: 20 });
      // The socket of the killed master is still there.
      await expect(transport.exec('true')).rejects.toMatchObject({ type: 'Unreachable' });
      expect(own.log().match(/Accepted publickey/g)).toHaveLength(1);
      expect((await transport.exec('true')).code).toBe(0);
    });

    it('reports a missing OpenSSH client', async () => {
      const before = process.env['PATH'];
      try {
        process.env['PATH'] = '/nowhere';
        await expect(pool.transport(openssh(server)).exec('true')).rejects.toMatchObject({
          type: 'IdentityUnavailable',
          message: expect.stringContaining('no OpenSSH client'),
        });
      } finally {
        process.env['PATH'] = before;
      }
    });
  });
});

/** A connection that never logs in and keeps its slot; null when refused. */
function occupySession(port: number): Promise<Socket | null> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('data', (data) => resolve(data.toString('latin1').startsWith('SSH-') ? socket : null));
    socket.once('close', () => resolve(null));
    socket.on('error', () => resolve(null));
  });
}

function escape(text: string): string {
  return text.replace(/[+/=]/g, '\\$&');
}
