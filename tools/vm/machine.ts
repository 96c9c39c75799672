/** An emulated machine: a Debian with a kernel and a boot loader of its own, reached over SSH like a node of the lab. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { aptInstall } from '../apt';
import type { CommandResult, Log } from '../../src/dev/host';
import { mustRun, sleep, timed, which } from '../../src/dev/host';
import { answersSsh, runOverSsh } from '../lab/lab-ssh';
import { ensureLabTools } from '../lab/prerequisites';
import type { LabSuite } from '../lab/recipe';
import type { RunDir } from '../lab/run-dir';
import { openRunDir } from '../lab/run-dir';
import { freePorts } from '../../src/dev/ports';
import type { VmDisk } from './disk';
import { ensureDisk } from './disk';
import type { Drive, Emulator } from './emulator';
import { EMULATOR, emulate } from './emulator';
import { SEED } from './recipe';

/** A boot takes a minute alone. */
const BOOT_LIMIT_MS = 15 * 60_000;
const SHUTDOWN_LIMIT_MS = 3 * 60_000;
const SSH_POLL_MS = 1_000;

/** The kernel's first words, once a boot. */
const KERNEL_STARTS = /Linux version (\S+)/g;

const TOOLS = [
  [EMULATOR, 'qemu-system-x86'],
  ['qemu-img', 'qemu-utils'],
  ['mkfs.ext4', 'e2fsprogs'],
] as const;

interface MachineFiles {
  name: string;
  port: number;
  hostKey: string;
  drives: Drive[];
  console: string;
  identityFile: string;
  knownHostsFile: string;
}

export class VirtualMachine {
  readonly host = '127.0.0.1';
  readonly name: string;
  readonly port: number;
  /** `ssh-ed25519 BASE64`. */
  readonly hostKey: string;
  private emulator: Emulator | undefined;

  constructor(private readonly files: MachineFiles) {
    this.name = files.name;
    this.port = files.port;
    this.hostKey = files.hostKey;
  }

  /** The kernels that have started so far, by what they have said on the console, the oldest first. */
  get kernels(): string[] {
    const said = existsSync(this.files.console) ? readFileSync(this.files.console, 'latin1') : '';
    return [...said.matchAll(KERNEL_STARTS)].map((match) => match[1] ?? '');
  }

  get bootCount(): number {
    return this.kernels.length;
  }

  start(): void {
    const { drives, console, port } = this.files;
    this.emulator = emulate({ drives, console, port });
  }

  /** Shuts the machine down in order. */
  async stop(): Promise<void> {
    await this.exec('systemctl poweroff');
    await this.emulator?.ended(SHUTDOWN_LIMIT_MS);
  }

  /** Takes the power away. */
  async powerCut(): Promise<void> {
    await this.emulator?.kill();
  }

  async waitForSsh(timeoutMs = BOOT_LIMIT_MS): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (!(await answersSsh(this.port))) {
      if (Date.now() > deadline || this.emulator?.process.exitCode !== null) {
        throw new Error(`${this.name} does not answer on SSH; its console ends with:\n${this.consoleTail()}`);
      }
      await sleep(SSH_POLL_MS);
    }
  }

  /** Runs a shell command as root over SSH. Exit code 255 means that SSH itself failed. */
  exec(command: string, user = 'root'): Promise<CommandResult> {
    return runOverSsh(this.files, user, command);
  }

  consoleTail(lines = 30): string {
    return readFileSync(this.files.console, 'latin1').split('\n').slice(-lines).join('\n');
  }
}

/** One machine with what a worker needs to reach it; the same shape as a lab of nodes. */
export interface VmLab {
  machine: VirtualMachine;
  suite: LabSuite;
  keyDir: string;
  keyName: string;
  knownHosts: string;
  dir: string;
  stop(): Promise<void>;
}

/** Boots a machine whose kernel has a real update pending, and waits until it answers on SSH. */
export async function createVm(name: string, log: Log = () => undefined): Promise<VmLab> {
  await ensureLabTools(log);
  const missing = TOOLS.filter(([tool]) => which(tool) === undefined).map(([, pkg]) => pkg);
  if (missing.length > 0) await aptInstall(log, missing, 'the emulated machine', '60 s');
  const run = await openRunDir(log);
  try {
    return await boot(run, await ensureDisk(run, log), name, log);
  } catch (error) {
    await run.close();
    throw error;
  }
}

async function boot(run: RunDir, disk: VmDisk, name: string, log: Log): Promise<VmLab> {
  const dir = path.join(run.dir, 'vm');
  const keyDir = path.join(run.dir, 'keys');
  const seedDir = path.join(dir, 'seed');
  for (const place of [keyDir, seedDir]) mkdirSync(place, { recursive: true, mode: 0o700 });
  const keyName = 'lab';
  const identityFile = path.join(keyDir, keyName);
  const hostKeyFile = path.join(seedDir, 'ssh_host_ed25519_key');
  for (const file of [identityFile, hostKeyFile]) {
    await mustRun('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', file]);
  }
  const hostKey = readFileSync(`${hostKeyFile}.pub`, 'utf8').split(' ').slice(0, 2).join(' ');
  writeFileSync(path.join(seedDir, 'authorized_keys'), readFileSync(`${identityFile}.pub`));
  writeFileSync(path.join(seedDir, 'hostname'), `${name}\n`);
  writeFileSync(path.join(seedDir, 'seed.sh'), SEED);
  const seed = path.join(dir, 'seed.raw');
  await mustRun('mkfs.ext4', ['-q', '-F', '-d', seedDir, seed, '2048k']);
  const overlay = path.join(dir, 'disk.qcow2');
  await mustRun('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', disk.file, overlay]);

  const [port = 0] = await freePorts(1);
  const knownHosts = `[127.0.0.1]:${port} ${hostKey}\n`;
  const knownHostsFile = path.join(run.dir, 'known_hosts');
  writeFileSync(knownHostsFile, knownHosts);
  const drives: Drive[] = [
    { file: overlay, format: 'qcow2' },
    { file: seed, format: 'raw' },
  ];
  const console = path.join(dir, 'console.log');
  const machine = new VirtualMachine({ name, port, hostKey, drives, console, identityFile, knownHostsFile });
  await timed(log, `Booting the emulated machine ${name}`, '90 s', async () => {
    machine.start();
    await machine.waitForSsh();
  });
  return {
    ...{ machine, suite: disk.suite, keyDir, keyName, knownHosts, dir: run.dir },
    async stop() {
      await machine.powerCut();
      await run.close();
    },
  };
}
