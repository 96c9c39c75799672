/** The helper script as installed on nodes. Its path contains its digest, so several versions coexist. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';

export const HELPER_DIR = '/usr/local/libexec';

/** Directory on a node with the programs that a spec may name. */
export const COMMAND_DIR = '/etc/ospatch/commands';

/** The protocol version of this release. */
export const HELPER_PROTOCOL = 1;

export interface HelperScript {
  content: Buffer;
  /** SHA-256 in hex. */
  digest: string;
  /** Path on a node. */
  path: string;
}

let loaded: HelperScript | undefined;

/** The parts of the script, in order. */
const PARTS = [
  'core',
  'detached',
  'packages',
  'processes',
  'locks',
  'apt',
  'rpm',
  'rpm-repair',
  'dnf',
  'zypper',
  'apk',
  'services',
  'boot',
  'reboot',
  'room',
  'units',
  'updaters',
  'facts',
  'main',
];

/** Concatenates the parts of the script from the files beside this module; cached. */
export function helperScript(): HelperScript {
  if (loaded === undefined) {
    const parts = PARTS.map((part) => readFileSync(path.join(__dirname, `${part}.sh`), 'utf8'));
    const content = Buffer.from(parts.join('\n'));
    const digest = createHash('sha256').update(content).digest('hex');
    loaded = { content, digest, path: `${HELPER_DIR}/ospatch-node-${digest.slice(0, 12)}` };
  }
  return loaded;
}
