/**
 * A lab of real nodes on one Linux machine, for trying ospatch and for its tests: each node is a Debian in a
 * systemd-nspawn container with pending updates from the real archive. Needs root.
 */
import { chmodSync, chownSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import type { Log } from '../../src/dev/host';
import { mustRun } from '../../src/dev/host';
import { freePorts } from '../../src/dev/ports';
import { ensureAlpineImage } from './alpine';
import type { ImageOptions, LabUpdate } from './images';
import { ensureImage } from './images';
import { LabNode } from './lab-node';
import type { Image } from './layers';
import { mountImage } from './layers';
import { rebootPackage } from './packages';
import { ensureLabTools, raiseInotifyLimit } from './prerequisites';
import type { LabSuite, RpmManager, Userland } from './recipe';
import { LAB_SUITE, UNIFIED_CGROUP_SUITES } from './recipe';
import type { RunDir } from './run-dir';
import { openRunDir } from './run-dir';
import { defined } from '../../src/domain/shared/defined';

/** The user with `sudo -n` on every node; root may log in too, with the same key. */
export const LAB_USER = 'ospatch';

const KEY_NAME = 'lab';

export interface LabNodeOptions {
  /** Host name of the node, unique in the lab. */
  name: string;
  /** `alpine` for a real Alpine 3.23, whose pending updates are only those of the lab; default `debian`. */
  system?: 'debian' | 'alpine';
  /** The Debian release of the node; default bookworm. The image of each is built on first use. */
  suite?: LabSuite;
  /** Real updates that are pending; default `few`. */
  updates?: ImageOptions['updates'];
  /** The package `lab-reboot` has an update that asks for a reboot; default false. */
  labReboot?: boolean;
  /** The node shows the previous point release until base-files is updated; default false. */
  oldBaseFiles?: boolean;
  /**
   * Debian's archive is a source of packages beside the lab's own repository; by default where updates of it are pending.
   * Reading it takes apt seconds, the lab's own no time.
   */
  archive?: boolean;
  /** Further pending updates of packages made for the lab. */
  labUpdates?: LabUpdate[];
  /** sudo-rs, uutils, busybox or bash in the place of Debian's own. */
  userland?: Userland;
  /** The node carries dnf, dnf5 (sid only) or zypper besides apt, with an empty rpm database. */
  rpm?: RpmManager;
}

export interface LabOptions {
  nodes: LabNodeOptions[];
  /** Receives progress in plain words; default silent. */
  log?: Log;
}

export interface Lab {
  nodes: LabNode[];
  /** Directory with the private key `keyName`, for OSPATCH_KEY_DIR. */
  keyDir: string;
  keyName: string;
  /** Host keys of all nodes in known_hosts form. */
  knownHosts: string;
  /** Directory of this run; it disappears with the lab, and the caller may keep files in it. */
  dir: string;
  node(name: string): LabNode;
  /** Ends and removes everything. Happens by itself, from outside, when this process dies. */
  stop(): Promise<void>;
}

/** Boots the nodes and waits until all answer on SSH. Images are built on first use (70 s), then it takes seconds. */
export async function createLab(options: LabOptions): Promise<Lab> {
  const log = options.log ?? (() => undefined);
  await ensureLabTools(log);
  raiseInotifyLimit(log);
  const run = await openRunDir(log);
  try {
    return await buildLab(run, options, log);
  } catch (error) {
    await run.close();
    throw error;
  }
}

/** Builds the images that `nodes` need, so that a later lab starts in seconds. */
export async function prepareLabImages(nodes: Omit<LabNodeOptions, 'name'>[], log: Log): Promise<void> {
  await ensureLabTools(log);
  const run = await openRunDir(log);
  try {
    for (const node of nodes) await imageOf(node, run, log);
  } finally {
    await run.close();
  }
}

async function buildLab(run: RunDir, options: LabOptions, log: Log): Promise<Lab> {
  const keyDir = path.join(run.dir, 'keys');
  mkdirSync(keyDir, { mode: 0o700 });
  const identityFile = path.join(keyDir, KEY_NAME);
  await mustRun('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'ospatch-lab', '-f', identityFile]);
  const authorizedKey = readFileSync(`${identityFile}.pub`, 'utf8');

  const ports = await freePorts(options.nodes.length);
  const nodes: LabNode[] = [];
  const knownHostsFile = path.join(run.dir, 'known_hosts');
  for (const [index, wanted] of options.nodes.entries()) {
    const image = await imageOf(wanted, run, log);
    const port = ports[index] ?? 0;
    const dir = path.join(run.dir, 'nodes', wanted.name);
    const { rootDir, hostKey } = await installNode(image, dir, wanted, port, authorizedKey);
    const machine = `${run.id}-${wanted.name}`;
    const unified = UNIFIED_CGROUP_SUITES.includes(wanted.suite ?? LAB_SUITE);
    const system = wanted.system ?? 'debian';
    const at = { name: wanted.name, machine, dir, rootDir, port, hostKey };
    const files = { ...at, identityFile, knownHostsFile, unified, system };
    nodes.push(new LabNode(files));
  }
  const knownHosts = nodes.map((node) => `[127.0.0.1]:${node.port} ${node.hostKey}\n`).join('');
  writeFileSync(knownHostsFile, knownHosts);

  log(`booting ${nodes.length} node(s): ${nodes.map((node) => node.name).join(', ')} (usually 3 s) ...`);
  for (const node of nodes) node.start();
  await Promise.all(nodes.map((node) => node.waitForSsh()));
  return {
    nodes,
    keyDir,
    keyName: KEY_NAME,
    knownHosts,
    dir: run.dir,
    node(name) {
      const found = nodes.find((node) => node.name === name);
      if (found === undefined) throw new Error(`the lab has no node ${name}`);
      return found;
    },
    async stop() {
      await Promise.all(nodes.map((node) => node.powerCut()));
      await run.close();
    },
  };
}

function imageOf(node: Omit<LabNodeOptions, 'name'>, run: RunDir, log: Log): Promise<Image> {
  const options = imageOptions(node);
  return node.system === 'alpine' ? ensureAlpineImage(options.labUpdates, run, log) : ensureImage(options, run, log);
}

function imageOptions(node: Omit<LabNodeOptions, 'name'>): ImageOptions {
  const reboot = node.labReboot === true ? [{ from: rebootPackage('1.0'), to: rebootPackage('1.1') }] : [];
  return {
    ...defined({ suite: node.suite }),
    updates: node.updates ?? 'few',
    oldBaseFiles: node.oldBaseFiles ?? false,
    labUpdates: [...reboot, ...(node.labUpdates ?? [])],
    ...defined({ userland: node.userland, rpm: node.rpm }),
  };
}

async function installNode(image: Image, dir: string, options: LabNodeOptions, port: number, authorizedKey: string) {
  const { name } = options;
  const rootDir = await mountImage(image, dir, { scratch: true });
  const etc = path.join(rootDir, 'etc');
  // The package logs tell of this node's own transactions only, not of how its image was made.
  const logs = options.system === 'alpine' ? ['apk.log'] : ['apt/history.log', 'apt/term.log', 'dpkg.log'];
  for (const log of logs) writeFileSync(path.join(rootDir, 'var/log', log), '');
  writeFileSync(path.join(etc, 'hostname'), `${name}\n`);
  writeFileSync(path.join(etc, 'hosts'), `127.0.0.1 localhost\n127.0.1.1 ${name}\n`);
  if (options.system !== 'alpine') {
    const archive = options.archive ?? options.updates !== 'none';
    if (!archive) writeFileSync(path.join(etc, 'apt/sources.list'), '');
    writeFileSync(path.join(etc, 'machine-id'), '');
    rmSync(path.join(rootDir, 'var/lib/dbus/machine-id'), { force: true });
  }
  writeFileSync(path.join(etc, 'ssh/sshd_config.d/lab.conf'), sshdConfig(port));
  for (const type of ['ed25519', 'ecdsa']) {
    const file = path.join(etc, `ssh/ssh_host_${type}_key`);
    await mustRun('ssh-keygen', ['-q', '-t', type, '-N', '', '-C', name, '-f', file]);
  }
  for (const home of ['root', `home/${LAB_USER}`]) authorize(path.join(rootDir, home), authorizedKey);
  const hostKey = readFileSync(path.join(etc, 'ssh/ssh_host_ed25519_key.pub'), 'utf8').split(' ').slice(0, 2).join(' ');
  return { rootDir, hostKey };
}

function authorize(home: string, authorizedKey: string): void {
  const owner = statSync(home);
  const file = path.join(home, '.ssh/authorized_keys');
  writeFileSync(file, authorizedKey);
  chmodSync(file, 0o600);
  chownSync(file, owner.uid, owner.gid);
}

function sshdConfig(port: number): string {
  // Nodes share the host's network, so each has its own port; tests open many connections at once.
  return [`Port ${port}`, 'ListenAddress 127.0.0.1', 'PermitRootLogin prohibit-password', 'MaxStartups 100', ''].join(
    '\n',
  );
}
