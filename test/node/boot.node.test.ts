/** Kernels, boot and units as the helper reports them on a real node; a container imitates other systems. */
import type { NodeFacts } from '../../src/domain/node/report';
import type { LabNode } from '../../tools/lab/lab-node';
import type { TransportPool } from '../../src/ssh/transport';
import type { ActivityRunner } from './support';
import { useLab, ask, remoteNode, targetOf, token } from './support';
import { sh } from '../support/sh';

jest.setTimeout(180_000);

const OLD = '6.1.0-0.deb11.26-amd64';
const NEW = '6.1.0-0.deb11.28-amd64';

/** GRUB's configuration with the newest kernel first, and the older one as third entry of the submenu. */
function grubConfig(chosen: string): string {
  const entry = (name: string, version: string) =>
    `menuentry '${name}' --class debian $menuentry_id_option '${name}' {
	linux	/boot/vmlinuz-${version} root=UUID=1 ro
	initrd	/boot/initrd.img-${version}
}
`;
  return `set default="${chosen}"
${entry('Debian', NEW)}submenu 'Advanced options' $menuentry_id_option 'advanced' {
${entry('new', NEW)}${entry('recovery', NEW)}${entry('old', OLD)}}
`;
}

const KERNEL = 'linux-image-lab-amd64';
const labUpdates = [{ from: { name: KERNEL, version: '1' }, to: { name: KERNEL, version: '2' } }];

