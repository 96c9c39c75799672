/** What the disk of the emulated machine is made of: a real Debian with a boot loader, and a kernel that is outdated. */
import { createHash } from 'node:crypto';

import type { LabSuite } from '../lab/recipe';

/** Releases that are tried in this order: the first whose archive holds two kernels, one of them newer. */
export const VM_SUITES: readonly LabSuite[] = ['bookworm', 'trixie', 'bullseye'];

export const KERNEL = 'linux-image-cloud-amd64';

/** The file system of the root, by which the boot loader and the system find it. */
export const ROOT_LABEL = 'lab-root';

export const DISK_BYTES = 4 * 1024 ** 3;

/** Start of the only partition; the boot loader lies in the gap before it. */
export const PARTITION_START = 1024 ** 2;

/** The word on the kernel's command line with which a machine only writes its boot loader. */
export const SETUP_WORD = 'lab.setup';

/** What the console shows once the boot loader is written. */
export const SETUP_DONE = 'lab: the boot loader is written';

/** Prints how many versions of the kernel the lists hold. */
export const COUNT_KERNELS = `apt-cache madison ${KERNEL} | awk '{ print $3 }' | sort -u | wc -l`;

/** Runs inside an image whose other packages are up to date; SUITE is its release. */
export const INSTALL_KERNEL = `
set -e
export DEBIAN_FRONTEND=noninteractive
mkdir -p /etc/default/grub.d
cat >/etc/default/grub.d/lab.cfg <<'END'
GRUB_TIMEOUT=1
GRUB_CMDLINE_LINUX_DEFAULT=""
GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0 net.ifnames=0"
GRUB_DISABLE_OS_PROBER=true
END
printf '%s\\n' 'grub-pc grub-pc/install_devices multiselect /dev/vda' 'grub-pc grub-pc/install_devices_empty boolean true' |
  debconf-set-selections
apt-get -qq update
apt-get -qq -y --no-install-recommends -o Dpkg::Options::=--force-unsafe-io install \\
  "${KERNEL}/$SUITE" initramfs-tools grub-pc kmod udev e2fsprogs
apt-get clean
apt-get -qq -y --download-only dist-upgrade
printf 'LABEL=${ROOT_LABEL} / ext4 errors=remount-ro 0 1\\n' >/etc/fstab
printf '[Match]\\nName=eth0\\n[Network]\\nDHCP=yes\\n' >/etc/systemd/network/80-lab.network
systemctl enable systemd-networkd.service
cat >/etc/systemd/system/lab-setup.service <<'END'
[Unit]
ConditionKernelCommandLine=${SETUP_WORD}
[Service]
Type=oneshot
StandardOutput=journal+console
StandardError=journal+console
ExecStart=/bin/sh -ec 'grub-install /dev/vda; update-grub; sync; echo ${SETUP_DONE}'
ExecStopPost=/bin/systemctl poweroff --no-block
[Install]
WantedBy=multi-user.target
END
cat >/etc/systemd/system/lab-seed.service <<'END'
[Unit]
DefaultDependencies=no
After=systemd-remount-fs.service
Before=sysinit.target ssh.service
ConditionPathExists=/dev/vdb
[Service]
Type=oneshot
ExecStart=/bin/sh -ec 'mount -o ro /dev/vdb /mnt; sh /mnt/seed.sh; umount /mnt'
[Install]
WantedBy=sysinit.target
END
systemctl enable lab-setup.service lab-seed.service
# The package logs tell of the machine's own transactions only.
for log in apt/history.log apt/term.log dpkg.log; do : >"/var/log/$log"; done
`;

/** What the second disk of a machine holds besides keys: it makes the machine the one that is asked for. */
export const SEED = `
set -e
for home in /root /home/ospatch; do
  cp /mnt/authorized_keys "$home/.ssh/authorized_keys"
  chown --reference="$home" "$home/.ssh/authorized_keys"
  chmod 0600 "$home/.ssh/authorized_keys"
done
install -m 0600 /mnt/ssh_host_ed25519_key /etc/ssh/
install -m 0644 /mnt/ssh_host_ed25519_key.pub /etc/ssh/
cp /mnt/hostname /etc/hostname
hostname -F /etc/hostname
printf '127.0.0.1 localhost\\n127.0.1.1 %s\\n' "$(cat /mnt/hostname)" >/etc/hosts
`;

/** Digest over everything here: 8 hex characters. */
export function vmRecipeDigest(): string {
  const parts = [KERNEL, ROOT_LABEL, DISK_BYTES, PARTITION_START, SETUP_WORD, SETUP_DONE, INSTALL_KERNEL];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 8);
}
