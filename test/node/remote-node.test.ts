import { HELPER_PROTOCOL, helperScript } from '../../src/node/helper/script';
import { RemoteNode } from '../../src/node/remote-node';
import type { Answer } from './fake-node';
import { FakeTransport, TARGET, factsAnswer, jobAnswer } from './fake-node';

const { path, digest } = helperScript();
const MISSING = { code: 127, stdout: Buffer.from('ospatch-helper:missing \n') };
const FOREIGN = 'f'.repeat(64);
const CHANGED = { code: 127, stdout: Buffer.from(`ospatch-helper:changed ${FOREIGN}\n`) };
const INSTALLED = 'ospatch-install:ok\n';

function node(answers: Answer[], ssh: Partial<typeof TARGET.ssh> = {}) {
  const transport = new FakeTransport(answers);
  return { transport, node: new RemoteNode({ ...TARGET, ssh: { ...TARGET.ssh, ...ssh } }, transport) };
}

describe('src/node/remote-node', () => {
  it('needs one round trip, directly as root and through sudo -n otherwise', async () => {
    const root = node([factsAnswer()]);
    await root.node.facts();
    expect(root.transport.calls).toEqual([{ command: `${path} facts`, stdin: '' }]);
    const user = node([factsAnswer()], { user: 'admin' });
    await user.node.facts();
    expect(user.transport.calls.map(({ command }) => command)).toEqual([`env LC_ALL=C sudo -n ${path} facts`]);
  });

  it('installs the helper only after a call found none, and repeats that call', async () => {
    const { node: remote, transport } = node([MISSING, INSTALLED, factsAnswer()]);
    expect((await remote.facts()).facts.os.id).toBe('debian');
    expect(transport.calls.length).toBe(3);
    expect(transport.calls[1]?.command).toContain(digest);
    expect(transport.calls[1]?.stdin).toBe(helperScript().content.toString());
  });

  it('takes a call killed by a signal for a machine in shutdown, not for a missing permission', async () => {
    const { node: remote } = node([{ code: null, signal: 'TERM' }], { user: 'admin' });
    await expect(remote.facts()).rejects.toMatchObject({
      type: 'Unreachable',
      message: expect.stringMatching(/^w-1 .* cannot be reached: the call was ended there by TERM$/),
    });
  });

  it('never writes the helper in mode preinstalled', async () => {
    const { node: remote, transport } = node([MISSING], { helper: 'preinstalled' });
    await expect(remote.facts()).rejects.toMatchObject({
      type: 'HelperMissing',
      message: expect.stringContaining(digest),
      remedy: expect.stringContaining('ospatch helper install -f SPEC --node w-1'),
      details: { path, digest },
    });
    expect(transport.calls.length).toBe(1);
  });

  it('replaces a modified helper, reports the replacement, and does not run the old one before', async () => {
    const transport = new FakeTransport([CHANGED, INSTALLED, factsAnswer()]);
    const notices: string[] = [];
    const remote = new RemoteNode(TARGET, transport, undefined, { onNotice: (text) => notices.push(text) });
    await remote.facts();
    expect(transport.calls.length).toBe(3);
    expect(notices).toEqual([expect.stringContaining(`was modified by someone (sha256 ${FOREIGN})`)]);
  });

  it('leaves a modified helper to the administrator in mode preinstalled, and reports its digest', async () => {
    await expect(node([CHANGED], { helper: 'preinstalled' }).node.facts()).rejects.toMatchObject({
      type: 'HelperMissing',
      message: `the helper on w-1 does not belong to this version of ospatch and was not run: ${path} has sha256 ${FOREIGN} instead of ${digest}`,
      details: { path, digest, found: FOREIGN },
    });
    const mode = { code: 127, stdout: Buffer.from('ospatch-helper:mode \n') };
    await expect(node([mode], { user: 'admin', helper: 'preinstalled' }).node.facts()).rejects.toMatchObject({
      type: 'HelperMissing',
      message: expect.stringContaining('admin may not read and execute'),
    });
  });

  it('accepts its own protocol and the previous one, and names the required helper for any other', async () => {
    const speak = (protocol: number) => factsAnswer().replace(/^ospatch \d+/, `ospatch ${protocol}`);
    expect((await node([speak(HELPER_PROTOCOL)]).node.facts()).facts.protocol).toBe(HELPER_PROTOCOL);
    expect((await node([speak(HELPER_PROTOCOL - 1)]).node.facts()).facts.protocol).toBe(HELPER_PROTOCOL - 1);
    await expect(node([speak(HELPER_PROTOCOL + 1)]).node.facts()).rejects.toMatchObject({
      type: 'HelperProtocol',
      message: expect.stringMatching(new RegExp(`protocol ${HELPER_PROTOCOL + 1} and this worker .*${digest}`)),
      remedy: expect.stringContaining('ospatch helper install'),
    });
  });

  it('reports why the helper could not be written', async () => {
    const full = {
      code: 1,
      stdout: Buffer.from('ospatch-install:write\n'),
      stderr: Buffer.from('cat: write error: No space left on device\n'),
    };
    await expect(node([MISSING, full, '']).node.facts()).rejects.toMatchObject({ type: 'DiskFull' });
    const readOnly = {
      code: 1,
      stdout: Buffer.from('ospatch-install:directory\n'),
      stderr: Buffer.from("mkdir: cannot create directory '/usr/local/libexec': Read-only file system\n"),
    };
    await expect(node([MISSING, readOnly, 'ID=ubuntu\n']).node.facts()).rejects.toMatchObject({
      type: 'HelperMissing',
      message: expect.stringContaining('Read-only file system'),
    });
    await expect(node([MISSING, readOnly, 'ID="flatcar"\n']).node.facts()).rejects.toMatchObject({
      type: 'UnsupportedOs',
      message: expect.stringContaining('Flatcar'),
    });
  });

  it('names the call that a partial sudo rule denies, without repeating the remedy', async () => {
    const denied = { code: 1, stderr: Buffer.from('sudo: a password is required\n') };
    const { node: remote } = node([factsAnswer(), denied], { user: 'admin' });
    await remote.facts();
    const job = { token: '0123456789abcdef', phase: 'plan', number: 1 } as const;
    await expect(remote.start(job, { waitSeconds: 1 })).rejects.toMatchObject({
      type: 'SudoDenied',
      message: 'sudo on w-1 lets admin run the helper, but not with `start`: a password is required',
      remedy: expect.stringMatching(/^replace the rule of admin on w-1 .*--form wildcard/),
    });
  });

  it.each([
    ['', null, ''],
    ['denied $(id)\n', null, ''],
    [
      'apply',
      'Sudo version 1.9.13p3\n',
      'sudo on w-1 lets admin run the helper, but not with `start`: its rule does not match',
    ],
    [
      'apply',
      'sudo-rs 0.2.5\n',
      'sudo-rs on w-1 lets admin run the helper, but not with `start`: its rule does not match',
    ],
    [
      'apply',
      'sudo: a password is required\n',
      'sudo on w-1 lets admin run the helper, but not with `start`: a password is required',
    ],
    [
      'apply',
      'doas: Operation not permitted\n',
      'doas on w-1 lets admin run the helper, but not with `start`: Operation not permitted',
    ],
  ])('checks whether a patch is allowed: %j %j', async (phase, said, message) => {
    const stdout = said === null ? phase : `denied start 0123456789abcdef-${phase}-100010 ${phase}\n${said}`;
    const checked = node([stdout], { user: 'admin' }).node.checkRights();
    if (message === '') await expect(checked).resolves.toBeUndefined();
    else await expect(checked).rejects.toMatchObject({ type: 'SudoDenied', message });
  });

  it.each([
    ['sudo: a password is required\n', /a password is required/, /ospatch sudoers --user admin/],
    ["Sorry, user admin is not allowed to execute '/x' as root on w-1.\n", /not allowed to execute/, /ospatch sudoers/],
    ['sudo: sorry, you must have a tty to run sudo\n', /you must have a tty/, /Defaults:admin !requiretty/],
    [
      "env: 'sudo': No such file or directory\n",
      /^there is neither sudo nor doas on w-1, and admin is not root$/,
      /install sudo/,
    ],
    [
      "env: can't execute 'sudo': No such file or directory\n",
      /^there is neither sudo nor doas on w-1/,
      /install sudo/,
    ],
    ['sudo: Account expired or PAM config lacks an "account" section for sudo\n', /Account expired/, /chage -l admin/],
    [
      'doas: Authorization required\n',
      /^doas refuses to run .*: Authorization required$/,
      /ospatch sudoers .*--for doas/,
    ],
    ['doas: doas is not enabled, /etc/doas.conf: No such file or directory\n', /doas is not enabled/, /doas\.conf/],
    [
      "sudo-rs: I'm sorry admin. I'm afraid I can't do that\n",
      /^sudo-rs refuses to run /,
      /`ospatch sudoers --user admin --for sudo-rs` prints/,
    ],
    ['/etc/sudoers.d/x:1:1: syntax error\n', /syntax error/, /visudo -c/],
    [
      '\u001b[31msudo: admin is not in the sudoers file\u0007.\n',
      /admin is not in the sudoers file/,
      /ospatch sudoers/,
    ],
  ])('reports why sudo rejects a call, with the remedy: %j', async (text, message, remedy) => {
    const denied = { code: 1, stderr: Buffer.from(text) };
    await expect(node([denied], { user: 'admin' }).node.facts()).rejects.toMatchObject({
      type: 'SudoDenied',
      message: expect.stringMatching(message),
      remedy: expect.stringMatching(remedy),
    });
  });

  it.each([
    ['sudo: a password is required\n', "`ospatch sudoers --user 'CORP\\svc'`"],
    ['sudo: sorry, you must have a tty to run sudo\n', '`Defaults:"CORP\\svc" !requiretty`'],
  ])('quotes a directory user so that a shell and sudo read the name: %j', async (text, remedy) => {
    const denied = { code: 1, stderr: Buffer.from(text) };
    await expect(node([denied], { user: 'CORP\\svc' }).node.facts()).rejects.toMatchObject({
      remedy: expect.stringContaining(remedy),
    });
  });

  it('distinguishes a verbose login shell from a broken helper', async () => {
    await expect(node([`Welcome!\n${factsAnswer()}`]).node.facts()).rejects.toMatchObject({
      type: 'HelperProtocol',
      remedy: expect.stringContaining('.bashrc'),
    });
    const account = { code: 1, stdout: Buffer.from('This account is currently not available.\n') };
    await expect(node([account], { user: 'admin' }).node.facts()).rejects.toMatchObject({
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

  it('maps rejections of the helper to errors', async () => {
    const job = { token: '0123456789abcdef', phase: 'plan', number: 1 } as const;
    const start = (why: string) => node([`ospatch 1 state=error why=${why}\n`]).node.start(job, { waitSeconds: 0 });
    await expect(start('disk-full')).rejects.toMatchObject({ type: 'DiskFull' });
    await expect(start('bad-parameter')).rejects.toMatchObject({
      type: 'HelperProtocol',
      message: expect.stringContaining('bad-parameter'),
    });
  });

  it('rejects an answer that was truncated at the cap', async () => {
    const cut = { stdout: Buffer.from(factsAnswer()), truncated: true };
    await expect(node([cut]).node.facts()).rejects.toMatchObject({ type: 'HelperProtocol' });
  });

  it.each([
    ['short-upload', 'Unreachable', 'the connection was lost while a call was being sent'],
    ['result-too-large', 'PackageManager', 'is larger than 2 MiB'],
    ['no-systemd', 'UnsupportedOs', 'systemd does not run there'],
  ])('names the reason of the rejection %s', async (why, type, message) => {
    const { node: remote } = node([`ospatch 1 state=error why=${why}\n`]);
    const job = { token: '0123456789abcdef', phase: 'plan', number: 1 } as const;
    await expect(remote.start(job, { waitSeconds: 0 })).rejects.toMatchObject({
      type,
      message: expect.stringContaining(message) as string,
    });
  });

  it('reports why a reboot could not be requested', async () => {
    const { node: remote } = node(['ospatch 1 state=error why=reboot-failed\nFailed to connect to bus\n']);
    await expect(remote.reboot('11111111-1111-1111-1111-111111111111')).rejects.toMatchObject({
      type: 'RebootFailed',
      message: expect.stringContaining('Failed to connect to bus') as string,
    });
  });
});
