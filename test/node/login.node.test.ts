import { LAB_USER } from '../../tools/lab/lab';
import type { LabNode } from '../../tools/lab/lab-node';
import { DEFAULT_PACKAGE_POLICY } from '../../src/domain/spec/package-policy';
import type { NodeTarget } from '../../src/domain/spec/types';
import type { TransportPool } from '../../src/ssh/transport';
import { sh } from '../support/sh';
import { useLab, activityRunner, inspectInput, remoteNode, targetOf } from './support';

jest.setTimeout(120_000);

const LOGS_IN = `^login lets ${LAB_USER} log in, but runs no commands for it: `;
// A reload returns before sshd has re-read its configuration, and afterwards refuses connections for a moment; a restart
// returns when sshd listens. The start counter is reset because of the rate limit of systemd.
const RELOAD = 'systemctl reset-failed ssh; systemctl restart ssh';

/** A real sshd and real shells; the user has full sudo, so that only the login matters. */
describe('src/node on logins with restrictions', () => {
  let pool: TransportPool;
  let node: LabNode;
  let target: NodeTarget;

  useLab([{ name: 'login', updates: 'none' }], async (started) => {
    ({ node, pool } = started);
    target = targetOf(node, { user: LAB_USER });
    await remoteNode(pool, target).facts();
  });

  /** With connections of its own. */
  async function changed(script: string): Promise<void> {
    await sh(node, script);
    pool.close();
    await node.waitForSsh();
  }

  const home = `/home/${LAB_USER}`;
  const CASES: [what: string, prepare: string, repair: string, message: string, remedy: string][] = [
    [
      '/bin/false as login shell',
      `usermod -s /bin/false ${LAB_USER}`,
      `usermod -s /bin/bash ${LAB_USER}`,
      `${LOGS_IN}its login shell exits at once with code 1 and without output, like /bin/false$`,
      'usermod -s /bin/sh',
    ],
    [
      'an exec at the start of .bashrc',
      `cp ${home}/.bashrc /root/bashrc; sed -i '1i exec dash' ${home}/.bashrc`,
      `cp /root/bashrc ${home}/.bashrc`,
      `${LOGS_IN}its login shell exits successfully without running them: another program runs instead$`,
      'look for an exec',
    ],
    [
      'file transfer only',
      `printf 'Match User ${LAB_USER}\\n  ForceCommand internal-sftp\\n' >/etc/ssh/sshd_config.d/zz.conf; ${RELOAD}`,
      `rm /etc/ssh/sshd_config.d/zz.conf; ${RELOAD}`,
      `${LOGS_IN}the account may only transfer files \\(ForceCommand internal-sftp\\)$`,
      'ForceCommand in the sshd_config of login',
    ],
    [
      'a forced command of the key',
      `cp ${home}/.ssh/authorized_keys /root/keys; sed -i 's/^/command="echo backups only" /' ${home}/.ssh/authorized_keys`,
      `cp /root/keys ${home}/.ssh/authorized_keys`,
      `${LOGS_IN}another program runs instead and prints: backups only$`,
      'command= in',
    ],
    [
      'a start file that greets and ends the shell',
      `mv ${home}/.bashrc ${home}/.bashrc.away 2>/dev/null; printf 'echo WELCOME >&2\\nexit 1\\n' >${home}/.bashrc`,
      `rm ${home}/.bashrc; mv ${home}/.bashrc.away ${home}/.bashrc 2>/dev/null || true`,
      `${LOGS_IN}another program, or a start file of its shell, exits before them with code 1 and prints: WELCOME$`,
      'exit, exec and set -e in',
    ],
    [
      'a password that must be changed',
      `chage -d 0 ${LAB_USER}`,
      `chage -d -1 ${LAB_USER}`,
      'password has expired',
      'chage',
    ],
  ];

  test.each(CASES)('%s is reported as such', async (_, prepare, repair, message, remedy) => {
    await changed(prepare);
    try {
      const failure = await remoteNode(pool, target)
        .facts()
        .catch((error: unknown) => error);
      expect(failure).toMatchObject({
        type: 'AuthFailed',
        message: expect.stringMatching(new RegExp(message)),
        remedy: expect.stringContaining(remedy),
      });
    } finally {
      await changed(repair);
    }
    await remoteNode(pool, target).facts();
  });

  test('a wrapper that runs the given command is accepted', async () => {
    const wrapper = `#!/bin/sh\\nexec /bin/sh -c \\"\\$SSH_ORIGINAL_COMMAND\\"\\n`;
    await changed(
      `printf "${wrapper}" >/usr/local/bin/wrapper; chmod 755 /usr/local/bin/wrapper
      printf 'Match User ${LAB_USER}\\n  ForceCommand /usr/local/bin/wrapper\\n' >/etc/ssh/sshd_config.d/zz.conf; ${RELOAD}`,
    );
    expect((await remoteNode(pool, target).facts()).facts.os.id).toBe('debian');
    await changed(`rm /etc/ssh/sshd_config.d/zz.conf; ${RELOAD}`);
  });

  test('doctor opens a new connection even when an earlier one still works', async () => {
    await remoteNode(pool, target).facts();
    await sh(node, `mv ${home}/.ssh/authorized_keys ${home}/.ssh/away`);
    try {
      await remoteNode(pool, target).facts();
      const policy = { withoutDrain: false, rebootIfRequired: false, packages: DEFAULT_PACKAGE_POLICY };
      const inspected = await activityRunner(pool).run('inspectNode', inspectInput(target, { policy }));
      expect(inspected.findings[0]).toMatchObject({
        check: 'login',
        message: expect.stringContaining('does not accept'),
      });
    } finally {
      await sh(node, `mv ${home}/.ssh/away ${home}/.ssh/authorized_keys`);
    }
  });
});
