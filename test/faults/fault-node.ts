/** The nodes of faults: packages that take their time, boots that are written down, and a moment of darkness between. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { LabNode, LabNodeOptions } from '../support/local-stack';
import { slowPackage } from '../support/local-stack';
import { sh } from '../support/sh';

/** Long enough to hit the middle of it. */
export const SLOW_SECONDS = 10;

/** Real machines take longer; this is enough to see them gone. */
const BOOT_DELAY_MS = 2_000;

/** File on the node with one boot id a line, written by the node itself at each boot. */
export const BOOT_LOG = '/var/log/lab-boots';

/** No real updates: the scripts of some take longer than everything else together. */
export const DEFAULT_NODE: Omit<LabNodeOptions, 'name'> = {
  updates: 'none',
  labReboot: true,
  labUpdates: [{ from: slowPackage('1.0', 0), to: slowPackage('1.1', SLOW_SECONDS) }],
};

export interface NodePreparation {
  /** What `apt-get update` takes longer. */
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
