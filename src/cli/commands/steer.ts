/** Steering of the run in progress, and locks on nodes. Each command answers what happens now. */
import type { Command } from 'commander';
import { Argument, InvalidArgumentError, Option } from 'commander';
import type { SteeringMessage, SteeringName } from '../../domain/cluster/steering';
import { defined } from '../../domain/shared/defined';
import { isDuration, parseDuration } from '../../domain/shared/duration';
import type { Amount } from '../../domain/spec/types';
import { MAX_NODES } from '../../domain/spec/types';
import type { CliContext } from '../io/context';
import { outputOption, print, printJson } from '../io/output';
import type { OutputFormat } from '../io/output';
import { clusterArgument, nodeArgument, reasonOption } from '../options/arguments';
import { runWithClient } from '../options/session';

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
  if (steering.name === 'lock') command.addOption(untilOption(context));
  command.action((cluster: string, value: string, { reason, output, until }: SteerOptions, own: Command) =>
    runWithClient(context, own, async (client) => {
      const message: SteeringMessage = { [steering.field]: value, ...defined({ reason, until }) };
      const answer = await client.steer(cluster, steering.name, message);
      if (output === 'json') printJson(context, { cluster, ...answer });
      else print(context, `${cluster}: ${(await import('../render/text.js')).oneLine(answer.effect, 1_000)}`);
    }),
  );
}

function amountArgument(least: 0 | 1): Argument {
  return new Argument('<n>', 'a number of nodes, or a share such as 10%').argParser((text): Amount => {
    const isShare = /^(100|[1-9]?\d)%$/.test(text);
    const number = /^\d{1,5}%?$/.test(text) ? Number.parseInt(text, 10) : Number.NaN;
    const isAllowed = number >= least && (isShare || (!text.endsWith('%') && number <= MAX_NODES));
    if (isAllowed) return isShare ? `${number}%` : number;
    throw new InvalidArgumentError(
      `Allowed: a whole number from ${least} to ${MAX_NODES}, or a share from ${least}% to 100%.`,
    );
  });
}

function untilOption(context: CliContext): Option {
  return new Option('--until <time>', 'when the lock ends: a duration from now, or a moment with zone').argParser(
    (text) => {
      if (isDuration(text)) return wholeSeconds(context.now() + parseDuration(text));
      const at = /(Z|[+-]\d{2}:\d{2})$/.test(text) ? Date.parse(text) : Number.NaN;
      if (!Number.isNaN(at)) return wholeSeconds(at);
      throw new InvalidArgumentError(
        'Allowed: a duration such as 12h or 3d, or a moment such as 2027-01-31T18:00:00Z.',
      );
    },
  );
}

function wholeSeconds(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}
