/** What the next boot of a node starts, and whether that can succeed. */
import type { ErrorInfo } from '../shared/errors';
import type { NodeWarning } from './warning';

/** As reported by the node; null or empty where unreadable. */
export interface BootFacts {
  /** `grub`, `systemd-boot`, `extlinux`, ...; null = no known boot loader. */
  loader: string | null;
  /** The kernel that the boot loader will start. */
  kernel: string | null;
  /** What selects the kernel, e.g. `GRUB_DEFAULT=1>2`; null when it is the first entry. */
  pin: string | null;
  /** The selected kernel compared with the newest kernel of the running flavour. */
  order: 'newest' | 'behind' | 'other-flavour' | 'unknown';
  files: BootFile[];
}

/** One file that the boot loader will load. */
export interface BootFile {
  kind: 'kernel' | 'initrd';
  state: 'whole' | 'damaged' | 'missing' | 'unknown';
  bytes: number;
  /** Size of the largest other file of the same kind; 0 = there is none. */
  largestOther: number;
  path: string;
}

/** How to remove a pinned kernel, by the kind of pin. */
const UNPIN: readonly (readonly [pin: RegExp, remedy: string])[] = [
  [/^GRUB_DEFAULT/, 'correct GRUB_DEFAULT in /etc/default/grub and regenerate grub.cfg (`update-grub`)'],
  [/^saved_entry/, 'choose the entry with `grub-set-default` (or `grubby --set-default`)'],
  [/^next_entry/, 'clear it with `grub-editenv - unset next_entry`'],
  [/proxmox-boot-tool|next-boot-pin/, 'remove the pin with `proxmox-boot-tool kernel unpin`'],
  [/loader\.conf|systemd-boot/, 'change the default entry with `bootctl set-default`'],
];

interface Kernels {
  kernelRunning: string;
  kernelNewest: string | null;
}

/** Warnings about an unexpected kernel, and about a boot that may fail. */
export function bootWarnings(facts: Kernels & { boot?: BootFacts }): NodeWarning[] {
  const { boot } = facts;
  if (boot === undefined) return [];
  const warnings: NodeWarning[] = [];
  const kernel = kernelWarning(facts, boot);
  if (kernel !== null) warnings.push({ kind: 'boot-kernel', ...kernel });
  const file = findUnbootable(boot);
  if (file !== null) {
    warnings.push({
      kind: 'boot-kernel',
      message: `the next boot may fail: ${describeDefect(file)}`,
      remedy: remedyOf(file, boot),
    });
  }
  return warnings;
}

function kernelWarning(
  { kernelNewest: newest, kernelRunning: running }: Kernels,
  { kernel, loader, pin, order }: BootFacts,
): Omit<NodeWarning, 'kind'> | null {
  if (kernel === null) {
    if (newest === null || newest === running) return null;
    return {
      message: `kernel ${newest} is installed, and which kernel the boot loader starts could not be read; a reboot is expected to start the newest`,
      remedy: null,
    };
  }
  if (order === 'newest' || order === 'unknown' || newest === null) return null;
  const by = pin === null ? (loader ?? '') : `${loader ?? ''}: ${pin}`;
  const remedy =
    (pin === null ? undefined : UNPIN.find(([pattern]) => pattern.test(pin))?.[1]) ??
    'regenerate the configuration of the boot loader (`update-grub`, `grub2-mkconfig`, `kernel-install`), or choose the newer kernel there';
  if (order === 'other-flavour') {
    return { message: `kernel ${running} is running, but the boot loader starts ${kernel} (${by})`, remedy };
  }
  return newest === running
    ? { message: `kernel ${running} is running, but the boot loader starts the older ${kernel} (${by})`, remedy }
    : { message: `kernel ${newest} is installed, but the boot loader starts ${kernel} (${by})`, remedy };
}

/** Why a reboot would leave the node down; null = no defect was found. */
export function findBootDefect(node: string, { boot }: { boot?: BootFacts }): ErrorInfo | null {
  const file = boot === undefined ? null : findUnbootable(boot);
  if (boot === undefined || file === null) return null;
  return {
    type: 'Unhealthy',
    message: `${node} was not rebooted: ${describeDefect(file)}`,
    remedy: `${remedyOf(file, boot)} on ${node}, then patch it again`,
  };
}

function findUnbootable({ files }: BootFacts): BootFile | null {
  return (
    files.find(({ state, bytes, largestOther }) => {
      if (state === 'damaged' || state === 'missing') return true;
      // A file that could not be checked completely is compared with its siblings.
      return state === 'unknown' && bytes < largestOther / 2;
    }) ?? null
  );
}

function describeDefect({ kind, state, bytes, largestOther, path }: BootFile): string {
  if (path === '-') return 'the boot loader names no initrd for the kernel that it starts';
  if (state === 'missing') return `the ${kind} ${path} that the boot loader starts does not exist`;
  if (bytes === 0) return `${kind} ${path} is empty`;
  if (state === 'damaged') return `${kind} ${path} is truncated or damaged`;
  return `${kind} ${path} has ${mebibytes(bytes)}, less than half of another one there (${mebibytes(largestOther)})`;
}

function remedyOf({ kind }: BootFile, { kernel }: BootFacts): string {
  const name = kernel ?? 'VERSION';
  return kind === 'kernel'
    ? 'free space on /boot and install that kernel again'
    : `free space on /boot and regenerate it (\`update-initramfs -u -k ${name}\` or \`dracut --force --kver ${name}\`)`;
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
