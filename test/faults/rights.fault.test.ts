/** The login fails or lacks permissions: nothing is changed, and the message gives reason and remedy. */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import '../support/slow-suite';
import { waitFor } from '../support/wait-for';
import { fault } from './fault';
import { sh } from '../support/sh';
import { SMALL_NODE, configureSshd, pendingUpdate, waitingFor, write } from './node-tools';
import type { Scenario } from './scenario';

const small = { node: SMALL_NODE } as const;

const UNTOUCHED = { state: 'failed', transactions: 0, reboots: 0 } as const;

async function sudoRule(scenario: Scenario, rule: string): Promise<void> {
  await sh(scenario.node, `cat >/etc/sudoers.d/ospatch <<'EOF'\n${rule}\nEOF\nvisudo -qc`);
}

/** Opens silent connections, so that sshd waits for their logins. */
async function holdLogins(scenario: Scenario, count: number): Promise<() => void> {
  const sockets = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<Socket>((resolve, reject) => {
          const socket = connect({ host: scenario.node.host, port: scenario.node.port });
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
  fault('rights', 'sudo asks for a password', { ...small, quick: true }, async (scenario, check) => {
    await sudoRule(scenario, 'ospatch ALL=(ALL) ALL');
    await scenario.patch();
    await check({
      ...UNTOUCHED,
      sentence: 'sudo refuses to place the helper on w-1: a password is required; nothing was changed',
    });
  });

  fault('rights', 'the sudo rule is too narrow', small, async (scenario, check) => {
    await sudoRule(scenario, 'ospatch ALL=(root) NOPASSWD: /usr/bin/apt-get');
    await scenario.patch();
    await check({
      ...UNTOUCHED,
      sentence: /^sudo refuses to place the helper on w-1: .*; nothing was changed$/,
    });
  });

  fault('rights', 'sudo wants a terminal', small, async (scenario, check) => {
    await sudoRule(scenario, 'Defaults requiretty\nospatch ALL=(ALL) NOPASSWD: ALL');
    await scenario.patch();
    await check({
      ...UNTOUCHED,
      sentence: /^sudo .*w-1.*(?:tty|terminal).*; nothing was changed$/,
    });
  });

  fault('rights', 'the key is rejected', small, async (scenario, check) => {
    write(scenario.node, 'home/ospatch/.ssh/authorized_keys', '');
    await scenario.patch();
    await check({
      ...UNTOUCHED,
      sentence: /^w-1 \(127\.0\.0\.1:\d+\) does not accept the key "[^"]+" for the user ospatch; nothing was changed$/,
    });
  });

  fault(
    'rights',
    'the account has expired',
    { ...small, patching: '{unreachableTimeout: 1m}' },
    async (scenario, check) => {
      await sh(scenario.node, 'chage -E 1 ospatch');
      await scenario.patch();
      await check({ ...UNTOUCHED, sentence: /^w-1 .* account has expired.*; nothing was changed$/ });
    },
  );

  fault('rights', 'the server allows one session per connection', small, async (scenario, check) => {
    await configureSshd(scenario.node, { MaxSessions: '1' });
    await pendingUpdate(scenario.node, 'lab-slow', { postinst: 'sleep 6' });
    await scenario.patch();
    await scenario.reach('during apply');
    // Other calls to the same node at the same time, over the connection of the patch.
    const answers = await Promise.all([
      scenario.cli('logs', scenario.cluster, 'w-1'),
      scenario.cli('check', scenario.cluster),
    ]);
    expect(answers.map(({ code }) => code)).toEqual([0, 0]);
    await check({ state: 'patched', transactions: 1, reboots: 0 });
  });

  fault('rights', 'the server is busy with other logins', { ...small, quick: true }, async (scenario, check) => {
    await configureSshd(scenario.node, { MaxStartups: '3:100:3', LoginGraceTime: '300' });
    const letGo = await holdLogins(scenario, 3);
    try {
      await scenario.patch();
      await waitFor(async () => /w-1 .* cannot be reached: /.test((await waitingFor(scenario)) ?? ''), {
        what: 'the wait in status',
        timeoutMs: 120_000,
      });
    } finally {
      letGo();
    }
    await check({ state: 'patched', transactions: 1, reboots: 0 });
  });
});
