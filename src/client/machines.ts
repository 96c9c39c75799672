/** Searches other clusters for nodes that are the same machine as a node of this cluster. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isOspatchError } from '../domain/shared/errors';
import type { Finding } from '../domain/inspection/finding';
import { ok } from '../domain/inspection/finding';
import { WORKFLOW_TYPES, clusterOfWorkflowId } from '../contract/workflow-ids';
import type { Machine } from '../domain/node/machines';
import { KnownMachines, machinesOf, sharedMachines, sharedMachineWarnings } from '../domain/node/machines';
import type { MemberStatus } from '../domain/cluster/member';
import type { ClusterSpec } from '../domain/spec/types';
import { specQuery } from '../contract/messages';
import { readNodes } from './pages';
import type { TemporalCalls } from './temporal-calls';
import { mapConcurrently } from '../domain/shared/map-concurrently';

/** Two queries per cluster, during an interactive command. */
const MAX_CLUSTERS = 200;
const AT_ONCE = 10;
const LIMIT_MS = 20_000;
/** For `status`, which should be fast. */
const STATUS_LIMIT_MS = 3_000;

/** The machines of the running clusters, as far as they answered in time. */
export interface MachinesRead {
  known: KnownMachines;
  /** Names of all running clusters. */
  names: readonly string[];
  /** Of these, the ones that were asked in time. */
  asked: ReadonlySet<string>;
}

/** Read once, however many clusters are compared with them. */
export async function readAllMachines(calls: TemporalCalls): Promise<MachinesRead> {
  return readAll(calls, LIMIT_MS);
}

/** Clusters that do not answer are skipped; other findings report them. */
export async function findSharedMachines(
  calls: TemporalCalls,
  spec: ClusterSpec,
  readOthers: () => Promise<MachinesRead>,
): Promise<Finding[]> {
  if (spec.type !== 'self-managed') return [];
  const [own, { known, names, asked }] = await Promise.all([readMachines(calls, spec.name, spec), readOthers()]);
  // The cluster itself may be among the others, or not be applied yet.
  const compared = asked.size - (asked.has(spec.name) ? 1 : 0);
  const notCompared = names.length - asked.size - (names.includes(spec.name) && !asked.has(spec.name) ? 1 : 0);
  const partly = `its machines were compared with those of ${compared} other clusters, and not with those of ${notCompared} more`;
  return [...sharedMachines(own, known), ...(notCompared > 0 ? [ok('nodes', partly)] : [])];
}

/** The same for an applied cluster, as warnings on its nodes; only clusters that answer quickly are compared. */
export async function withSharedMachines(
  calls: TemporalCalls,
  cluster: string,
  nodes: MemberStatus[],
): Promise<MemberStatus[]> {
  const [own, { known }] = await Promise.all([readMachines(calls, cluster), readAll(calls, STATUS_LIMIT_MS, cluster)]);
  const warnings = sharedMachineWarnings(own, known);
  return nodes.map((node) => {
    const warning = warnings.get(node.name);
    return warning === undefined ? node : { ...node, warnings: [...node.warnings, warning] };
  });
}

/** Nodes of each applied spec that are the same machine as another node, in the clusters that answer quickly. */
export async function sharedMachinesOf(
  calls: TemporalCalls,
  specs: readonly ClusterSpec[],
): Promise<Map<string, Finding[]>> {
  const { known, byCluster } = await readAll(calls, STATUS_LIMIT_MS);
  return new Map(
    specs.map((spec) => [spec.name, sharedMachines(byCluster.get(spec.name) ?? machinesOf(spec, []), known)]),
  );
}

/** Sorted; `except`: a cluster that is left out. */
async function runningClusters(calls: TemporalCalls, except: string | undefined): Promise<string[]> {
  const query = `WorkflowType = "${WORKFLOW_TYPES.cluster}" AND ExecutionStatus = "Running"`;
  try {
    return await calls.call(null, async () => {
      const names: string[] = [];
      for await (const { workflowId } of calls.session.client.workflow.list({ query })) {
        const name = clusterOfWorkflowId(workflowId);
        if (name !== except) names.push(name);
      }
      return names.sort();
    });
  } catch (error) {
    if (!isOspatchError(error)) throw error;
    return [];
  }
}

/** `byCluster`: of the clusters that have machines. */
async function readAll(
  calls: TemporalCalls,
  limitMs: number,
  except?: string,
): Promise<MachinesRead & { byCluster: ReadonlyMap<string, readonly Machine[]> }> {
  const names = await runningClusters(calls, except);
  const until = Date.now() + limitMs;
  const asked = new Set<string>();
  const byCluster = new Map<string, Machine[]>();
  const all = mapConcurrently(names.slice(0, MAX_CLUSTERS), AT_ONCE, async (name) => {
    if (Date.now() >= until) return;
    const machines = await readMachines(calls, name);
    asked.add(name);
    if (machines.length > 0) byCluster.set(name, machines);
  });
  const timer = new AbortController();
  try {
    // Does not wait for clusters that do not answer.
    await Promise.race([all, sleep(limitMs, undefined, { signal: timer.signal })]);
  } finally {
    timer.abort();
  }
  // What is read later does not count; the order does not depend on who answers first.
  const read = new Map(names.flatMap((name) => (byCluster.has(name) ? [[name, byCluster.get(name) ?? []]] : [])));
  return { known: new KnownMachines([...read.values()].flat()), names, asked: new Set(asked), byCluster: read };
}

/** `known`: the spec of the cluster; then only the readings of its nodes are queried. */
async function readMachines(calls: TemporalCalls, cluster: string, known?: ClusterSpec): Promise<Machine[]> {
  try {
    const spec = known ?? (await calls.query(cluster, (handle) => handle.query(specQuery)));
    if (spec.type !== 'self-managed') return [];
    return machinesOf(spec, await calls.query(cluster, readNodes));
  } catch (error) {
    if (!isOspatchError(error)) throw error;
    // Not applied yet, or no answer.
    return known === undefined ? [] : machinesOf(known, []);
  }
}
