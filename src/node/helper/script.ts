/** The node helper as it is put on nodes. Its path there names its digest, so versions live beside each other. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';

export const HELPER_DIR = '/usr/local/libexec';

/** Where an administrator places the programs on a node that a spec may name. */
export const COMMAND_DIR = '/etc/ospatch/commands';

/** The version of the answers this program understands. */
export const HELPER_PROTOCOL = 1;

export interface HelperScript {
  content: Buffer;
  /** SHA-256 in hex. */
  digest: string;
  /** Where it belongs on a node. */
  path: string;
}

let loaded: HelperScript | undefined;

/** The parts of the script, in the order in which they are put together. */
const PARTS = [
  'core',
  'detached',
  'packages',
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

/** Puts the script together of the parts that lie beside this module, once. */
export function helperScript(): HelperScript {
  if (loaded === undefined) {
    const parts = PARTS.map((part) => readFileSync(path.join(__dirname, `${part}.sh`), 'utf8'));
    const content = Buffer.from(parts.join('\n'));
    const digest = createHash('sha256').update(content).digest('hex');
    loaded = { content, digest, path: `${HELPER_DIR}/ospatch-node-${digest.slice(0, 12)}` };
  }
  return loaded;
}
