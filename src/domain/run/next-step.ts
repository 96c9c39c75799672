/**
 * What a run does next: which nodes it starts, or what keeps it from starting any.
 *
 * Pure, and asked again after everything that happens, so every limit is checked at one place, at every instant.
 */
import type { AlertHold, AlertView } from '../alerts/gate';
import { alertHold } from '../alerts/gate';
import { defined } from '../shared/defined';
import type { NodeRole } from '../spec/types';
import type { Forecast } from './forecast';
import type { RunLimits } from './limits';
import type { Stage } from './stages';

/** `lost`: changed, unreachable for long, and still waited for. */
export type MemberPlace = 'waiting' | 'in-flight' | 'lost' | 'settled';

export interface PlacedMember {
  name: string;
  /** Null: members of this kind have no roles. */
  role: NodeRole | null;
  zone: string | null;
  /** Place of its stage in the list of stages. */
  stage: number;
  place: MemberPlace;
}

/** What ends the time of a run besides a maintenance window. */
export const OTHER_ENDS = ['blackout', 'deadline'] as const;

/** The part of a maintenance window that counts for a run. Epoch milliseconds. */
export interface WindowLimit {
  endMs: number;
  /** No node is started at or after this moment. Null: as long as its forecast ends within the window. */
  cutoffMs: number | null;
  /** What begins at `endMs`, or is that moment. Absent: the window ends. */
  by?: (typeof OTHER_ENDS)[number];
}

/** The members of a run that have not settled. */
export interface MembersByPlace {
  /** In the order of the run; those of a stage stand together. */
  waiting: readonly PlacedMember[];
  inFlight: readonly PlacedMember[];
  lost: readonly PlacedMember[];
}

export interface RunView extends MembersByPlace {
  stages: readonly Pick<Stage, 'soakMs' | 'concurrency'>[];
  limits: RunLimits;
  /** Members of one role are over before one of the other is started. */
  rolesApart: boolean;
  /** The last stage of which a member was started. */
  openStage: number;
  /** When the last member settled. Null: none has. */
  lastSettledMs: number | null;
  /** Members that count against the failure budget, lost ones left out. */
  failures: number;
  /** Nodes of the cluster that are out of service, as last observed. Null: not observed yet. */
  unavailable: ReadonlySet<string> | null;
  /** Absent: alerts do not hold the run. */
  alerts?: AlertView;
  /** Null: the run has no end. */
  window: WindowLimit | null;
  forecast: (name: string) => Forecast;
  nowMs: number;
}

/** What keeps a run from starting its next node. */
export type RunHold =
  | { kind: 'in-flight'; members: string[] }
  | { kind: 'concurrency'; limit: number }
  | { kind: 'max-unavailable'; limit: number; unavailable: string[] }
  | { kind: 'unobserved' }
  | { kind: 'control-plane'; member: string }
  | { kind: 'zone'; zone: string | null; members: string[] }
  | { kind: 'role'; role: NodeRole | null; members: string[] }
  | { kind: 'stage'; stage: number; members: string[] }
  | { kind: 'soak'; stage: number; untilMs: number }
  | { kind: 'lost'; members: string[]; failures: number; limit: number }
  | { kind: 'budget'; failures: number; limit: number }
  | AlertHold
  /** `forecast`: that of `next`, which would end after the window. Null: no node is started any more. */
  | { kind: 'window'; endMs: number; by?: WindowLimit['by']; next: string; forecast: Forecast | null };

export type Step =
  | { do: 'start'; members: string[] }
  /** Asked again at `untilMs`, at the end of the window, or when something has happened. */
  | { do: 'wait'; hold: RunHold; untilMs: number | null }
  /** Nothing is in flight and nothing that happens to the run lets it go on before somebody or the next window does. */
  | { do: 'suspend'; hold: RunHold }
  /** The failure budget is spent: nobody else is tried. */
  | { do: 'stop'; hold: RunHold }
  | { do: 'finish' };

