/** Starting systemd-nspawn: to run a command in an image, and to boot a node. */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';

import { mustRun } from '../../src/dev/host';
import { defined } from '../../src/domain/shared/defined';

const BOOT_SCRIPT = path.join(__dirname, 'boot.sh');

/** systemd-nspawn ends with this code when the machine asked for a reboot. */
export const EXIT_REBOOT = 133;

// No machine registration, since the host may run no systemd; the host's network; the host's name servers.
const NSPAWN = [
  'systemd-nspawn',
  '-q',
  '--register=no',
  '--keep-unit',
  '--resolv-conf=replace-host',
  '--link-journal=no',
];

/** Runs a shell script inside the file tree `root`; throws with the end of its error output when it fails. */
export async function runInside(
  root: string,
  machine: string,
  script: string,
  env: Record<string, string> = {},
): Promise<string> {
  const setenv = Object.entries(env).map(([name, value]) => `--setenv=${name}=${value}`);
  const args = ['-M', machine, '-D', root, '--as-pid2', '--pipe', ...setenv, 'sh', '-c', script];
  return mustRun('sh', [BOOT_SCRIPT, machine, ...NSPAWN, ...args]);
}

/**
 * Boots the file tree `root`, with a `unified` control group hierarchy or the one of this host; the process ends when the
 * machine is off, or with EXIT_REBOOT.
 */
export function boot(
  root: string,
  machine: string,
  console: number,
  { unified, system }: { unified: boolean; system: 'debian' | 'alpine' },
): ChildProcess {
  // What busybox's init powers off at; the default is understood by systemd alone.
  const powerOff = system === 'alpine' ? ['--kill-signal=SIGUSR2'] : [];
  return spawn('sh', [BOOT_SCRIPT, machine, ...NSPAWN, ...powerOff, '-M', machine, '-D', root, '-b'], {
    env: { ...process.env, ...defined({ SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: unified ? '1' : undefined }) },
    // Ctrl-C is for the owner of the lab, which then ends its nodes in order.
    detached: true,
    stdio: ['ignore', console, console],
  });
}

/** The first process of a running container, by the id of its systemd-nspawn. */
export function containerInit(nspawnPid: number): number | undefined {
  try {
    const children = readFileSync(`/proc/${nspawnPid}/task/${nspawnPid}/children`, 'utf8').trim();
    return children === '' ? undefined : Number(children.split(' ')[0]);
  } catch {
    return undefined;
  }
}
