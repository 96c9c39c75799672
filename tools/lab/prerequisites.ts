/** What the lab needs from the machine it runs on. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

import { aptInstall } from '../apt';
import type { Log } from '../../src/dev/host';
import { which } from '../../src/dev/host';

/** Command and the Debian package it comes from. */
const TOOLS = [
  ['debootstrap', 'debootstrap'],
  ['systemd-nspawn', 'systemd-container'],
  ['ssh', 'openssh-client'],
  ['ssh-keygen', 'openssh-client'],
  ['dpkg-deb', 'dpkg'],
] as const;

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** Why no lab can run here, in one sentence; undefined when one can, perhaps after `ensureLabTools`. */
export function labBlocker(): string | undefined {
  if (process.platform !== 'linux') return 'The node lab needs Linux: its nodes are systemd-nspawn containers.';
  if (process.getuid?.() !== 0)
    return 'The node lab needs root: run the same command as root (for instance with sudo).';
  const missing = missingPackages();
  if (missing.length > 0 && which('apt-get') === undefined) {
    return `The node lab needs ${missing.join(', ')}: install them with this system's package manager, then try again.`;
  }
  return undefined;
}

/** Installs what is missing with apt-get, and says so; throws one sentence when it cannot. */
export async function ensureLabTools(log: Log): Promise<void> {
  const blocker = labBlocker();
  if (blocker !== undefined) throw new Error(blocker);
  const missing = missingPackages();
  if (missing.length === 0) return;
  await aptInstall(log, missing, 'the node lab', '20 s');
}

const INOTIFY_LIMIT = '/proc/sys/fs/inotify/max_user_instances';

/** Every systemd takes some instances, and all nodes are the same user: with the usual 128 the tenth node hangs. */
const INOTIFY_INSTANCES = 1024;

/** Raises the machine's limit of inotify instances where it is too low for several labs, or says that it could not. */
export function raiseInotifyLimit(log: Log, file = INOTIFY_LIMIT): void {
  const limit = Number(readFileSync(file, 'utf8'));
  if (limit >= INOTIFY_INSTANCES) return;
  try {
    writeFileSync(file, `${INOTIFY_INSTANCES}\n`);
    log(`fs.inotify.max_user_instances was ${limit}; it is now ${INOTIFY_INSTANCES}, until this machine reboots`);
  } catch {
    const remedy = `sysctl fs.inotify.max_user_instances=${INOTIFY_INSTANCES}`;
    log(`fs.inotify.max_user_instances is ${limit}, too few for many nodes: run \`${remedy}\``);
  }
}

function missingPackages(): string[] {
  const missing = new Set<string>(TOOLS.filter(([tool]) => which(tool) === undefined).map(([, name]) => name));
  if (!existsSync(KEYRING)) missing.add('debian-archive-keyring');
  return [...missing];
}
