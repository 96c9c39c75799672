/** From nothing to a patched node with `ospatch init`, and a node that was rebuilt. */
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import '../support/slow-suite';
import type { Lab, TemporalServer } from '../support/local-stack';
import { createLab, startTemporalServer } from '../support/local-stack';
import { runCli } from '../support/run-cli';
import type { CliResult } from '../support/run-cli';
import { Tmux } from '../support/tmux';

const PROGRAM = path.join(__dirname, '../../bin/ospatch.js');

let server: TemporalServer;
let lab: Lab;
let dir: string;
let config: string;
const workers: ChildProcess[] = [];

beforeAll(async () => {
  [server, lab] = await Promise.all([
    startTemporalServer(),
    createLab({ nodes: [{ name: 'w-1', updates: 'none', labReboot: true }] }),
  ]);
  dir = path.join(lab.dir, 'first');
  config = path.join(lab.dir, 'config');
  mkdirSync(dir);
});

afterAll(async () => {
  for (const worker of workers) {
    const ended = once(worker, 'exit');
    // The shell and the worker.
    process.kill(-(worker.pid ?? 0), 'SIGTERM');
    await ended;
  }
  await Promise.all([lab.stop(), server.stop()]);
});

function node(): { host: string; port: number } {
  return lab.node('w-1');
}

function init(...args: string[]): Promise<CliResult> {
  const { host, port } = node();
  const machine = `w-1=ospatch@${host}:${port}`;
  const admin = ['--admin', 'root', '--admin-identity', path.join(lab.keyDir, lab.keyName)];
  const all = ['init', '--config-dir', config, '--cluster', 'first', '--node', machine, ...admin, ...args];
  return runCli(all, { cwd: dir, env: { TEMPORAL_ADDRESS: server.address, TZ: 'Europe/Berlin' } });
}

function print(): string {
  const file = path.join(lab.dir, 'w-1.pub');
  writeFileSync(file, lab.node('w-1').readFile('/etc/ssh/ssh_host_ed25519_key.pub'));
  return execFileSync('ssh-keygen', ['-lf', file], { encoding: 'utf8' }).split(' ')[1] ?? '';
}

/** The lines below the heading, word for word. */
function printedCommands(output: string): string[] {
  const [, below = ''] = output.split('Next, in this terminal:\n');
  return below.split('\n').flatMap((line) => (line.startsWith('  ') ? [line.trim()] : []));
}

