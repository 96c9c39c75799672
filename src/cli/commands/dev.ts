import { rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Option } from 'commander';
import type { Command } from 'commander';
import { OspatchError } from '../../domain/shared/errors';
import type { CliContext } from '../io/context';
import { portFrom } from '../options/port';
import { runCommand } from '../io/errors';
import { print, printNote } from '../io/output';
import { defined } from '../../domain/shared/defined';

const EXAMPLES = `
Examples:
  ospatch dev
  ospatch dev --port 7333 --ui-port 8333

For trying out and for development: a Temporal server with web UI and a worker. With the default ports the other
commands and the temporal CLI find it without any setting. The server listens on 127.0.0.1 and trusts every local user:
keep to machines that nobody else has an account on. Everything is kept between starts, one set of data per port.`;

interface DevOptions {
  port: number;
  uiPort: number;
}

export function registerDev(program: Command, context: CliContext): void {
  program
    .command('dev')
    .description('run Temporal, its web UI and a worker in this terminal, until Ctrl-C')
    .addOption(new Option('--port <port>', 'port of the Temporal server').default(7233).argParser(portFrom(1024)))
    .addOption(new Option('--ui-port <port>', 'port of the web UI').default(8233).argParser(portFrom(1024)))
    .addHelpText('after', EXAMPLES)
    .action((options: DevOptions) => runCommand(context, () => runStack(context, options)));
}

async function runStack(context: CliContext, { port, uiPort }: DevOptions): Promise<void> {
  const { startTemporalServer } = await import('../../dev/temporal-server.js');
  const { devUiFile } = await import('../../client/ui-link.js');
  const { cacheDir } = await import('../../dev/host.js');
  const { checkWorkerSettings, workerFailure } = await import('../options/worker-settings.js');
  const { runWorker, workerOptionsFromEnv } = await import('../../worker.js');
  const { prettyLog } = await import('../io/worker-log.js');
  await requireFreePorts(port, uiPort);
  const settings = workerOptionsFromEnv(process.env);
  checkWorkerSettings(context, settings);
  const dbFile = join(cacheDir('dev'), `temporal-${port}.db`);
  const uiNote = devUiFile(port, process.env);
  const log = (line: string): void => printNote(context, line);
  const server = await startTemporalServer({ dbFile, port, uiPort, log });
  const address = `127.0.0.1:${port}`;
  let serverDied = false;
  let watcher: NodeJS.Timeout | undefined;
  try {
    // This stack uses its own server: settings of the environment for another server are ignored.
    await runWorker(
      {
        ...settings,
        namespace: 'default',
        connection: { address },
        ...defined({ logTo: context.isTTY ? prettyLog(context) : undefined }),
      },
      (worker) => {
        writeFileSync(uiNote, `${process.pid} http://127.0.0.1:${uiPort}\n`);
        print(context, describeStack(context, { ...settings, address, uiPort, dbFile }));
        watcher = setInterval(() => {
          if (serverDied || isAlive(server.pid)) return;
          serverDied = true;
          worker.shutdown();
        }, 1_000);
      },
    );
  } catch (error) {
    throw workerFailure(error, address);
  } finally {
    clearInterval(watcher);
    rmSync(uiNote, { force: true });
    await server.stop();
  }
  if (serverDied) throw workerFailure(new Error('the Temporal server ended'), address);
  printNote(context, 'Temporal and the worker are stopped; everything is kept for the next start');
}

interface StackPlaces {
  address: string;
  uiPort: number;
  dbFile: string;
  keyDir: string;
  kubeconfigDir: string;
  policyPath: string | null;
}

/** For new users: the addresses, the data file, and the next command. */
function describeStack(context: CliContext, at: StackPlaces): string {
  const isDefault = at.address === '127.0.0.1:7233' && (context.env['TEMPORAL_ADDRESS'] ?? '') === '';
  return [
    `Temporal  ${at.address}`,
    `Web UI    http://127.0.0.1:${at.uiPort}`,
    `Data      ${at.dbFile}`,
    `Keys      ${at.keyDir} and kubeconfigs in ${at.kubeconfigDir}`,
    `Policy    ${at.policyPath ?? 'none (OSPATCH_POLICY), so the worker does whatever it is asked for'}`,
    '',
    'Everybody with an account on this machine can command this worker, and so use these keys.',
    '',
    'Next, in another terminal:',
    ...(isDefault ? [] : [`  export TEMPORAL_ADDRESS=${at.address}`]),
    '  ospatch init                   # a first cluster: asks for the nodes, and prepares them',
    '  ospatch apply -f FILE --wait   # with a spec of yours, after ospatch enroll -f FILE',
    '',
    'Ctrl-C ends both.',
  ].join('\n');
}

async function requireFreePorts(port: number, uiPort: number): Promise<void> {
  const wanted: [string, number][] = [
    ['--port', port],
    ['--ui-port', uiPort],
  ];
  if (port === uiPort) {
    throw new OspatchError({
      type: 'Usage',
      message: `--port and --ui-port are both ${port}`,
      remedy: 'give two different ports',
    });
  }
  for (const [option, number] of wanted) {
    if (await isFree(number)) continue;
    throw new OspatchError({
      type: 'NoServer',
      message: `port ${number} is taken on this machine, perhaps by another Temporal server`,
      remedy: `use that server with \`ospatch worker\`, or give another port with ${option}`,
    });
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}

function isAlive(pid: number | undefined): boolean {
  try {
    return pid === undefined || process.kill(pid, 0);
  } catch {
    return false;
  }
}
