import { findLackOfRoom } from '../../../src/domain/node/disk-space';
import { splitRoom } from '../../../src/node/plan-disk-space';

const GIB = 1024 * 1024;
const node = { node: 'w-1', packageManager: 'apt', loader: null };

/** A machine with a small /boot and one file system for everything else. */
function lack(lines: string[], loader: string | null = null) {
  const places = [`/ r ${GIB} 90000`, `/usr r ${GIB} 90000`, `/var r ${GIB} 90000`, `/var/cache r ${GIB} 90000`];
  const boot = [`/var/tmp r ${GIB} 90000`, `/boot b ${100 * 1024} 9000`, `/boot/efi e ${100 * 1024} -1`];
  const named = new Set(lines.map((line) => line.split(' ').slice(0, 3).join(' ')));
  const rest = [...places, ...boot].map((line) => `room on ${line}`);
  const all = [...rest.filter((line) => !named.has(line.split(' ').slice(0, 3).join(' '))), ...lines];
  const { room, rest: other } = splitRoom(`digest x\n${all.join('\n')}\n`);
  expect(other).toBe('digest x\n');
  return room === null ? null : findLackOfRoom({ ...node, loader }, room);
}

const KERNEL = ['room kernel linux-image-6.1.0-30-amd64', 'room boot 8192 40960', 'room old 6.1.0-20-amd64'];

describe('src/domain/node/disk-space', () => {
  it('accepts enough free space', () => {
    expect(lack(['room plan 1024 1024 1024', ...KERNEL])).toBeNull();
    expect(splitRoom('digest x\n').room).toBeNull();
  });

  it('rejects a kernel that does not fit into /boot, naming removable kernels', () => {
    expect(lack(['room on /boot b 30720 900', ...KERNEL])).toEqual({
      type: 'DiskFull',
      message:
        'w-1 has 30 MiB free on /boot, and 57 MiB are needed there for a new kernel and its initrd (linux-image-6.1.0-30-amd64)',
      remedy: 'remove old kernels on w-1 (`apt-get autoremove --purge`): 6.1.0-20-amd64',
    });
    // Without a new kernel, a full /boot blocks nothing.
    expect(lack(['room on /boot b 30720 900'])).toBeNull();
    expect(lack(['room on /boot b 30720 900', 'room kernel linux-image-lab', 'room boot 0 0'])).toMatchObject({
      message: expect.stringContaining('100 MiB are needed'),
    });
  });

  it('counts kernels on the EFI partition with systemd-boot', () => {
    const small = ['room on /boot/efi e 20480 -1', ...KERNEL];
    expect(lack(small)).toBeNull();
    expect(lack(small, 'systemd-boot')?.message).toContain('free on /boot/efi');
  });

  it('adds up the needs on one file system', () => {
    const half = Math.floor(GIB * 0.6);
    expect(lack([`room plan ${half} 0 0`])).toBeNull();
    expect(lack([`room plan ${half} ${half} 0`])?.message).toBe(
      'w-1 has 1024 MiB free on /var/cache, and 1228 MiB are needed there for the downloads',
    );
    expect(lack([`room plan ${half} ${half} 0`, `room on /var/cache v ${GIB} -1`])).toBeNull();
  });

  it('requires space where the initrd is built', () => {
    expect(lack(['room on /var/tmp t 65536 -1', ...KERNEL])?.message).toContain('free on /var/tmp');
  });

  it.each(['/', '/usr', '/var'])('rejects a file system without free inodes: %s', (place) => {
    expect(lack([`room on ${place} i ${GIB} 40`])).toMatchObject({
      type: 'DiskFull',
      message: expect.stringContaining(`has 40 free inodes on ${place};`),
    });
  });

  it('accepts a file system with dynamic inodes', () => {
    expect(lack([`room on /var i ${GIB} -1`])).toBeNull();
  });
});
