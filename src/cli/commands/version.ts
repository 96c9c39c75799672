import type { Command } from 'commander';
import type { ErrorInfo } from '../../domain/shared/errors';
import { isOspatchError } from '../../domain/shared/errors';
import { packageVersion } from '../../version';
import type { CliContext } from '../io/context';
import { runCommand } from '../io/errors';
import { outputOption, print, printJson, printNote } from '../io/output';
import type { OutputFormat } from '../io/output';
import { withClient } from '../options/session';

const EXAMPLES = `
Examples:
  ospatch version
  ospatch version --client
  ospatch version -o json | jq -r .client.version

A server that cannot be reached is no error here: its line says why. Workers report a version when they run with
OSPATCH_WORKER_DEPLOYMENT.`;

/** A server that answers does so at once; a version must not take the time that other commands grant. */
const SERVER_DEADLINE_MS = 3_000;

interface VersionOptions {
  client?: boolean;
  output: OutputFormat;
}

interface Server {
  address: string;
  namespace: string;
  version: string;
  /** `version`: null when the workers do not report one. */
  workers: { version: string | null; count: number }[];
}

/** The JSON of `version`; `error`: why `server` is null. */
interface Versions {
  client: { version: string; node: string };
  server: Server | null;
  error: ErrorInfo | null;
}

export function registerVersion(program: Command, context: CliContext): void {
  program
    .command('version')
    .description('show the versions of this command, the Temporal server and the workers')
    .option('--client', 'only that of this command, without contacting a server')
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action((options: VersionOptions, command: Command) =>
      runCommand(context, () => version(context, command, options)),
    );
}

async function version(
  context: CliContext,
  command: Command,
  { client: isAlone = false, output }: VersionOptions,
): Promise<void> {
  const client = { version: packageVersion(), node: process.versions.node };
  const versions: Versions = { client, ...(isAlone ? { server: null, error: null } : await ask(command)) };
  if (output === 'json') return printJson(context, versions);
  print(context, `ospatch   ${client.version} (Node.js ${client.node})`);
  const { server, error } = versions;
  if (error !== null) printNote(context, `Temporal  not known: ${error.message}`);
  if (server === null) return;
  print(context, `Temporal  ${server.version} at ${server.address}, namespace ${server.namespace}`);
  print(context, `Workers   ${server.workers.length === 0 ? 'none' : server.workers.map(describe).join(', ')}`);
}

async function ask(command: Command): Promise<Pick<Versions, 'server' | 'error'>> {
  try {
    return await withClient(
      command,
      async (client) => {
        const { server: found, workers } = await client.versions();
        const { address, namespace } = client;
        const names = workers.map((worker) => worker.version?.buildId ?? null);
        const counted = [...new Set(names)].map((name) => {
          return { version: name, count: names.filter((one) => one === name).length };
        });
        return { server: { address, namespace, version: found, workers: counted }, error: null };
      },
      SERVER_DEADLINE_MS,
    );
  } catch (error) {
    if (!isOspatchError(error) || error.type === 'Usage') throw error;
    return { server: null, error: error.toInfo() };
  }
}

function describe({ version: name, count }: Server['workers'][number]): string {
  return name === null ? `${count} without a version` : `${count} of version ${name}`;
}
