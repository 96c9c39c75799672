import { helperScript } from '../../src/node/helper/script';
import { RemoteNode } from '../../src/node/remote-node';
import type { Answer } from './fake-node';
import { FakeTransport, TARGET, factsAnswer, jobAnswer } from './fake-node';

const { path, digest } = helperScript();
const MISSING = { code: 127, stderr: Buffer.from(`sh: 1: ${path}: not found\n`) };
const INSTALLED = 'ospatch-install:ok\n';

function node(answers: Answer[], ssh: Partial<typeof TARGET.ssh> = {}) {
  const transport = new FakeTransport(answers);
  return { transport, node: new RemoteNode({ ...TARGET, ssh: { ...TARGET.ssh, ...ssh } }, transport) };
}

describe('src/node/remote-node', () => {
  it('costs one round trip, direct as root and through sudo -n otherwise', async () => {
    const root = node([factsAnswer()]);
    await root.node.facts();
    expect(root.transport.calls).toEqual([{ command: `${path} facts`, stdin: '' }]);
    const user = node([factsAnswer()], { user: 'admin' });
    await user.node.facts();
    expect(user.transport.calls.map(({ command }) => command)).toEqual([`env LC_ALL=C sudo -n ${path} facts`]);
  });

  it('brings the helper only after a call found it missing, and repeats that call', async () => {
    const { node: remote, transport } = node([MISSING, { code: 1 }, INSTALLED, factsAnswer()]);
    expect((await remote.facts()).facts.os.id).toBe('debian');
    expect(transport.calls.length).toBe(4);
    expect(transport.calls[2]?.command).toContain(digest);
    expect(transport.calls[2]?.stdin).toBe(helperScript().content.toString());
  });

  it('never writes the helper in mode preinstalled', async () => {
    const { node: remote, transport } = node([MISSING, { code: 1 }], { helper: 'preinstalled' });
    await expect(remote.facts()).rejects.toMatchObject({ type: 'HelperMissing', details: { path, digest } });
    expect(transport.calls.length).toBe(2);
  });

  it('says why the helper could not be written', async () => {
    const full = {
      code: 1,
      stdout: Buffer.from('ospatch-install:write\n'),
      stderr: Buffer.from('cat: write error: No space left on device\n'),
    };
    await expect(node([MISSING, { code: 1 }, full, '']).node.facts()).rejects.toMatchObject({ type: 'DiskFull' });
    const readOnly = {
      code: 1,
      stdout: Buffer.from('ospatch-install:directory\n'),
      stderr: Buffer.from("mkdir: cannot create directory '/usr/local/libexec': Read-only file system\n"),
    };
    await expect(node([MISSING, { code: 1 }, readOnly, 'ID=ubuntu\n']).node.facts()).rejects.toMatchObject({
      type: 'HelperMissing',
      message: expect.stringContaining('Read-only file system'),
    });
    await expect(node([MISSING, { code: 1 }, readOnly, 'ID="flatcar"\n']).node.facts()).rejects.toMatchObject({
      type: 'UnsupportedOs',
      message: expect.stringContaining('Flatcar'),
    });
  });

  it.each([
    ['sudo: a password is required\n', /a password is required/],
    ['sudo: sorry, you must have a tty to run sudo\n', /you must have a tty/],
    ["env: 'sudo': No such file or directory\n", /No such file/],
    ['\u001b[31msudo: admin is not in the sudoers file\u0007.\n', /admin is not in the sudoers file/],
  ])('says why sudo refuses: %j', async (text, message) => {
    const denied = { code: 1, stderr: Buffer.from(text) };
    const present = { code: 0 };
    await expect(node([denied, present], { user: 'admin' }).node.facts()).rejects.toMatchObject({
      type: 'SudoDenied',
      message: expect.stringMatching(message),
      remedy: expect.stringContaining('docs/node.md'),
    });
  });

  it('tells a talkative login shell from a broken helper', async () => {
    await expect(node([`Welcome!\n${factsAnswer()}`, {}]).node.facts()).rejects.toMatchObject({
      type: 'HelperProtocol',
      remedy: expect.stringContaining('.bashrc'),
    });
    const account = { code: 1, stdout: Buffer.from('This account is currently not available.\n') };
    await expect(node([account, {}]).node.facts()).rejects.toMatchObject({
      type: 'AuthFailed',
      message: expect.stringContaining('its login shell is nologin'),
    });
  });

  it('sends parameters on standard input with an end mark, never in the command', async () => {
    const { node: remote, transport } = node([jobAnswer('running')]);
    const expect64 = 'a'.repeat(64);
    await remote.start({ token: '0123456789abcdef', phase: 'apply', number: 1 }, { expect: expect64, waitSeconds: 3 });
    expect(transport.calls).toEqual([
      {
        command: `${path} start 0123456789abcdef-apply-1 apply`,
        stdin: `wait=3\nmax=65536\nexpect=${expect64}\nend\n`,
      },
    ]);
  });

  it('maps refusals of the helper', async () => {
    const job = { token: '0123456789abcdef', phase: 'plan', number: 1 } as const;
    const start = (why: string) => node([`ospatch 1 state=error why=${why}\n`]).node.start(job, { waitSeconds: 0 });
    await expect(start('disk-full')).rejects.toMatchObject({ type: 'DiskFull' });
    await expect(start('short-upload')).rejects.toMatchObject({
      type: 'HelperProtocol',
      message: expect.stringContaining('short-upload'),
    });
  });

  it('does not take an answer that was cut off at the cap for whole', async () => {
    const cut = { stdout: Buffer.from(factsAnswer()), truncated: true };
    await expect(node([cut]).node.facts()).rejects.toMatchObject({ type: 'HelperProtocol' });
  });
});
