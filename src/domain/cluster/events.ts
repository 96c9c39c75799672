/**
 * What has happened to a cluster: a log of bounded size that the cluster carries for its whole life.
 *
 * Each class of events has a place of its own in the log, so that the nodes of a large run never push out what people did.
 * Every event has a number that no other event of the same log gets, by which a reader goes on where it has stopped.
 */
import type { Verification } from '../shared/verification';
import type { NodeOutcome } from '../node/status';

import type { RunHold } from '../run/next-step';
import type { RunOutcome, RunTrigger } from '../run/run';
import { plainText } from '../shared/text';
import { defined } from '../shared/defined';

export const EVENT_CLASSES = ['actions', 'rejections', 'runs', 'windows', 'limits', 'nodes', 'notifications'] as const;
export type EventClass = (typeof EVENT_CLASSES)[number];

/** Who asked for what, and what came of it. */
interface Action extends Verification {
  kind: 'action';
  /** Name of the message: `patchNow`, `pause`, `applySpec`, `skip`, `release`, `recover`, ... */
  request: string;
  by: string;
  reason: string | null;
  result: string;
  /** Absent: about none. */
  node?: string;
  run?: number;
}

interface RejectedRequest extends Verification {
  kind: 'rejected';
  request: string;
  by: string;
  message: string;
}

interface RunStarted extends Verification {
  kind: 'run-started';
  run: number;
  trigger: RunTrigger;
  /** Null: they are not known yet. */
  members: number | null;
  by: string | null;
  reason: string | null;
}

interface RunPutDown {
  kind: 'run-suspended' | 'run-resumed';
  run: number;
  message: string;
}

interface RunEnded extends Verification {
  kind: 'run-ended';
  run: number;
  outcome: RunOutcome;
  counts: Partial<Record<NodeOutcome, number>>;
  /** Who cancelled the run. Absent: nobody did. */
  by?: string;
  reason?: string;
  /** Why the run ended before its first member. Absent: it began. */
  error?: string;
}

interface WindowPassed {
  kind: 'window';
  /** Start of the window, ISO 8601 with the offset of its zone. */
  window: string;
  result: string;
}

/** The end of a window in which nodes could be started. */
interface WindowClosed {
  kind: 'window-closed';
  window: string;
  /** A blackout interrupts the window until then. Absent: that was its end. */
  opensAgain?: string;
}

interface WindowsUnknown {
  kind: 'windows-unknown';
  message: string;
}

interface LimitReached {
  kind: 'limit';
  run: number;
  limit: RunHold['kind'];
  message: string;
}

interface NodeUnreachable {
  kind: 'unreachable';
  run: number;
  node: string;
  message: string;
}

/** Members, by name while they are few. */
export interface SomeMembers {
  count: number;
  names: string[];
}

/** A node has shown another host key than the trusted ones, or a trusted one again. */
interface HostKeyShown {
  kind: 'host-key';
  run: number;
  node: string;
  message: string;
}

/** The alerts of a node in work could not be silenced. */
interface SilenceFailed {
  kind: 'silence-failed';
  run: number;
  node: string;
  message: string;
}

interface NodesProgressed {
  kind: 'nodes';
  run: number;
  started?: SomeMembers;
  settled?: Partial<Record<NodeOutcome, SomeMembers>>;
  /** Of the first that failed. */
  failure?: string;
}

/** What has become of a message to a target of notifications. */
interface NotificationEnd {
  kind: 'notification';
  target: string;
  /** What the message is about, e.g. `run 5`. */
  about: string;
  /** `delayed`: not delivered yet, and tried again. */
  result: 'delivered' | 'delayed' | 'failed';
  /** What the target has answered, or why it has not. Absent: not known. */
  message?: string;
}

/** Too many messages waited for somebody to take them, so the oldest was given up. */
interface NotificationDropped {
  kind: 'notification-dropped';
  about: string;
}

/** The worker could not name the targets of its own file. */
interface TargetsUnknown {
  kind: 'targets-unknown';
  message: string;
}

export type EventFact =
  | Action
  | RejectedRequest
  | RunStarted
  | RunPutDown
  | RunEnded
  | WindowPassed
  | WindowClosed
  | WindowsUnknown
  | LimitReached
  | NodeUnreachable
  | HostKeyShown
  | SilenceFailed
  | NodesProgressed
  | NotificationEnd
  | NotificationDropped
  | TargetsUnknown;
export type EventKind = EventFact['kind'];

export type StoredEvent = EventFact & {
  seq: number;
  /** Epoch milliseconds. */
  at: number;
  /** Of events that were merged into this one: the number and the time of the first. Absent: none was. */
  first?: number;
  from?: number;
  /** How many were merged that say the same. Absent: one. */
  times?: number;
};

