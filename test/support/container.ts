/**
 * Runs an unpacked OCI image as a kubelet would: a user without rights, a root file system that is read-only, an empty /tmp,
 * and Secrets as volumes. Needs root; uses namespaces and no container engine.
 */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** As `umoci unpack` makes it. */
export interface Bundle {
  directory: string;
}

interface OciConfig {
  process: { args: string[]; env: string[]; cwd: string; user: { uid: number; gid: number } };
}

export interface ContainerOptions {
  /** Take the place of the command of the image, after its entry point. */
  args?: string[];
  /** Takes the place of entry point and command. */
  command?: string[];
  /** Added to the environment of the image. */
  env?: Record<string, string>;
  /** Directories by where they are mounted, read-only. */
  volumes?: Record<string, string>;
  /** Group of the volumes, as `fsGroup`. */
  fsGroup?: number;
}

export interface Container {
  process: ChildProcess;
  output(): string;
  /** Exit code; 128 and more: a signal. */
  ended: Promise<number>;
  /** SIGTERM, as a kubelet does. */
  stop(): Promise<number>;
}

/** $1 root, $2 user, $3 groups, $4 cwd, $5 mounts as `source:target` lines; the rest is the program. */
const RUN = `
  root=$1 user=$2 groups=$3 cwd=$4 volumes=$5
  shift 5
  mount --make-rprivate /
  mount --bind "$root" "$root"
  mount -t proc proc "$root/proc"
  mount --rbind /dev "$root/dev"
  mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
  printf '%s' "$volumes" | while IFS=: read -r source target; do
    mkdir -p "$root$target"
    mount --bind "$source" "$root$target"
    mount -o remount,bind,ro "$root$target"
  done
  for file in resolv.conf hosts; do
    [ ! -e "$root/etc/$file" ] || mount --bind "/etc/$file" "$root/etc/$file"
  done
  mount -o remount,bind,ro "$root"
  exec setpriv --no-new-privs --bounding-set=-all,+setuid,+setgid,+sys_chroot chroot --userspec="$user" --groups="$groups" "$root" "$@"`;

/** Starts a container. It ends with this process. */
export function startContainer({ directory }: Bundle, options: ContainerOptions = {}): Container {
  const { process: image } = JSON.parse(readFileSync(path.join(directory, 'config.json'), 'utf8')) as OciConfig;
  const { args, command, env = {}, volumes = {}, fsGroup } = options;
  const { uid, gid } = image.user;
  // umoci joins entry point and command: `tini -- ospatch`, and `worker`.
  const program = command ?? [...image.args.slice(0, 3), ...(args ?? image.args.slice(3))];
  const mounts = Object.entries(volumes)
    .map(([target, source]) => `${source}:${target}\n`)
    .join('');
  const variables = Object.fromEntries(image.env.map((line) => [line.split('=')[0], line.replace(/^[^=]*=/, '')]));
  const child = spawn(
    'unshare',
    [
      ...['--mount', '--pid', '--fork', '--kill-child', 'sh', '-ec', RUN, 'sh', path.join(directory, 'rootfs')],
      ...[`${uid}:${gid}`, String(fsGroup ?? gid), image.cwd, mounts, ...program],
    ],
    { env: { ...variables, PATH: process.env['PATH'], ...env }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = once(child, 'close').then(([code]) => (typeof code === 'number' ? code : 128));
  return {
    process: child,
    output: () => output,
    ended,
    stop: () => {
      // unshare waits for the program, whose process group is its own.
      spawn('pkill', ['-TERM', '-P', String(child.pid)], { stdio: 'ignore' });
      return ended;
    },
  };
}

/** Runs to the end. */
export async function runContainer(
  bundle: Bundle,
  options: ContainerOptions,
): Promise<{ code: number; output: string }> {
  const container = startContainer(bundle, options);
  const code = await container.ended;
  return { code, output: container.output() };
}

/**
 * A directory as the kubelet makes it of a Secret or ConfigMap with `fsGroup`: files of root in a directory with the time
 * in its name, reached by links, in a directory that only its read-only mount keeps from being writable for all.
 */
export function kubeletVolume(
  parent: string,
  files: Record<string, string>,
  { mode, fsGroup }: { mode: number; fsGroup: number },
): string {
  const volume = mkdtempSync(path.join(parent, 'volume-'));
  const data = path.join(volume, '..2026_11_28_01_02_03.123456789');
  mkdirSync(data);
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(data, name);
    writeFileSync(file, content);
    chownSync(file, 0, fsGroup);
    chmodSync(file, mode | 0o440);
    symlinkSync(path.join('..data', name), path.join(volume, name));
  }
  symlinkSync(path.basename(data), path.join(volume, '..data'));
  for (const directory of [data, volume]) chownSync(directory, 0, fsGroup);
  chmodSync(data, 0o2755);
  chmodSync(volume, 0o3777);
  return volume;
}
