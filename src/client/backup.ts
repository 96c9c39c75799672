/** Backups of clusters outside of Temporal: JSON documents from which `recover` starts a cluster. */
import { OspatchError, isOspatchError } from '../domain/shared/errors';
import type { ErrorInfo } from '../domain/shared/errors';
import { packState } from '../domain/cluster/packed-state';
import { validateSpecObject } from '../domain/spec/parse';
import { readStartArgument } from '../domain/cluster/recovery';
import { listClusters } from './cluster-list';
import type { ClusterBackup } from './recovery';
import { BACKUP_API_VERSION, BACKUP_KIND, readRecoverable } from './recovery';
import type { TemporalCalls } from './temporal-calls';

/** Concurrent reads of histories. */
const READS_AT_ONCE = 4;

/**
 * A backup of each cluster of the namespace, or the error, one by one. Needs no worker, and includes clusters that are
 * stuck or have ended without being removed.
 */
export async function* backUpClusters(
  calls: TemporalCalls,
): AsyncIterable<{ cluster: string; backup: ClusterBackup } | { cluster: string; error: ErrorInfo }> {
  const names = (await listClusters(calls)).map(({ cluster }) => cluster);
  for (let at = 0; at < names.length; at += READS_AT_ONCE) {
    yield* await Promise.all(names.slice(at, at + READS_AT_ONCE).map((name) => backUp(calls, name)));
  }
}

async function backUp(
  calls: TemporalCalls,
  cluster: string,
): Promise<{ cluster: string; backup: ClusterBackup } | { cluster: string; error: ErrorInfo }> {
  try {
    const { state, taskQueue } = await readRecoverable(calls, cluster);
    const { namespace } = calls.session;
    const takenAt = new Date().toISOString();
    return {
      cluster,
      backup: {
        apiVersion: BACKUP_API_VERSION,
        kind: BACKUP_KIND,
        cluster,
        namespace,
        takenAt,
        taskQueue,
        state: packState(state),
      },
    };
  } catch (error) {
    if (!isOspatchError(error)) throw error;
    return { cluster, error: error.toInfo() };
  }
}

/** Parses a backup of `cluster`. `file` appears in errors. @throws OspatchError `Usage` */
export function parseBackup(text: string, cluster: string, file: string): ClusterBackup {
  const value = parseJson(text);
  if (value?.['kind'] !== BACKUP_KIND || value['apiVersion'] !== BACKUP_API_VERSION) {
    throw unusable(file, `is no backup of a cluster (apiVersion ${BACKUP_API_VERSION}, kind ${BACKUP_KIND})`);
  }
  if (typeof value['takenAt'] !== 'string' || Number.isNaN(Date.parse(value['takenAt']))) {
    throw unusable(file, 'does not say when it was taken');
  }
  const state = readStartArgument({ state: value['state'] ?? null }, cluster, value['takenAt'], validateSpecObject);
  if (typeof state === 'string') throw unusable(file, `cannot be used for cluster ${cluster}: ${state}`);
  return value as unknown as ClusterBackup;
}

function parseJson(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function unusable(file: string, why: string): OspatchError {
  return new OspatchError({
    type: 'Usage',
    message: `${file} ${why}`,
    remedy: 'name a file that `ospatch backup` wrote for this cluster',
  });
}
