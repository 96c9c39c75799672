import type { BootFacts, BootFile } from '../../../src/domain/node/boot';
import { bootWarnings, findBootDefect } from '../../../src/domain/node/boot';

const grub: BootFacts = { loader: 'grub', kernel: '6.1.0-28-amd64', pin: null, order: 'newest', files: [] };

function warnings(boot: Partial<BootFacts>, kernelRunning = '6.1.0-26-amd64') {
  return bootWarnings({ boot: { ...grub, ...boot }, kernelRunning, kernelNewest: '6.1.0-28-amd64' });
}

const initrd: BootFile = { kind: 'initrd', state: 'whole', bytes: 4e7, largestOther: 4e7, path: '/boot/initrd.img-x' };

describe('src/domain/node/boot', () => {
  it('names the kernel that will not boot, and what selected another one', () => {
    expect(warnings({})).toEqual([]);
    expect(warnings({ kernel: '6.1.0-26-amd64', order: 'behind', pin: 'GRUB_DEFAULT=1>2' })).toEqual([
      {
        kind: 'boot-kernel',
        message:
          'kernel 6.1.0-28-amd64 is installed, but the boot loader starts 6.1.0-26-amd64 (grub: GRUB_DEFAULT=1>2)',
        remedy: expect.stringContaining('/etc/default/grub'),
      },
    ]);
    expect(warnings({ kernel: '6.1.0-26-amd64', order: 'behind' }, '6.1.0-28-amd64')).toMatchObject([
      { message: 'kernel 6.1.0-28-amd64 is running, but the boot loader starts the older 6.1.0-26-amd64 (grub)' },
    ]);
    expect(warnings({ kernel: null, loader: null, order: 'unknown' })).toMatchObject([
      { message: expect.stringContaining('could not be read') },
    ]);
  });

  it.each<[Partial<BootFile>, string | null]>([
    [{}, null],
    [{ state: 'damaged', bytes: 0 }, 'w-1 was not rebooted: initrd /boot/initrd.img-x is empty'],
    [{ state: 'damaged', bytes: 9 }, 'w-1 was not rebooted: initrd /boot/initrd.img-x is truncated or damaged'],
    [
      { state: 'missing', bytes: 0 },
      'w-1 was not rebooted: the initrd /boot/initrd.img-x that the boot loader starts does not exist',
    ],
    [
      { state: 'unknown', bytes: 1e7 },
      'w-1 was not rebooted: initrd /boot/initrd.img-x has 9.5 MiB, less than half of another one there (38.1 MiB)',
    ],
    // A file that was read to its end may have any size.
    [{ state: 'whole', bytes: 1e7 }, null],
    [{ state: 'unknown', bytes: 3e7 }, null],
  ])('refuses a reboot into an incomplete kernel or initrd: %j', (file, message) => {
    const defect = findBootDefect('w-1', { boot: { ...grub, files: [{ ...initrd, ...file }] } });
    expect(defect?.message ?? null).toBe(message);
  });
});
