/** Failures on a node in the window of a run: unrelated, caused by an update, or caused by a full disk. */
import '../support/slow-suite';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { LabNode } from '../../tools/lab/lab-node';
import type { LabPackage } from '../../tools/lab/packages';
import { sh } from '../support/sh';
import type { Stack } from './stack';
import { startStack } from './stack';

let stack: Stack;
let node: LabNode;

beforeAll(async () => {
  stack = await startStack([
    { name: 'w-1', updates: 'none' },
    { name: 'w-2', updates: 'none' },
  ]);
  node = stack.lab.node('w-1');
  const file = stack.writeSpec({
    name: 'window',
    patching: '{rebootIfRequired: true, rollout: {order: [w-1, w-2], onFailure: stop}}',
  });
  await stack.cli('enroll', '-f', file, '--yes');
  expect(await stack.cli('apply', '-f', file)).toMatchObject({ code: 0 });
});

afterAll(() => stack.stop());

/** Installs `before` and publishes the update to `after`. */
async function pending(before: LabPackage, after: LabPackage): Promise<void> {
  await node.offer(before);
  await sh(node, `apt-get -qq update && apt-get -qq -y install ${before.name} >/dev/null 2>&1`);
  await node.offer(after);
}

async function record() {
  const { lastRun } = await stack.status('window');
  const { stdout } = await stack.cli('history', 'window', '--run', String(lastRun?.number), '-o', 'json');
  return stdout.replace(/\s+/g, ' ');
}

describe('e2e/window', () => {
  it("continues with a warning when a timer's unit fails during the run", async () => {
    await sh(
      node,
      `printf '[Timer]\\nOnActiveSec=0\\nAccuracySec=10ms\\n' >/etc/systemd/system/lab-refresh.timer
       printf '[Service]\\nType=oneshot\\nExecStart=/bin/false\\n' >/etc/systemd/system/lab-refresh.service
       systemctl daemon-reload`,
    );
    const postinst =
      'systemctl start lab-refresh.timer; until systemctl is-failed --quiet lab-refresh.service; do sleep 0.1; done';
    await pending({ name: 'lab-work', version: '1' }, { name: 'lab-work', version: '2', postinst });
    expect(await stack.cli('patch', 'window', '--wait')).toMatchObject({ code: 0 });
    expect(await record()).toContain('lab-refresh.service (started by lab-refresh.timer) failed while the node was');
    expect((await stack.status('window')).nodes.map(({ name, state }) => [name, state])).toEqual([
      ['w-1', 'patched'],
      ['w-2', 'up-to-date'],
    ]);
    await sh(node, 'systemctl stop lab-refresh.timer; systemctl reset-failed');
  });

  it('fails the node and stops when the update itself broke a service', async () => {
    const program = (name: string) => readFileSync(path.join(node.rootDir, 'usr/bin', name));
    const daemon = (version: string, content: Buffer): LabPackage => ({
      name: 'lab-daemon',
      version,
      files: { '/usr/bin/lab-daemon': content },
      postinst: 'systemctl restart lab-daemon.service || true',
    });
    await sh(
      node,
      `printf '[Service]\\nExecStart=/usr/bin/lab-daemon infinity\\n' >/etc/systemd/system/lab-daemon.service
       systemctl daemon-reload`,
    );
    await pending(daemon('1', program('sleep')), daemon('2', program('false')));
    expect(await stack.cli('patch', 'window', '--wait')).toMatchObject({ code: 1 });
    expect((await stack.status('window')).nodes).toMatchObject([
      {
        state: 'failed',
        lastError: {
          type: 'Unhealthy',
          message: expect.stringContaining('lab-daemon.service failed and had not failed before'),
        },
      },
      { state: 'not-tried' },
    ]);
    await sh(node, 'rm /etc/systemd/system/lab-*; systemctl daemon-reload; systemctl reset-failed');
  });

  it.each([
    ['No space left on device', 'true'],
    ['lz4: error 23 : write error', 'exec 2>/dev/null'],
    ['compress: giving up', 'exec 2>/dev/null'],
  ])("names the full /boot whatever the tool's message (%s), and does not reboot", async (words, quiet) => {
    const bootId = 'cat /proc/sys/kernel/random/boot_id; stat -c %Y /proc/1';
    const fill = `touch /run/reboot-required
(${quiet}; dd if=/dev/zero of=/boot/initrd.img-lab bs=1M count=40) || { echo '${words}' >&2; exit 1; }`;
    const name = `lab-initrd-${words.length}`;
    await pending({ name, version: '1' }, { name, version: '2', postinst: fill });
    await sh(node, 'mount -t tmpfs -o size=20m tmpfs /boot');
    const before = await node.exec(bootId);
    const patched = await stack.cli('patch', 'window', '--wait');
    expect(patched.code).toBe(1);
    const [status] = (await stack.status('window')).nodes;
    expect(status).toMatchObject({
      state: 'failed',
      lastError: {
        message: expect.stringContaining('/boot is full: 0 of 20 MiB free now'),
        remedy: expect.stringContaining('free some space on /boot'),
      },
    });
    expect((await node.exec(bootId)).stdout).toBe(before.stdout);
    await sh(
      node,
      `umount /boot; dpkg --configure -a >/dev/null 2>&1; rm -f /boot/initrd.img-lab /run/reboot-required; dpkg -P ${name}`,
    );
  });
});
