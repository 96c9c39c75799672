/** The images nodes start from, built on first use and kept in the cache. */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import type { Log } from '../../src/dev/host';
import { cacheDir, mustRun, timed } from '../../src/dev/host';
import { withLock } from '../../src/dev/owner-lock';
import type { Image } from './layers';
import { ensureLayer } from './layers';
import { findMirror } from './mirror';
import { runInside } from './nspawn';
import type { LabPackage } from './packages';
import { buildDeb, indexRepository, repackOlder, REPOSITORY_DIR } from './packages';
import * as recipe from './recipe';
import type { RunDir } from './run-dir';
import { hasOtherRuns } from './run-dir';
import { defined } from '../../src/domain/shared/defined';

/** A lab-made package in the version a node starts with and in the one its repository offers. */
export interface LabUpdate {
  from: LabPackage;
  to: LabPackage;
}

export interface ImageOptions {
  /** The Debian release; default {@link recipe.LAB_SUITE}. */
  suite?: recipe.LabSuite;
  /** Real updates that are pending: all of them, the few smallest (quick tests), or none. */
  updates: 'all' | 'few' | 'none';
  /** The image shows the point release before, and the archive's base-files brings it forward. */
  oldBaseFiles: boolean;
  /** Updates of lab-made packages that are pending besides. */
  labUpdates: LabUpdate[];
  /** Tools that are not those of every Debian. */
  userland?: recipe.Userland;
  /** Carries this package manager of the rpm family besides its own, with an empty rpm database. */
  rpm?: recipe.RpmManager;
}

/** The last line saves every node the parsing of all package lists, 2 s. */
const USE_LAB_REPOSITORY = `
set -e
apt-get -qq update -o Dir::Etc::sourcelist=sources.list.d/lab.list -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0
apt-get -qq check
`;

/** The image for `options`, built as far as it is missing. Only one process builds images of a release at a time. */
export async function ensureImage(options: ImageOptions, run: RunDir, log: Log): Promise<Image> {
  const suite = options.suite ?? recipe.LAB_SUITE;
  const onWait = () => log(`waiting for another process that builds the node images of ${suite} ...`);
  const lock = suite === recipe.LAB_SUITE ? 'images.lock' : `images-${suite}.lock`;
  return withLock(path.join(cacheDir('lab'), lock), onWait, async () => {
    const dir = await ensureBase(suite, run, log);
    const machine = `${run.id}-build-${suite}`;
    const work = path.join(run.dir, `build-${suite}`);
    let image: Image = { lower: [path.join(dir, 'base')] };
    let name = 'layer';
    const layer = async (key: string, change: (root: string) => Promise<unknown>) => {
      name += `-${key}`;
      image = await ensureLayer(image, path.join(dir, name), work, async (root) => {
        log(`preparing the node image "${name}" of ${suite} (usually 5 s) ...`);
        await change(root);
      });
    };
    if (options.updates !== 'all') {
      const leave = String(options.updates === 'few' ? recipe.FEW_UPDATES : 0);
      await layer(options.updates, (root) => runInside(root, machine, recipe.APPLY_UPDATES, { LEAVE: leave }));
    }
    if (options.oldBaseFiles) await layer('old-base-files', (root) => makeOlder(root, machine, ['base-files']));
    const { rpm, userland = {} } = options;
    const [userlandTools, which] = [recipe.userlandPackages(userland), Object.values(userland).join('-')];
    if (userlandTools.length > 0) {
      const digest = shortDigest(`${userlandTools.join(' ')}\n${recipe.USE_USERLAND}`);
      const env = { SUDO: userland.sudo, COREUTILS: userland.coreutils, SHELL_TOOL: userland.shell };
      const set = Object.fromEntries(Object.entries(env).map(([name, value]) => [name, value ?? '']));
      await layer(`${which}-${digest}`, (root) =>
        runInside(root, machine, recipe.USE_USERLAND, { ...set, TOOLS: userlandTools.join(' ') }),
      );
    }
    if (rpm !== undefined) {
      const tools = recipe.RPM_PACKAGES[rpm].join(' ');
      const digest = shortDigest(`${tools}\n${recipe.ADD_RPM}`);
      await layer(`rpm-${rpm}-${digest}`, (root) => runInside(root, machine, recipe.ADD_RPM, { TOOLS: tools }));
    }
    if (options.labUpdates.length > 0) {
      const digest = shortDigest(JSON.stringify([options.labUpdates, USE_LAB_REPOSITORY]));
      await layer(`lab-${digest}`, (root) => addLabUpdates(root, machine, options.labUpdates));
    }
    return image;
  });
}

function shortDigest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}

