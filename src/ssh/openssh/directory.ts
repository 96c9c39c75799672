/** A private directory of this process, created on first use. */
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const PREFIX = 'ospatch-ssh-';

/** A socket path may have 108 bytes on Linux and 104 elsewhere; the client temporarily appends 18. */
const MAX_BASE_CHARS = 60;

export class PrivateDirectory {
  private base: string | undefined;
  private made = 0;

  /** Creates a subdirectory. */
  make(): string {
    // A cleaner of temporary files may have removed the directory.
    if (this.base === undefined || !existsSync(this.base)) this.base = createBase();
    this.made += 1;
    const dir = path.join(this.base, this.made.toString(36));
    mkdirSync(dir, { mode: 0o700 });
    return dir;
  }

  remove(): void {
    if (this.base !== undefined) rmSync(this.base, { recursive: true, force: true });
    this.base = undefined;
  }
}

function createBase(): string {
  const usual = tmpdir();
  // The path appears in the command line for jump hosts, so it must contain nothing special to a shell.
  const parent = usual.length <= MAX_BASE_CHARS - 30 && /^[A-Za-z0-9/._-]+$/.test(usual) ? usual : '/tmp';
  removeDeadDirectories(parent);
  // mkdtemp creates the directory with mode 0700.
  return mkdtempSync(path.join(parent, `${PREFIX}${process.pid}-`));
}

/** Removes directories of killed processes of this user; their connections have ended by themselves. */
function removeDeadDirectories(parent: string): void {
  for (const name of readdirSync(parent)) {
    const pid = /^ospatch-ssh-(\d{1,10})-\w{6}$/.exec(name)?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    const dir = path.join(parent, name);
    try {
      if (lstatSync(dir).uid === process.getuid?.()) rmSync(dir, { recursive: true, force: true });
    } catch {
      // Another process was faster.
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
