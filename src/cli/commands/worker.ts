import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import { isOspatchError } from '../../domain/shared/errors';
import type { CliContext } from '../io/context';
import { runCommand } from '../io/errors';
import { globalOptions } from '../options/global-options';
import { withClient } from '../options/session';
import { defined } from '../../domain/shared/defined';

const EXAMPLES = `
Examples:
  ospatch worker
  OSPATCH_KEY_DIR=/etc/ospatch/keys ospatch worker --address temporal.example:7233 --namespace patching
  ospatch worker --metrics :9464                            # for Prometheus, with /healthz and /readyz
  ospatch worker --task-queue site-b --activities-only      # in a network of its own, for nodes with taskQueue: site-b

Logs are readable text on a terminal and JSON lines elsewhere. Stop the worker with Ctrl-C or SIGTERM at any moment: jobs
on nodes continue, and the next worker follows them.

Environment: OSPATCH_POLICY (what the worker may be asked for, default everything; see ospatch policy --help),
OSPATCH_KEY_DIR (default ~/.config/ospatch/keys, as root /etc/ospatch/keys), OSPATCH_PASSPHRASE_COMMAND (for encrypted keys, a JSON array such as
["pass", "show"]; it gets the name of the key), OSPATCH_SSH_INCLUDE (no crypto policy), OSPATCH_TASK_QUEUE (ospatch), OSPATCH_HOOK_DIR (no hooks), OSPATCH_CALENDAR_DIR (no calendars),
OSPATCH_NOTIFICATIONS (targets of notifications, notifications.yaml beside the keys), OSPATCH_NOTIFY_DIR (notify.d beside the keys),
OSPATCH_KUBECONFIG_DIR (kubeconfigs beside the keys), OSPATCH_SECRET_DIR (secrets beside the keys), OSPATCH_POD_UID (the pod in which the worker runs), OSPATCH_ENCRYPTION_KEYS (nothing is encrypted),
OSPATCH_ENCRYPTION_REQUIRED (unencrypted messages are accepted), OSPATCH_METRICS (no metrics), OSPATCH_LOG_LEVEL (info), and the variables of the temporal CLI.
Capacity: OSPATCH_MAX_ACTIVITIES (500), OSPATCH_MAX_CACHED_WORKFLOWS (1500), OSPATCH_MAX_POLLERS (20).
For upgrades in the middle of runs: OSPATCH_WORKER_DEPLOYMENT (workers are not versioned).`;

export function registerWorker(program: Command, context: CliContext): void {
  program
    .command('worker')
    .description('run a worker: it holds the SSH keys, reaches the nodes and executes the workflows')
    .option('--task-queue <name>', 'serve the nodes of this task queue (taskQueue in the spec)', parseTaskQueue)
    .option('--activities-only', 'run activities only, and leave the workflows to other workers')
    .option(
      '--metrics <address>',
      'serve Prometheus metrics, /healthz and /readyz there, e.g. :9464 (default: OSPATCH_METRICS, else nowhere)',
    )
    .addHelpText('after', EXAMPLES)
    .action((options: WorkOptions, command: Command) => runCommand(context, () => work(context, command, options)));
}

interface WorkOptions {
  taskQueue?: string;
  activitiesOnly?: boolean;
  metrics?: string;
}

function parseTaskQueue(text: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(text)) return text;
  throw new InvalidArgumentError('Allowed: at most 100 letters, digits, dots, hyphens and underscores, e.g. site-b.');
}

async function work(
  context: CliContext,
  command: Command,
  { taskQueue, activitiesOnly = false, metrics }: WorkOptions,
): Promise<void> {
  const { parseListenAddress } = await import('../../exporter/endpoints.js');
  const listen = metrics === undefined ? undefined : parseListenAddress(metrics, '--metrics');
  const { checkWorkerSettings, workerFailure } = await import('../options/worker-settings.js');
  // Reports problems of the server or the namespace before the worker code is loaded.
  const { address, namespace } = await withClient(command, async (client) => {
    await client.hasWorker();
    return { address: client.address, namespace: client.namespace };
  });
  const { runWorker, workerOptionsFromEnv } = await import('../../worker.js');
  const { forgetTemporalSecrets } = await import('../../temporal-files.js');
  const { prettyLog } = await import('../io/worker-log.js');
  const settings = workerOptionsFromEnv(process.env, globalOptions(command).profile);
  forgetTemporalSecrets(process.env);
  checkWorkerSettings(context, settings);
  try {
    await runWorker({
      ...settings,
      namespace,
      ...defined({ taskQueue, metrics: listen }),
      activitiesOnly,
      connection: { ...settings.connection, address },
      ...defined({ logTo: context.isTTY ? prettyLog(context) : undefined }),
    });
  } catch (error) {
    throw isOspatchError(error) ? error : workerFailure(error, address);
  }
}