export function nextStep(view: RunView): Step {
  const { waiting, inFlight, lost } = view;
  const first = waiting[0];
  if (first === undefined) {
    const open = [...inFlight, ...lost];
    return open.length === 0 ? { do: 'finish' } : wait({ kind: 'in-flight', members: namesOf(open) });
  }
  const overBudget = budgetHold(view);
  if (overBudget?.kind === 'budget' && view.limits.onExceeded === 'stop') return { do: 'stop', hold: overBudget };
  if (overBudget?.kind === 'budget' && inFlight.length === 0) return { do: 'suspend', hold: overBudget };
  // The end of another wait would change nothing.
  const closed = overBudget?.kind === 'budget' ? null : closedHold(view, first);
  const hold = closed ?? overBudget ?? stageHold(view, first, inFlight);
  if (hold !== null) return waitOrSuspend(hold, inFlight);
  const concurrency = Math.min(view.limits.concurrency, view.stages[first.stage]?.concurrency ?? Infinity);
  // The usual answer of a large run, which needs no closer look.
  if (inFlight.length >= concurrency) return wait({ kind: 'concurrency', limit: concurrency });
  const admission = new Admission(view, first.stage, concurrency);
  for (const member of waiting) if (!admission.consider(member)) break;
  if (admission.started.length > 0) {
    // Nothing else holds the next member.
    const firing = view.alerts === undefined ? null : alertHold(view.alerts, view.lastSettledMs, view.nowMs);
    return firing === null ? { do: 'start', members: namesOf(admission.started) } : wait(firing);
  }
  return waitOrSuspend(admission.hold ?? { kind: 'in-flight', members: namesOf(inFlight) }, inFlight);
}

function waitOrSuspend(hold: RunHold, inFlight: readonly PlacedMember[]): Step {
  return hold.kind === 'window' && inFlight.length === 0 ? { do: 'suspend', hold } : wait(hold);
}

function wait(hold: RunHold): Step {
  const hasEnd = hold.kind === 'soak' || hold.kind === 'alerts-quiet';
  return { do: 'wait', hold, untilMs: hasEnd ? hold.untilMs : null };
}

/** Lost members may come back, so they hold the run up without spending its budget. */
export function budgetHold({ failures, limits, lost }: RunView): RunHold | null {
  const limit = limits.maxFailures;
  if (failures > limit) return { kind: 'budget', failures, limit };
  return failures + lost.length > limit ? { kind: 'lost', members: namesOf(lost), failures, limit } : null;
}

/** From when on no member is started any more, whatever its forecast. Null: never. Epoch milliseconds. */
export function closesMs(window: WindowLimit | null): number | null {
  return window === null ? null : Math.min(window.endMs, window.cutoffMs ?? Infinity);
}

function closedHold({ window, nowMs }: RunView, { name }: Pick<PlacedMember, 'name'>): RunHold | null {
  const isClosed = window !== null && nowMs >= (closesMs(window) ?? Infinity);
  return isClosed ? { kind: 'window', ...endOf(window), next: name, forecast: null } : null;
}

/** A stage is opened when the one before is over and has soaked. */
function stageHold(view: RunView, { stage }: PlacedMember, inFlight: readonly PlacedMember[]): RunHold | null {
  const { openStage, lastSettledMs, nowMs } = view;
  if (stage <= openStage) return null;
  const before = inFlight.filter((member) => member.stage < stage);
  if (before.length > 0) return { kind: 'stage', stage: openStage, members: namesOf(before) };
  const untilMs = (lastSettledMs ?? nowMs) + (view.stages[openStage]?.soakMs ?? 0);
  return untilMs > nowMs ? { kind: 'soak', stage: openStage, untilMs } : null;
}

/** Why the member is not started any more before the window ends. Null: it may be. */
export function windowHold(view: RunView, member: Pick<PlacedMember, 'name'>): RunHold | null {
  const { window, nowMs } = view;
  const closed = closedHold(view, member);
  if (window === null || closed !== null || window.cutoffMs !== null) return closed;
  const forecast = view.forecast(member.name);
  return nowMs + forecast.ms <= window.endMs ? null : { kind: 'window', ...endOf(window), next: member.name, forecast };
}

