/**
 * Files that the worker trusts: keys, hooks, kubeconfigs, calendars, the policy. Whoever can change such a file, or put
 * another one in its place, acts as the worker. All of them are checked here.
 *
 * - The file and each directory on the way to it belong to root or to the user that runs ospatch, and nobody else may
 *   write to them. An ACL counts: its mask is shown as the permissions of the group.
 * - Symbolic links are followed one by one, and both the directory of the link and that of its target are checked. This
 *   is how Kubernetes mounts Secrets (`key -> ..data/key`, `..data -> ..2026_11_27`).
 * - Two directories may be writable for all: a directory of root with the sticky bit, such as /tmp, when the next one on
 *   the way is not, and a directory of root on a read-only mount, such as the top of a Secret or ConfigMap volume (mode
 *   1777 or 0777, and always mounted read-only by the kubelet).
 * - A secret is readable by its owner only. Root may give a secret to a group by file mode (`0640 root:ospatch`, or
 *   `fsGroup` with `defaultMode: 0440` in Kubernetes): a file of root may be readable by a group of this process. So may a
 *   file of this user on a read-only mount: the kubelet writes a projected token with `runAsUser` and `fsGroup` so (`0640`).
 *
 * The way is checked from the root directory downwards, so nobody but root and the user that runs ospatch can change
 * what has been checked. The content is read from the opened file whose owner and mode were checked.
 */
import type { Stats } from 'node:fs';
import { accessSync, closeSync, constants, fstatSync, lstatSync, openSync, readSync, readlinkSync } from 'node:fs';
import path from 'node:path';
import { codeOf } from './domain/shared/error-code';
import type { ErrorType } from './domain/shared/errors';
import { OspatchError } from './domain/shared/errors';
import { shellWord } from './domain/shared/shell-words';
import { plainText } from './domain/shared/text';

const OTHERS_MAY_WRITE = 0o022;
const OTHERS_MAY_READ = 0o004;
const GROUP_MAY_READ = 0o040;
const STICKY = 0o1000;

/** As in Linux. */
const MAX_LINKS = 40;

const DEFAULT_MAX_BYTES = 1024 * 1024;

export interface TrustOptions {
  /** Only the owner may read it, and in the cases above a group of this process. */
  secret: boolean;
  /** Names the file in errors, with its setting, e.g. `the hook ipmi (OSPATCH_HOOK_DIR)`. Default: `the file`. */
  what?: string;
  /** Default `file`. */
  kind?: 'file' | 'directory';
  /** Type of the errors. Default `Usage`. */
  type?: ErrorType;
}

/** Why a file is not used; `unreadable` includes errors of the file system. */
export type TrustProblem =
  'missing' | 'unreadable' | 'kind' | 'owner' | 'writable' | 'readable' | 'too-large' | 'links' | 'name';

/** A file that is not used. The message never contains its content. */
export class UntrustedFile extends OspatchError {
  constructor(
    readonly problem: TrustProblem,
    { type = 'Usage' }: TrustOptions,
    texts: { message: string; remedy: string },
    cause?: unknown,
  ) {
    super({ type, ...texts }, { cause });
  }
}

export interface TrustedPath {
  /** Absolute and without symbolic links. */
  path: string;
  stats: Stats;
}

/**
 * The real path of a file or directory that only root and the user that runs ospatch can change.
 *
 * @throws UntrustedFile
 */
export function checkTrusted(file: string, options: TrustOptions): TrustedPath {
  if (file.includes('\0')) throw refuse('name', options, 'the path contains a zero byte', 'correct the setting');
  let links = 0;
  let rest = partsOf(path.isAbsolute(file) ? file : `${process.cwd()}/${file}`);
  let at = '/';
  let stats = statOf(at, options);
  while (rest.length > 0) {
    const [name = '', ...after] = rest;
    checkDirectory(at, stats, options);
    const next = path.join(at, name);
    const found = statOf(next, options);
    if (name !== '..' && isShared(stats)) checkEntry(at, next, found, options);
    if (!found.isSymbolicLink()) {
      [at, stats, rest] = [next, found, after];
      continue;
    }
    checkOwner(next, found, options);
    links += 1;
    if (links > MAX_LINKS) {
      throw refuse('links', options, `${named(file)} leads through too many symbolic links`, 'correct the links');
    }
    const target = readLink(next, options);
    rest = [...partsOf(target), ...after];
    if (!path.isAbsolute(target)) continue;
    at = '/';
    stats = statOf(at, options);
  }
  checkLast(at, stats, options);
  return { path: at, stats };
}