describe('src/node: the next boot of a real node', () => {
  let pool: TransportPool;
  let activities: ActivityRunner;
  let node: LabNode;

  useLab([{ name: 'boots', updates: 'none', labUpdates }], (started) => {
    ({ node, pool, activities } = started);
  });

  async function facts(): Promise<NodeFacts> {
    return (await remoteNode(pool, targetOf(node)).facts()).facts;
  }

  const kernels = ({ warnings }: NodeFacts) => warnings.filter(({ kind }) => kind === 'boot-kernel');

  describe('of a machine with its own kernels', () => {
    beforeAll(async () => {
      await sh(
        node,
        `set -e
        printf '#!/bin/sh\\necho none; exit 1\\n' >/usr/sbin/systemd-detect-virt
        printf '#!/bin/sh\\n[ "$1" = -r ] && { echo ${OLD}; exit; }\\nexec /bin/uname "$@"\\n' >/usr/sbin/uname
        chmod 755 /usr/sbin/systemd-detect-virt /usr/sbin/uname
        mkdir -p /lib/modules/${OLD} /boot/grub
        for v in ${OLD} ${NEW}; do
          head -c 20000 /dev/urandom >/boot/vmlinuz-$v
          head -c 100000 /dev/urandom | gzip >/boot/initrd.img-$v
        done`,
      );
    });

    afterAll(() =>
      sh(node, 'rm -rf /usr/sbin/systemd-detect-virt /usr/sbin/uname /boot/grub /boot/*.img-* /boot/vmlinuz-*'),
    );

    it('expects the newest kernel under an unknown boot loader, and reports the assumption', async () => {
      const seen = await facts();
      expect(seen).toMatchObject({
        kernelRunning: OLD,
        kernelNewest: NEW,
        reboot: { required: true, reasons: [`kernel ${NEW} is installed, ${OLD} is running`] },
        boot: { loader: null, kernel: null, order: 'unknown' },
      });
      expect(kernels(seen)).toMatchObject([{ message: expect.stringContaining('could not be read') }]);
    });

    it('requires no reboot for a kernel that GRUB does not start, and names what selected the other one', async () => {
      await sh(node, `cat >/boot/grub/grub.cfg <<'CONFIG'\n${grubConfig('1>2')}CONFIG`);
      const pinned = await facts();
      expect(pinned.reboot.required).toBe(false);
      expect(pinned.boot).toMatchObject({ loader: 'grub', kernel: OLD, pin: 'GRUB_DEFAULT=1>2', order: 'behind' });
      expect(kernels(pinned)).toMatchObject([
        { message: `kernel ${NEW} is installed, but the boot loader starts ${OLD} (grub: GRUB_DEFAULT=1>2)` },
      ]);
      await sh(node, `cat >/boot/grub/grub.cfg <<'CONFIG'\n${grubConfig('0')}CONFIG`);
      const free = await facts();
      expect(free.reboot.reasons).toEqual([`kernel ${NEW} is installed, ${OLD} is running`]);
      expect(kernels(free)).toEqual([]);
    });

    it.each([
      ['empty', `: >/boot/initrd.img-${NEW}`, 'is empty'],
      ['cut', `head -c 60000 /boot/initrd.img-${OLD} >/boot/initrd.img-${NEW}`, 'is truncated or damaged'],
      ['not there', `rm /boot/initrd.img-${NEW}`, 'does not exist'],
    ])('reports that the initrd of the next boot is %s', async (_, command, message) => {
      await sh(node, command);
      expect(kernels(await facts())).toMatchObject([{ message: expect.stringContaining(message) }]);
    });
  });

  it('rejects a kernel that does not fit into /boot before any change', async () => {
    const preflight = () =>
      activities.run('preflight', {
        ...{ target: targetOf(node), token: token(), attempt: 1 },
        ...{ withoutDrain: true, unreachableTimeoutMs: 60_000 },
      });
    await sh(node, 'mount -t tmpfs -o size=20m tmpfs /boot');
    await expect(preflight()).rejects.toMatchObject({
      type: 'DiskFull',
      message: expect.stringMatching(
        /^boots has (19|20) MiB free on \/boot, and 100 MiB are needed there for a new kernel and its initrd \(linux-image-lab-amd64\)/,
      ),
    });
    await sh(node, 'umount /boot');
    const { plan } = await preflight();
    expect(plan.changes.map(({ name }) => name)).toEqual([KERNEL]);
  });

  it("distinguishes a timer's unit, a unit changed by an update, and a restarting one", async () => {
    await sh(
      node,
      `set -e
      cp /bin/false /usr/local/bin/lab-touched
      cd /etc/systemd/system
      for name in lab-own lab-touched; do printf '[Timer]\\nOnBootSec=1d\\n' >$name.timer; done
      printf '[Service]\\nType=oneshot\\nExecStart=/bin/false\\n' >lab-own.service
      printf '[Service]\\nType=oneshot\\nExecStart=/usr/local/bin/lab-touched\\n' >lab-touched.service
      printf '[Unit]\\nStartLimitIntervalSec=0\\n[Service]\\nRestart=always\\nRestartSec=300\\nExecStart=/bin/false\\n' >lab-loop.service
      systemctl daemon-reload
      # As if a package transaction had begun after this second.
      sleep 1.1
      mkdir -p /var/lib/ospatch/runs/0123456789abcdef-apply-1/started
      cp /bin/false /usr/local/bin/lab-new && mv /usr/local/bin/lab-new /usr/local/bin/lab-touched
      systemctl start lab-own.timer lab-touched.timer lab-loop
      systemctl start lab-own || systemctl start lab-touched || true`,
    );
    const seen = await facts();
    expect(seen.failedUnits).toEqual(['lab-own.service', 'lab-touched.service']);
    expect(seen.restartingUnits).toEqual(['lab-loop.service']);
    expect(seen.failedUnitDetails).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ name: 'lab-own.service', triggeredBy: ['lab-own.timer'], changed: false }),
        expect.objectContaining({ name: 'lab-touched.service', triggeredBy: ['lab-touched.timer'], changed: true }),
        expect.objectContaining({ name: 'lab-loop.service', changed: false }),
      ]),
    );
    await sh(
      node,
      'systemctl stop lab-loop; systemctl reset-failed; rm -r /etc/systemd/system/lab-* /var/lib/ospatch/runs/*',
    );
  });

  it("verifies the reboot of a container with the host's boot id by the start time of its init", async () => {
    await sh(
      node,
      `set -e
      printf '[Unit]\\nDefaultDependencies=no\\nBefore=ssh.service\\n[Service]\\nType=oneshot\\nExecStart=/bin/sh -c "while umount /proc/sys/kernel/random/boot_id; do :; done"\\n[Install]\\nWantedBy=sysinit.target\\n' >/etc/systemd/system/lab-host-boot-id.service
      systemctl enable lab-host-boot-id; systemctl start lab-host-boot-id`,
    );
    const shown = await ask(node, 'cat /proc/sys/kernel/random/boot_id');
    const before = await facts();
    expect(before.kernelBootId).toBe(shown);
    expect(before.bootId).not.toBe(shown);
    const input = { target: targetOf(node), bootId: before.bootId, lostTimeoutMs: 120_000 };
    const after = (await activities.run('reboot', input)) as NodeFacts;
    expect(after.kernelBootId).toBe(shown);
    expect(after.bootId).not.toBe(before.bootId);
    // The second call finds nothing to do.
    expect(await activities.run('reboot', input)).toMatchObject({ bootId: after.bootId });
  });
});
