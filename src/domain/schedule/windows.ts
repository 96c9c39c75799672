/**
 * When the windows of a schedule are, before blackouts. Uses time-zone data, which changes with the Node.js version: never import this module
 * into a workflow; an activity calls it and records the instants.
 */
import { parseDuration } from '../shared/duration';
import { DAY_MS } from '../shared/time-units';
import type { Blackout, ScheduleEntry } from '../spec/types';
import { FORECAST } from './forecast-cutoff';
import { spreadMs, startsAfter } from './next-starts';

/** The longest window, also of several joined ones. */
const MAX_WINDOW_MS = 7 * DAY_MS;

/** Whoever looks back that far sees every window that can be joined to a later one. */
const LOOK_BACK_MS = 2 * MAX_WINDOW_MS;

export interface Calendar {
  /** Name of the cluster, which determines its share of a spread. */
  cluster: string;
  /** Empty: on demand only. */
  schedule: readonly ScheduleEntry[];
  timeZone: string;
  blackouts: readonly Blackout[];
}

/** A window as one entry has it, or several joined; epoch milliseconds. */
export interface Span {
  /** Indices of the entries. */
  entries: readonly number[];
  start: number;
  end: number | null;
  cutoff: number | null;
  startBy: number;
  zone: string;
}

/**
 * The windows of a calendar before blackouts are cut out, ascending by start, one for each start; all of them start after
 * `afterMs`. They end when there are no more within 100 years.
 *
 * A duration is elapsed time, also over a clock change. Windows of several entries that overlap or touch are joined to
 * one, unless an entry would start twice in it or it would last longer than 7 days: then each stays as it is written, so
 * that no start is lost. A window without an end is never joined.
 *
 * @param sinceMs windows that start earlier do not count
 * @throws RangeError for an unknown time zone or a schedule that validation rejects.
 */
export function* spansAhead(calendar: Calendar, sinceMs: number, afterMs: number): Generator<Span> {
  let last: Span | null = null;
  for (const span of joined(spansAfter(calendar, Math.max(sinceMs, afterMs - LOOK_BACK_MS)))) {
    if (span.start <= afterMs) continue;
    if (last?.start === span.start) {
      last = longerOf(last, span);
      continue;
    }
    if (last !== null) yield last;
    last = span;
  }
  if (last !== null) yield last;
}

/** All spans in order of their starts, of one start in the order of the entries. */
function* spansAfter({ cluster, schedule, timeZone }: Calendar, afterMs: number): Generator<Span> {
  const sources = schedule.map((entry, at) => {
    const zone = entry.timeZone ?? timeZone;
    const later = spreadMs(cluster, entry);
    const starts = startsAfter(entry, zone, afterMs - later);
    return { starts, toSpan: (start: number) => spanOf(entry, { at, zone, later }, start), next: starts.next() };
  });
  for (;;) {
    let first: { source: (typeof sources)[number]; span: Span } | null = null;
    for (const source of sources) {
      if (source.next.done === true) continue;
      const span = source.toSpan(source.next.value);
      if (first === null || span.start < first.span.start) first = { source, span };
    }
    if (first === null) return;
    first.source.next = first.source.starts.next();
    yield first.span;
  }
}

/** `start`: as scheduled; the cluster starts `later`, and ends when all do. */
function spanOf(
  { duration, cutoff, startWithin }: ScheduleEntry,
  { at, zone, later }: { at: number; zone: string; later: number },
  scheduled: number,
): Span {
  const start = scheduled + later;
  const end = duration === undefined ? null : scheduled + parseDuration(duration);
  return {
    entries: [at],
    start,
    end,
    cutoff: end === null || cutoff === undefined || cutoff === FORECAST ? null : end - parseDuration(cutoff),
    startBy: Math.min(start + parseDuration(startWithin), end ?? Infinity),
    zone,
  };
}

/** In order of their starts, like `spans`. */
function* joined(spans: Iterable<Span>): Generator<Span> {
  let group = new Group();
  for (const span of spans) {
    if (!group.reaches(span)) {
      yield* group.take();
      group = new Group();
    }
    group.add(span);
    if (!group.isOneWindow) yield* group.take();
  }
  yield* group.take();
}

/** Spans that overlap or touch, without a gap. */
class Group {
  private readonly seen = new Set<number>();
  private start = Infinity;
  private end = -Infinity;
  private held: Span[] = [];
  /** False: each span stays for itself, also those to come. */
  isOneWindow = true;

  reaches({ start }: Span): boolean {
    return start <= this.end;
  }

  add(span: Span): void {
    this.held.push(span);
    // Without an end nothing could be told from the rest.
    if (span.end === null) return;
    const [entry = -1] = span.entries;
    this.start = Math.min(this.start, span.start);
    this.end = Math.max(this.end, span.end);
    this.isOneWindow &&= !this.seen.has(entry) && this.end - this.start <= MAX_WINDOW_MS;
    this.seen.add(entry);
  }

  take(): Span[] {
    const bounded = this.held.filter(({ end }) => end !== null);
    const endless = this.held.filter(({ end }) => end === null);
    this.held = [];
    const all = this.isOneWindow && bounded.length > 0 ? [join(bounded), ...endless] : [...bounded, ...endless];
    return all.sort((one, other) => one.start - other.start);
  }
}

/** The cutoff is that of the end: as long as another window is open, the end of one does not matter. */
function join(spans: readonly Span[]): Span {
  return spans.reduce((one, other) => ({
    entries: [...one.entries, ...other.entries],
    start: Math.min(one.start, other.start),
    ...endOf(one, other),
    startBy: Math.max(one.startBy, other.startBy),
    zone: one.zone,
  }));
}

/** Of two windows with one start. */
function longerOf(one: Span, other: Span): Span {
  return { ...one, ...endOf(one, other), startBy: Math.max(one.startBy, other.startBy) };
}

/** The later end with its cutoff; of one end the earlier cutoff that is a moment. */
function endOf(one: Span, other: Span): Pick<Span, 'end' | 'cutoff'> {
  if (one.end === other.end) {
    const cutoffs = [one.cutoff, other.cutoff].filter((cutoff) => cutoff !== null);
    return { end: one.end, cutoff: cutoffs.length === 0 ? null : Math.min(...cutoffs) };
  }
  const { end, cutoff } = (one.end ?? Infinity) > (other.end ?? Infinity) ? one : other;
  return { end, cutoff };
}