export interface EventLog {
  /** Tells logs of one cluster apart: a recovery or a reset begins a new one with the events that it knows. ISO 8601. */
  life: string;
  /** Number of the first event that this life of the log has added. */
  lifeFrom: number;
  next: number;
  /** The highest number of an event that is no longer kept; 0: all are. */
  droppedUpTo: number;
  /** Oldest first, each as JSON: thousands of sleeping clusters are in the memory of a worker, and objects take three times as much. */
  entries: Record<EventClass, string[]>;
}

const CLASS_OF: Readonly<Record<EventKind, EventClass>> = {
  action: 'actions',
  rejected: 'rejections',
  'run-started': 'runs',
  'run-suspended': 'runs',
  'run-resumed': 'runs',
  'run-ended': 'runs',
  window: 'windows',
  'window-closed': 'windows',
  'windows-unknown': 'windows',
  limit: 'limits',
  unreachable: 'limits',
  'host-key': 'limits',
  'silence-failed': 'limits',
  nodes: 'nodes',
  notification: 'notifications',
  'notification-dropped': 'notifications',
  'targets-unknown': 'notifications',
};

/** In all 220 events. */
export const KEPT_EVENTS: Readonly<Record<EventClass, number>> = {
  actions: 66,
  rejections: 15,
  runs: 40,
  windows: 30,
  limits: 15,
  nodes: 34,
  notifications: 20,
};

/** Characters kept of a class, whatever people write as reasons. */
const MAX_CHARS = 24 * 1024;

const MAX_TEXT = 300;
const MAX_REASON = 500;
const MAX_WORD = 100;
/** Names shown of one group of nodes. */
const MAX_NAMES = 3;
/** The newest events of nodes are left as they are, for a reader that follows the log. */
const UNMERGED = 10;

export function newEventLog(now: string): EventLog {
  return {
    ...{ life: now, lifeFrom: 1, next: 1, droppedUpTo: 0 },
    entries: { actions: [], rejections: [], runs: [], windows: [], limits: [], nodes: [], notifications: [] },
  };
}

/** Adds an event of `now` (ISO 8601). What the last event of its class says already only counts one more time. */
export function recordEvent(log: EventLog, fact: EventFact, now: string): void {
  const list = log.entries[CLASS_OF[fact.kind]];
  const event: StoredEvent = { ...bounded(fact), seq: log.next, at: Date.parse(now) };
  log.next += 1;
  const last = list.at(-1);
  const merged = last === undefined ? null : repeated(parseEntry(last), event);
  if (merged !== null) list.pop();
  list.push(JSON.stringify(merged ?? event));
  if (fact.kind === 'nodes') mergeNodes(list);
  const most = KEPT_EVENTS[CLASS_OF[fact.kind]];
  while (list.length > most || (list.length > 1 && charsOf(list) > MAX_CHARS)) {
    const dropped = list.shift();
    if (dropped !== undefined) log.droppedUpTo = Math.max(log.droppedUpTo, parseEntry(dropped).seq);
  }
}

/** The log goes on from an older state, or without what nobody knows: a reader cannot go on by numbers. */
export function beginLife(log: EventLog, now: string): void {
  log.life = now;
  log.lifeFrom = log.next;
}

/** The events of one class, oldest first. */
export function eventsOf<C extends EventClass>(log: EventLog, name: C): StoredEvent[] {
  return log.entries[name].map(parseEntry);
}

/** All events, in the order of their numbers. */
export function allEvents(log: EventLog): StoredEvent[] {
  return EVENT_CLASSES.flatMap((name) => eventsOf(log, name)).sort((one, other) => one.seq - other.seq);
}

/** The last event of a class that is one of `kinds`; undefined: none is kept. */
export function lastEvent<K extends EventKind>(
  log: EventLog,
  kinds: readonly K[],
): Extract<StoredEvent, { kind: K }> | undefined {
  const [kind] = kinds;
  if (kind === undefined) return undefined;
  const isWanted = (event: StoredEvent): event is Extract<StoredEvent, { kind: K }> =>
    kinds.some((one) => one === event.kind);
  return eventsOf(log, CLASS_OF[kind]).findLast(isWanted);
}

export function parseEntry(entry: string): StoredEvent {
  return JSON.parse(entry) as StoredEvent;
}

/** Names of at most {@link MAX_NAMES} members. */
export function someMembers(names: readonly string[]): SomeMembers {
  return { count: names.length, names: names.slice(0, MAX_NAMES) };
}

