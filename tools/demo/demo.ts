/**
 * `make demo`: patches three real nodes with the real program, step by step as a user would.
 * On a terminal everything stays up until Ctrl-C; otherwise, or with --exit, it ends by itself.
 */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import pc from 'picocolors';

import type { Log } from '../../src/dev/host';
import { environmentFor, runProgram, sleep } from '../../src/dev/host';
import type { Lab, LabNodeOptions } from '../lab/lab';
import { createLab, prepareLabImages } from '../lab/lab';
import type { LabNode } from '../lab/lab-node';
import { rebootPackage } from '../lab/packages';
import { labBlocker } from '../lab/prerequisites';
import { findTemporal } from '../../src/dev/temporal-binary';
import type { TemporalServer } from '../../src/dev/temporal-server';
import { startTemporalServer } from '../../src/dev/temporal-server';
import type { WorkerProcess } from '../worker-process';
import { startWorkerProcess } from '../worker-process';

const ROOT = path.join(__dirname, '../..');
const PROGRAM = path.join(ROOT, 'bin/ospatch.js');
const CLUSTER = 'demo';

/** A patch with a reboot takes 20 s. */
const RUN_TIMEOUT_MS = 300_000;
const STATUS_POLL_MS = 500;

/** Exit code of a program ended by Ctrl-C. */
const EXIT_INTERRUPTED = 130;

const NODES: LabNodeOptions[] = [
  { name: 'cp-1', updates: 'few', oldBaseFiles: true },
  { name: 'w-1', updates: 'few', oldBaseFiles: true, labReboot: true },
  { name: 'w-2', updates: 'few', oldBaseFiles: true, labReboot: true },
];

interface Stack {
  lab?: Lab;
  server?: TemporalServer;
  worker?: WorkerProcess;
}

/** Ends the demo gracefully on Ctrl-C. */
class Interrupted extends Error {}

async function main(): Promise<void> {
  const blocker = labBlocker();
  if (blocker !== undefined) throw new Error(blocker);
  const stack: Stack = {};
  const interrupted = untilInterrupted();
  try {
    await Promise.race([play(stack, interrupted), interrupted]);
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    process.exitCode = EXIT_INTERRUPTED;
  } finally {
    console.log(pc.dim('\nending the worker, the Temporal server and the nodes ...'));
    await end(stack, process.exitCode === EXIT_INTERRUPTED);
  }
}

async function end({ worker, server, lab }: Stack, inHurry: boolean): Promise<void> {
  // During a run the worker would wait for its activities; here that is unnecessary.
  await (inHurry ? worker?.kill9() : worker?.stop());
  await Promise.all([server?.stop(), lab?.stop()]);
}

async function play(stack: Stack, interrupted: Promise<never>): Promise<void> {
  const start = Date.now();
  const log: Log = (line) => console.log(pc.dim(`[${((Date.now() - start) / 1000).toFixed(0).padStart(3)} s] ${line}`));

  heading('A Temporal server, three Debian nodes with pending updates, and a worker');
  const [temporal] = await Promise.all([findTemporal(log), prepareLabImages(NODES, log)]);
  const server = (stack.server = await startTemporalServer({ log }));
  const lab = (stack.lab = await createLab({ nodes: NODES, log }));
  for (const node of lab.nodes) await describeNode(node, log);
  stack.worker = await startWorkerProcess({ address: server.address, keyDir: lab.keyDir });
  log(`Temporal ${server.address}, UI ${server.uiUrl ?? ''}, worker process ${stack.worker.pid}`);
  const dir = path.join(lab.dir, 'demo');
  mkdirSync(dir);
  const spec = path.join(dir, 'demo.yaml');
  writeFileSync(spec, demoSpec(lab));
  const shell: Shell = { cwd: dir, env: environmentFor(server.address), interrupted };

  heading('Trust the host keys of the nodes');
  await ospatch(shell, 'enroll', '-f', 'demo.yaml', '--yes');

  heading('Hand the cluster over: patchOnBoot brings every node to the latest patch version, one at a time');
  await ospatch(shell, 'apply', '-f', 'demo.yaml', '--wait');
  await ospatch(shell, 'status', CLUSTER);

  heading('Change the schedule: every two weeks instead of every week');
  writeFileSync(spec, readFileSync(spec, 'utf8').replace(/schedule: weekly.*/, 'schedule: every-2-weeks'));
  await ospatch(shell, 'apply', '-f', 'demo.yaml');

  heading('A new update comes out for w-1; ask for an immediate run with a plain Temporal signal');
  await lab.node('w-1').offer(rebootPackage('1.2'));
  const signal = ['workflow', 'signal', '--workflow-id', `cluster/${CLUSTER}`, '--name', 'patchNow'];
  await command(shell, 'temporal', temporal, signal);
  await watchRun(shell, 2);

  heading('Where every node is now');
  await ospatch(shell, 'status', CLUSTER);
  await ospatch(shell, 'history', CLUSTER);
  console.log(`\n${pc.bold('Temporal UI')}  ${server.uiUrl ?? ''}/namespaces/default/workflows/cluster%2F${CLUSTER}`);
  log('the demo is through');
  if (!process.stdout.isTTY || process.argv.includes('--exit')) return;
  console.log(`\nEverything stays up until Ctrl-C. Try it from another terminal:`);
  console.log(`  export TEMPORAL_ADDRESS=${server.address}`);
  console.log(`  ${path.relative(process.cwd(), PROGRAM)} status ${CLUSTER}`);
  await interrupted;
}

