import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { OspatchError } from '../../domain/shared/errors';
import type { ClusterSpec } from '../../domain/spec/types';
import type { CliContext } from '../io/context';
import { runCommand } from '../io/errors';
import { colors, outputOption, print, printJson, printNote } from '../io/output';
import type { OutputFormat } from '../io/output';
import { sourcesInCommand } from '../../client/load/sources';
import { filesMissing } from '../render/calendar-files';
import { wrapIndented } from '../render/columns';
import { fileOption, moreFilesArgument, requireSpecs, specSources } from '../options/spec-source';
import type { SpecSources } from '../options/spec-source';

const MAX_COUNT = 1_000;

/** A window may be cut into several parts. */
const MAX_LISTED = 10 * MAX_COUNT;

const EXAMPLES = `
Examples:
  ospatch next -f prod-eu.yaml
  ospatch next -f prod-eu.yaml --after 2027-03-01 --count 12
  ospatch next -f prod-eu.yaml --after 2027-03-01T00:00:00Z -o json`;

interface NextOptions {
  after?: string;
  count: number;
  output: OutputFormat;
}

export function registerNext(program: Command, context: CliContext): void {
  program
    .command('next')
    .description('show the next maintenance windows of a spec, and what blackouts take away, without any server')
    .addArgument(moreFilesArgument())
    .addOption(fileOption())
    .option(
      '--after <time>',
      'windows after this moment: ISO 8601 with Z or offset, or local to the cluster (default: now)',
    )
    .addOption(new Option('--count <n>', `how many windows, 1 to ${MAX_COUNT}`).default(5).argParser(parseCount))
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action((files: string[], options: NextOptions, command: Command) =>
      runCommand(context, async () => next(context, await specSources(context, command, files), options)),
    );
}

async function next(context: CliContext, file: SpecSources, { after, count, output }: NextOptions): Promise<void> {
  const { describeSchedule } = await import('../../domain/schedule/describe.js');
  const { calendarAhead, calendarOf } = await import('../../domain/schedule/ahead.js');
  const { formatInstant } = await import('../../domain/schedule/zone.js');
  const { renderNext } = await import('../render/next.js');
  const { parseInstant } = await import('../io/time.js');
  // Whether the cluster exists is unknown here, and a one-time start may be in the past.
  const { specs } = await requireSpecs(context, file, { requireHostKeys: false, isNew: false });
  if (output === 'json') requireOneCluster(sourcesInCommand(file), specs);
  // All are validated before any output.
  const wanted = specs.map((spec) => {
    const zone = zoneOf(spec);
    return { spec, afterMs: readAfter(context, after, (text) => parseInstant(text, zone)) };
  });
  for (const { spec, afterMs } of wanted) {
    if (!('patching' in spec) || spec.patching.schedule === undefined) {
      printNote(context, `cluster ${spec.name} ${explainNoWindow(spec)}`);
      if (output === 'json') printJson(context, []);
      continue;
    }
    const { schedule, timeZone } = spec.patching;
    const { calendar, files, missing } = calendarOf(spec, null);
    if (missing.length > 0) printNote(context, filesMissing(spec.name, missing));
    const ahead = calendarAhead(calendar, {
      ...{ sinceMs: afterMs, afterMs, nowMs: afterMs },
      ...{ count, files, listed: MAX_LISTED },
    });
    if (output === 'json') {
      printJson(context, ahead.windows);
      continue;
    }
    const color = colors(context);
    print(context, wrapIndented(`cluster ${spec.name}: ${describeSchedule(schedule, timeZone)}`, color.columns));
    print(context, renderNext(ahead, timeZone, color));
    if (ahead.windows.length === 0) print(context, `  no start after ${formatInstant(afterMs, timeZone).iso}`);
  }
}

function readAfter(context: CliContext, after: string | undefined, parse: (text: string) => number | null): number {
  const afterMs = after === undefined ? context.now() : parse(after);
  if (afterMs !== null) return afterMs;
  throw new OspatchError({
    type: 'Usage',
    message: `--after: found ${JSON.stringify(after)}; allowed: a time from 1970 to 2199, e.g. 2027-03-01, 2027-03-01T02:30 or 2027-03-01T02:30:00+01:00`,
    remedy: 'correct the time, or leave --after out for windows from now on',
  });
}

function zoneOf(spec: ClusterSpec): string {
  return 'patching' in spec ? spec.patching.timeZone : 'UTC';
}

function explainNoWindow(spec: ClusterSpec): string {
  return 'patching' in spec
    ? 'has no schedule, it is patched on demand only'
    : `is of type ${spec.type}, which ospatch does not patch`;
}

/** The list of starts does not name its cluster. */
function requireOneCluster(file: string, specs: readonly ClusterSpec[]): void {
  if (specs.length === 1) return;
  const names = specs.map(({ name }) => name).join(', ');
  throw new OspatchError({
    type: 'Usage',
    message: `${file} holds ${specs.length} clusters (${names}); next -o json shows one`,
    remedy: 'give a file with one cluster in it',
  });
}

function parseCount(text: string): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1 && count <= MAX_COUNT) return count;
  throw new InvalidArgumentError(`Allowed: a whole number from 1 to ${MAX_COUNT}.`);
}
