import { readFileSync, readdirSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import type { Command } from 'commander';
import { OspatchError } from '../../domain/shared/errors';
import type { RecordedHistory, ReplayVerdict } from '../../replay';
import { packageVersion } from '../../version';
import type { CliContext } from '../io/context';
import { runCommand } from '../io/errors';
import type { OutputFormat } from '../io/output';
import { colors, outputOption, print, printJson, printNote } from '../io/output';
import { withClient } from '../options/session';

const EXIT_AFTER_MS = 2_000;

const EXAMPLES = `
Examples:
  ospatch replay                        # all running clusters, runs and node patches
  ospatch replay --ended                # ended ones too, within the retention of Temporal
  temporal workflow show -w cluster/prod-eu -o json > histories/prod-eu.json; ospatch replay --dir histories

Run it with the package that you are about to deploy: each history is replayed with the workflow code of this package, and
nothing is changed. No worker is needed. Histories that are encrypted need OSPATCH_ENCRYPTION_KEYS. A history that fails
is named with the reason, and the exit code is 1: workers of this version could not continue that workflow.`;

interface ReplayCommand {
  dir?: string;
  ended?: boolean;
  output: OutputFormat;
}

export function registerReplay(program: Command, context: CliContext): void {
  program
    .command('replay')
    .description('replay recorded histories with the workflow code of this package, before it is deployed')
    .option('--dir <directory>', 'histories in files (*.json) instead of those of the namespace')
    .option('--ended', 'also workflows that have ended')
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action((options: ReplayCommand, command: Command) => runCommand(context, () => replay(context, options, command)));
}

async function replay(context: CliContext, { dir, ended, output }: ReplayCommand, command: Command): Promise<void> {
  const { replayHistories } = await import('../../replay.js');
  const verdicts: ReplayVerdict[] = [];
  let isStuck = false;
  const onStuck = (): void => {
    isStuck = true;
  };
  const replayAll = async (histories: AsyncIterable<RecordedHistory>): Promise<void> => {
    for await (const verdict of replayHistories(histories, { env: context.env, onStuck })) verdicts.push(verdict);
  };
  if (dir !== undefined) await replayAll(historiesIn(resolve(context.cwd, dir)));
  else await withClient(command, (client) => replayAll(client.histories(ended === true)));
  if (verdicts.some(({ failure }) => failure !== null)) context.setExitCode(1);
  // The native part of the SDK would keep the process alive; the output below is written by then.
  if (isStuck) setTimeout(() => process.exit(), EXIT_AFTER_MS).unref();
  if (output === 'json') return printJson(context, verdicts);
  if (verdicts.length === 0) return printNote(context, 'there is no workflow to replay');
  const { renderReplay } = await import('../render/replay.js');
  print(context, renderReplay(verdicts, packageVersion(), colors(context)));
}

/** @throws OspatchError `Usage` */
async function* historiesIn(dir: string): AsyncGenerator<RecordedHistory> {
  const { historyFromJSON } = await import('@temporalio/common/lib/proto-utils.js');
  for (const file of jsonFiles(dir)) {
    let history: RecordedHistory['history'];
    try {
      const content: unknown = JSON.parse(readFileSync(file, 'utf8'));
      history = historyFromJSON(Array.isArray(content) ? { events: content } : content);
    } catch (error) {
      history = `the file holds no history: ${error instanceof Error ? error.message : String(error)}`;
    }
    yield { name: relative(dir, file), history };
  }
}

function jsonFiles(dir: string): string[] {
  let names: string[];
  try {
    names = readdirSync(dir, { recursive: true }).map(String);
  } catch (cause) {
    const message = `--dir: ${dir} cannot be read`;
    throw new OspatchError({ type: 'Usage', message, remedy: 'name a directory with histories (*.json)' }, { cause });
  }
  const files = names.filter((name) => name.endsWith('.json')).sort();
  if (files.length > 0) return files.map((name) => join(dir, name));
  throw new OspatchError({
    type: 'Usage',
    message: `--dir: there is no history (*.json) in ${dir}`,
    remedy: 'temporal workflow show -w cluster/NAME -o json > FILE.json writes one',
  });
}
