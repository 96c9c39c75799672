/** The key with which the worker logs in. */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { codeOf } from '../../../domain/shared/error-code';
import { OspatchError } from '../../../domain/shared/errors';
import { plainText } from '../../../domain/shared/text';
import { giveToGroup, makeDirectory } from './files';

const run = promisify(execFile);

export interface WorkerKey {
  /** Path of the private half. */
  file: string;
  /** `TYPE BASE64`. */
  publicKey: string;
  isNew: boolean;
}

export async function hasKey(directory: string, identity: string): Promise<boolean> {
  return (await stat(path.join(directory, identity)).catch(() => null)) !== null;
}

/** The key in the key directory; made when it is missing, never replaced. @throws OspatchError `Usage` */
export async function ensureKey(directory: string, identity: string): Promise<WorkerKey> {
  const file = path.join(directory, identity);
  const isNew = !(await hasKey(directory, identity));
  if (isNew) await makeKey(directory, file);
  return { file, publicKey: await publicHalf(file), isNew };
}

/** The public half of a key in the key directory; null for an agent, and for a key that is not on this machine. */
export async function publicKeyOf(directory: string, identity: string): Promise<string | null> {
  if (identity.startsWith('agent') || !(await hasKey(directory, identity))) return null;
  return publicHalf(path.join(directory, identity));
}

async function makeKey(directory: string, file: string): Promise<void> {
  const half = path.join(directory, `.${randomUUID()}`);
  try {
    if ((await stat(directory).catch(() => null)) === null) {
      await makeDirectory(path.dirname(directory));
      await mkdir(directory, { mode: 0o700 });
    }
    // The key has no passphrase, as a worker that starts by itself needs it; the directory is private.
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', `ospatch@${hostname()}`, '-f', half]);
    await giveToGroup(half).then(() => rename(`${half}.pub`, `${file}.pub`));
    await rename(half, file);
  } catch (cause) {
    for (const left of [half, `${half}.pub`]) await rm(left, { force: true }).catch(() => undefined);
    throw new OspatchError(
      {
        type: 'Usage',
        message:
          codeOf(cause) === 'ENOENT'
            ? 'ssh-keygen is not installed, so no key can be made'
            : `no key can be made as ${file}: ${saidBy(cause) || codeOf(cause) || 'ssh-keygen failed'}`,
        remedy:
          'install openssh-client and check that you may write to the key directory, or name a key that exists with --identity',
      },
      { cause },
    );
  }
}

async function publicHalf(file: string): Promise<string> {
  const written = await readFile(`${file}.pub`, 'utf8').catch(() => null);
  const text = written ?? (await derived(file));
  return text.trim().split(/\s+/).slice(0, 2).join(' ');
}

/** Of a key with a passphrase nothing can be derived here. */
async function derived(file: string): Promise<string> {
  try {
    const { stdout } = await run('ssh-keygen', ['-y', '-P', '', '-f', file]);
    return stdout;
  } catch (cause) {
    const why = saidBy(cause);
    throw new OspatchError(
      {
        type: 'Usage',
        message: `the public half of ${file} is not known: there is no ${file}.pub${why === '' ? '' : `, and ssh-keygen says: ${why}`}`,
        remedy: `write it: ssh-keygen -y -f ${file} > ${file}.pub`,
      },
      { cause },
    );
  }
}

/** What ssh-keygen has printed. Empty: it was not run, or has printed nothing. */
function saidBy(cause: unknown): string {
  return cause instanceof Error && 'stderr' in cause ? plainText(String(cause.stderr).trim(), 120) : '';
}
