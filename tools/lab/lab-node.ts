/** One machine of the lab: a real Debian or Alpine with its own init, sshd, boot id and package database. */
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';

import type { CommandResult } from '../../src/dev/host';
import { sleep } from '../../src/dev/host';
import { buildApk, indexApkRepository } from './apk-packages';
import { answersSsh, runOverSsh } from './lab-ssh';
import { boot, containerInit, EXIT_REBOOT } from './nspawn';
import type { LabPackage } from './packages';
import { buildDeb, indexRepository, REPOSITORY_DIR } from './packages';

/** A boot takes 1 s alone; this leaves room for eight at once on a busy machine. */
const SSH_TIMEOUT_MS = 120_000;
const SSH_POLL_MS = 100;

/** A node that reboots more often within a minute than this does not come up; it is left off. */
const MAX_BOOTS_PER_MINUTE = 20;

export interface NodeFiles {
  name: string;
  /** Name of the container, unique on this machine. */
  machine: string;
  dir: string;
  rootDir: string;
  port: number;
  hostKey: string;
  /** Private key that root and the user ospatch accept. */
  identityFile: string;
  knownHostsFile: string;
  /** Boots in a unified control group hierarchy, whatever the host has. */
  unified: boolean;
  system: 'debian' | 'alpine';
}

export class LabNode {
  readonly host = '127.0.0.1';
  readonly name: string;
  readonly port: number;
  /** `ssh-ed25519 BASE64`. */
  readonly hostKey: string;
  /** The node's root directory, as seen from outside. */
  readonly rootDir: string;
  /** Boots so far, the first included. */
  bootCount = 0;
  /** How long the machine is dark between a reboot and the next boot, as real ones are; in milliseconds. */
  bootDelayMs = 0;
  private container: ChildProcess | undefined;
  private ended: Promise<void> = Promise.resolve();
  private wanted = false;
  private readonly bootTimes: number[] = [];

  constructor(private readonly files: NodeFiles) {
    this.name = files.name;
    this.port = files.port;
    this.hostKey = files.hostKey;
    this.rootDir = files.rootDir;
  }

  get running(): boolean {
    return this.container !== undefined;
  }

  /** Process id, on this machine, of the node's first process; undefined while it is off. */
  get initPid(): number | undefined {
    return this.container?.pid === undefined ? undefined : containerInit(this.container.pid);
  }

  /** Switches the node on. It is reachable when `waitForSsh` says so. */
  start(): void {
    this.wanted = true;
    if (this.container === undefined) this.launch();
  }

  /** Shuts the node down in order, as `systemctl poweroff` would. */
  async stop(): Promise<void> {
    this.wanted = false;
    this.container?.ref();
    this.container?.kill('SIGTERM');
    await this.ended;
  }

  /** Takes the power away: every process of the node dies at once. The node stays off until `start`. */
  async powerCut(): Promise<void> {
    this.wanted = false;
    const container = this.container;
    if (container?.pid === undefined) return;
    container.ref();
    const init = containerInit(container.pid);
    if (init === undefined) container.kill('SIGKILL');
    else process.kill(init, 'SIGKILL');
    await this.ended;
  }

  /** Waits until sshd answers; throws with the end of the console when it does not. */
  async waitForSsh(timeoutMs = SSH_TIMEOUT_MS): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (!(await answersSsh(this.port))) {
      if (Date.now() > deadline || !this.running) {
        const why = this.running ? `has not answered on SSH for ${timeoutMs / 1000} s` : 'is off';
        throw new Error(`lab node ${this.name} ${why}; its console ends with:\n${this.consoleTail()}`);
      }
      await sleep(SSH_POLL_MS);
    }
  }

  /** Runs a shell command on the node as root over SSH. Exit code 255 means that SSH itself failed. */
  exec(command: string, user = 'root'): Promise<CommandResult> {
    return runOverSsh(this.files, user, command);
  }

  /** Reads a file of the node, also while it is off. Files under /run are seen by `exec` only. */
  readFile(file: string): string {
    return readFileSync(path.join(this.rootDir, file), 'utf8');
  }

  /** Puts a package into the node's own repository; the next refresh on the node sees it. */
  async offer(pkg: LabPackage): Promise<void> {
    const repository = path.join(this.rootDir, REPOSITORY_DIR);
    if (this.files.system === 'alpine') {
      await buildApk(this.rootDir, repository, pkg);
      await indexApkRepository(this.rootDir, repository);
      return;
    }
    await buildDeb(repository, pkg);
    await indexRepository(repository);
  }

  consoleTail(lines = 20): string {
    return readFileSync(this.consoleFile, 'utf8').split('\n').slice(-lines).join('\n');
  }

  private get consoleFile(): string {
    return path.join(this.files.dir, 'console.log');
  }

  private launch(): void {
    const console = openSync(this.consoleFile, 'a');
    const container = boot(this.rootDir, this.files.machine, console, this.files);
    closeSync(console);
    this.container = container;
    this.bootCount += 1;
    this.bootTimes.push(Date.now());
    // The reaper ends containers when this process ends; they must not keep it from ending.
    container.unref();
    this.ended = new Promise((resolve) => {
      const onEnd = (code: number | null) => {
        this.container = undefined;
        const again = (): void => (this.wanted && this.container === undefined ? this.launch() : resolve());
        if (code !== EXIT_REBOOT || !this.wanted || this.isBootLooping()) resolve();
        else if (this.bootDelayMs === 0) again();
        else setTimeout(again, this.bootDelayMs);
      };
      container.once('exit', onEnd);
      container.once('error', () => onEnd(null));
    });
  }

  private isBootLooping(): boolean {
    return this.bootTimes.filter((at) => Date.now() - at < 60_000).length >= MAX_BOOTS_PER_MINUTE;
  }
}
