/** What an event of a cluster says, for people. */
import { plural } from '../shared/plural';
import type { NodeOutcome } from '../node/status';
import type { SomeMembers, StoredEvent } from './events';
import { commandOf } from './verbs';

/** One clause, without who and why. `unit`: what the members of the cluster are. */
export function eventText(event: StoredEvent, unit: string): string {
  switch (event.kind) {
    case 'action':
      return `${commandOf(event.request)}: ${event.result}`;
    case 'rejected':
      return `${commandOf(event.request)} rejected${timesOf(event)}: ${event.message}`;
    case 'run-started': {
      const members = event.members === null ? `all ${unit}s` : plural(event.members, unit);
      return `run ${event.run} started (${event.trigger}) with ${members}`;
    }
    case 'run-suspended':
      return event.message.startsWith(`run ${event.run} `)
        ? event.message
        : `run ${event.run} suspended: ${event.message}`;
    case 'run-resumed':
      return `run ${event.run} resumed: ${event.message}`;
    case 'run-ended':
      return `run ${event.run} ${event.outcome}: ${event.error ?? countsOf(event.counts, unit)}`;
    case 'window':
      return `window of ${event.window}: ${event.result}`;
    case 'window-closed':
      return `window of ${event.window} closed${event.opensAgain === undefined ? '' : ` by a blackout, open again at ${event.opensAgain}`}`;
    case 'windows-unknown':
      return `the next windows are not known${timesOf(event)}: ${event.message}`;
    case 'limit':
      return `run ${event.run} is held up${timesOf(event)}: ${event.message}`;
    case 'unreachable':
    case 'host-key':
    case 'silence-failed':
      return `run ${event.run}: ${event.message}`;
    case 'targets-unknown':
      return `the targets of notifications are not known${timesOf(event)}: ${event.message}`;
    case 'notification-dropped':
      return `notification about ${event.about} dropped: too many were waiting to be sent`;
    case 'notification':
      return notificationText(event);
    case 'nodes':
      return `run ${event.run}: ${nodesText(event)}`;
  }
}

function notificationText({ target, about, result, message }: Extract<StoredEvent, { kind: 'notification' }>): string {
  const why = message === undefined ? '' : `: ${message}`;
  switch (result) {
    case 'delivered':
      return `notification about ${about} delivered to ${target}${why}`;
    case 'delayed':
      return `notification about ${about} not delivered to ${target} yet, and sent again for up to a day${why}`;
    case 'failed':
      return `notification about ${about} not delivered to ${target}${why}`;
  }
}

function nodesText({ settled = {}, started, failure }: Extract<StoredEvent, { kind: 'nodes' }>): string {
  const ends = (Object.entries(settled) as [NodeOutcome, SomeMembers][]).map(([outcome, members]) => {
    const verb = outcome === 'not-tried' ? 'not tried' : outcome;
    const why = outcome === 'failed' && failure !== undefined ? ` (${failure})` : '';
    return `${membersText(members)} ${verb}${why}`;
  });
  return [...ends, ...(started === undefined ? [] : [`${membersText(started)} started`])].join('; ');
}

function membersText({ count, names }: SomeMembers): string {
  if (count === names.length) return names.join(', ');
  return `${count} (${names.join(', ')}, ...)`;
}

function countsOf(counts: Partial<Record<NodeOutcome, number>>, unit: string): string {
  const parts = Object.entries(counts).map(
    ([outcome, count]) => `${count} ${outcome.replace('not-tried', 'not tried')}`,
  );
  return parts.length === 0 ? `no ${unit}s` : parts.join(', ');
}

function timesOf({ times = 1 }: StoredEvent): string {
  return times === 1 ? '' : ` ${times} times`;
}
