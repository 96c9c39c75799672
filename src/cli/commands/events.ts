import type { Command } from 'commander';
import type { ClusterClient } from '../../client/cluster-client';
import type { FeedItem, FeedNotice } from '../../client/event-feed';
import type { ClusterEvent, EventsPage } from '../../domain/cluster/event-pages';
import { isOspatchError } from '../../domain/shared/errors';
import type { CliContext } from '../io/context';
import { runCommand } from '../io/errors';
import { EXIT_INTERRUPTED, orInterrupted, pause, untilInterrupted } from '../io/interrupt';
import { colors, outputOption, print, printJson, printNote } from '../io/output';
import type { OutputFormat } from '../io/output';
import { orOfRemoved } from '../io/removed';
import { clusterArgument, runOption } from '../options/arguments';
import { withClient } from '../options/session';
import { parseSince, sinceOption } from '../options/since';

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
    .addOption(sinceOption('events'))
    .addOption(runOption('only events of this run'))
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action((cluster: string, options: EventsOptions, command: Command) =>
      runCommand(context, async () => {
        const since = (await parseSince(options.since, context.now())) ?? Number.NEGATIVE_INFINITY;
        return withClient(command, (client) => showEvents(context, client, cluster, { ...options, since }));
      }),
    );
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
  const { value: items, isRemoved } = await orOfRemoved(
    context,
    cluster,
    () => feed.next(),
    () => itemsOfRemoved(client, cluster),
  );
  if (!follow && output === 'json') return printJson(context, items.flatMap(eventOf).filter(isWanted));
  const show = await printer(context, output, isWanted);
  const shown = items.map(show).filter(Boolean).length;
  if (!follow) return shown === 0 ? printNote(context, `no event of ${cluster} matches`) : undefined;
  if (!isRemoved) await followEvents(context, cluster, () => feed.next(), show);
}

async function itemsOfRemoved(client: ClusterClient, cluster: string): Promise<FeedItem[] | null> {
  const items: FeedItem[] = [];
  for (let since: number | null = 0; since !== null;) {
    const page: EventsPage | null = await client.eventsOfRemoved(cluster, { since, limit: 200 });
    if (page === null) return null;
    items.push(...page.events.map((event) => ({ event })));
    since = page.next;
  }
  return items;
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