describe('e2e/init', () => {
  it('sets up everything without questions, and a worker started by the printed words patches the node', async () => {
    await lab.node('w-1').exec('userdel --remove ospatch; rm -f /etc/sudoers.d/ospatch* /root/.ospatch');
    writeFileSync(path.join(dir, 'prints'), `w-1 ${print()}\n`);
    const done = await init('--expect', 'prints');
    expect(done.stderr).not.toMatch(/error|WARNING/);
    expect(done.stdout).toMatch(/^w-1: account ospatch, its key in authorized_keys, helper \S+, rule \S+ \(sudo 1\.9/m);
    expect(done.code).toBe(0);
    expect(readdirSync(dir).toSorted()).toEqual(['first.yaml', 'known_hosts', 'prints']);
    expect(readFileSync(path.join(dir, 'first.yaml'), 'utf8')).toMatch(
      /rebootIfRequired: false\n {2}timeZone: Europe\/Berlin\n/,
    );
    expect(statSync(path.join(config, 'worker.env')).mode & 0o777).toBe(0o600);

    const [settings = '', worker = '', again = '', apply = ''] = printedCommands(done.stdout);
    expect([settings, worker, apply]).toEqual([
      `set -a; . ${config}/worker.env; set +a`,
      'ospatch worker',
      'ospatch apply -f first.yaml --wait',
    ]);
    expect(again).toBe(settings);
    const shell = (command: string) => [
      '-c',
      `ospatch() { exec ${process.execPath} ${PROGRAM} "$@"; }; ${settings}; ${command}`,
    ];
    const env = { PATH: process.env['PATH'], HOME: lab.dir };
    workers.push(spawn('sh', shell(worker), { cwd: dir, env, detached: true, stdio: 'ignore' }));
    const applied = execFileSync(
      'sh',
      shell(`for i in 1 2 3 4 5 6 7 8 9; do (ospatch doctor) >/dev/null && break; sleep 1; done; ${apply}`),
      { cwd: dir, env, encoding: 'utf8' },
    );
    expect(applied).toMatch(/w-1 +\S+ +reboot-pending|reboot-pending/);
  });

  it('keeps what is right when it is repeated, and asks the worker', async () => {
    const before = readFileSync(path.join(config, 'policy.yaml'), 'utf8');
    const again = await init('--yes');
    expect(again.stdout.match(/^kept: /gm)).toHaveLength(6);
    expect(again.stdout).toContain('w-1: its key is in authorized_keys already');
    expect(again.stdout).not.toContain('written:');
    expect(readFileSync(path.join(config, 'policy.yaml'), 'utf8')).toBe(before);
    expect(again.code).toBe(0);
  });

  it('shows the difference to a spec that was edited, and replaces it with --force only', async () => {
    const file = path.join(dir, 'first.yaml');
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.replace('rebootIfRequired: false', 'rebootIfRequired: true'));
    const refused = await init('--yes');
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/- {3}rebootIfRequired: true\n {2}\+ {3}rebootIfRequired: false/);
    expect(readFileSync(file, 'utf8')).toContain('rebootIfRequired: true');
    expect((await init('--yes', '--force')).code).toBe(0);
    expect(readFileSync(file, 'utf8')).toBe(text);
  });

  it('trusts a rebuilt node again, prepares it, and its cluster goes on', async () => {
    const key = '/etc/ssh/ssh_host_ed25519_key';
    // Whoever rebuilds a node ends the connections to it too.
    await lab
      .node('w-1')
      .exec(
        `rm -f /home/ospatch/.ssh/authorized_keys /etc/sudoers.d/ospatch* /usr/local/libexec/ospatch-node-*; rm ${key} ${key}.pub && ssh-keygen -q -t ed25519 -N '' -C '' -f ${key} && systemctl restart ssh; pkill -KILL -u ospatch; true`,
      );
    const env = { TEMPORAL_ADDRESS: server.address, OSPATCH_KEY_DIR: path.join(config, 'keys') };
    const cli = (...args: string[]): Promise<CliResult> => runCli(args, { cwd: dir, env });
    const failed = await cli('patch', 'first', '--wait');
    expect(failed.stdout).toContain('ospatch enroll -f FILE --replace w-1');
    const admin = ['--admin', 'root', '--admin-identity', path.join(lab.keyDir, lab.keyName)];
    const replaced = await cli('enroll', '-f', 'first.yaml', '--replace', 'w-1', '--expect', print(), ...admin);
    expect(replaced.stdout).toContain('first: the cluster trusts the new host keys, and w-1 left quarantine');
    expect(replaced.stdout).toMatch(/^w-1: its key in authorized_keys, helper/m);
    expect(replaced.code).toBe(0);
    expect((await cli('patch', 'first', '--wait')).code).toBe(0);
    expect((await cli('events', 'first')).stdout).toContain('host keys replaced after a rebuild: w-1');
  });

  it('asks on a narrow terminal, tells a wrong server at once, and leaves nothing behind after Ctrl-C', async () => {
    const tmux = new Tmux({ TZ: 'UTC' });
    const empty = path.join(lab.dir, 'empty');
    mkdirSync(empty);
    try {
      const terminal = await tmux.open(
        40,
        60,
        `cd ${empty} && ${process.execPath} ${PROGRAM} init --config-dir ${empty}/config; echo "exit $?"; sleep 60`,
      );
      await terminal.until(/Temporal, host:port \[localhost:7233\]: ?$/);
      await terminal.type('127.0.0.1:1');
      await terminal.keys('Enter');
      await terminal.until(/namespace \[default\]: ?$/);
      await terminal.keys('Enter');
      await terminal.until(/nothing\s+listens\s+at[\s\S]*Temporal, host:port \[localhost:7233\]: ?$/);
      await terminal.type(server.address);
      await terminal.keys('Enter', 'Enter');
      await terminal.until(/Temporal answers at[\s\S]*name of the cluster, e\.g\. prod-eu: ?$/);
      await terminal.type('first');
      await terminal.keys('Enter');
      await terminal.until(/id_ed25519\]: ?$/);
      await terminal.keys('Enter');
      await terminal.until(/nodes are[\s\S]*prepared[\s\S]*: ?$/);
      await terminal.keys('Enter');
      await terminal.until(/jump host[\s\S]*: ?$/);
      await terminal.keys('Enter');
      await terminal.until(/first node[\s\S]*: ?$/);
      await terminal.type('ospatch@no such host');
      await terminal.keys('Enter');
      await terminal.until(/--node:\s+found[\s\S]*first node[\s\S]*: ?$/);
      const { host, port } = node();
      await terminal.type(`ospatch@${host}:${port}`);
      await terminal.keys('Enter');
      await terminal.until(/next node[\s\S]*: ?$/);
      await terminal.keys('Enter');
      await terminal.until(/schedule[\s\S]*weekly\]: ?$/);
      await terminal.keys('Enter');
      await terminal.until(/time zone \[UTC\]: ?$/);
      await terminal.keys('Enter');
      await terminal.until(/\[y\/N\] ?$/);
      await terminal.keys('Enter');
      await terminal.until(/is this its key\? \[y\/N\] ?$/);
      await terminal.keys('y', 'Enter');
      await terminal.until(/write 5 files\? \[Y\/n\] ?$/);
      await terminal.keys('C-c');
      await terminal.until(/nothing was written\nexit 130$/);
      expect(readdirSync(empty)).toEqual([]);
    } finally {
      tmux.close();
    }
  });
});
