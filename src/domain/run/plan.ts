/** The plan of the next run: what it would do, when, and what would keep it from that. */
import { senderText } from '../shared/verification';
import { runOfNodes } from '../cluster/decide';
import type { MemberName } from '../cluster/member';
import { plural } from '../shared/plural';
import type { Finding } from '../inspection/finding';
import type { NodeInspection } from '../inspection/node';
import type { NodeOutcome, NodeStatus } from '../node/status';
import { lockAt } from '../node/status';
import type { MaintenanceWindow } from '../schedule/window';
import { defined } from '../shared/defined';
import { SECOND_MS } from '../shared/time-units';
import type { NodeRole, Rollout, SelfManagedSpec } from '../spec/types';
import { describeHold } from './describe-hold';
import type { Forecast } from './forecast';
import { forecasterOf } from './forecast';
import type { RunLimits } from './limits';
import type { RunHold } from './next-step';
import type { NodePrediction, RebootForecast } from './predict';
import { predictNode } from './predict';
import type { RunTrigger } from './run';
import type { SimulatedTurn, Turn } from './simulate';
import { simulateRun } from './simulate';
import { stageNumbers } from './stages';

/** How long the turn of a node is assumed to take that needs no patch, or that fails before one. */
export const CHECK_MS = 15 * SECOND_MS;

export interface PlannedNode {
  node: string;
  role: NodeRole;
  zone: string | null;
  /** Number of its stage, from 1. */
  stage: number;
  /** How the node is expected to end; `not-tried`: the run would not reach it. Null: not known. */
  outcome: NodeOutcome | null;
  /** Why the node is not brought to the latest patch version, or why that is not known. */
  reason: string | null;
  /** Packages that would change; null: not known. */
  pending: number | null;
  /** How many of them fix a security problem, by archive, advisory or patch; null: not known, as always with apk. */
  security: number | null;
  /** Newer packages that would not be installed: held, phased, excluded. They are no part of `pending`. */
  keptBack: { name: string; reason: string }[];
  reboot: RebootForecast;
  /** Services on outdated code that are there already. */
  restarts: string[];
  /** ISO 8601; null: the run does not reach the node. */
  startsAt: string | null;
  endsAt: string | null;
  /** Start of the window; null: none, or not reached. */
  window: string | null;
  forecast: Forecast;
  /** How old the package lists are that all this rests on, in milliseconds; null: not known. */
  listsAgeMs: number | null;
  /** What was found on the node and is not fine, worst first. */
  findings: Finding[];
}

export interface RunPlan {
  cluster: string;
  /** When the plan was made, ISO 8601. */
  at: string;
  trigger: RunTrigger;
  startsAt: string;
  /** When the last node ends; null: no node is reached. */
  endsAt: string | null;
  /** The weakest of what the forecasts rest on. */
  forecast: Forecast['from'];
  rebootIfRequired: boolean;
  /** As in the spec. */
  rollout: Pick<Rollout, 'order' | 'concurrency' | 'maxUnavailable' | 'maxFailures' | 'onExceeded'>;
  /** The numbers that these come to. */
  limits: RunLimits;
  /** Nodes of the cluster that are out of service now; null: not known, or there is no limit of them. */
  unavailable: string[] | null;
  stages: { nodes: number; soakMs: number; concurrency: number | null }[];
  /** The windows that the run would use. */
  windows: MaintenanceWindow[];
  /** What keeps the run from the nodes that it does not reach; null: it reaches all. */
  hold: RunHold | null;
  /** One clause each: why the run would not begin then, or not get through. */
  blockers: string[];
  /** In the order of the run. */
  nodes: PlannedNode[];
}

export interface PlanRequest {
  spec: SelfManagedSpec;
  rows: readonly NodeStatus[];
  /** Null: all nodes. */
  names: readonly string[] | null;
  /** By name; a node that is not in there was not inspected. */
  inspections: ReadonlyMap<string, NodeInspection>;
  /** The next windows, in order. Empty: the run begins now and has no end. */
  windows: readonly MaintenanceWindow[];
  /** Nodes of the cluster that are out of service now. Null: not known. */
  unavailable: ReadonlySet<string> | null;
  /** Why the cluster would not begin a run now. */
  blockers: readonly string[];
  nowMs: number;
}

