/** The answer of the `events` query. */
import type { Verification } from '../shared/verification';
import type { RunHold } from '../run/next-step';
import type { RunOutcome, RunTrigger } from '../run/run';
import { defined } from '../shared/defined';
import { eventText } from './event-text';
import type { EventKind, StoredEvent } from './events';
import { allEvents } from './events';

import { memberNameOf } from './member';
import type { ClusterState } from './state';
import { pageOfItems } from './status-pages';

const MAX_LIMIT = 200;

/** One event, as programs read it. Times are ISO 8601. */
export interface ClusterEvent extends Verification {
  /** Larger than that of every earlier event. */
  seq: number;
  at: string;
  kind: EventKind;
  /** What happened, in one clause. */
  message: string;
  /** Number of the run that the event is about; null: of none. */
  run: number | null;
  /** Members that are named, at most a few of each kind. */
  nodes: string[];
  by: string | null;
  reason: string | null;
  /** Of an action or a rejection: the name of the message. */
  request?: string;
  trigger?: RunTrigger;
  outcome?: RunOutcome;
  /** Which limit holds the run up. */
  limit?: RunHold['kind'];
  /** Several events were merged into this one: the number and the time of the first. */
  first?: number;
  from?: string;
  /** How often the same has happened. Absent: once. */
  times?: number;
}

export interface EventsRequest {
  /** Only events with a larger number. Default 0: all that are kept. */
  since?: number;
  /** At most this many. Default 100, at most 200. */
  limit?: number;
}

export interface EventsPage {
  cluster: string;
  /** Tells clusters of the same name apart. */
  createdAt: string;
  /** Changes when the cluster was recovered or reset: numbers from `lifeFrom` on are given anew then. */
  life: string;
  lifeFrom: number;
  /** Events up to this number may be missing, because the log is bounded; 0: all are there. */
  droppedUpTo: number;
  events: ClusterEvent[];
  /** `since` of the next page; null on the last page. */
  next: number | null;
  /** The highest number so far. */
  last: number;
}

export function eventsPage(state: ClusterState, { since = 0, limit }: EventsRequest): EventsPage {
  const { events: log, spec, createdAt } = state;
  const unit = memberNameOf(spec.type);
  const wanted = allEvents(log).filter(({ seq }) => seq > since);
  const { items, next } = pageOfItems(
    wanted.map((event) => toClusterEvent(event, unit)),
    defined({ limit }),
  );
  return {
    ...{ cluster: spec.name, createdAt, life: log.life, lifeFrom: log.lifeFrom, droppedUpTo: log.droppedUpTo },
    ...{ events: items, next: next === null ? null : (items.at(-1)?.seq ?? null), last: log.next - 1 },
  };
}

/** Parses the argument of the query; invalid fields are ignored. */
export function parseEventsRequest(value: unknown): EventsRequest {
  if (typeof value !== 'object' || value === null) return {};
  const { since, limit } = value as Record<string, unknown>;
  return defined({
    since: isCount(since) ? since : undefined,
    limit: isCount(limit) && limit > 0 ? Math.min(limit, MAX_LIMIT) : undefined,
  });
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** `unit`: what the members of the cluster are. */
export function toClusterEvent(event: StoredEvent, unit: string): ClusterEvent {
  const { seq, at, kind, first, from, times } = event;
  return {
    ...{ seq, at: new Date(at).toISOString(), kind, message: eventText(event, unit) },
    run: 'run' in event ? (event.run ?? null) : null,
    nodes: nodesOf(event),
    by: 'by' in event ? (event.by ?? null) : null,
    reason: 'reason' in event ? (event.reason ?? null) : null,
    ...defined({ verified: 'verified' in event ? event.verified : undefined }),
    ...defined({
      request: 'request' in event ? event.request : undefined,
      trigger: event.kind === 'run-started' ? event.trigger : undefined,
      outcome: event.kind === 'run-ended' ? event.outcome : undefined,
      limit: event.kind === 'limit' ? event.limit : undefined,
      first,
      from: from === undefined ? undefined : new Date(from).toISOString(),
      times,
    }),
  };
}

function nodesOf(event: StoredEvent): string[] {
  if (event.kind === 'action') return event.node === undefined ? [] : [event.node];
  if (event.kind === 'unreachable') return [event.node];
  if (event.kind !== 'nodes') return [];
  const { started, settled = {} } = event;
  return [
    ...new Set([...Object.values(settled), ...(started === undefined ? [] : [started])].flatMap(({ names }) => names)),
  ];
}
