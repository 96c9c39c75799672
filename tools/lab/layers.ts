/** File trees stacked on each other with overlayfs, or copied where the kernel or file system cannot do that. */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';

import { mustRun, runProgram } from '../../src/dev/host';

/** Directories of an image, topmost first. Never written once they have their name. */
export interface Image {
  lower: string[];
}

let overlayWorks: boolean | undefined;

/** Makes a writable tree over `image` below `dir` and returns its path. It is unmounted by `unmount(dir)`. */
export async function mountImage(image: Image, dir: string): Promise<string> {
  const root = path.join(dir, 'root');
  if (!(await canOverlay(dir))) {
    mkdirSync(dir, { recursive: true });
    await mustRun('cp', ['-a', '--reflink=auto', image.lower[0] ?? '', root]);
    return root;
  }
  await mountOverlay(image, dir);
  return root;
}

export async function unmount(dir: string): Promise<void> {
  if (overlayWorks === true) await mustRun('umount', [path.join(dir, 'root')]);
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
    renameSync(overlayWorks === true ? path.join(dir, 'upper') : root, target);
    rmSync(dir, { recursive: true, force: true });
  }
  return { lower: (await canOverlay(workDir)) ? [target, ...parent.lower] : [target] };
}

async function mountOverlay(image: Image, dir: string): Promise<void> {
  for (const name of ['upper', 'work', 'root']) mkdirSync(path.join(dir, name), { recursive: true });
  const options = [
    `lowerdir=${image.lower.join(':')}`,
    `upperdir=${path.join(dir, 'upper')}`,
    `workdir=${path.join(dir, 'work')}`,
  ];
  await mustRun('mount', ['-t', 'overlay', 'ospatch-lab', '-o', options.join(','), path.join(dir, 'root')]);
}

async function canOverlay(dir: string): Promise<boolean> {
  if (overlayWorks !== undefined) return overlayWorks;
  const probe = path.join(dir, 'overlay-probe');
  mkdirSync(path.join(probe, 'lower'), { recursive: true });
  try {
    await mountOverlay({ lower: [path.join(probe, 'lower')] }, probe);
    await runProgram('umount', [path.join(probe, 'root')]);
    overlayWorks = true;
  } catch {
    overlayWorks = false;
  }
  rmSync(probe, { recursive: true, force: true });
  return overlayWorks;
}
