import type { Command } from 'commander';
import type { TargetTest } from '../../domain/notifications/types';
import { defined } from '../../domain/shared/defined';
import { asSentence } from '../../domain/shared/text';
import { clusterArgument } from '../options/arguments';
import type { CliContext } from '../io/context';
import { outputOption, print, printJson } from '../io/output';
import type { OutputFormat } from '../io/output';
import { oneLine } from '../render/text';
import { runWithClient } from '../options/session';

const EXAMPLES = `
Examples:
  ospatch notify test prod-eu
  ospatch notify test prod-eu --target ops-chat

The message is sent by a worker, with the secrets and under the policy of that worker.`;

interface TestOptions {
  target?: string;
  output: OutputFormat;
}

export function registerNotify(program: Command, context: CliContext): void {
  const notify = program
    .command('notify')
    .description('test the notifications of a cluster')
    .addHelpText('after', EXAMPLES);
  notify
    .command('test')
    .description('send a test message to the targets of a cluster, and show what each has answered')
    .addArgument(clusterArgument())
    .option('--target <name>', 'only this target')
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action((cluster: string, { target, output }: TestOptions, command: Command) =>
      runWithClient(context, command, async (client) => {
        const targets = await client.testNotifications(cluster, defined({ target }));
        if (output === 'json') printJson(context, { cluster, targets });
        else for (const line of targets.flatMap(describeTest)) print(context, line);
        if (targets.some((one) => 'error' in one)) context.setExitCode(1);
      }),
    );
}

function describeTest(test: TargetTest): string[] {
  const name = `${test.target}${test.fromWorker ? ' (of the worker)' : ''}`;
  if ('answer' in test) return [`${name}: delivered, ${oneLine(test.answer)}`];
  const { message, remedy } = test.error;
  return [
    `${name}: not delivered: ${asSentence(oneLine(message))}`,
    ...(remedy === undefined ? [] : [`  fix: ${oneLine(remedy)}`]),
  ];
}
