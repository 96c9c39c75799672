import { defined } from '../../domain/shared/defined';
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import type { ClusterCalendar } from '../../domain/schedule/calendar';
import type { BlackoutPeriod } from '../../domain/schedule/window';
import { OspatchError } from '../../domain/shared/errors';
import type { ClusterSpec } from '../../domain/spec/types';
import type { CliContext } from '../io/context';
import { runCommand } from '../io/errors';
import { colors, outputOption, print, printJson, printNote } from '../io/output';
import type { OutputFormat } from '../io/output';
import { withClient } from '../options/session';
import { nameOrFilesArgument, nameOrSources, optionalFileOption, requireSpecs } from '../options/spec-source';
import type { SpecSources } from '../options/spec-source';
import { filesMissing } from '../render/calendar-files';

const MAX_WEEKS = 104;

const EXAMPLES = `
Examples:
  ospatch calendar -f prod-eu.yaml
  ospatch calendar prod-eu --weeks 12
  ospatch calendar -f clusters/ --ics > ospatch.ics
  ospatch calendar prod-eu -o json | jq '.[].windows[].start'

With -f no server is needed; blackouts from calendar files on the worker are known to the cluster only, up to 60 days ahead.
Times are in the time zone of each cluster.`;

interface CalendarOptions {
  weeks: number;
  ics?: boolean;
  output: OutputFormat;
}

export function registerCalendar(program: Command, context: CliContext): void {
  program
    .command('calendar')
    .description('show maintenance windows and blackouts day by day, or as an iCalendar file')
    .addArgument(nameOrFilesArgument('name of a cluster that is applied; or give -f'))
    .addOption(optionalFileOption())
    .addOption(new Option('--weeks <n>', `how many weeks, 1 to ${MAX_WEEKS}`).default(6).argParser(parseWeeks))
    .option('--ics', 'print an iCalendar file (RFC 5545)')
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action((args: string[], options: CalendarOptions, command: Command) =>
      runCommand(context, () => calendar(context, command, args, options)),
    );
}

async function calendar(
  context: CliContext,
  command: Command,
  args: readonly string[],
  { weeks, ics = false, output }: CalendarOptions,
): Promise<void> {
  const { name: cluster, file } = nameOrSources(command, args);
  if ((cluster === undefined) === (file === undefined)) {
    throw new OspatchError({
      type: 'Usage',
      message: `found ${cluster === undefined ? 'neither a name nor -f' : 'a name and -f'}; allowed: the name of a cluster, or -f with specs`,
      remedy: 'ospatch calendar NAME, or ospatch calendar -f FILE',
    });
  }
  if (ics && output === 'json') {
    throw new OspatchError({ type: 'Usage', message: 'found --ics and -o json; allowed: one of them' });
  }
  const sources = cluster === undefined ? await ofFile(context, file ?? []) : await ofCluster(command, cluster);
  const { calendarFor } = await import('../../domain/schedule/calendar.js');
  const calendars: ClusterCalendar[] = [];
  for (const { spec, known } of sources) {
    if (!('patching' in spec)) {
      printNote(context, `cluster ${spec.name} is of type ${spec.type}, which ospatch does not patch`);
      continue;
    }
    const one = calendarFor(spec, { known, from: context.now(), weeks });
    if (one.missing.length > 0) printNote(context, filesMissing(spec.name, one.missing));
    if (spec.patching.schedule === undefined) {
      printNote(context, `cluster ${spec.name} has no schedule, it is patched on demand only`);
    }
    calendars.push(one);
  }
  if (output === 'json') return printJson(context, calendars);
  if (ics) {
    const { renderIcs } = await import('../render/ics.js');
    return print(context, renderIcs(calendars, context.now()));
  }
  const { renderCalendar } = await import('../render/calendar.js');
  for (const one of calendars) print(context, renderCalendar(one, colors(context)));
}

interface Source {
  spec: ClusterSpec;
  known: BlackoutPeriod[] | null;
}

async function ofFile(context: CliContext, file: SpecSources): Promise<Source[]> {
  // Whether the cluster exists is unknown here, and a one-time start may be in the past.
  const { specs } = await requireSpecs(context, file, { requireHostKeys: false, isNew: false });
  return specs.map((spec) => ({ spec, known: null }));
}

async function ofCluster(command: Command, cluster: string): Promise<Source[]> {
  return withClient(command, async (client) => {
    const spec = await client.spec(cluster);
    const { blackouts, scheduleError } = await client.summary(cluster);
    if (scheduleError !== null) {
      const [message = '', remedy] = scheduleError.split('; fix: ');
      throw new OspatchError({
        type: 'Calendar',
        message: `the blackouts of ${cluster} are not known: ${message}`,
        ...defined({ remedy }),
      });
    }
    return [{ spec, known: blackouts }];
  });
}

function parseWeeks(text: string): number {
  const weeks = Number(text);
  if (/^\d+$/.test(text) && weeks >= 1 && weeks <= MAX_WEEKS) return weeks;
  throw new InvalidArgumentError(`Allowed: a whole number from 1 to ${MAX_WEEKS}.`);
}
