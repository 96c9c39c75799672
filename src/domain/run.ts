import type { NodeRole, NodeSpec, OnFailure, RolloutOrder } from './spec';
import type { NodeSettled } from './node-status';
import { NODE_OUTCOMES } from './node-status';

export const RUN_TRIGGERS = ['boot', 'schedule', 'on-demand'] as const;
export type RunTrigger = (typeof RUN_TRIGGERS)[number];

/** `failed`: at least one node failed. `stopped`: the failure budget was spent and nodes were not tried. */
export type RunOutcome = 'succeeded' | 'failed' | 'stopped' | 'cancelled';

/** A rollout hands over to the next one of the same run number after this many nodes, to keep its history bounded. */
export const NODES_PER_ROLLOUT = 400;

/** What a run was started with. It keeps these, whatever the spec says later, except for the {@link Tightening}s. */
export interface RunPolicy {
  rebootIfRequired: boolean;
  withoutDrain: boolean;
  onFailure: OnFailure;
  unreachableTimeoutMs: number;
}

/** Where a run goes on that was put down. */
export interface RunCursor {
  settled: NodeSettled[];
  /** Failures counted against the failure budget so far. */
  failures: number;
}

export interface RolloutInput {
  cluster: string;
  run: number;
  trigger: RunTrigger;
  startedAt: string;
  /** In the order in which they are patched. Frozen for the whole run. */
  nodes: NodeSpec[];
  policy: RunPolicy;
  resumeFrom: RunCursor | null;
}

/** The only changes that reach a run in progress; each counts for steps that have not started. */
export interface Tightening {
  rebootsForbidden?: boolean;
  removedNodes?: string[];
  paused?: boolean;
}

export interface RolloutReport {
  /** `suspended`: put down at `cursor`, to be picked up by another rollout of the same run. */
  end: 'finished' | 'suspended';
  outcome: RunOutcome;
  cursor: RunCursor;
}

/** Answer of the rollout's `progress` query. */
export interface RolloutProgress {
  run: number;
  total: number;
  done: number;
  current: { node: string; state: 'patching' | 'waiting'; startedAt: string; workflowRunId: string | null } | null;
  settled: NodeSettled[];
}

/** What a rollout tells its cluster while it runs. */
export interface RunNews {
  run: number;
  settled: NodeSettled[];
  current: string | null;
}

/** The order in which a run takes its nodes: by role, then as they stand in the spec. */
export function orderNodes(nodes: readonly NodeSpec[], order: RolloutOrder): NodeSpec[] {
  const first: NodeRole = order === 'workers-first' ? 'worker' : 'control-plane';
  return [...nodes.filter((node) => node.role === first), ...nodes.filter((node) => node.role !== first)];
}

/** Whether a run goes on to its next node after `failures` failed ones. */
export function withinBudget(failures: number, onFailure: OnFailure): boolean {
  return onFailure === 'continue' || failures === 0;
}

/** How a run ended, from how its nodes ended. */
export function runOutcome(settled: readonly NodeSettled[], cancelled: boolean): RunOutcome {
  if (cancelled) return 'cancelled';
  if (!settled.some((node) => node.outcome === 'failed')) return 'succeeded';
  return settled.some((node) => node.outcome === 'not-tried') ? 'stopped' : 'failed';
}

/** The record of a node that a run ended without reaching. */
export function notTried(node: string, why: string): NodeSettled {
  return {
    node,
    outcome: 'not-tried',
    appliedAt: null,
    packagesChanged: 0,
    reboots: 0,
    reading: null,
    error: { type: 'Cancelled', message: why },
    workflowRunId: null,
  };
}

/** News is sent at most this often: often enough to watch, rarely enough that a long run stays a small history. */
export function newsIntervalMs(elapsedMs: number): number {
  return Math.max(2_000, Math.round(elapsedMs / 250));
}

/** Reads a tightening from whatever was sent; null when it is none. Anybody may signal a workflow. */
export function parseTightening(value: unknown): Tightening | null {
  if (typeof value !== 'object' || value === null) return null;
  const { rebootsForbidden, removedNodes, paused } = value as Record<string, unknown>;
  const names = Array.isArray(removedNodes) ? removedNodes.filter((name) => typeof name === 'string') : undefined;
  return {
    ...(typeof rebootsForbidden === 'boolean' ? { rebootsForbidden } : {}),
    ...(names === undefined ? {} : { removedNodes: names }),
    ...(typeof paused === 'boolean' ? { paused } : {}),
  };
}

/** Reads news of run `run` from whatever was sent; null when it is none. */
export function parseNews(value: unknown, run: number): RunNews | null {
  if (typeof value !== 'object' || value === null) return null;
  const news = value as Partial<Record<keyof RunNews, unknown>>;
  if (news.run !== run || !Array.isArray(news.settled)) return null;
  const current = typeof news.current === 'string' ? news.current : null;
  return { run, settled: news.settled.filter(isSettled), current };
}

function isSettled(value: unknown): value is NodeSettled {
  if (typeof value !== 'object' || value === null) return false;
  const one = value as Partial<Record<keyof NodeSettled, unknown>>;
  return typeof one.node === 'string' && (NODE_OUTCOMES as readonly unknown[]).includes(one.outcome);
}
