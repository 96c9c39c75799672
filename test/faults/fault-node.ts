/** Nodes for faults: slow packages, recorded boots, and a pause between shutdown and boot. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { LabNode, LabNodeOptions } from '../support/local-stack';
import { slowPackage } from '../support/local-stack';
import { sh } from '../support/sh';

/** Long enough for a fault in the middle. */
export const SLOW_SECONDS = 10;

/** Shorter than on real machines, and long enough to observe the node down. */
const BOOT_DELAY_MS = 2_000;

/** File on the node with one boot id per line, written by the node itself at each boot. */
export const BOOT_LOG = '/var/log/lab-boots';

/** Without real updates: some of their scripts take longer than everything else together. */
export const DEFAULT_NODE: Omit<LabNodeOptions, 'name'> = {
  updates: 'none',
  labReboot: true,
  labUpdates: [{ from: slowPackage('1.0', 0), to: slowPackage('1.1', SLOW_SECONDS) }],
};

interface NodePreparation {
  /** Additional duration of `apt-get update`. */
  slowRefreshSeconds: number;
}

export async function prepareNode(node: LabNode, { slowRefreshSeconds }: NodePreparation): Promise<void> {
  const write = (file: string, content: string): void => writeFileSync(path.join(node.rootDir, 'etc', file), content);
  write('tmpfiles.d/lab-boots.conf', `w+! ${BOOT_LOG} - - - - %b\\n\n`);
  await sh(node, `tr -d - </proc/sys/kernel/random/boot_id >${BOOT_LOG}`);
  node.bootDelayMs = BOOT_DELAY_MS;
  if (slowRefreshSeconds > 0) {
    write('apt/apt.conf.d/95lab-slow-refresh', `APT::Update::Pre-Invoke { "sleep ${slowRefreshSeconds}"; };\n`);
  }
}
