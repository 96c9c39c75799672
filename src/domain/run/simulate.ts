/** Goes through a run in thought: `nextStep` decides, and every node takes as long as it is forecast to. */
import type { MaintenanceWindow } from '../schedule/window';
import type { PlacedMember, RunHold, RunView } from './next-step';
import { nextStep } from './next-step';
import { RunPlaces } from './places';

/** What the turn of a node comes to. */
export interface Turn {
  /** How long it takes, in milliseconds; 0: the node is left out. */
  ms: number;
  /** Whether the end counts against the failure budget. */
  isFailure: boolean;
}

export interface SimulatedTurn {
  startMs: number;
  endMs: number;
  /** Place of the window in the list. Null: the run has no windows. */
  window: number | null;
}

export interface Simulation {
  /** By name; nodes that the run does not reach are not in there. */
  turns: Map<string, SimulatedTurn>;
  /** When the last node ends. */
  endMs: number;
  /** What keeps the run from the nodes that it does not reach; null: it reaches all. */
  hold: RunHold | null;
}

type FixedView = Pick<RunView, 'stages' | 'limits' | 'rolesApart' | 'unavailable' | 'forecast'>;

export interface SimulatedRun extends FixedView {
  /** In order. */
  members: readonly Omit<PlacedMember, 'place'>[];
  startMs: number;
  /** The windows from the start on, in order. Empty: the run has no end. */
  windows: readonly MaintenanceWindow[];
  turnAt: (name: string, ms: number) => Turn;
}

export function simulateRun({ members, startMs, windows, turnAt, ...view }: SimulatedRun): Simulation {
  const places = new RunPlaces(members);
  const turns: Simulation['turns'] = new Map();
  const inFlight = new Map<string, { endMs: number; isFailure: boolean }>();
  let [nowMs, window, openStage, failures] = [startMs, 0, 0, 0];
  let lastSettledMs: number | null = null;
  let endMs = startMs;

  const settle = (name: string, atMs: number, isFailure: boolean): void => {
    places.move(name, 'settled');
    inFlight.delete(name);
    if (isFailure) failures += 1;
    lastSettledMs = atMs;
    endMs = Math.max(endMs, atMs);
  };
  const start = (name: string): void => {
    const member = places.get(name);
    if (member === undefined) return;
    const { ms, isFailure } = turnAt(name, nowMs);
    turns.set(name, { startMs: nowMs, endMs: nowMs + ms, window: windows.length === 0 ? null : window });
    if (ms === 0) return settle(name, nowMs, isFailure);
    places.move(name, 'in-flight');
    openStage = Math.max(openStage, member.stage);
    inFlight.set(name, { endMs: nowMs + ms, isFailure });
  };
  /** Until the next end, or until `untilMs`. False: nothing will happen. */
  const advance = (untilMs: number | null): boolean => {
    const next = Math.min(untilMs ?? Infinity, ...[...inFlight.values()].map((one) => one.endMs));
    if (next === Infinity) return false;
    nowMs = Math.max(nowMs, next);
    for (const [name, one] of [...inFlight]) if (one.endMs <= nowMs) settle(name, one.endMs, one.isFailure);
    return true;
  };
  const finish = (hold: RunHold | null): Simulation => {
    while (inFlight.size > 0) advance(null);
    return { turns, endMs, hold };
  };

  for (;;) {
    const limit = limitOf(windows[window]);
    const step = nextStep({ ...view, ...places.byPlace(), openStage, lastSettledMs, failures, window: limit, nowMs });
    if (step.do === 'finish') return finish(null);
    if (step.do === 'start') for (const name of step.members) start(name);
    else if (step.do === 'stop') return finish(step.hold);
    else if (step.do === 'wait') {
      if (!advance(step.untilMs)) return finish(step.hold);
    } else if (step.hold.kind !== 'window') return finish(step.hold);
    else {
      // The run goes on in the next window, under its number.
      window += 1;
      const next = windows[window];
      if (next === undefined) return finish(step.hold);
      nowMs = Math.max(nowMs, Date.parse(next.start));
    }
  }
}

function limitOf(window: MaintenanceWindow | undefined): RunView['window'] {
  if (window === undefined || window.end === null) return null;
  return { endMs: Date.parse(window.end), cutoffMs: window.cutoff === null ? null : Date.parse(window.cutoff) };
}
