/** What is removed, before anybody is asked. */
import type { ClusterClient } from '../../../client/cluster-client';
import { mapConcurrently } from '../../../domain/shared/map-concurrently';
import type { ErrorInfo } from '../../../domain/shared/errors';
import { OspatchError, isOspatchError } from '../../../domain/shared/errors';
import type { StuckCluster } from '../../../domain/inspection/stuck';

/** `ended`: its workflow has ended without `remove`; only Temporal's data of it are left. */
export type Candidate =
  | { cluster: string; state: 'managed'; nodes: number | null }
  | { cluster: string; state: 'ended'; stuck: StuckCluster }
  | { cluster: string; state: 'unusable'; error: ErrorInfo };

const AT_ONCE = 8;

/** `withNodes`: count the nodes, which needs a worker; an error of one cluster does not hide the others. */
export async function findCandidates(
  client: ClusterClient,
  names: readonly string[],
  withNodes: boolean,
): Promise<Candidate[]> {
  return mapConcurrently(names, AT_ONCE, async (cluster): Promise<Candidate> => {
    try {
      return await candidateOf(client, cluster, withNodes);
    } catch (error) {
      if (!isOspatchError(error)) throw error;
      return { cluster, state: 'unusable', error: error.toInfo() };
    }
  });
}

/** @throws OspatchError `NotFound`, `NoWorker`, `Stuck` */
export async function candidateOf(client: ClusterClient, cluster: string, withNodes: boolean): Promise<Candidate> {
  const health = await client.health(cluster);
  if (health.state === 'stuck' && health.stuck.kind === 'ended') {
    return { cluster, state: 'ended', stuck: health.stuck };
  }
  if (health.state === 'absent' || health.state === 'removed') {
    throw new OspatchError({
      type: 'NotFound',
      message: `there is no cluster ${cluster} in namespace ${client.namespace}`,
      remedy: '`ospatch list` lists all clusters',
    });
  }
  return { cluster, state: 'managed', nodes: withNodes ? (await client.status(cluster)).nodes.length : null };
}