function endOf({ endMs, by }: WindowLimit): Pick<WindowLimit, 'endMs' | 'by'> {
  return { endMs, ...defined({ by }) };
}

/** Takes members in order, as long as the limits leave room for one more. */
class Admission {
  readonly started: PlacedMember[] = [];
  hold: RunHold | null = null;
  private readonly busy: PlacedMember[];
  private readonly outOfService: Set<string>;
  /** Kept, because thousands of members may be considered while hundreds are busy. */
  private readonly busyRoles: Set<PlacedMember['role']>;
  private readonly openZones: Set<PlacedMember['zone']>;

  constructor(
    private readonly view: RunView,
    private readonly stage: number,
    private readonly concurrency: number,
  ) {
    const { inFlight, lost } = view;
    this.busy = [...inFlight];
    this.outOfService = new Set([...(view.unavailable ?? []), ...namesOf(inFlight), ...namesOf(lost)]);
    this.busyRoles = new Set(inFlight.map(({ role }) => role));
    this.openZones = new Set([...inFlight, ...lost].map(({ zone }) => zone));
  }

  /** False: no later member can be started either. */
  consider(member: PlacedMember): boolean {
    if (member.stage !== this.stage) return false;
    const forAll = this.holdForAll(member);
    if (forAll !== null) {
      this.holdBy(forAll);
      return false;
    }
    const forOne = windowHold(this.view, member) ?? this.unavailabilityHold(member);
    if (forOne !== null) {
      this.holdBy(forOne);
      return true;
    }
    this.busy.push(member);
    this.busyRoles.add(member.role);
    this.openZones.add(member.zone);
    this.outOfService.add(member.name);
    this.started.push(member);
    return true;
  }

  /** The window holds the run only when it holds every member: anything else may pass before its end. */
  private holdBy(hold: RunHold): void {
    if (this.hold === null || (this.hold.kind === 'window' && hold.kind !== 'window')) this.hold = hold;
  }

  /** What keeps this member and all that come after it from being started: those would overtake it otherwise. */
  private holdForAll(member: PlacedMember): RunHold | null {
    const { limits, rolesApart } = this.view;
    if (this.busy.length >= this.concurrency) return { kind: 'concurrency', limit: this.concurrency };
    if (rolesApart && hasOther(this.busyRoles, member.role)) {
      const other = this.busy.filter(({ role }) => role !== member.role);
      return { kind: 'role', role: other[0]?.role ?? null, members: namesOf(other) };
    }
    const controlPlane =
      member.role === 'control-plane' ? this.open.find(({ role }) => role === member.role) : undefined;
    if (controlPlane !== undefined) return { kind: 'control-plane', member: controlPlane.name };
    if (limits.oneZoneAtATime && hasOther(this.openZones, member.zone)) {
      const other = this.open.filter(({ zone }) => zone !== member.zone);
      return { kind: 'zone', zone: other[0]?.zone ?? null, members: namesOf(other) };
    }
    return null;
  }

  private get open(): PlacedMember[] {
    return [...this.busy, ...this.view.lost];
  }

  /** A node that is out of service already takes no further one out of service. */
  private unavailabilityHold({ name }: PlacedMember): RunHold | null {
    const limit = this.view.limits.maxUnavailable;
    if (limit === null) return null;
    if (this.view.unavailable === null) return { kind: 'unobserved' };
    if (this.outOfService.has(name) || this.outOfService.size < limit) return null;
    // The first one is what holds the run.
    if (this.hold?.kind === 'max-unavailable') return this.hold;
    return { kind: 'max-unavailable', limit, unavailable: [...this.outOfService] };
  }
}

function hasOther<T>(values: ReadonlySet<T>, value: T): boolean {
  return values.size > (values.has(value) ? 1 : 0);
}

function namesOf(members: readonly PlacedMember[]): string[] {
  return members.map(({ name }) => name);
}
