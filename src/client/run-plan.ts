/** The plan of the next run of a cluster: its nodes are inspected through the workers, and nothing is changed. */
import { firingHold, unknownReading } from '../domain/alerts/gate';
import { alertGateOf } from '../domain/alerts/policies';
import type { AlertReading } from '../domain/alerts/types';
import { describeHold } from '../domain/run/describe-hold';
import { defined } from '../domain/shared/defined';
import { randomUUID } from 'node:crypto';
import { WORKFLOW_PRIORITIES } from '../contract/priorities';
import { WORKFLOW_TYPES, inspectionWorkflowId } from '../contract/workflow-ids';
import { runOfNodes } from '../domain/cluster/decide';
import { isNode } from '../domain/cluster/member';
import { rejectionOf } from '../domain/cluster/messages';
import { nodeAddresses } from '../domain/cluster/task-queues';
import type { NodeInspection } from '../domain/inspection/node';
import { failedInspection } from '../domain/inspection/node';
import type { NodeStatus } from '../domain/node/status';
import { newNodeStatus } from '../domain/node/status';
import type { RunPlan } from '../domain/run/plan';
import { planRun } from '../domain/run/plan';
import type { MaintenanceWindow } from '../domain/schedule/window';
import { OspatchError, isOspatchError } from '../domain/shared/errors';
import { matchesLabels, parseLabelSelector } from '../domain/shared/label-selector';
import { MINUTE_MS } from '../domain/shared/time-units';
import type { ClusterSpec, PatchableSpec, SelfManagedSpec } from '../domain/spec/types';
import { requestInspections } from './inspection';
import type { LiveStatus } from './live-status';
import type { TemporalCalls } from './temporal-calls';

/** Some hundred nodes that answer take a minute; those that do not answer take longer. */
const INSPECTIONS_MS = 10 * MINUTE_MS;

/** Longer than a run waits for the same answer. */
const AVAILABILITY_MS = 3 * MINUTE_MS;

/** So many windows are gone through. */
const WINDOWS = 10;

export interface PlanOptions {
  /** Only these nodes, by name. */
  nodes?: readonly string[];
  /** Only nodes whose labels match. */
  selector?: string;
  /** As if the run were requested now, also when there is a schedule. */
  now?: boolean;
}

export interface PlannedCluster {
  spec: ClusterSpec;
  /** Null: the cluster does not exist yet. */
  status: LiveStatus | null;
  /** False: the spec is not applied, so what the cluster knows of its windows does not hold. */
  isInForce: boolean;
}

/**
 * @throws OspatchError `Refused`, `NotFound`, `Usage`, `NoWorker`, or the error that prevented the inspection of every node
 */
export async function requestPlan(
  calls: TemporalCalls,
  by: string,
  { spec: any, status, isInForce }: PlannedCluster,
  options: PlanOptions,
): Promise<RunPlan> {
  const spec = withNodes(any);
  const names = chosenNodes(spec, options);
  const rows = rowsOf(spec, status);
  await calls.ensureWorker();
  const wanted = new Set(names ?? spec.nodes.map(({ name }) => name));
  const targets = nodeAddresses(spec).filter(({ name }) => wanted.has(name));
  const [{ nodes, failures }, unavailable, firing] = await Promise.all([
    requestInspections(calls, {
      ...{ spec, targets, kubernetes: spec.kubernetes, by },
      ...{ changeNothing: true, untilMs: Date.now() + INSPECTIONS_MS },
    }),
    requestUnavailable(calls, by, spec, status),
    requestAlerts(calls, by, spec),
  ]);
  const [failure] = failures;
  if (nodes.length === 0 && failure !== undefined) throw new OspatchError(failure.error);
  const failed = failures.flatMap((one) => one.nodes.map((name) => failedInspection(name, one.error)));
  const inspections = new Map<string, NodeInspection>([...nodes, ...failed].map((one) => [one.node, one]));
  const isNow = options.now === true || names !== null;
  return planRun({
    ...{ spec, rows, names, inspections, unavailable, nowMs: Date.now() },
    windows: isNow ? [] : await windowsOf(spec, Date.now(), isInForce ? status : null),
    blockers: [...blockersOf(status), ...firing],
  });
}

/** Why a run that began now would be held by alerts, in one clause; empty: it would not. */
export async function requestAlerts(calls: TemporalCalls, by: string, spec: PatchableSpec): Promise<string[]> {
  const gate = alertGateOf(spec);
  if (gate === undefined) return [];
  const { client, taskQueue } = calls.session;
  const { name: cluster } = spec;
  const reading = await calls
    .call(
      cluster,
      () =>
        client.workflow.execute<(input: unknown) => Promise<AlertReading>>(WORKFLOW_TYPES.inspectAlerts, {
          workflowId: inspectionWorkflowId(cluster, randomUUID()),
          taskQueue,
          args: [{ cluster, gate, ...defined({ taskQueue: spec.taskQueue }) }],
          priority: { priorityKey: WORKFLOW_PRIORITIES.inspectAlerts },
          workflowExecutionTimeout: AVAILABILITY_MS,
          staticSummary: `alerts that hold a run of ${cluster}, requested by ${by}`,
        }),
      AVAILABILITY_MS,
    )
    .catch((error: unknown) => {
      if (isOspatchError(error)) return unknownReading(error.message);
      throw error;
    });
  const hold = firingHold(reading);
  const unit = spec.type === 'eks' ? 'node group' : 'node';
  return hold === null ? [] : [`no ${unit} would be started now: ${describeHold(hold, unit)}`];
}

