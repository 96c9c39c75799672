/** Capacity settings of a worker; docs/operations.md explains how to choose them. */
import type { WorkerOptions } from '@temporalio/worker';
import { OspatchError } from './domain/shared/errors';

export interface WorkerLimits {
  /** Concurrent activities: each holds a connection to a node or API server, and needs almost no processor time. */
  maxActivities: number;
  /** Workflows kept in memory; an evicted workflow is replayed from its history on its next event. */
  maxCachedWorkflows: number;
  /** Concurrent polls, for workflows and activities each; fewer while there is little work. */
  maxPollers: number;
}

type Setting = [name: string, fallback: number, min: number, max: number];

const SETTINGS: Readonly<Record<keyof WorkerLimits, Setting>> = {
  maxActivities: ['OSPATCH_MAX_ACTIVITIES', 500, 2, 10_000],
  maxCachedWorkflows: ['OSPATCH_MAX_CACHED_WORKFLOWS', 1_500, 10, 100_000],
  maxPollers: ['OSPATCH_MAX_POLLERS', 20, 2, 500],
};

/** @throws OspatchError `Usage` */
export function workerLimitsFromEnv(env: Readonly<Record<string, string | undefined>>): WorkerLimits {
  return {
    maxActivities: read(env, SETTINGS.maxActivities),
    maxCachedWorkflows: read(env, SETTINGS.maxCachedWorkflows),
    maxPollers: read(env, SETTINGS.maxPollers),
  };
}

/** As many as the SDK takes by default. */
const MAX_WORKFLOW_TASKS = 40;

/**
 * The same as the SDK takes them.
 *
 * A workflow task that finds no place in the cache keeps its slot until a workflow is evicted. With more slots than places, such tasks
 * can take all slots, and the workflows in the cache, which cannot be evicted before their next task, get none.
 */
export function limitOptions({ maxActivities, maxCachedWorkflows, maxPollers }: WorkerLimits): Partial<WorkerOptions> {
  const pollers = { type: 'autoscaling', maximum: maxPollers, minimum: 2, initial: 2 } as const;
  return {
    maxConcurrentActivityTaskExecutions: maxActivities,
    maxCachedWorkflows,
    maxConcurrentWorkflowTaskExecutions: Math.min(MAX_WORKFLOW_TASKS, maxCachedWorkflows),
    workflowTaskPollerBehavior: pollers,
    activityTaskPollerBehavior: pollers,
  };
}

function read(env: Readonly<Record<string, string | undefined>>, [name, fallback, min, max]: Setting): number {
  const text = env[name];
  if (text === undefined || text === '') return fallback;
  const value = Number(text);
  if (/^\d{1,9}$/.test(text) && value >= min && value <= max) return value;
  throw new OspatchError({
    type: 'Usage',
    message: `${name}: found ${JSON.stringify(text)}; allowed: a whole number from ${min} to ${max}`,
    remedy: `correct the variable, or unset it for the default, ${fallback}`,
  });
}
