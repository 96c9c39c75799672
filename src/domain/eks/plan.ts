/** The plan of the next run of an EKS cluster: what AWS would be asked for, when, and what would keep the run from that. */
import type { Finding } from '../inspection/finding';
import { eksFindings } from '../inspection/eks';
import type { NodeOutcome } from '../node/status';
import type { Forecast } from '../run/forecast';
import { forecasterOf } from '../run/forecast';
import type { RunLimits } from '../run/limits';
import { nodeGroupLimits } from '../run/limits';
import type { RunHold } from '../run/next-step';
import { CHECK_MS, startOf, toIso, unfinished, weakest } from '../run/plan';
import type { RunTrigger } from '../run/run';
import type { Turn } from '../run/simulate';
import { simulateRun } from '../run/simulate';
import type { MaintenanceWindow } from '../schedule/window';
import type { EksSpec } from '../spec/types';
import type { EksInspection, NodegroupCheck } from './node-groups';
import { isNewest } from './releases';
import type { NodeGroupStatus } from './status';

export interface PlannedNodeGroup {
  nodeGroup: string;
  /** How the group is expected to end; `not-tried`: the run would not reach it. Null: only the answer of AWS to the request says. */
  outcome: NodeOutcome | null;
  /** Why the group is not updated, or why that is not known; null: nothing to say. */
  reason: string | null;
  /** What AWS would be asked for: the newest release of this Kubernetes version. Null: nothing. */
  request: { kubernetesVersion: string; force: boolean } | null;
  /** The release that the group runs; null: not known. */
  release: string | null;
  /** The newest release of its image; null: not known. */
  newest: string | null;
  kubernetesVersion: string | null;
  amiType: string | null;
  /** At AWS, e.g. `ACTIVE`; null: not known. */
  status: string | null;
  /** ISO 8601; null: the run does not reach the group. */
  startsAt: string | null;
  endsAt: string | null;
  /** Start of the window; null: none, or not reached. */
  window: string | null;
  forecast: Forecast;
  /** What was found about the group and is not fine, worst first. */
  findings: Finding[];
}

export interface EksPlan {
  cluster: string;
  type: 'eks';
  /** When the plan was made, ISO 8601. */
  at: string;
  trigger: RunTrigger;
  startsAt: string;
  /** When the last group ends; null: no group is reached. */
  endsAt: string | null;
  /** The weakest of what the forecasts rest on. */
  forecast: Forecast['from'];
  limits: Pick<RunLimits, 'concurrency' | 'maxFailures' | 'onExceeded'>;
  /** The windows that the run would use. */
  windows: MaintenanceWindow[];
  /** What keeps the run from the groups that it does not reach; null: it reaches all. */
  hold: RunHold | null;
  /** One clause each: why the run would not begin then, or not get through. */
  blockers: string[];
  /** In the order of the run. */
  groups: PlannedNodeGroup[];
  /** About AWS and the cluster as a whole, what is not fine. */
  findings: Finding[];
}

export interface EksPlanRequest {
  spec: EksSpec;
  rows: readonly NodeGroupStatus[];
  /** Null: those of the spec. */
  names: readonly string[] | null;
  inspection: EksInspection;
  /** The next windows, in order. Empty: the run begins now and has no end. */
  windows: readonly MaintenanceWindow[];
  /** Why the cluster would not begin a run now. */
  blockers: readonly string[];
  nowMs: number;
}

type Prediction = Pick<PlannedNodeGroup, 'outcome' | 'reason' | 'request'>;

export function planNodeGroups(request: EksPlanRequest): EksPlan {
  const { spec, rows, names, inspection, windows, nowMs } = request;
  const { groups, error } = inspection;
  const { limits } = nodeGroupLimits(spec.patching.rollout, groups.length);
  const forecast = forecasterOf(rows);
  const found = eksFindings(spec, inspection);
  const predictions = new Map(groups.map((one) => [one.node, predict(one, spec.eks.force)]));
  const turnAt = (name: string): Turn => {
    const outcome = predictions.get(name)?.outcome ?? null;
    const isBrief = outcome !== 'patched' && outcome !== null;
    return { ms: isBrief ? CHECK_MS : forecast(name).ms, isFailure: outcome === 'failed' };
  };
  const startMs = startOf(windows, nowMs);
  const { turns, endMs, hold } = simulateRun({
    members: groups.map(({ node }) => ({ name: node, role: null, zone: null, stage: 0 })),
    stages: [{ soakMs: 0, concurrency: null }],
    ...{ limits, rolesApart: false, unavailable: new Set<string>(), windows, startMs, turnAt, forecast },
  });
  const planned = groups.map((check): PlannedNodeGroup => {
    const { node, facts } = check;
    const turn = turns.get(node);
    const findings = found.nodes.find((one) => one.node === node)?.findings ?? [];
    return {
      nodeGroup: node,
      ...(turn === undefined ? NOT_REACHED : (predictions.get(node) ?? NOT_REACHED)),
      ...{ release: facts?.releaseVersion ?? null, newest: facts?.newest ?? null },
      ...{ kubernetesVersion: facts?.version ?? null, amiType: facts?.amiType ?? null, status: facts?.status ?? null },
      startsAt: turn === undefined ? null : toIso(turn.startMs),
      endsAt: turn === undefined ? null : toIso(turn.endMs),
      window: windows[turn?.window ?? -1]?.start ?? null,
      forecast: forecast(node),
      findings: findings.filter(isTrouble),
    };
  });
  const used = Math.max(-1, ...[...turns.values()].map(({ window }) => window ?? -1));
  const { concurrency, maxFailures, onExceeded } = limits;
  return {
    ...{ cluster: spec.name, type: 'eks', at: toIso(nowMs) },
    ...{ trigger: names === null && windows.length > 0 ? 'schedule' : 'on-demand', startsAt: toIso(startMs) },
    endsAt: turns.size === 0 ? null : toIso(endMs),
    forecast: weakest(planned.map((one) => one.forecast.from)),
    limits: { concurrency, maxFailures, onExceeded },
    windows: windows.slice(0, used + 1),
    hold,
    blockers: [
      ...request.blockers,
      ...(error === null ? [] : [`not every node group could be read: ${error.message}`]),
      ...(hold === null ? [] : [unfinished(hold, planned, 'node group')]),
    ],
    groups: planned,
    findings: found.findings.filter(isTrouble),
  };
}

const NOT_REACHED: Prediction = {
  outcome: 'not-tried',
  reason: 'the run would not reach the node group',
  request: null,
};

/** By the rules of the update, which asks again when its turn has come. */
function predict(check: NodegroupCheck, force: boolean): Prediction {
  if (!check.ok) return { outcome: 'failed', reason: check.error.message, request: null };
  const { facts, skipReason } = check;
  if (skipReason !== null) return { outcome: 'skipped', reason: skipReason, request: null };
  const request = { kubernetesVersion: facts.version, force };
  if (facts.status === 'UPDATING')
    return {
      outcome: null,
      reason: 'AWS is updating the node group already, and the run waits for the end of that',
      request,
    };
  if (facts.newest === undefined)
    return {
      outcome: null,
      reason: 'which release is the newest is not known, so AWS is asked for an update',
      request,
    };
  return isNewest(facts.releaseVersion, facts.newest)
    ? { outcome: 'up-to-date', reason: null, request: null }
    : { outcome: 'patched', reason: null, request };
}

function isTrouble({ severity }: Finding): boolean {
  return severity !== 'ok';
}
