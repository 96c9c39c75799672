/** Steering of the run in progress, and locks on nodes. Each command answers what happens now. */
import type { Command } from 'commander';
import { Argument, InvalidArgumentError } from 'commander';
import type { SteeringAnswer, SteeringMessage, SteeringName } from '../../domain/cluster/steering';
import { defined } from '../../domain/shared/defined';
import { isDuration } from '../../domain/shared/duration';
import type { CliContext } from '../io/context';
import { outputOption, print, printJson } from '../io/output';
import type { OutputFormat } from '../io/output';
import { clusterArgument, nodeArgument, reasonOption } from '../options/arguments';
import { amountArgument } from '../options/amount';
import { momentOption } from '../options/moment';
import { runWithClient } from '../options/session';

const MAX_EFFECT = 1_000;

interface SteerOptions {
  reason?: string;
  output: OutputFormat;
  until?: string;
}

interface SteeringCommand {
  command: string;
  name: SteeringName;
  description: string;
  /** What comes after the cluster. */
  argument: () => Argument;
  field: 'node' | 'concurrency' | 'maxFailures';
  example: string;
}

const COMMANDS: readonly SteeringCommand[] = [
  {
    ...{ command: 'skip', name: 'skip', field: 'node', argument: nodeArgument },
    description: 'leave a node out of the run in progress, or let its failure no longer count',
    example: 'ospatch skip prod-eu w-7 --reason "disk is being replaced"',
  },
  {
    ...{ command: 'retry', name: 'retry', field: 'node', argument: nodeArgument },
    description: 'give a node that failed or was skipped another turn in the run in progress',
    example: 'ospatch retry prod-eu w-7',
  },
  {
    ...{ command: 'set-concurrency', name: 'setConcurrency', field: 'concurrency', argument: () => amountArgument(1) },
    description: 'change how many nodes the run in progress patches at the same time',
    example: 'ospatch set-concurrency prod-eu 10%',
  },
  {
    ...{ command: 'set-max-failures', name: 'setMaxFailures', field: 'maxFailures', argument: () => amountArgument(0) },
    description: 'change how many nodes of the run in progress may fail',
    example: 'ospatch set-max-failures prod-eu 5',
  },
  {
    ...{ command: 'lock', name: 'lock', field: 'node', argument: nodeArgument },
    description: 'keep every run from a node',
    example: 'ospatch lock prod-eu w-7 --until 3d --reason "incident 4711"',
  },
  {
    ...{ command: 'unlock', name: 'unlock', field: 'node', argument: nodeArgument },
    description: 'let runs patch a locked node again',
    example: 'ospatch unlock prod-eu w-7',
  },
];

export function registerSteering(program: Command, context: CliContext): void {
  for (const one of COMMANDS) registerOne(program, context, one);
  registerExtendWindow(program, context);
}

function registerExtendWindow(program: Command, context: CliContext): void {
  const duration = new Argument('[duration]', 'how much later the window ends, e.g. 90m').argParser((text): string => {
    if (isDuration(text)) return text;
    throw new InvalidArgumentError('Allowed: a duration such as 90m or 2h.');
  });
  program
    .command('extend-window')
    .description('let the present maintenance window end later; the run in progress goes on')
    .addArgument(clusterArgument())
    .addArgument(duration)
    .addOption(momentOption(context, '--until <time>', 'when the window ends'))
    .addOption(reasonOption())
    .addOption(outputOption())
    .addHelpText('after', '\nExamples:\n  ospatch extend-window prod-eu 90m --reason "three nodes are left"')
    .action((cluster: string, more: string | undefined, { reason, output, until }: SteerOptions, own: Command) =>
      runWithClient(context, own, async (client) => {
        const answer = await client.steer(cluster, 'extendWindow', { ...defined({ duration: more, until, reason }) });
        if (output === 'json') printJson(context, { cluster, ...answer });
        else await printEffect(context, cluster, answer);
      }),
    );
}

function registerOne(program: Command, context: CliContext, steering: SteeringCommand): void {
  const command = program
    .command(steering.command)
    .description(steering.description)
    .addArgument(clusterArgument())
    .addArgument(steering.argument())
    .addOption(reasonOption().makeOptionMandatory(steering.name === 'lock'))
    .addOption(outputOption())
    .addHelpText('after', `\nExamples:\n  ${steering.example}`);
  if (steering.name === 'lock') command.addOption(momentOption(context, '--until <time>', 'when the lock ends'));
  command.action((cluster: string, value: string, { reason, output, until }: SteerOptions, own: Command) =>
    runWithClient(context, own, async (client) => {
      const message: SteeringMessage = { [steering.field]: value, ...defined({ reason, until }) };
      const answer = await client.steer(cluster, steering.name, message);
      if (output === 'json') printJson(context, { cluster, ...answer });
      else await printEffect(context, cluster, answer);
    }),
  );
}

async function printEffect(context: CliContext, cluster: string, { effect }: SteeringAnswer): Promise<void> {
  const { oneLine } = await import('../render/text.js');
  print(context, `${cluster}: ${oneLine(effect, MAX_EFFECT)}`);
}
