import { Option } from 'commander';
import type { Command } from 'commander';
import { MINUTE_MS } from '../../domain/shared/time-units';
import { DURATION_FORMAT, isDuration, parseDuration } from '../../domain/shared/duration';
import type { CliContext } from '../io/context';
import { runCommand } from '../io/errors';
import { print, printNote } from '../io/output';
import { globalOptions } from '../options/global-options';
import { InvalidArgumentError } from 'commander';

const EXAMPLES = `
Examples:
  ospatch exporter
  ospatch exporter --listen :9464 --interval 30s
  curl -s http://127.0.0.1:9464/metrics | grep ospatch_cluster_state

Shows the state of all clusters of the namespace to Prometheus: /metrics, /healthz and /readyz. It needs Temporal and no worker,
and goes on by itself after Temporal was away: meanwhile ospatch_up is 0 and the last values stay. With encrypted payloads it needs
OSPATCH_ENCRYPTION_KEYS. Whoever can reach the address can read names and states of clusters and nodes. One is enough for a namespace.`;

const SHORTEST_INTERVAL_MS = 1_000;
/** The alert rules take what is older than 15 minutes for a failure. */
const LONGEST_INTERVAL_MS = 5 * MINUTE_MS;

const DEFAULT_ADDRESS = '127.0.0.1:9464';

interface ExporterCommand {
  listen?: string;
  interval: number;
}

export function registerExporter(program: Command, context: CliContext): void {
  program
    .command('exporter')
    .description('show all clusters as Prometheus metrics, until Ctrl-C')
    .option(
      '--listen <address>',
      `address and port to listen on; :9464 is every address of this machine (default: OSPATCH_EXPORTER_LISTEN, else ${DEFAULT_ADDRESS})`,
    )
    .addOption(
      new Option('--interval <duration>', 'how often Temporal is read')
        .default(parseDuration('15s'), '15s')
        .argParser(parseInterval),
    )
    .addHelpText('after', EXAMPLES)
    .action((options: ExporterCommand, command: Command) =>
      runCommand(context, () => runExporter(context, command, options)),
    );
}

async function runExporter(
  context: CliContext,
  command: Command,
  { listen, interval }: ExporterCommand,
): Promise<void> {
  const { parseListenAddress } = await import('../../exporter/endpoints.js');
  const { startExporter } = await import('../../exporter/exporter.js');
  const { timeoutMs, address, namespace, profile } = globalOptions(command);
  const stopped = new Promise<void>((resolve) => {
    process.once('SIGINT', resolve).once('SIGTERM', resolve);
  });
  const exporter = await startExporter({
    listen:
      listen === undefined
        ? parseListenAddress(context.env['OSPATCH_EXPORTER_LISTEN'] || DEFAULT_ADDRESS, 'OSPATCH_EXPORTER_LISTEN')
        : parseListenAddress(listen, '--listen'),
    connection: {
      deadlineMs: timeoutMs,
      signWith: '',
      ...(address && { address }),
      ...(namespace && { namespace }),
      ...(profile && { profile }),
    },
    intervalMs: interval,
    log: { info: (message) => printNote(context, message), warn: (message) => printNote(context, message) },
  });
  print(context, `metrics: ${exporter.url}/metrics`);
  await stopped;
  await exporter.close();
}

function parseInterval(text: string): number {
  const ms = isDuration(text) ? parseDuration(text) : 0;
  if (ms >= SHORTEST_INTERVAL_MS && ms <= LONGEST_INTERVAL_MS) return ms;
  throw new InvalidArgumentError(`Allowed: ${DURATION_FORMAT}, at least 1s, at most 5m.`);
}
