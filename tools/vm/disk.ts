/** The disk an emulated machine starts from: a Debian of the lab with an outdated kernel and its own boot loader. */
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';

import type { Log } from '../../src/dev/host';
import { cacheDir, mustRun, timed } from '../../src/dev/host';
import { ensureImage } from '../lab/images';
import { mountImage, unmount } from '../lab/layers';
import { runInside } from '../lab/nspawn';
import type { LabSuite } from '../lab/recipe';
import { IMAGE_MAX_AGE_MS } from '../lab/recipe';
import type { RunDir } from '../lab/run-dir';
import { withLock } from '../../src/dev/owner-lock';
import { emulate } from './emulator';
import * as recipe from './recipe';

/** Emulation is slow, and a machine that other work shares slower still. */
const SETUP_LIMIT_MS = 15 * 60_000;

const SECTOR = 512;

export interface VmDisk {
  /** Raw disk image; never written once it has its name. */
  file: string;
  suite: LabSuite;
}

/** The disk, made when it is missing or its kernel may be no longer outdated. Only one process makes it at a time. */
export async function ensureDisk(run: RunDir, log: Log): Promise<VmDisk> {
  const onWait = () => log('waiting for another process that makes the disk of the emulated machine ...');
  return withLock(path.join(cacheDir('lab'), 'disk.lock'), onWait, async () => {
    const disks = cacheDir('lab', 'disks');
    const digest = recipe.vmRecipeDigest();
    for (const name of readdirSync(disks)) {
      const file = path.join(disks, name);
      const [suite, madeBy, madeAt] = name.split('-');
      if (Date.now() - Number(madeAt) >= IMAGE_MAX_AGE_MS) rmSync(file, { force: true });
      else if (madeBy === digest) return { file, suite: suite as LabSuite };
    }
    for (const suite of recipe.VM_SUITES) {
      const image = await ensureImage({ suite, updates: 'none', oldBaseFiles: false, labUpdates: [] }, run, log);
      const dir = path.join(run.dir, `disk-${suite}`);
      const root = await mountImage(image, dir);
      const machine = `${run.id}-disk-${suite}`;
      try {
        await runInside(root, machine, 'apt-get -qq update');
        if (Number((await runInside(root, machine, recipe.COUNT_KERNELS)).trim()) < 2) {
          log(`the archive of ${suite} has no newer kernel at the moment`);
          continue;
        }
        const file = path.join(disks, `${suite}-${digest}-${Date.now()}`);
        const what = `Making the disk of the emulated machine (${suite}, with a boot loader and an outdated kernel)`;
        await timed(log, what, '4 min, once a week', () => makeDisk(root, machine, suite, dir, file));
        return { file, suite };
      } finally {
        await unmount(dir);
        rmSync(dir, { recursive: true, force: true });
      }
    }
    throw new Error('no release of Debian has an outdated kernel in its archive at the moment; try again in some days');
  });
}

async function makeDisk(root: string, machine: string, suite: LabSuite, dir: string, target: string): Promise<void> {
  await runInside(root, machine, recipe.INSTALL_KERNEL, { SUITE: suite });
  writeFileSync(path.join(root, 'etc/resolv.conf'), 'nameserver 10.0.2.3\n');
  const boot = path.join(root, 'boot');
  const kernel = copyOut(boot, 'vmlinuz-', dir);
  const initrd = copyOut(boot, 'initrd.img-', dir);
  const disk = path.join(dir, 'disk.raw');
  await makeFileSystem(root, disk);
  // grub is best installed by the system itself, on the disk it will start from.
  const console = path.join(dir, 'console.log');
  const append = `root=LABEL=${recipe.ROOT_LABEL} console=ttyS0 ${recipe.SETUP_WORD}`;
  const machineOptions = ['-kernel', kernel, '-initrd', initrd, '-append', append];
  const drives = [{ file: disk, format: 'raw' as const }];
  const ended = await emulate({ drives, console, options: machineOptions }).ended(SETUP_LIMIT_MS);
  const said = existsSync(console) ? readFileSync(console, 'utf8') : '';
  if (!ended || !said.includes(recipe.SETUP_DONE)) {
    throw new Error(`the boot loader could not be written; the console ends with:\n${said.slice(-2000)}`);
  }
  mkdirSync(path.dirname(target), { recursive: true });
  const done = `${target}.new`;
  await mustRun('cp', ['--sparse=always', disk, done]);
  renameSync(done, target);
}

function copyOut(boot: string, prefix: string, dir: string): string {
  const name = readdirSync(boot).find((file) => file.startsWith(prefix));
  if (name === undefined) throw new Error(`the kernel package has left no ${prefix}* in /boot`);
  const copy = path.join(dir, name);
  copyFileSync(path.join(boot, name), copy);
  return copy;
}

/** A disk with one bootable partition over a file tree. */
async function makeFileSystem(root: string, disk: string): Promise<void> {
  closeSync(openSync(disk, 'w'));
  truncateSync(disk, recipe.DISK_BYTES);
  const kib = (recipe.DISK_BYTES - recipe.PARTITION_START) / 1024;
  const options = ['-q', '-F', '-L', recipe.ROOT_LABEL, '-d', root, '-E', `offset=${recipe.PARTITION_START}`];
  await mustRun('mkfs.ext4', [...options, disk, `${kib}k`]);
  const table = Buffer.alloc(66);
  table[0] = 0x80;
  table[4] = 0x83;
  table.writeUInt32LE(recipe.PARTITION_START / SECTOR, 8);
  table.writeUInt32LE((statSync(disk).size - recipe.PARTITION_START) / SECTOR, 12);
  table.writeUInt16LE(0xaa55, 64);
  const handle = openSync(disk, 'r+');
  writeSync(handle, table, 0, table.length, 446);
  closeSync(handle);
}
