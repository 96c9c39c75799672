/** Real reboots without effect or with a long duration; each takes its real time. */
import type { LabNode } from '../../tools/lab/lab-node';
import type { TransportPool } from '../../src/ssh/transport';
import { sh } from '../support/sh';
import { useLab, activityRunner, remoteNode, targetOf } from './support';

jest.setTimeout(300_000);

describe('src/node/reboot on a real node', () => {
  let pool: TransportPool;
  let node: LabNode;

  useLab([{ name: 'odd', updates: 'none' }], (started) => {
    ({ node, pool } = started);
  });

  async function reboot(): Promise<unknown> {
    const { facts } = await remoteNode(pool, targetOf(node)).facts();
    const input = { target: targetOf(node), bootId: facts.bootId, lostTimeoutMs: 60_000 };
    return activityRunner(pool).run('reboot', input);
  }

  it.each([
    [
      'a reboot.target that does nothing',
      `printf '[Unit]\\nDescription=mock\\n' >/etc/systemd/system/reboot.target; systemctl daemon-reload`,
      /^odd was not rebooted: the reboot command exited with code 0, but the node is not shutting down \(reboot\.target is replaced by \/etc\/systemd\/system\/reboot\.target\)$/,
      'rm /etc/systemd/system/reboot.target; systemctl daemon-reload; systemctl stop reboot.target || true',
    ],
    [
      'a program in front of systemctl',
      `printf '%s\\n' '#!/bin/sh' 'case $1 in reboot) echo "W: not today"; exit 0; esac; exec /usr/bin/systemctl "$@"' >/usr/sbin/systemctl
      chmod 755 /usr/sbin/systemctl`,
      /^odd was not rebooted: the reboot command exited with code 0 and printed: W: not today, but the node is not shutting down \(systemctl is \/usr\/sbin\/systemctl\)$/,
      'rm /usr/sbin/systemctl',
    ],
    [
      'a timer that cannot run it',
      `mkdir -p /etc/systemd/system/ospatch-reboot.service.d
      printf '[Service]\\nNoExecPaths=/usr/bin/dash\\n' >/etc/systemd/system/ospatch-reboot.service.d/lab.conf; systemctl daemon-reload`,
      /^odd was not rebooted: the reboot command was not run \(.*\)$/,
      'rm -r /etc/systemd/system/ospatch-reboot.service.d; systemctl daemon-reload',
    ],
  ])('without effect (%s) is reported within a minute with the reason', async (_, prepare, message, undo) => {
    await sh(node, prepare);
    const started = Date.now();
    try {
      await expect(reboot()).rejects.toMatchObject({
        type: 'RebootFailed',
        message: expect.stringMatching(message),
      });
      expect(Date.now() - started).toBeLessThan(60_000);
    } finally {
      await sh(node, undo);
    }
  });

  it("of a node that shuts down slowly, after an administrator's delay, is awaited", async () => {
    await sh(
      node,
      `set -e; mkdir -p /etc/systemd/logind.conf.d
      printf '[Login]\\nInhibitDelayMaxSec=40\\n' >/etc/systemd/logind.conf.d/lab.conf; systemctl restart systemd-logind
      printf '%s\\n' '[Unit]' 'After=ssh.service systemd-user-sessions.service dbus.service' '[Service]' 'Type=oneshot' \
        RemainAfterExit=yes ExecStart=/bin/true 'ExecStop=/bin/sleep 35' >/etc/systemd/system/lab-slow-stop.service
      systemctl daemon-reload; systemctl start lab-slow-stop
      systemd-run --collect systemd-inhibit --mode=delay --what=shutdown --who=lab --why=test sleep 8006`,
    );
    const before = node.bootCount;
    const started = Date.now();
    await reboot();
    expect(node.bootCount).toBe(before + 1);
    expect(Date.now() - started).toBeGreaterThan(60_000);
    await sh(
      node,
      'rm /etc/systemd/system/lab-slow-stop.service /etc/systemd/logind.conf.d/lab.conf; systemctl daemon-reload',
    );
  });
});
