/** Determines which file system a transaction failed on, and which resource ran out. */
import { plainText } from '../../domain/shared/text';
import type { Cause, Failure } from './failure-types';

const FULL =
  /No space left on device|not enough (?:free )?(?:disk )?space|don't have enough free space|ENOSPC|needs \S+ more space on the|At least \S+ more space needed|disk space error/i;
/** rpm checks the available space before it starts. */
const NEEDED = /needs (\d+\w*) more (space|inodes) on the (\/\S{0,200}) filesystem/;

const CREATE = /(?:unable to|cannot|can't) create|mkdir/i;
const QUOTA = /Disk quota exceeded|EDQUOT/i;
const TOO_LARGE = /File too large|EFBIG/i;
const READ_ONLY = /Read-only file system|EROFS/i;
const BROKEN = /Input\/output error|\bEIO\b/;

/** Messages of compressors and archivers with many causes, most often a full disk. */
const PERHAPS_FULL =
  /lz4: error \d|(?:gzip|xz|bzip2|lzma|zstd)\b.{0,40}(?:stdout|error 2[0-9]|write error)|cpio: write error|write error|cannot copy extracted data|paste subprocess|mkinitramfs failure|short write|failed to write|cannot write/i;

/** With fewer free inodes nothing can be unpacked. */
const FEW_INODES = 16;

interface FileSystem {
  mount: string;
  freeKib: number;
  sizeKib: number;
  freeInodes: number;
  inodes: number;
}

interface Suspect {
  disk: FileSystem;
  /** Still full now; otherwise the failed file has been removed again. */
  isFull: boolean;
}

/** Null: the log does not point to a disk. The helper prints df lines after a failure with such messages. */
export function diskFailure(log: string, cause: Cause): Failure | null {
  const said = cause.reason + (cause.text ?? log);
  const disks = fileSystems(log);
  const [, amount, thing, mount] = NEEDED.exec(said) ?? [];
  if (amount !== undefined && mount !== undefined) {
    const what = thing === 'inodes' ? `${amount} more inodes` : `${amount} more`;
    return diskFull(`${mount} has too little room: ${what} are needed`, `free some space on ${mount}`);
  }
  if (FULL.test(said)) return full(findFull(disks, said), said, 'the disk is full');
  if (QUOTA.test(said)) return diskFull('a disk quota is used up', 'raise the quota or free some space');
  if (READ_ONLY.test(said)) return readOnly(mountOf(disks, said)?.mount);
  if (BROKEN.test(said))
    return sick(`a disk reports input/output errors${named(disks, said)}`, 'replace what is broken');
  if (TOO_LARGE.test(said)) {
    return diskFull('a file is larger than its file system or a limit allows', 'check `ulimit -f` and the file system');
  }
  const suspect = PERHAPS_FULL.test(said) ? findFull(disks, said) : null;
  return suspect === null ? null : full(suspect, said, '');
}

function full(suspect: Suspect | null, said: string, otherwise: string): Failure {
  if (suspect === null) return diskFull(otherwise, 'free some space');
  const { mount, freeKib, sizeKib, freeInodes, inodes } = suspect.disk;
  if (inodes > 0 && freeInodes < FEW_INODES) {
    return diskFull(
      `no inodes are left on ${mount} (${freeInodes} of ${inodes} free)`,
      `remove files from ${mount}: \`df -i ${mount}\` shows its inodes`,
    );
  }
  // A failed creation needed an inode; a failed write needed space.
  if (!suspect.isFull && inodes > 0 && CREATE.test(said)) {
    return diskFull(
      `${mount} has too few inodes: ${freeInodes} of ${inodes} free now`,
      `remove files from ${mount}: \`df -i ${mount}\` shows its inodes`,
    );
  }
  const numbers = `${mebibytes(freeKib)} of ${mebibytes(sizeKib)} MiB free now`;
  return suspect.isFull
    ? diskFull(`${mount} is full: ${numbers}`, `free some space on ${mount}`)
    : diskFull(`${mount} has too little room: ${numbers}`, `free some space on ${mount}`);
}

/** File systems that packages write to; other full file systems are irrelevant to a transaction. */
const OF_THE_SYSTEM = /^\/(?:$|(?:boot|efi|etc|opt|run|tmp|usr|var)(?:\/|$))/;

/** A full system file system, reported in addition to another failure. Null: none is full. */
export function fullDisk(log: string): { what: string; remedy: string } | null {
  const disk = fileSystems(log).find((one) => OF_THE_SYSTEM.test(one.mount) && isFull(one));
  return disk === undefined ? null : full({ disk, isFull: true }, '', '');
}

/** Upper bound: a large file system with a few gibibytes left is not full. */
const MAX_LEFT_KIB = 32 * 1024;

function isFull({ freeKib, sizeKib, freeInodes, inodes }: FileSystem): boolean {
  return (inodes > 0 && freeInodes < FEW_INODES) || freeKib < Math.max(1024, Math.min(sizeKib * 0.01, MAX_LEFT_KIB));
}

/** The file system named in the message, else a full one. */
function findFull(disks: readonly FileSystem[], said: string): Suspect | null {
  const disk = disks.find((one) => isFull(one));
  if (disk !== undefined) return { disk, isFull: true };
  // The failed file was removed again, so there is free space by now.
  const at = mountOf(disks, said);
  return at === undefined ? null : { disk: at, isFull: false };
}

/** The file system of the last absolute path in the message. */
function mountOf(disks: readonly FileSystem[], said: string): FileSystem | undefined {
  // dpkg prints some paths as in the package: './boot/file'.
  const paths = said.replaceAll("'./", "'/").match(/(?<![\w.])\/[\w.+~/-]{1,300}/g) ?? [];
  return paths
    .flatMap((path) =>
      disks
        .filter(({ mount }) => mount !== '/' && (path === mount || path.startsWith(`${mount}/`)))
        .toSorted((a, b) => b.mount.length - a.mount.length)
        .slice(0, 1),
    )
    .at(-1);
}

function named(disks: readonly FileSystem[], said: string): string {
  const disk = mountOf(disks, said);
  return disk === undefined ? '' : `: ${disk.mount}`;
}

/** Parses the helper's lines `ospatch: disk MOUNT FREE-KIB SIZE-KIB FREE-INODES INODES`. */
function fileSystems(log: string): FileSystem[] {
  return [...log.matchAll(/^ospatch: disk (\S{1,200}) (\d{1,15}) (\d{1,15}) (\d{1,15}) (\d{1,15})$/gm)].map(
    ([, mount = '', freeKib, sizeKib, freeInodes, inodes]) => ({
      mount: plainText(mount, 100),
      freeKib: Number(freeKib),
      sizeKib: Number(sizeKib),
      freeInodes: Number(freeInodes),
      inodes: Number(inodes),
    }),
  );
}

function mebibytes(kib: number): number {
  return Math.floor(kib / 1024);
}

function diskFull(what: string, remedy: string): Failure {
  return { type: 'DiskFull', retry: 'permanent', what, remedy: `${remedy}, then patch the node again` };
}

/** Read-only by its fstab entry, or remounted because of errors. */
function readOnly(mount: string | undefined): Failure {
  return {
    type: 'Unhealthy',
    retry: 'permanent',
    what: mount === undefined ? 'a file system is read-only' : `a file system is read-only: ${mount}`,
    remedy: `find out why (/etc/fstab and \`dmesg\` on the node), run \`mount -o remount,rw ${mount ?? 'DIRECTORY'}\`, then patch the node again`,
  };
}

function sick(what: string, remedy: string): Failure {
  return {
    type: 'Unhealthy',
    retry: 'permanent',
    what,
    remedy: `find out why with \`dmesg\` on the node, ${remedy}, then patch it again`,
  };
}
