/** Searches other clusters for nodes that are the same machine as a node of this cluster. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isOspatchError } from '../domain/shared/errors';
import type { Finding } from '../domain/inspection/finding';
import { ok } from '../domain/inspection/finding';
import { WORKFLOW_TYPES } from '../contract/workflow-ids';
import type { Machine } from '../domain/node/machines';
import { machinesOf, sharedMachines, sharedMachineWarnings } from '../domain/node/machines';
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

/** Clusters that do not answer are skipped; other findings report them. */
export async function findSharedMachines(calls: TemporalCalls, spec: ClusterSpec): Promise<Finding[]> {
  if (spec.type !== 'self-managed') return [];
  const names = await otherClusters(calls, spec.name);
  const [own, { machines, left }] = await Promise.all([
    readMachines(calls, spec.name, spec),
    readAll(calls, names.slice(0, MAX_CLUSTERS), LIMIT_MS),
  ]);
  const notCompared = left + Math.max(0, names.length - MAX_CLUSTERS);
  const compared = names.length - notCompared;
  const partly = `its machines were compared with those of ${compared} other clusters, and not with those of ${notCompared} more`;
  return [...sharedMachines(own, machines), ...(notCompared > 0 ? [ok('nodes', partly)] : [])];
}

/** The same for an applied cluster, as warnings on its nodes; only clusters that answer quickly are compared. */
export async function withSharedMachines(
  calls: TemporalCalls,
  cluster: string,
  nodes: MemberStatus[],
): Promise<MemberStatus[]> {
  const names = await otherClusters(calls, cluster);
  const [own, { machines }] = await Promise.all([
    readMachines(calls, cluster),
    readAll(calls, names.slice(0, MAX_CLUSTERS), STATUS_LIMIT_MS),
  ]);
  const warnings = sharedMachineWarnings(own, machines);
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
  const names = (await otherClusters(calls, null)).slice(0, MAX_CLUSTERS);
  const { machines } = await readAll(calls, names, STATUS_LIMIT_MS);
  return new Map(
    specs.map((spec) => {
      const others = machines.filter(({ cluster }) => cluster !== spec.name);
      const own = machines.filter(({ cluster }) => cluster === spec.name);
      return [spec.name, sharedMachines(own.length > 0 ? own : machinesOf(spec, []), others)];
    }),
  );
}

async function otherClusters(calls: TemporalCalls, own: string | null): Promise<string[]> {
  const query = `WorkflowType = "${WORKFLOW_TYPES.cluster}" AND ExecutionStatus = "Running"`;
  try {
    return await calls.call(null, async () => {
      const names: string[] = [];
      for await (const { workflowId } of calls.session.client.workflow.list({ query })) {
        const name = workflowId.replace(/^cluster\//, '');
        if (name !== own) names.push(name);
      }
      return names.sort();
    });
  } catch (error) {
    if (!isOspatchError(error)) throw error;
    return [];
  }
}

/** `left`: clusters not read in time. */
async function readAll(
  calls: TemporalCalls,
  names: readonly string[],
  limitMs: number,
): Promise<{ machines: Machine[]; left: number }> {
  const until = Date.now() + limitMs;
  let read = 0;
  const machines: Machine[] = [];
  const all = mapConcurrently(names, AT_ONCE, async (name) => {
    if (Date.now() >= until) return;
    machines.push(...(await readMachines(calls, name)));
    read += 1;
  });
  const timer = new AbortController();
  try {
    // Does not wait for clusters that do not answer.
    await Promise.race([all, sleep(limitMs, undefined, { signal: timer.signal })]);
  } finally {
    timer.abort();
  }
  return { machines: [...machines], left: names.length - read };
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
