import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import type { ClusterClient } from '../../client/cluster-client';
import type { ClusterBackup, RecoveryPlan } from '../../client/recovery';
import { DURATION_FORMAT, isDuration, parseDuration } from '../../domain/shared/duration';
import type { StuckKind } from '../../domain/inspection/stuck';
import { OspatchError } from '../../domain/shared/errors';
import { clusterArgument } from '../options/arguments';
import type { CliContext } from '../io/context';
import { outputOption, print, printJson, printNote } from '../io/output';
import type { OutputFormat } from '../io/output';
import { runWithClient } from '../options/session';

const EXAMPLES = `
Examples:
  ospatch recover prod-eu
  ospatch recover prod-eu --yes --wait 1m
  ospatch recover prod-eu --from backups/prod-eu.json

The workflow of the cluster is ended and started again with the state in its history, or with a backup. What is lost is
shown first. Needs no worker. A run in progress ends: the node being patched is finished, no other is started, and the
command waits for that end; Ctrl-C ends the wait, and the cluster starts then.`;

interface RecoverCommandOptions {
  from?: string;
  wait: string;
  force?: boolean;
  yes?: boolean;
  output: OutputFormat;
}

export function registerRecover(program: Command, context: CliContext): void {
  program
    .command('recover')
    .description('restart a cluster that is stuck or whose workflow was ended, with its last known state')
    .addArgument(clusterArgument())
    .option('--from <file>', 'a file of `ospatch backup`, instead of the history in Temporal')
    .addOption(
      new Option('--wait <duration>', 'how long a run in progress may take to end')
        .default('10m')
        .argParser((text: string) => {
          if (isDuration(text)) return text;
          throw new InvalidArgumentError(`Allowed: ${DURATION_FORMAT}.`);
        }),
    )
    .option('--force', 'also a cluster that is healthy or was removed')
    .option('--yes', 'do not ask for confirmation')
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action((cluster: string, options: RecoverCommandOptions, command: Command) =>
      runWithClient(context, command, (client) => recover(context, client, cluster, options)),
    );
}

async function recover(
  context: CliContext,
  client: ClusterClient,
  cluster: string,
  { from, wait, force = false, yes = false, output }: RecoverCommandOptions,
): Promise<void> {
  const { untilInterrupted } = await import('../io/interrupt.js');
  const { renderRecovered, renderRecoveryPlan } = await import('../render/recovery.js');
  const { ownZone } = await import('../render/text.js');
  const backup = from === undefined ? null : await readBackup(context, cluster, from);
  const plan = await client.planRecovery(cluster, backup);
  if (!force) assertNeedsRecovery(plan, from);
  for (const line of renderRecoveryPlan(plan, backup !== null, ownZone())) printNote(context, line);
  if (!yes && !(await confirmed(context, cluster))) {
    context.setExitCode(1);
    return printNote(context, 'nothing was changed');
  }
  if (plan.run !== null)
    printNote(context, `run ${plan.run.number} of ${cluster} is being ended first, within ${wait} ...`);
  const done = await untilInterrupted((signal) =>
    client.recover(cluster, { backup, waitMs: parseDuration(wait), signal }),
  );
  if (output === 'json') {
    const { runId, stateOf, kept, lost, run, runEnded } = done;
    return printJson(context, { cluster, recovered: true, runId, stateOf, kept, lost, run, runEnded });
  }
  const [first = '', ...rest] = renderRecovered(done);
  print(context, first);
  for (const line of rest) printNote(context, line);
}

async function readBackup(context: CliContext, cluster: string, from: string): Promise<ClusterBackup> {
  const { readFile } = await import('node:fs/promises');
  const { resolve } = await import('node:path');
  const { parseBackup } = await import('../../client/backup.js');
  const text = await readFile(resolve(context.cwd, from), 'utf8').catch((cause: unknown) => {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown reason';
    const message = `${from} cannot be read (${code})`;
    throw new OspatchError({ type: 'Usage', message, remedy: 'name a file that `ospatch backup` wrote' }, { cause });
  });
  return parseBackup(text, cluster, from);
}

/** A recovery loses messages and a run in progress, and does not solve these problems. */
const REMEDIED_OTHERWISE: readonly StuckKind[] = ['missing-key', 'paused-on-server'];

/** With a backup, a cluster may be restarted that is unknown to Temporal. */
function assertNeedsRecovery({ cluster, health }: RecoveryPlan, from: string | undefined): void {
  const file = from === undefined ? '' : ` --from ${from}`;
  const force = `ospatch recover ${cluster}${file} --force`;
  switch (health.state) {
    case 'stuck': {
      const { kind, message, remedy } = health.stuck;
      if (!REMEDIED_OTHERWISE.includes(kind)) return;
      throw refused(message, `${remedy}; to recover it anyway: ${force}`);
    }
    case 'running':
      throw refused(
        `the workflow of cluster ${cluster} runs, and no problem with it is known`,
        `see \`ospatch doctor ${cluster}\`; to recover it anyway: ${force}`,
      );
    case 'removed':
    case 'absent':
      if (from !== undefined) return;
      throw refused(`cluster ${cluster} was removed`, `to bring it back as it was: ${force}`);
  }
}

function refused(message: string, remedy: string): OspatchError {
  return new OspatchError({ type: 'Refused', message, remedy });
}

async function confirmed(context: CliContext, cluster: string): Promise<boolean> {
  const { canAsk, confirm } = await import('../io/confirm.js');
  if (canAsk(context)) return confirm(context, `recover cluster ${cluster}?`);
  throw new OspatchError({
    type: 'Usage',
    message: `recovering ${cluster} has to be confirmed, and there is no terminal to ask on`,
    remedy: `ospatch recover ${cluster} --yes`,
  });
}