async function ensureBase(suite: recipe.LabSuite, run: RunDir, log: Log): Promise<string> {
  const mirror = await findMirror();
  const images = cacheDir('lab', 'images');
  const digest = recipe.recipeDigest(mirror, suite);
  const newest = readdirSync(images)
    .filter((name) => name.startsWith(`${digest}-`))
    .sort()
    .at(-1);
  const builtAt = Number(newest?.split('-')[1] ?? 0);
  if (newest !== undefined && Date.now() - builtAt < recipe.IMAGE_MAX_AGE_MS) return path.join(images, newest);
  try {
    const built = path.join(images, `${digest}-${Date.now()}`);
    const what = `Making the Debian (${suite}) image that the nodes start from`;
    await timed(log, what, '70 s, once a week', () => buildBase(suite, run, mirror, built));
    if (!hasOtherRuns(run.id)) removeOutdated(images);
    return built;
  } catch (error) {
    if (newest === undefined) throw error;
    log(`cannot renew the node image, going on with the old one: ${error instanceof Error ? error.message : error}`);
    return path.join(images, newest);
  }
}

async function buildBase(suite: recipe.LabSuite, run: RunDir, found: recipe.Mirror, target: string): Promise<void> {
  const machine = `${run.id}-base-${suite}`;
  const dir = path.join(run.dir, `base-image-${suite}`);
  const root = path.join(dir, 'base');
  mkdirSync(root, { recursive: true });
  const include = `--include=${recipe.BASE_PACKAGES.join(',')}`;
  const proxy = defined({ http_proxy: found.proxy });
  await mustRun(
    'debootstrap',
    ['--force-check-gpg', '--variant=minbase', include, suite, root, found.main].filter(Boolean),
    {
      env: { ...process.env, ...proxy },
    },
  );
  const mirror = await findMirror(root);
  writeFileSync(path.join(root, 'etc/apt/sources.list'), recipe.aptSources(mirror, suite));
  writeFileSync(path.join(root, 'etc/apt/apt.conf.d/90lab'), recipe.aptConfig(mirror, suite));
  writeFileSync(path.join(root, 'etc/apt/sources.list.d/lab.list'), `deb [trusted=yes] file:${REPOSITORY_DIR} ./\n`);
  mkdirSync(path.join(root, REPOSITORY_DIR), { recursive: true });
  await indexRepository(path.join(root, REPOSITORY_DIR));
  await runInside(root, machine, recipe.CONFIGURE_BASE);
  await addStandIns(root, machine);
  await runInside(root, machine, recipe.PRELOAD_UPDATES);
  renameSync(dir, target);
}

/** Keeps the number of pending updates up when the archive has just made a point release. */
async function addStandIns(root: string, machine: string): Promise<void> {
  const pending = (await runInside(root, machine, 'apt-get -qq -s dist-upgrade')).match(/^Inst /gm)?.length ?? 0;
  const missing = recipe.MIN_PENDING - pending;
  if (missing > 0) await makeOlder(root, machine, recipe.STAND_INS.slice(0, missing));
}

/** Puts packages back to an older version; the real one stays in the archive and, downloaded, in the image. */
async function makeOlder(root: string, machine: string, names: string[]): Promise<void> {
  await runInside(root, machine, `apt-get -qq -y --download-only --reinstall install ${names.join(' ')}`);
  const archives = path.join(root, 'var/cache/apt/archives');
  const older: string[] = [];
  for (const name of names) {
    const deb = readdirSync(archives).find((file) => file.startsWith(`${name}_`));
    if (deb === undefined) throw new Error(`the archive has no package ${name}`);
    older.push(await repackOlder(path.join(archives, deb), path.join(root, 'var/tmp')));
  }
  const files = older.map((file) => `/var/tmp/${path.basename(file)}`).join(' ');
  await runInside(root, machine, `dpkg --force-unsafe-io -i ${files} && rm ${files}`);
}

async function addLabUpdates(root: string, machine: string, updates: LabUpdate[]): Promise<void> {
  const repository = path.join(root, REPOSITORY_DIR);
  const installed: string[] = [];
  for (const { from, to } of updates) {
    installed.push(`/var/tmp/${await buildDeb(path.join(root, 'var/tmp'), from)}`);
    await buildDeb(repository, to);
  }
  await indexRepository(repository);
  const files = installed.join(' ');
  await runInside(root, machine, `set -e; dpkg --force-unsafe-io -i ${files}; rm ${files}; ${USE_LAB_REPOSITORY}`);
}

/** Removes the images that would be built again: another recipe or release may still use those that would not. */
export function removeOutdated(images: string): void {
  for (const name of readdirSync(images)) {
    const builtAt = Number(name.split('-')[1] ?? 0);
    if (Number.isFinite(builtAt) && Date.now() - builtAt < recipe.IMAGE_MAX_AGE_MS) continue;
    rmSync(path.join(images, name), { recursive: true, force: true });
  }
}
