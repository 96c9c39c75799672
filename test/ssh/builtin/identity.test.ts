import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { resolveIdentity } from '../../../src/ssh/builtin/identity';
import { listens } from '../../support/listens';
import { waitFor } from '../../support/wait-for';
import { keyDirectory, keyPair } from '../support';

const key = keyPair();
const keys = keyDirectory({
  good: { content: key.private },
  'open.key': { content: key.private, mode: 0o644 },
  'public.pub': { content: `${key.public} me` },
  noise: { content: 'not a key' },
});
const scratch = mkdtempSync(path.join(tmpdir(), 'ospatch-agent-'));
const agentBefore = process.env['SSH_AUTH_SOCK'];

describe('src/ssh/builtin/identity', () => {
  afterAll(() => {
    keys.remove();
    rmSync(scratch, { recursive: true });
    if (agentBefore === undefined) delete process.env['SSH_AUTH_SOCK'];
    else process.env['SSH_AUTH_SOCK'] = agentBefore;
  });

  const resolve = (identity: string) => resolveIdentity(identity, 'ospatch', { keyDir: keys.dir });

  it('offers the key of a file in the key directory and nothing else', async () => {
    expect(await resolve('good')).toMatchObject({ type: 'publickey', username: 'ospatch' });
  });

  it.each([
    ['missing', /there is no key "missing" in/],
    ['open.key', /can be read by everybody \(mode 0644\)/],
    ['public.pub', /holds no private key/],
    ['noise', /is not a private key/],
    ['../good', /is not a bare file name/],
    ['/etc/passwd', /is not a bare file name/],
    ['..', /is not a bare file name/],
  ])('rejects %s with the reason and never with the content of the file', async (identity, message) => {
    const error: unknown = await resolve(identity).catch((caught: unknown) => caught);
    if (identity === 'open.key' || identity === 'public.pub') {
      expect(JSON.stringify(error)).not.toContain(key.private.slice(100, 140));
    }
    expect(error).toMatchObject({ type: 'IdentityUnavailable', message: expect.stringMatching(message) });
  });

  it('reports an encrypted key', async () => {
    const file = path.join(keys.dir, 'locked');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', 'secret phrase', '-f', file]);
    await expect(resolve('locked')).rejects.toMatchObject({ message: expect.stringContaining('is encrypted') });
  });

  it('rejects `agent` without a socket, with a dead one, and with an agent without keys', async () => {
    delete process.env['SSH_AUTH_SOCK'];
    await expect(resolve('agent')).rejects.toMatchObject({
      type: 'IdentityUnavailable',
      message: expect.stringContaining('SSH_AUTH_SOCK'),
    });
    process.env['SSH_AUTH_SOCK'] = path.join(scratch, 'nobody');
    await expect(resolve('agent')).rejects.toMatchObject({ message: expect.stringContaining('does not answer') });
    const socket = path.join(scratch, 'agent');
    const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
    process.env['SSH_AUTH_SOCK'] = socket;
    await waitFor(() => listens({ path: socket }), { what: 'the agent', pollMs: 20 });
    await expect(resolve('agent')).rejects.toMatchObject({ message: expect.stringContaining('holds no keys') });
    execFileSync('ssh-add', ['-q', path.join(keys.dir, 'good')], { env: { ...process.env, SSH_AUTH_SOCK: socket } });
    expect(await resolve('agent')).toMatchObject({ type: 'agent', username: 'ospatch' });
    agent.kill();
  });
});
