/** What holds a run in progress, as the run has reported it. */
import { MINUTE_MS } from '../shared/time-units';
import type { RunHold } from '../run/next-step';
import type { NodeOutcome } from '../node/status';
import type { RunCursor } from '../run/run';
import { eventsOf, lastEvent } from './events';
import type { EventLog, StoredEvent } from './events';
import type { MemberStatus } from './member';
import type { Pause } from './messages';

/** Shorter holds are part of every run, e.g. while a node comes back from its reboot. Milliseconds. */
const TOLD_AFTER_MS = 15 * MINUTE_MS;

/** Holds that end only when something changes outside of the run. The others are planned, or told of in another way. */
const TOLD_HOLDS: readonly RunHold['kind'][] = ['alerts', 'alerts-unknown', 'max-unavailable', 'unobserved'];

/** What is read of the state of a cluster. */
export interface HeldCluster {
  nodes: readonly MemberStatus[];
  paused: Pause | null;
  events: EventLog;
}

/** What is read of its run. */
export interface HeldRun {
  number: number;
  startedAt: string;
  nodes: readonly string[];
  done: Readonly<Record<string, NodeOutcome>>;
  state: 'running' | 'cancelling';
  suspended: RunCursor | null;
}

export interface LongHold {
  limit: RunHold['kind'];
  /** In one clause. */
  message: string;
  /** When a member of the run last began or ended, epoch milliseconds. */
  sinceMs: number;
  /** When a hold becomes one that has to be told of, epoch milliseconds. */
  toldAtMs: number;
}

type LimitEvent = Extract<StoredEvent, { kind: 'limit' }>;

/** The limit that a run has met since its last member began. */
export function limitInForce(events: EventLog, run: number): LimitEvent | null {
  return limitsMet(events, run).at(-1) ?? null;
}

/** Oldest first. Members may still have ended after that. */
function limitsMet(events: EventLog, run: number): LimitEvent[] {
  const begun = eventsOf(events, 'nodes').findLast((event) => event.kind === 'nodes' && event.started !== undefined);
  return eventsOf(events, 'limits').filter(
    (event): event is LimitEvent => event.kind === 'limit' && event.run === run && event.seq > (begun?.seq ?? 0),
  );
}

/** When a member of a run last began or ended, else when the run did; epoch milliseconds. */
export function lastProgressMs(events: EventLog, { number, startedAt }: Pick<HeldRun, 'number' | 'startedAt'>): number {
  const progress = lastEvent(events, ['nodes']);
  return progress?.run === number ? progress.at : Date.parse(startedAt);
}

/** What keeps a run in progress from starting anything while nothing of it is in work; null: nothing that would be told. */
export function longHold({ nodes, paused, events }: HeldCluster, run: HeldRun): LongHold | null {
  if (run.state === 'cancelling' || paused !== null || run.suspended !== null) return null;
  const inRun = new Set(run.nodes);
  const inWork = nodes.some(
    ({ name, state }) => state === 'patching' && inRun.has(name) && run.done[name] === undefined,
  );
  // Most runs are asked while a member is in work; reading events takes longer.
  if (inWork) return null;
  const limits = limitsMet(events, run.number);
  const limit = limits.at(-1);
  // One of these that follows another one goes on with its wait.
  const others = limits.findLastIndex((one) => !TOLD_HOLDS.includes(one.limit));
  const first = limits[others + 1];
  if (limit === undefined || first === undefined) return null;
  const sinceMs = lastProgressMs(events, run);
  const toldAtMs = Math.max(sinceMs, first.at) + TOLD_AFTER_MS;
  return { limit: limit.limit, message: limit.message, sinceMs, toldAtMs };
}
