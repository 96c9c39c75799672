import type { Command } from 'commander';
import type { ClusterClient } from '../../client/cluster-client';
import type { FeedItem, FeedNotice } from '../../client/event-feed';
import type { ClusterEvent } from '../../domain/cluster/event-pages';
import { isDuration, parseDuration } from '../../domain/shared/duration';
import { OspatchError, isOspatchError } from '../../domain/shared/errors';
import type { CliContext } from '../io/context';
import { runCommand } from '../io/errors';
import { EXIT_INTERRUPTED, orInterrupted, pause, untilInterrupted } from '../io/interrupt';
import { colors, outputOption, print, printJson, printNote } from '../io/output';
import type { OutputFormat } from '../io/output';
import { clusterArgument, runOption } from '../options/arguments';
import { withClient } from '../options/session';

const LOOK_EVERY_MS = 1_000;

const EXAMPLES = `
Examples:
  ospatch events prod-eu
  ospatch events prod-eu --since 2h
  ospatch events prod-eu --since 2027-03-01T02:30 --run 7
  ospatch events prod-eu --follow
  ospatch events prod-eu -o json | jq '.[] | select(.by != null) | {at, by, request, reason}'

The log is bounded: about 200 events, of which 70 are what people did. With --follow, -o json prints one event a line.
Times are in your time zone (set TZ for another one); JSON has ISO 8601.`;

interface EventsOptions {
  follow?: boolean;
  since?: string;
  run?: number;
  output: OutputFormat;
}

export function registerEvents(program: Command, context: CliContext): void {
  program
    .command('events')
    .description('show what has happened to a cluster, and who did it, oldest first')
    .addArgument(clusterArgument())
    .option('-f, --follow', 'go on with new events until Ctrl-C, or until the cluster is removed')
    .option('--since <time>', 'only events since then: a duration such as 2h, or a time')
    .addOption(runOption('only events of this run'))
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action((cluster: string, options: EventsOptions, command: Command) =>
      runCommand(context, async () => {
        const since = await parseSince(options.since, context.now());
        return withClient(command, (client) => showEvents(context, client, cluster, { ...options, since }));
      }),
    );
}

async function parseSince(text: string | undefined, now: number): Promise<number> {
  if (text === undefined) return Number.NEGATIVE_INFINITY;
  if (isDuration(text)) return now - parseDuration(text);
  const { parseInstant } = await import('../io/time.js');
  const { ownZone } = await import('../render/text.js');
  const at = parseInstant(text, ownZone());
  if (at !== null) return at;
  throw new OspatchError({
    type: 'Usage',
    message: `--since: found ${JSON.stringify(text.slice(0, 60))}; allowed: a duration such as 2h or 3d, or a time such as 2027-03-01, 2027-03-01T02:30 or 2027-03-01T02:30:00Z`,
    remedy: 'correct the time, or leave --since out for all events',
  });
}

async function showEvents(
  context: CliContext,
  client: ClusterClient,
  cluster: string,
  { follow = false, since, run, output }: Omit<EventsOptions, 'since'> & { since: number },
): Promise<void> {
  const { EventFeed } = await import('../../client/event-feed.js');
  const feed = new EventFeed((request) => client.events(cluster, request));
  const isWanted = (event: ClusterEvent): boolean =>
    Date.parse(event.at) >= since && (run === undefined || event.run === run);
  const items = await feed.next();
  if (!follow && output === 'json') return printJson(context, items.flatMap(eventOf).filter(isWanted));
  const show = await printer(context, output, isWanted);
  const shown = items.map(show).filter(Boolean).length;
  if (!follow) return shown === 0 ? printNote(context, `no event of ${cluster} matches`) : undefined;
  await followEvents(context, cluster, () => feed.next(), show);
}

function eventOf(item: FeedItem): ClusterEvent[] {
  return 'event' in item ? [item.event] : [];
}

/** Prints one item; false: it was left out. */
async function printer(
  context: CliContext,
  output: OutputFormat,
  isWanted: (event: ClusterEvent) => boolean,
): Promise<(item: FeedItem) => boolean> {
  const { eventLines } = await import('../render/events.js');
  const { formatTime, ownZone } = await import('../render/text.js');
  const zone = ownZone();
  const color = colors(context);
  return (item) => {
    if ('notice' in item) {
      printNote(
        context,
        noticeText(item.notice, (iso) => formatTime(iso, zone)),
      );
      return false;
    }
    if (!isWanted(item.event)) return false;
    print(context, output === 'json' ? JSON.stringify(item.event) : eventLines(item.event, zone, color).join('\n'));
    return true;
  };
}

function noticeText(notice: FeedNotice, time: (iso: string) => string): string {
  switch (notice.kind) {
    case 'dropped':
      return `events are missing here: the log no longer has all of those up to number ${notice.upTo}`;
    case 'new-life':
      return `events are missing here: the cluster was recovered or its workflow reset at ${time(notice.since)}`;
    case 'created-again':
      return `another cluster of this name was created at ${time(notice.at)}; its events follow`;
    case 'merged':
      return `the next event includes events from number ${notice.first} on, which were shown before`;
  }
}

async function followEvents(
  context: CliContext,
  cluster: string,
  next: () => Promise<FeedItem[]>,
  show: (item: FeedItem) => boolean,
): Promise<void> {
  const { isTransient } = await import('../../client/errors.js');
  let isLost = false;
  await untilInterrupted(async (signal) => {
    for (;;) {
      await pause(LOOK_EVERY_MS, signal);
      if (signal.aborted) return context.setExitCode(EXIT_INTERRUPTED);
      try {
        const items = await orInterrupted(next(), signal);
        if (isLost) printNote(context, 'Temporal and the worker answer again');
        isLost = false;
        for (const item of items ?? []) show(item);
      } catch (error) {
        if (isOspatchError(error) && error.type === 'NotFound')
          return printNote(context, `the cluster ${cluster} was removed`);
        if (!isTransient(error)) throw error;
        if (!isLost) printNote(context, `${(error as Error).message}; retrying`);
        isLost = true;
      }
    }
  });
}
