/** Whether a node has enough free space and inodes for the plan, per file system. */
import type { ErrorInfo } from '../shared/errors';
import { AUTOREMOVE, CLEAN } from './repair-commands';

export interface FileSystemRoom {
  place: string;
  /** Equal for places on the same file system. */
  id: string;
  freeKib: number;
  /** Null: the file system allocates inodes dynamically. */
  inodes: number | null;
}

/** The space that a plan needs, as reported by the node together with the plan. */
export interface PlanRoom {
  places: FileSystemRoom[];
  downloadKib: number;
  /** Additional disk use after the installation. */
  growthKib: number;
  /** Size of the largest package, whose old and new files coexist briefly. */
  largestKib: number;
  /** Kernel packages in the plan. */
  kernels: string[];
  /** Size of the largest installed kernel and initrd. */
  kernelKib: number;
  initrdKib: number;
  /** Kernels that are neither running nor selected for the next boot. */
  oldKernels: string[];
}

/** Packages write many small files; with fewer inodes a transaction may fail halfway. */
const MIN_FREE_INODES = 1_000;

/** A new kernel is about as large as the largest installed one. */
const KERNEL_MARGIN = 1.2;
/** Size of kernel and initrd when none is installed for comparison. */
const FIRST_KERNEL_KIB = 100 * 1024;
/** Ratio between the uncompressed files and the initrd made from them. */
const INITRD_UNPACKED = 4;

const MAX_NAMES = 3;

interface Need {
  place: string;
  kib: number;
  what: string;
}

/** The first file system too small for the plan; null = enough space. `loader`: the boot loader of the node. */
export function findLackOfRoom(
  { node, packageManager, loader }: { node: string; packageManager: string; loader: string | null },
  room: PlanRoom,
): ErrorInfo | null {
  for (const place of ['/', '/usr', '/var']) {
    const inodes = room.places.find((one) => one.place === place)?.inodes ?? null;
    if (inodes !== null && inodes < MIN_FREE_INODES) {
      return {
        type: 'DiskFull',
        message: `${node} has ${inodes} free inodes on ${place}; at least ${MIN_FREE_INODES} are needed to patch it safely, however much space is free`,
        remedy: `remove files on ${place} of ${node}: \`df -i\` shows the inodes, \`du --inodes -xd2 ${place} | sort -n | tail\` where they are`,
      };
    }
  }
  const needs = needsOf(room, loader);
  for (const id of new Set(room.places.map((place) => place.id))) {
    const there = room.places.filter((place) => place.id === id);
    const named = needs.filter(({ place, kib }) => kib > 0 && there.some((one) => one.place === place));
    const largest = named.toSorted((a, b) => b.kib - a.kib)[0];
    const free = there[0]?.freeKib ?? 0;
    const needed = named.reduce((sum, { kib }) => sum + kib, 0);
    if (largest === undefined || free >= needed) continue;
    return {
      type: 'DiskFull',
      message: `${node} has ${mib(free)} MiB free on ${largest.place}, and ${mib(needed)} MiB are needed there for ${largest.what}`,
      remedy: remedyOf(node, packageManager, room, largest.place),
    };
  }
  return null;
}

function needsOf(room: PlanRoom, loader: string | null): Need[] {
  const needs = [
    { place: '/var/cache', kib: room.downloadKib, what: 'the downloads' },
    { place: '/usr', kib: room.growthKib + room.largestKib, what: 'the packages of the plan' },
  ];
  if (room.kernels.length === 0) return needs;
  const present = room.kernelKib + room.initrdKib;
  const kib = present === 0 ? FIRST_KERNEL_KIB : Math.ceil(present * KERNEL_MARGIN);
  const names = room.kernels.slice(0, MAX_NAMES).join(', ');
  const what = `a new kernel and its initrd (${names})`;
  needs.push({ place: '/boot', kib, what });
  if (loader === 'systemd-boot') {
    const esp = ['/boot/efi', '/efi'].find((place) =>
      room.places.some((one) => one.place === place && !isRoot(one, room)),
    );
    if (esp !== undefined) needs.push({ place: esp, kib, what });
  }
  needs.push({
    place: '/var/tmp',
    kib: room.initrdKib * INITRD_UNPACKED,
    what: `making the initrd of a new kernel (${names})`,
  });
  return needs;
}

/** A directory on the root file system, not a partition of its own. */
function isRoot({ id }: FileSystemRoom, { places }: PlanRoom): boolean {
  return places.find(({ place }) => place === '/')?.id === id;
}

function remedyOf(node: string, packageManager: string, { oldKernels }: PlanRoom, place: string): string {
  if (place !== '/boot' && place !== '/boot/efi' && place !== '/efi')
    return `free some space on ${node}${CLEAN[packageManager] ?? ''}`;
  const names = oldKernels.slice(0, MAX_NAMES).join(', ');
  const which = oldKernels.length === 0 ? '' : `: ${names}${oldKernels.length > MAX_NAMES ? ' and others' : ''}`;
  return `remove old kernels on ${node}${AUTOREMOVE[packageManager] ?? ''}${which}`;
}

function mib(kib: number): number {
  return Math.floor(kib / 1024);
}