function bounded(fact: EventFact): EventFact {
  switch (fact.kind) {
    case 'action':
      return { ...fact, ...sender(fact), request: short(fact.request), result: plainText(fact.result, MAX_TEXT) };
    case 'rejected':
      return { ...fact, by: short(fact.by), request: short(fact.request), message: plainText(fact.message, 500) };
    case 'run-started':
      return { ...fact, ...sender(fact) };
    case 'run-ended':
      return {
        ...fact,
        ...defined({
          by: fact.by === undefined ? undefined : short(fact.by),
          reason: fact.reason === undefined ? undefined : plainText(fact.reason, MAX_REASON),
          error: fact.error === undefined ? undefined : plainText(fact.error, MAX_TEXT),
        }),
      };
    case 'window-closed':
      return fact;
    case 'window':
      return { ...fact, result: plainText(fact.result, MAX_TEXT) };
    case 'nodes':
      return {
        ...fact,
        ...defined({ failure: fact.failure === undefined ? undefined : plainText(fact.failure, 160) }),
      };
    case 'notification':
      return {
        ...fact,
        target: short(fact.target),
        about: short(fact.about),
        ...defined({ message: fact.message === undefined ? undefined : plainText(fact.message, MAX_TEXT) }),
      };
    case 'unreachable':
    case 'host-key':
    case 'silence-failed':
    case 'limit':
    case 'run-suspended':
    case 'run-resumed':
    case 'windows-unknown':
    case 'targets-unknown':
      return { ...fact, message: plainText(fact.message, MAX_TEXT) };
    case 'notification-dropped':
      return { ...fact, about: short(fact.about) };
  }
}

function sender<B extends string | null>({
  by,
  reason,
}: {
  by: B;
  reason: string | null;
}): {
  by: B;
  reason: string | null;
} {
  return {
    by: (by === null ? null : plainText(by, MAX_WORD)) as B,
    reason: reason === null ? null : plainText(reason, MAX_REASON),
  };
}

function short(word: string): string {
  return plainText(word, MAX_WORD);
}

const REPEATED: ReadonlySet<EventFact['kind']> = new Set(['rejected', 'limit', 'windows-unknown', 'targets-unknown']);

/** `before` counted once more; null when `event` says something else. */
function repeated(before: StoredEvent, event: StoredEvent): StoredEvent | null {
  if (REPEATED.has(event.kind)) {
    return isSameFact(before, event) ? { ...since(before, event), times: (before.times ?? 1) + 1 } : null;
  }
  // Reports of one moment, which only arrive in several parts.
  if (event.kind !== 'nodes' || before.kind !== 'nodes' || before.at !== event.at || before.run !== event.run)
    return null;
  return { ...sumOf(before, event), ...defined({ first: before.first ?? before.seq, from: before.from }) };
}

function isSameFact(one: StoredEvent, other: StoredEvent): boolean {
  if (one.kind !== other.kind) return false;
  if (one.kind === 'rejected' && other.kind === 'rejected')
    return (
      one.request === other.request &&
      one.by === other.by &&
      one.verified === other.verified &&
      one.message === other.message
    );
  if (one.kind === 'limit' && other.kind === 'limit') return one.run === other.run && one.limit === other.limit;
  return 'message' in one && 'message' in other && one.message === other.message;
}

function since(before: StoredEvent, event: StoredEvent): StoredEvent {
  return { ...event, first: before.first ?? before.seq, from: before.from ?? before.at };
}

/** Merges the two neighbours of one run that are smallest together, so that a large run is seen from its beginning to its end. */
function mergeNodes(list: string[]): void {
  if (list.length <= KEPT_EVENTS.nodes) return;
  const events = list.map(parseEntry).filter((event) => event.kind === 'nodes');
  let best: { at: number; size: number } | null = null;
  for (let at = 0; at + 1 < events.length - UNMERGED; at += 1) {
    const [one, other] = [events[at], events[at + 1]];
    if (one === undefined || other === undefined || one.run !== other.run) continue;
    const size = sizeOf(one) + sizeOf(other);
    if (best === null || size < best.size) best = { at, size };
  }
  const [one, other] = best === null ? [] : [events[best.at], events[best.at + 1]];
  if (best === null || one === undefined || other === undefined) return;
  const merged = { ...sumOf(one, other), first: one.first ?? one.seq, from: one.from ?? one.at };
  list.splice(best.at, 2, JSON.stringify(merged));
}

type NodesEvent = Extract<StoredEvent, { kind: 'nodes' }>;

function sizeOf({ started, settled = {} }: NodesEvent): number {
  return Object.values(settled).reduce((sum, { count }) => sum + count, started?.count ?? 0);
}

function sumOf(one: NodesEvent, other: NodesEvent): NodesEvent {
  const settled = { ...one.settled };
  for (const [outcome, members] of Object.entries(other.settled ?? {}))
    settled[outcome as NodeOutcome] = joined(settled[outcome as NodeOutcome], members);
  const started = one.started === undefined ? other.started : joined(one.started, other.started);
  return {
    ...{ kind: 'nodes', run: other.run, seq: other.seq, at: other.at },
    ...defined({
      started,
      settled: Object.keys(settled).length === 0 ? undefined : settled,
      failure: one.failure ?? other.failure,
    }),
  };
}

function joined(one: SomeMembers | undefined, other: SomeMembers | undefined): SomeMembers {
  const [names, more] = [one?.names ?? [], other?.names ?? []];
  return { count: (one?.count ?? 0) + (other?.count ?? 0), names: [...names, ...more].slice(0, MAX_NAMES) };
}

function charsOf(list: readonly string[]): number {
  return list.reduce((sum, entry) => sum + entry.length, 0);
}
