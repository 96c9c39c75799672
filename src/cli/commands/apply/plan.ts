import { defined } from '../../../domain/shared/defined';
import type { ClusterClient } from '../../../client/cluster-client';
import type { ErrorInfo } from '../../../domain/shared/errors';
import { OspatchError, isOspatchError } from '../../../domain/shared/errors';
import type { ApplySpecAnswer } from '../../../domain/cluster/messages';
import { rejectionOf, rejectionInfo, typeChangeReason } from '../../../domain/cluster/messages';
import type { ClusterSpec } from '../../../domain/spec/types';
import { CLUSTER_TYPES } from '../../../domain/spec/types';

/** What `apply` did or would do with one cluster; the shape of its JSON. */
export interface ApplyOutcome {
  cluster: string;
  result: ApplySpecAnswer['result'] | 'failed';
  changes: ApplySpecAnswer['changes'];
  /** One sentence when ospatch does not patch the cluster. */
  notice: string | null;
  error: ErrorInfo | null;
}

/** Options of `ClusterClient.apply`. */
export interface ApplyMode {
  discardHistory?: boolean;
}

/** What `apply` would do; changes nothing. */
export async function planApply(
  client: ClusterClient,
  spec: ClusterSpec,
  options: ApplyMode = {},
): Promise<ApplyOutcome> {
  return outcomeOf(spec, async () => {
    const changes = await client.diff(spec, options);
    const before = CLUSTER_TYPES.find((one) => one === changes?.find(({ path }) => path === 'type')?.before);
    if (before !== undefined) throw new OspatchError(rejectionInfo(typeChangeReason(before, spec.type)));
    const notice = rejectionOf(spec);
    const result = changes === null ? 'created' : changes.length > 0 ? 'updated' : 'unchanged';
    return { result, changes: changes ?? [], notice };
  });
}

export async function applyOne(
  client: ClusterClient,
  spec: ClusterSpec,
  { reason, ...options }: ApplyMode & { reason?: string } = {},
): Promise<ApplyOutcome> {
  return outcomeOf(spec, () => client.apply(spec, defined({ reason }), options));
}

export function failed({ name: cluster }: ClusterSpec, error: ErrorInfo): ApplyOutcome {
  return { cluster, result: 'failed', changes: [], notice: null, error };
}

/** A failed cluster must not hide the others. */
async function outcomeOf(spec: ClusterSpec, work: () => Promise<ApplySpecAnswer>): Promise<ApplyOutcome> {
  const { name: cluster } = spec;
  try {
    const { result, changes, notice } = await work();
    return { cluster, result, changes, notice, error: null };
  } catch (error) {
    if (!isOspatchError(error)) throw error;
    return failed(spec, error.toInfo());
  }
}