/**
 * Opens a file that only root and the user that runs ospatch can change. The caller closes the descriptor.
 *
 * @throws UntrustedFile
 */
export function openTrusted(file: string, options: TrustOptions): TrustedPath & { fd: number } {
  const { path: real } = checkTrusted(file, options);
  let fd: number;
  try {
    // Opening a named pipe would wait for a writer.
    fd = openSync(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    throw fileSystemError(real, options, error);
  }
  try {
    const stats = fstatSync(fd);
    checkLast(real, stats, options);
    return { path: real, stats, fd };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/**
 * The content of a file that only root and the user that runs ospatch can change.
 *
 * @throws UntrustedFile
 */
export function readTrusted(file: string, options: TrustOptions & { maxBytes?: number }): Buffer {
  const { maxBytes = DEFAULT_MAX_BYTES } = options;
  const { fd, path: real } = openTrusted(file, options);
  try {
    const buffer = Buffer.alloc(maxBytes + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < buffer.length; length += read) {
      read = readSync(fd, buffer, length, buffer.length - length, null);
    }
    if (length <= maxBytes) return buffer.subarray(0, length);
  } catch (error) {
    throw fileSystemError(real, options, error);
  } finally {
    closeSync(fd);
  }
  const size = maxBytes < 1024 ? `${maxBytes} bytes` : `${Math.floor(maxBytes / 1024)} KiB`;
  throw refuse('too-large', options, `${named(real)} has more than ${size}`, 'correct the file');
}

/** The same as `readTrusted`; undefined when the file does not exist. */
export function readTrustedIfThere(file: string, options: TrustOptions & { maxBytes?: number }): Buffer | undefined {
  try {
    return readTrusted(file, options);
  } catch (error) {
    if (error instanceof UntrustedFile && error.problem === 'missing') return undefined;
    throw error;
  }
}

function partsOf(file: string): string[] {
  return file.split('/').filter((part) => part !== '' && part !== '.');
}

function checkDirectory(at: string, stats: Stats, options: TrustOptions): void {
  if (!stats.isDirectory()) throw refuse('kind', options, `${named(at)} is not a directory`, 'correct the path');
  checkOwner(at, stats, options);
  if (!isShared(stats)) return;
  const isSticky = (stats.mode & STICKY) !== 0;
  if (stats.uid === 0 && (isSticky || isOnReadOnlyMount(at))) return;
  throw writable(at, stats, options);
}

/**
 * An entry of a directory in which others may create files. The sticky bit keeps others from replacing what is not
 * theirs, but they may link to files of root there; there are no links to directories.
 */
function checkEntry(directory: string, entry: string, stats: Stats, options: TrustOptions): void {
  if (stats.isDirectory() || isOnReadOnlyMount(directory)) return;
  throw refuse(
    'writable',
    options,
    `${named(entry)} is in ${named(directory)}, where everybody may create files`,
    `move it into a directory of your own with mode 0700`,
  );
}

function checkLast(at: string, stats: Stats, options: TrustOptions): void {
  const { kind = 'file', secret } = options;
  if (kind === 'file' ? !stats.isFile() : !stats.isDirectory()) {
    throw refuse(
      'kind',
      options,
      `${named(at)} is not a ${kind === 'file' ? 'regular file' : 'directory'}`,
      `put a ${kind} there`,
    );
  }
  checkOwner(at, stats, options);
  const isVolume = kind === 'directory' && stats.uid === 0 && isOnReadOnlyMount(at);
  if (isShared(stats) && !isVolume) throw writable(at, stats, options);
  if (secret && isReadableByOthers(at, stats)) throw readable(at, stats, options);
}

function checkOwner(at: string, stats: Stats, options: TrustOptions): void {
  const user = currentUser();
  if (stats.uid === 0 || stats.uid === user) return;
  throw refuse(
    'owner',
    options,
    `${named(at)} belongs to another user (uid ${stats.uid}), and only root${user === 0 ? '' : ` and uid ${user}, which runs ospatch,`} may own it`,
    `chown ${stats.isSymbolicLink() ? '-h ' : ''}${user} ${shellWord(named(at))}, or choose another place`,
  );
}

function isShared({ mode }: Stats): boolean {
  return (mode & OTHERS_MAY_WRITE) !== 0;
}

function isReadableByOthers(at: string, { mode, uid, gid }: Stats): boolean {
  if ((mode & OTHERS_MAY_READ) !== 0) return true;
  if ((mode & GROUP_MAY_READ) === 0) return false;
  // Root reads every file, so it needs no group itself, and gives the file to whom it likes.
  const isGivenToUs = currentUser() === 0 || (process.getgroups?.() ?? []).includes(gid) || process.getegid?.() === gid;
  if (!isGivenToUs) return true;
  return uid !== 0 && !isOnReadOnlyMount(at);
}

/** Node.js offers no flags of mounts, but the kernel's answer to a process that the mode would allow to write is EROFS. */
function isOnReadOnlyMount(file: string): boolean {
  try {
    accessSync(file, constants.W_OK);
    return false;
  } catch (error) {
    return codeOf(error) === 'EROFS';
  }
}

function statOf(at: string, options: TrustOptions): Stats {
  try {
    return lstatSync(at);
  } catch (error) {
    throw fileSystemError(at, options, error);
  }
}

function readLink(at: string, options: TrustOptions): string {
  try {
    return readlinkSync(at);
  } catch (error) {
    throw fileSystemError(at, options, error);
  }
}

function currentUser(): number {
  return process.geteuid?.() ?? 0;
}

function fileSystemError(at: string, options: TrustOptions, cause: unknown): UntrustedFile {
  const code = codeOf(cause);
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return refuse('missing', options, `${named(at)} does not exist`, 'create it, or correct the setting', cause);
  }
  const why = `${named(at)} cannot be read (${code ?? 'unknown reason'})`;
  return refuse('unreadable', options, why, 'make it readable for the user that runs ospatch', cause);
}

function writable(at: string, stats: Stats, options: TrustOptions): UntrustedFile {
  const who = (stats.mode & 0o002) === 0 ? `group ${stats.gid}` : 'everybody';
  const why = `${named(at)} can be changed by ${who} (mode ${modeOf(stats)})`;
  return refuse('writable', options, why, `chmod go-w ${shellWord(named(at))}`);
}

function readable(at: string, stats: Stats, options: TrustOptions): UntrustedFile {
  const isForAll = (stats.mode & OTHERS_MAY_READ) !== 0;
  const why = `${named(at)} can be read by ${isForAll ? 'everybody' : `group ${stats.gid}`} (mode ${modeOf(stats)})`;
  const remedy = `chmod ${isForAll ? 'o=' : 'go='} ${shellWord(named(at))}; of a Kubernetes volume set defaultMode: 0440 and fsGroup`;
  return refuse('readable', options, why, remedy);
}

function named(file: string): string {
  return plainText(file, 400);
}

function modeOf({ mode }: Stats): string {
  return (mode & 0o7777).toString(8).padStart(4, '0');
}

function refuse(
  problem: TrustProblem,
  options: TrustOptions,
  why: string,
  remedy: string,
  cause?: unknown,
): UntrustedFile {
  const message = `${options.what ?? 'the file'} is not used: ${why}`;
  return new UntrustedFile(problem, options, { message, remedy }, cause);
}