/** As the run would see it, except for nodes that a run in progress works on. Null: not known. */
async function requestUnavailable(
  calls: TemporalCalls,
  by: string,
  spec: SelfManagedSpec,
  status: LiveStatus | null,
): Promise<ReadonlySet<string> | null> {
  if (spec.patching.rollout.maxUnavailable === undefined) return new Set();
  const { client, taskQueue } = calls.session;
  const { name: cluster, nodes } = spec;
  try {
    const names = await calls.call(
      cluster,
      () =>
        client.workflow.execute<(input: unknown) => Promise<string[] | null>>(WORKFLOW_TYPES.inspectAvailability, {
          workflowId: inspectionWorkflowId(cluster, randomUUID()),
          taskQueue,
          args: [{ cluster, nodes, policy: runOfNodes({ nodes: [] }, spec, null, 'on-demand').policy }],
          priority: { priorityKey: WORKFLOW_PRIORITIES.inspectAvailability },
          workflowExecutionTimeout: AVAILABILITY_MS,
          staticSummary: `nodes of ${cluster} that are out of service, requested by ${by}`,
        }),
      AVAILABILITY_MS,
    );
    const inWork = new Set(status?.current.map(({ node }) => node));
    return names === null ? null : new Set(names.filter((name) => !inWork.has(name)));
  } catch (error) {
    if (!isOspatchError(error)) throw error;
    return null;
  }
}

function withNodes(spec: ClusterSpec): SelfManagedSpec {
  if (spec.type === 'self-managed') return spec;
  throw new OspatchError({
    type: 'Refused',
    message: rejectionOf(spec) ?? 'a cluster of this type is planned by its node groups',
  });
}

/** Null: all nodes. */
function chosenNodes(spec: SelfManagedSpec, { nodes, selector }: PlanOptions): string[] | null {
  if (nodes === undefined && selector === undefined) return null;
  const known = new Set(spec.nodes.map(({ name }) => name));
  const unknown = nodes?.find((name) => !known.has(name));
  if (unknown !== undefined) {
    const message = `cluster ${spec.name} has no node ${unknown}`;
    throw new OspatchError({ type: 'NotFound', message, remedy: `\`ospatch status ${spec.name}\` shows its nodes` });
  }
  const parsed = parseLabelSelector(selector ?? '');
  if (selector !== undefined && !parsed.ok)
    throw new OspatchError({ type: 'Usage', message: `-l ${selector}: ${parsed.problem}` });
  const chosen = spec.nodes.filter(
    ({ name, labels = {} }) =>
      (nodes?.includes(name) ?? true) &&
      (selector === undefined || (parsed.ok && matchesLabels(parsed.selector, labels))),
  );
  if (chosen.length > 0) return chosen.map(({ name }) => name);
  throw new OspatchError({
    type: 'NotFound',
    message: `no node of ${spec.name} has labels that match ${selector ?? ''}`,
    remedy: `\`ospatch get ${spec.name}\` shows the labels of its nodes`,
  });
}

/** What is known of each node; of one that is not in the cluster yet, nothing. */
function rowsOf(spec: SelfManagedSpec, status: LiveStatus | null): NodeStatus[] {
  const known = new Map((status?.nodes ?? []).filter(isNode).map((row) => [row.name, row]));
  return spec.nodes.map(({ name, role }) => known.get(name) ?? newNodeStatus(name, role, 'not-required'));
}

/** That which the cluster waits for, and those after it. */
export async function windowsOf(
  spec: PatchableSpec,
  nowMs: number,
  status: LiveStatus | null,
): Promise<MaintenanceWindow[]> {
  if (spec.patching.schedule === undefined) return [];
  const { calendarAhead, calendarOf } = await import('../domain/schedule/ahead.js');
  const first = status?.nextWindow ?? null;
  const afterMs = first === null ? nowMs : Date.parse(first.start);
  const { calendar, files } = calendarOf(spec, status?.blackouts ?? null);
  // Parts of the first window that blackouts have cut off count too.
  const sinceMs = Math.min(afterMs, Date.parse(first?.partOf ?? first?.start ?? '') || afterMs) - 1;
  const { windows } = calendarAhead(calendar, { sinceMs, afterMs, nowMs, count: WINDOWS, files });
  return first === null ? windows : [first, ...windows];
}

/** Why the cluster begins no run, or not yet. */
export function blockersOf(status: LiveStatus | null): string[] {
  if (status === null) return [];
  const { paused, run, loopError, scheduleError, stuck, state, cluster, explanation } = status;
  return [
    ...(paused === null
      ? []
      : [`the cluster is paused by ${paused.by}${paused.reason === null ? '' : `: ${paused.reason}`}`]),
    ...(state === 'removing' || state === 'waiting' ? [explanation] : []),
    ...(run === null ? [] : [`run ${run.number} of ${cluster} has not ended; this is the plan of the run after it`]),
    ...(loopError === null ? [] : [loopError]),
    ...(scheduleError === null ? [] : [scheduleError]),
    ...(stuck === undefined ? [] : [stuck.message]),
  ];
}
