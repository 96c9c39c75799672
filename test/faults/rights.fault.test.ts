/** The login works not, or not enough: nothing is changed, and the user reads why and what to do. */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import '../support/slow-suite';
import { waitFor } from '../support/wait-for';
import { fault } from './fault';
import { sh } from '../support/sh';
import { SMALL_NODE, configureSshd, pendingUpdate, waitingFor, write } from './node-tools';
import type { Scene } from './scene';

const small = { node: SMALL_NODE } as const;

const UNTOUCHED = { state: 'failed', transactions: 0, reboots: 0 } as const;

async function sudoRule(stage: Scene, rule: string): Promise<void> {
  await sh(stage.node, `cat >/etc/sudoers.d/ospatch <<'EOF'\n${rule}\nEOF\nvisudo -qc`);
}

/** Opens connections and says nothing on them, so that sshd waits for their logins. */
async function holdLogins(stage: Scene, count: number): Promise<() => void> {
  const sockets = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<Socket>((resolve, reject) => {
          const socket = connect({ host: stage.node.host, port: stage.node.port });
          socket.on('error', reject);
          socket.once('data', () => resolve(socket));
        }),
    ),
  );
  return () => {
    for (const socket of sockets) socket.destroy();
  };
}

describe('faults/rights', () => {
  fault('rights', 'sudo asks for a password', { ...small, quick: true }, async (stage, check) => {
    await sudoRule(stage, 'ospatch ALL=(ALL) ALL');
    await stage.patch();
    await check({
      ...UNTOUCHED,
      sentence: 'sudo refuses to place the helper on w-1: a password is required; nothing was changed.',
    });
  });

  fault('rights', 'the sudo rule is too narrow', small, async (stage, check) => {
    await sudoRule(stage, 'ospatch ALL=(root) NOPASSWD: /usr/bin/apt-get');
    await stage.patch();
    await check({
      ...UNTOUCHED,
      sentence: /^sudo refuses to place the helper on w-1: .*; nothing was changed\.$/,
    });
  });

  fault('rights', 'sudo wants a terminal', small, async (stage, check) => {
    await sudoRule(stage, 'Defaults requiretty\nospatch ALL=(ALL) NOPASSWD: ALL');
    await stage.patch();
    await check({
      ...UNTOUCHED,
      sentence: /^sudo .*w-1.*(?:tty|terminal).*; nothing was changed\.$/,
    });
  });

  fault('rights', 'the key is rejected', small, async (stage, check) => {
    write(stage.node, 'home/ospatch/.ssh/authorized_keys', '');
    await stage.patch();
    await check({
      ...UNTOUCHED,
      sentence:
        /^w-1 \(127\.0\.0\.1:\d+\) does not accept the key "[^"]+" for the user ospatch; nothing was changed\.$/,
    });
  });

  fault(
    'rights',
    'the account has expired',
    { ...small, patching: '{unreachableTimeout: 1m}' },
    async (stage, check) => {
      await sh(stage.node, 'chage -E 1 ospatch');
      await stage.patch();
      await check({ ...UNTOUCHED, sentence: /^w-1 .* account has expired.*; nothing was changed\.$/ });
    },
  );

  fault('rights', 'the server allows one session per connection', small, async (stage, check) => {
    await configureSshd(stage.node, { MaxSessions: '1' });
    await pendingUpdate(stage.node, 'lab-slow', { postinst: 'sleep 6' });
    await stage.patch();
    await stage.reach('during apply');
    // Other questions to the same node meanwhile, over the connection that the patch uses.
    const answers = await Promise.all([stage.cli('logs', stage.cluster, 'w-1'), stage.cli('check', stage.cluster)]);
    expect(answers.map(({ code }) => code)).toEqual([0, 0]);
    await check({ state: 'patched', transactions: 1, reboots: 0 });
  });

  fault('rights', 'the server is busy with other logins', { ...small, quick: true }, async (stage, check) => {
    await configureSshd(stage.node, { MaxStartups: '3:100:3', LoginGraceTime: '300' });
    const letGo = await holdLogins(stage, 3);
    try {
      await stage.patch();
      await waitFor(async () => /w-1 .* cannot be reached: /.test((await waitingFor(stage)) ?? ''), {
        what: 'the wait in status',
        timeoutMs: 120_000,
      });
    } finally {
      letGo();
    }
    await check({ state: 'patched', transactions: 1, reboots: 0 });
  });
});