export function planRun(request: PlanRequest): RunPlan {
  const { spec, rows, names, inspections, windows, unavailable, nowMs } = request;
  const { patching } = spec;
  const trigger = names === null && windows.length > 0 ? 'schedule' : 'on-demand';
  const { nodes, policy } = runOfNodes({ nodes: [...rows] }, spec, names === null ? null : [...names], trigger);
  const { limits, stages, rolesApart, unreachableTimeoutMs } = policy;
  const bySpec = new Map(spec.nodes.map((node) => [node.name, node]));
  const row = new Map(rows.map((one) => [one.name, one]));
  const numbers = stageNumbers(stages);
  const members = nodes.map(({ name }, at) => ({
    ...{ name, role: bySpec.get(name)?.role ?? 'worker', zone: bySpec.get(name)?.zone ?? null },
    stage: numbers[at] ?? 0,
  }));
  const predictions = new Map(
    members.map(({ name }) => [name, predictNode(patching, inspections.get(name) ?? null)] as const),
  );
  const forecast = forecasterOf(rows);
  const isExplicit = names !== null;
  /** What of its status keeps a run from a node when its turn comes. */
  const leftOut = (name: string, ms: number): { outcome: NodeOutcome; reason: string } | null => {
    const status = row.get(name);
    if (status?.quarantine !== undefined && !isExplicit)
      return {
        outcome: 'failed',
        reason: `the node is quarantined, unless it shows a trusted host key again: ${status.quarantine.message}`,
      };
    const lock = status === undefined ? null : lockAt(status, ms);
    if (lock === null) return null;
    const until = lock.until === null ? '' : ` until ${lock.until}`;
    return {
      outcome: 'skipped',
      reason: `locked by ${senderText(lock)}${until}${lock.reason === null ? '' : `: ${lock.reason}`}`,
    };
  };
  const turnAt = (name: string, ms: number): Turn => {
    if (leftOut(name, ms) !== null) return { ms: 0, isFailure: false };
    const { outcome } = predictions.get(name) ?? UNKNOWN;
    if (outcome === 'failed') {
      const isSilent = inspections.get(name)?.error?.type === 'Unreachable';
      return { ms: isSilent ? unreachableTimeoutMs : CHECK_MS, isFailure: true };
    }
    return { ms: outcome === 'up-to-date' ? CHECK_MS : forecast(name).ms, isFailure: false };
  };
  const startMs = startOf(windows, nowMs);
  const { turns, endMs, hold } = simulateRun({
    ...{ members, stages, limits, rolesApart, windows, startMs, turnAt, forecast },
    unavailable,
  });
  const planned = members.map((member): PlannedNode => {
    const { name } = member;
    const turn = turns.get(name);
    const inspection = inspections.get(name) ?? null;
    const prediction = predictions.get(name) ?? UNKNOWN;
    const left = turn === undefined ? null : leftOut(name, turn.startMs);
    return {
      ...{ node: name, role: member.role, zone: member.zone, stage: member.stage + 1 },
      ...outcomeOf(prediction, left, turn),
      ...{ pending: inspection?.pending ?? null, security: inspection?.plan?.security ?? null },
      ...{ keptBack: inspection?.plan?.keptBack ?? [], reboot: prediction.reboot, restarts: prediction.restarts },
      startsAt: turn === undefined ? null : toIso(turn.startMs),
      endsAt: turn === undefined ? null : toIso(turn.endMs),
      window: windows[turn?.window ?? -1]?.start ?? null,
      forecast: forecast(name),
      listsAgeMs: inspection?.plan?.listsAgeMs ?? null,
      findings: (inspection?.findings ?? []).filter(
        ({ severity, check }) => severity !== 'ok' || check === 'reboot-owners',
      ),
    };
  });
  const { order, concurrency, maxUnavailable, maxFailures, onExceeded } = patching.rollout;
  const used = Math.max(-1, ...[...turns.values()].map(({ window }) => window ?? -1));
  return {
    ...{ cluster: spec.name, at: toIso(nowMs), trigger, startsAt: toIso(startMs) },
    endsAt: turns.size === 0 ? null : toIso(endMs),
    forecast: weakest(planned.map((one) => one.forecast.from)),
    rebootIfRequired: patching.rebootIfRequired,
    rollout: { order, concurrency, ...defined({ maxUnavailable }), maxFailures, onExceeded },
    limits,
    unavailable: limits.maxUnavailable === null || unavailable === null ? null : [...unavailable],
    stages: stages.map(({ size, soakMs, concurrency: places }) => ({ nodes: size, soakMs, concurrency: places })),
    windows: windows.slice(0, used + 1),
    hold,
    blockers: [...request.blockers, ...(hold === null ? [] : [unfinished(hold, planned)])],
    nodes: planned,
  };
}

const UNKNOWN: NodePrediction = {
  outcome: null,
  reason: 'the node was not inspected',
  reboot: 'unknown',
  restarts: [],
};

/** A run on demand begins now; one of a schedule with its window, which may have begun. */
export function startOf([first]: readonly MaintenanceWindow[], nowMs: number): number {
  return first === undefined ? nowMs : Math.max(nowMs, Date.parse(first.start));
}

function outcomeOf(
  prediction: NodePrediction,
  left: { outcome: NodeOutcome; reason: string } | null,
  turn: SimulatedTurn | undefined,
): Pick<PlannedNode, 'outcome' | 'reason'> {
  if (turn === undefined) return { outcome: 'not-tried', reason: 'the run would not reach the node' };
  return left ?? { outcome: prediction.outcome, reason: prediction.reason };
}

/** That the run does not reach all of its members, in one clause. */
export function unfinished(
  hold: RunHold,
  members: readonly { outcome: NodeOutcome | null }[],
  unit: MemberName = 'node',
): string {
  const left = members.filter(({ outcome }) => outcome === 'not-tried').length;
  return `the run would not reach ${plural(left, unit)}: ${describeHold(hold, unit)}`;
}

/** Of what forecasts rest on. */
export function weakest(sources: readonly Forecast['from'][]): Forecast['from'] {
  return (['guess', 'cluster'] as const).find((one) => sources.includes(one)) ?? 'node';
}

export function toIso(ms: number): string {
  return new Date(ms).toISOString();
}