interface Shell {
  cwd: string;
  env: NodeJS.ProcessEnv;
  interrupted: Promise<never>;
}

function ospatch(shell: Shell, ...args: string[]): Promise<void> {
  return command(shell, 'ospatch', process.execPath, args, [PROGRAM]);
}

/** Shows and runs one command; its output goes straight to the terminal. */
async function command(
  shell: Shell,
  name: string,
  file: string,
  args: string[],
  before: string[] = [],
  onStart: (child: ChildProcess) => void = () => undefined,
  exitCode = 0,
): Promise<void> {
  console.log(`\n${pc.green('$')} ${pc.bold([name, ...args].join(' '))}`);
  const child = spawn(file, [...before, ...args], {
    cwd: shell.cwd,
    env: shell.env,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  shell.interrupted.catch(() => child.kill());
  onStart(child);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', resolve);
  });
  if (code !== exitCode) throw new Error(`"${name} ${args.join(' ')}" exited with code ${code}`);
}

/** Follows a run started by someone else until it ends. */
async function watchRun(shell: Shell, run: number): Promise<void> {
  const endAfterRun = (watch: ChildProcess): void => {
    void untilRunEnds(shell, run).finally(() => watch.kill('SIGINT'));
  };
  const args = ['status', CLUSTER, '--watch'];
  await command(shell, 'ospatch', process.execPath, args, [PROGRAM], endAfterRun, EXIT_INTERRUPTED);
}

async function untilRunEnds(shell: Shell, run: number): Promise<void> {
  const args = [PROGRAM, 'status', CLUSTER, '-o', 'json'];
  const deadline = Date.now() + RUN_TIMEOUT_MS;
  while (Date.now() < deadline) {
    const { code, stdout } = await runProgram(process.execPath, args, { cwd: shell.cwd, env: shell.env });
    const status =
      code === 0 ? (JSON.parse(stdout) as { run: unknown; lastRun: { number: number } | null }) : undefined;
    if (status?.run === null && (status.lastRun?.number ?? 0) >= run) return;
    await sleep(STATUS_POLL_MS);
  }
}

/** The state of the node as seen by an administrator before the patch. */
async function describeNode(node: LabNode, log: Log): Promise<void> {
  const { stdout } = await node.exec('cat /etc/debian_version; apt-get -qq -s dist-upgrade | grep -c ^Inst');
  const [version, pending] = stdout.split('\n');
  log(`${node.name}: Debian ${version} at ${node.host}:${node.port}, ${pending} pending updates`);
}

function demoSpec(lab: Lab): string {
  let text = readFileSync(path.join(ROOT, 'examples/demo.yaml'), 'utf8');
  for (const [index, node] of lab.nodes.entries()) text = text.replace(`port: ${22_001 + index}`, `port: ${node.port}`);
  return text;
}

function heading(text: string): void {
  console.log(`\n${pc.cyan('──')} ${pc.bold(text)}`);
}

function untilInterrupted(): Promise<never> {
  const interrupted = new Promise<never>((_resolve, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => reject(new Interrupted()));
  });
  interrupted.catch(() => undefined);
  return interrupted;
}

main().then(
  // Processes still starting at Ctrl-C would keep this process alive; they end with it.
  () => process.exit(),
  (error: unknown) => {
    console.error(`\nerror: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(1);
  },
);
