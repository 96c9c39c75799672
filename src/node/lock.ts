/** How a wait for a lock on the node is told, before a job and within one. */
import type { LockKind } from '../domain/node/report';

/** For example `package lock held by unattended-upgr (pid 812)`. */
export function lockWait(kind: LockKind, holder: string): string {
  return `${kind} lock held by ${holder}`;
}

/** The kind of a lock file of apt, dpkg, dnf, zypper, apk, debconf or the user database. */
export function lockKindOf(file: string): LockKind {
  if (file.startsWith('/etc/')) return 'passwd';
  return file.startsWith('/var/cache/debconf/') ? 'debconf' : 'package';
}
