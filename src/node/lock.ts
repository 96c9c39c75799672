/** Waits for locks on a node, as shown to users. */
import type { LockKind } from '../domain/node/report';
import { plainText } from '../domain/shared/text';

/** For example `package lock held by unattended-upgr (pid 812)`. */
export function lockWait(kind: LockKind, holder: string): string {
  return `${kind} lock held by ${holder}`;
}

/** The kind of lock of a lock file of apt, dpkg, dnf, zypper, apk, debconf or the user database. */
export function lockKindOf(file: string): LockKind {
  if (file.startsWith('/etc/')) return 'passwd';
  return file.startsWith('/var/cache/debconf/') ? 'debconf' : 'package';
}

/** The lock that a job waits for, from a line of its log; null for any other line. */
export function lockWaitIn(line: string): string | null {
  const [, file = '', holder = ''] = /^ospatch: waiting for (\S{1,200}), held by (.{1,80})$/.exec(line) ?? [];
  return file === '' ? null : lockWait(lockKindOf(file), plainText(holder, 100));
}
