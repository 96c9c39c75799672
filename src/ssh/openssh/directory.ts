/** A directory of this process that nobody else may enter, made on first use. */
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const PREFIX = 'ospatch-ssh-';

/** The path of a socket may have 108 bytes on Linux and 104 elsewhere; the client adds 18 while it makes one. */
const MAX_BASE_CHARS = 60;

export class PrivateDirectory {
  private base: string | undefined;
  private made = 0;

  /** A new directory in it. */
  make(): string {
    // A cleaner of temporary files may have taken it away.
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
  // Jump hosts are reached by a command line, so the path must have nothing a shell would see.
  const parent = usual.length <= MAX_BASE_CHARS - 30 && /^[A-Za-z0-9/._-]+$/.test(usual) ? usual : '/tmp';
  removeDeadDirectories(parent);
  // mkdtemp makes it with mode 0700.
  return mkdtempSync(path.join(parent, `${PREFIX}${process.pid}-`));
}

/** What processes of this user that were killed have left; their connections have ended by themselves. */
function removeDeadDirectories(parent: string): void {
  for (const name of readdirSync(parent)) {
    const pid = /^ospatch-ssh-(\d{1,10})-\w{6}$/.exec(name)?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    const dir = path.join(parent, name);
    try {
      if (lstatSync(dir).uid === process.getuid?.()) rmSync(dir, { recursive: true, force: true });
    } catch {
      // Somebody else was faster.
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
