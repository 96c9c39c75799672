/** File trees stacked on each other with overlayfs, or copied where the kernel or file system cannot do that. */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';

import { mustRun, runProgram } from '../../src/dev/host';

/** Directories of an image, topmost first. Never written once they have their name. */
export interface Image {
  lower: string[];
}

/** What the kernel and the file system can do. */
interface Overlay {
  works: boolean;
  /** Linux 5.10 and newer. */
  isVolatile: boolean;
}

let overlay: Overlay | undefined;

export interface MountOptions {
  /**
   * Nobody reads the tree after it is unmounted: what is written there need not reach the disk, for which package managers
   * wait after every file. Default false.
   */
  scratch?: boolean;
}

/** Makes a writable tree over `image` below `dir` and returns its path. It is unmounted by `unmount(dir)`. */
export async function mountImage(image: Image, dir: string, { scratch = false }: MountOptions = {}): Promise<string> {
  const root = path.join(dir, 'root');
  const { works, isVolatile } = await probeOverlay(dir);
  if (!works) {
    mkdirSync(dir, { recursive: true });
    await mustRun('cp', ['-a', '--reflink=auto', image.lower[0] ?? '', root]);
    return root;
  }
  await mountOverlay(image, dir, scratch && isVolatile);
  return root;
}

export async function unmount(dir: string): Promise<void> {
  if (overlay?.works === true) await mustRun('umount', [path.join(dir, 'root')]);
}

/** The image that `change` makes out of `parent`, kept as `target`; made in `workDir` unless it exists. */
export async function ensureLayer(
  parent: Image,
  target: string,
  workDir: string,
  change: (root: string) => Promise<void>,
): Promise<Image> {
  if (!existsSync(target)) {
    const dir = path.join(workDir, path.basename(target));
    const root = await mountImage(parent, dir);
    await change(root);
    await unmount(dir);
    mkdirSync(path.dirname(target), { recursive: true });
    renameSync(overlay?.works === true ? path.join(dir, 'upper') : root, target);
    rmSync(dir, { recursive: true, force: true });
  }
  return { lower: (await probeOverlay(workDir)).works ? [target, ...parent.lower] : [target] };
}

async function mountOverlay(image: Image, dir: string, isVolatile: boolean): Promise<void> {
  for (const name of ['upper', 'work', 'root']) mkdirSync(path.join(dir, name), { recursive: true });
  const options = [
    `lowerdir=${image.lower.join(':')}`,
    `upperdir=${path.join(dir, 'upper')}`,
    `workdir=${path.join(dir, 'work')}`,
    ...(isVolatile ? ['volatile'] : []),
  ];
  await mustRun('mount', ['-t', 'overlay', 'ospatch-lab', '-o', options.join(','), path.join(dir, 'root')]);
}

async function probeOverlay(dir: string): Promise<Overlay> {
  if (overlay !== undefined) return overlay;
  const works = await canMount(dir, false);
  overlay = { works, isVolatile: works && (await canMount(dir, true)) };
  return overlay;
}

async function canMount(dir: string, isVolatile: boolean): Promise<boolean> {
  const probe = path.join(dir, 'overlay-probe');
  mkdirSync(path.join(probe, 'lower'), { recursive: true });
  try {
    await mountOverlay({ lower: [path.join(probe, 'lower')] }, probe, isVolatile);
    await runProgram('umount', [path.join(probe, 'root')]);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(probe, { recursive: true, force: true });
  }
}
