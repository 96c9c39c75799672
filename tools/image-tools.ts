/** What builds, copies, unpacks and serves OCI images: programs of Debian. */
import type { Log } from '../src/dev/host';
import { which } from '../src/dev/host';
import { aptInstall } from './apt';

/** Command and the Debian package it comes from. */
const TOOLS = [
  ['umoci', 'umoci'],
  ['skopeo', 'skopeo'],
  ['docker-registry', 'docker-registry'],
] as const;

/** Installs what is missing. Throws one sentence without apt-get or root. */
export async function ensureImageTools(log: Log): Promise<void> {
  const missing = TOOLS.filter(([tool]) => which(tool) === undefined).map(([, name]) => name);
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0 || which('apt-get') === undefined) {
    throw new Error(`${missing.join(', ')} are missing: install them with the package manager of this system`);
  }
  await aptInstall(log, missing, 'the OCI image', '15 s');
}
