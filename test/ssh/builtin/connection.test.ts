import { Socket } from 'node:net';
import type { ServerChannel } from 'ssh2';
import { Client } from 'ssh2';
import { connectSsh } from '../../../src/ssh/builtin/connection';
import { fingerprint } from '../../../src/ssh/host-keys';
import { scanHostKey } from '../../../src/ssh/builtin/scan';
import type { TestServer } from '../support';
import { keyDirectory, keyPair, startServer, startTcp, targetOn } from '../support';

const hostKey = keyPair();
const userKey = keyPair();
const keys = keyDirectory({ id: { content: userKey.private }, stranger: { content: keyPair().private } });
const options = { keyDir: keys.dir, connectTimeoutMs: 20_000 };

function shownFingerprint(publicKey: string): string {
  return fingerprint(Buffer.from(publicKey.split(' ')[1] ?? '', 'base64'));
}

describe('src/ssh/builtin/connection', () => {
  let server: TestServer;
  let onExec: (command: string, channel: ServerChannel) => void;

  beforeAll(async () => {
    server = await startServer({
      hostKeys: [hostKey],
      accepts: userKey.public,
      onExec: (command, channel) => onExec(command, channel),
    });
  });

  afterAll(() => {
    server.stop();
    keys.remove();
  });

  beforeEach(() => {
    onExec = (_command, channel) => {
      channel.exit(0);
      channel.end();
    };
  });

  describe('connecting', () => {
    it('is refused without a trusted host key, before a packet is sent', async () => {
      await expect(connectSsh(targetOn(1, []), options)).rejects.toMatchObject({ type: 'HostKeyMismatch' });
      await expect(connectSsh(targetOn(1, ['ssh-ed25519 AAAA']), options)).rejects.toMatchObject({
        type: 'HostKeyMismatch',
      });
    });

    it('fails with both fingerprints on a changed host key', async () => {
      const trusted = keyPair().public;
      await expect(connectSsh(targetOn(server.port, [trusted]), options)).rejects.toMatchObject({
        type: 'HostKeyMismatch',
        message: expect.stringMatching(
          new RegExp(
            `expected ssh-ed25519 ${escape(shownFingerprint(trusted))}, got ssh-ed25519 ${escape(shownFingerprint(hostKey.public))}`,
          ),
        ),
      });
      expect(server.logins).toBe(0);
    });

    it('fails with both fingerprints when the server has no key of the trusted type', async () => {
      const trusted = keyPair('ecdsa').public;
      await expect(connectSsh(targetOn(server.port, [trusted]), options)).rejects.toMatchObject({
        type: 'HostKeyMismatch',
        message: expect.stringContaining(`got ssh-ed25519 ${shownFingerprint(hostKey.public)}`),
      });
    });

    it('requests the trusted key from a server with several host keys', async () => {
      const rsa = keyPair('rsa');
      const both = await startServer({ hostKeys: [hostKey, rsa], accepts: userKey.public, onExec });
      const connection = await connectSsh(targetOn(both.port, [rsa.public]), options);
      expect((await connection.exec('true')).code).toBe(0);
      connection.end();
      both.stop();
    });

    it('fails with AuthFailed, naming user and key, when the key is rejected', async () => {
      const target = targetOn(server.port, [hostKey.public], { identity: 'stranger' });
      await expect(connectSsh(target, options)).rejects.toMatchObject({
        type: 'AuthFailed',
        message: expect.stringMatching(/"stranger" for the user ospatch/),
      });
    });

    it('fails with Unreachable and the reason on a closed port or an unknown name', async () => {
      const closed = await startTcp(() => undefined);
      closed.stop();
      await expect(connectSsh(targetOn(closed.port, [hostKey.public]), options)).rejects.toMatchObject({
        type: 'Unreachable',
        message: expect.stringContaining('refused'),
      });
      const nowhere = targetOn(22, [hostKey.public], { host: 'does-not-exist.invalid' });
      await expect(connectSsh(nowhere, options)).rejects.toMatchObject({
        type: 'Unreachable',
        message: expect.stringContaining('cannot be resolved'),
      });
    });

    it('fails with Unreachable when the machine is silent, hangs up or resets the connection', async () => {
      const silent = await startTcp(() => undefined);
      const rude = await startTcp((socket) => socket.end());
      const broken = await startTcp((socket) => socket.resetAndDestroy());
      for (const { port, stop } of [silent, rude, broken]) {
        const attempt = connectSsh(targetOn(port, [hostKey.public]), { ...options, connectTimeoutMs: 300 });
        await expect(attempt).rejects.toMatchObject({ type: 'Unreachable' });
        stop();
      }
    });
  });

  describe('exec', () => {
    it("disables Nagle's algorithm, which would delay every call", async () => {
      const noDelay = jest.spyOn(Socket.prototype, 'setNoDelay');
      try {
        const connection = await connectSsh(targetOn(server.port, [hostKey.public]), options);
        connection.end();
        expect(noDelay).toHaveBeenCalledWith(true);
      } finally {
        noDelay.mockRestore();
      }
    });

    const open = () => connectSsh(targetOn(server.port, [hostKey.public]), options);

    it('returns exit code and both streams, and passes standard input', async () => {
      onExec = (command, channel) => {
        channel.stderr.write(`ran ${command}`);
        channel.on('data', (chunk: Buffer) => channel.write(chunk));
        channel.on('end', () => {
          channel.exit(3);
          channel.end();
        });
      };
      const connection = await open();
      const result = await connection.exec('cat', { stdin: 'hello' });
      expect({ ...result, stdout: result.stdout.toString(), stderr: result.stderr.toString() }).toEqual({
        code: 3,
        signal: null,
        stdout: 'hello',
        stderr: 'ran cat',
        truncated: false,
      });
      connection.end();
    });

    it('caps the output of a command and still sees its end', async () => {
      onExec = (_command, channel) => {
        channel.write(Buffer.alloc(3_000_000, 'x'), () => {
          channel.exit(0);
          channel.end();
        });
      };
      const connection = await open();
      const result = await connection.exec('yes', { maxBytes: 1000 });
      expect([result.code, result.stdout.length, result.truncated]).toEqual([0, 1000, true]);
      connection.end();
    });

    it('fails with Unreachable, never with success, when the connection is lost before the exit code', async () => {
      onExec = (_command, channel) => {
        channel.write('half of it');
        setTimeout(() => server.connections.forEach((connection) => connection.end()), 20);
      };
      const connection = await open();
      await expect(connection.exec('sleep')).rejects.toMatchObject({ type: 'Unreachable' });
      expect(connection.closed).toBe(true);
      await expect(connection.exec('again')).rejects.toMatchObject({ type: 'Unreachable' });
    });

    it('fails with Unreachable when ssh2 has seen the end of the connection without an event', async () => {
      const connection = await open();
      const exec = jest.spyOn(Client.prototype, 'exec').mockImplementationOnce(() => {
        throw new Error('Not connected');
      });
      await expect(connection.exec('x')).rejects.toMatchObject({ type: 'Unreachable' });
      exec.mockRestore();
      connection.end();
    });

    it('fails with Unreachable when the channel closes without an exit code', async () => {
      onExec = (_command, channel) => channel.close();
      const connection = await open();
      await expect(connection.exec('x')).rejects.toMatchObject({ type: 'Unreachable' });
      connection.end();
    });

    it('times out and drops the connection', async () => {
      onExec = () => undefined;
      const connection = await open();
      await expect(connection.exec('hang', { timeoutMs: 50 })).rejects.toMatchObject({
        type: 'Unreachable',
        message: expect.stringContaining('the login worked, but a command has not answered there within 0.05 s'),
      });
      expect(connection.closed).toBe(true);
    });

    it('rejects with the abort reason, and the connection stays usable', async () => {
      onExec = () => undefined;
      const connection = await open();
      const abort = new AbortController();
      const hanging = connection.exec('hang', { signal: abort.signal });
      setTimeout(() => abort.abort(new Error('cancelled')), 20);
      await expect(hanging).rejects.toThrow('cancelled');
      await expect(connection.exec('x', { signal: abort.signal })).rejects.toThrow('cancelled');
      onExec = (_command, channel) => {
        channel.exit(0);
        channel.end();
      };
      expect((await connection.exec('true')).code).toBe(0);
      connection.end();
    });
  });

  describe('scanHostKey', () => {
    it('returns the key that the server proves to own, without a login', async () => {
      const logins = server.logins;
      const scanned = await scanHostKey('127.0.0.1', server.port, 2_000);
      expect(`${scanned.type} ${scanned.base64}`).toBe(hostKey.public);
      expect(scanned.fingerprint).toBe(shownFingerprint(hostKey.public));
      expect(server.logins).toBe(logins);
    });

    it('fails with Unreachable when the machine is silent', async () => {
      const silent = await startTcp(() => undefined);
      await expect(scanHostKey('127.0.0.1', silent.port, 200)).rejects.toMatchObject({ type: 'Unreachable' });
      silent.stop();
    });
  });
});

function escape(text: string): string {
  return text.replace(/[+/=]/g, '\\$&');
}
