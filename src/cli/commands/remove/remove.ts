/** Implements `remove`, and the removal of clusters by `apply --prune`. */
import type { ClusterClient } from '../../../client/cluster-client';
import type { ErrorInfo } from '../../../domain/shared/errors';
import { OspatchError, isOspatchError } from '../../../domain/shared/errors';
import { defined } from '../../../domain/shared/defined';
import { mapConcurrently } from '../../../domain/shared/map-concurrently';
import type { CliContext } from '../../io/context';
import { canAsk, confirm } from '../../io/confirm';
import { EXIT_INTERRUPTED, orInterrupted, untilInterrupted } from '../../io/interrupt';
import { colors, print, printNote } from '../../io/output';
import { renderClusterError } from '../../render/cluster-error';
import { plural } from '../../../domain/shared/plural';
import type { Candidate } from './candidates';

/** The JSON of one cluster; `removed` is false after Ctrl-C and after an error. */
export interface Removed {
  cluster: string;
  removed: boolean;
  cancelledRun: number | null;
  error: ErrorInfo | null;
}

export interface RemovalOptions {
  reason?: string;
  /** Print no result to standard output. */
  isJson: boolean;
}

const AT_ONCE = 8;

/** Removes the clusters side by side and waits for their ends; an error of one does not stop the others (exit code 1). */
export async function removeClusters(
  context: CliContext,
  client: ClusterClient,
  candidates: readonly Candidate[],
  options: RemovalOptions,
): Promise<Removed[]> {
  return untilInterrupted((signal) =>
    mapConcurrently(candidates, AT_ONCE, async (candidate) => {
      try {
        return await removeOne(context, client, candidate, { ...options, signal });
      } catch (error) {
        if (!isOspatchError(error)) throw error;
        return reportFailure(context, candidate.cluster, error);
      }
    }),
  );
}

/** The same for one cluster. @throws OspatchError */
export async function removeCluster(
  context: CliContext,
  client: ClusterClient,
  candidate: Candidate,
  options: RemovalOptions,
): Promise<Removed> {
  return untilInterrupted((signal) => removeOne(context, client, candidate, { ...options, signal }));
}

async function removeOne(
  context: CliContext,
  client: ClusterClient,
  candidate: Candidate,
  { signal, ...options }: RemovalOptions & { signal: AbortSignal },
): Promise<Removed> {
  const { cluster, state } = candidate;
  const { reason, isJson } = options;
  if (state === 'unusable') throw new OspatchError(candidate.error);
  if (state === 'ended') return clear(context, client, cluster, options);
  const { run } = await client.remove(cluster, defined({ reason }));
  if (run !== null) {
    printNote(
      context,
      `run ${run} of ${cluster} is being cancelled first; a started package transaction is completed ...`,
    );
  }
  const ended = await orInterrupted(
    client.untilRemoved(cluster).then(() => true),
    signal,
  );
  if (ended === undefined) {
    context.setExitCode(EXIT_INTERRUPTED);
    printNote(context, `detached: the removal of ${cluster} continues. Follow: ospatch status ${cluster} --watch`);
  } else if (!isJson) print(context, `${cluster} removed`);
  return { cluster, removed: ended === true, cancelledRun: run, error: null };
}

/** No workflow is running that could end the cluster, so its data in Temporal is deleted. */
async function clear(
  context: CliContext,
  client: ClusterClient,
  cluster: string,
  { isJson }: RemovalOptions,
): Promise<Removed> {
  const { done, finishing } = await client.clearEnded(cluster);
  if (!done)
    printNote(context, `Temporal has accepted the deletion, and may show ${cluster} until the deletion is complete`);
  if (finishing > 0) {
    const workflows =
      finishing === 1 ? '1 workflow of its last run continues' : `${finishing} workflows of its last run continue`;
    printNote(context, `${workflows} until the nodes in progress are finished`);
  }
  if (!isJson) print(context, `${cluster} removed`);
  return { cluster, removed: true, cancelledRun: null, error: null };
}

function reportFailure(context: CliContext, cluster: string, error: OspatchError): Removed {
  const info = error.toInfo();
  context.setExitCode(1);
  for (const line of renderClusterError(`${cluster} is not removed`, info, colors(context, 'stderr')))
    printNote(context, line);
  return { cluster, removed: false, cancelledRun: null, error: info };
}

/** What is known of clusters whose workflow has ended, and how to keep it instead. */
export function noteEnded(context: CliContext, candidates: readonly Candidate[]): void {
  for (const candidate of candidates) {
    if (candidate.state !== 'ended') continue;
    const { message, neverBegan = false } = candidate.stuck;
    const { cluster } = candidate;
    printNote(context, neverBegan ? message : `${message}; to keep what the cluster knew: ospatch recover ${cluster}`);
  }
}

/**
 * Asks before the clusters are removed. `command`: that with `--yes`, for an error without a terminal. A no sets exit code 1.
 *
 * @throws OspatchError `Usage` when nobody can be asked
 */
export async function mayRemove(
  context: CliContext,
  candidates: readonly Candidate[],
  command: string,
): Promise<boolean> {
  if (!canAsk(context)) throw needsYes(candidates, command);
  if (candidates.length > 1) for (const one of candidates) printNote(context, `  ${describe(one)}`);
  if (await confirm(context, questionOf(candidates))) return true;
  context.setExitCode(1);
  return false;
}

function describe(candidate: Candidate): string {
  if (candidate.state !== 'managed') return `${candidate.cluster}, whose workflow has ended`;
  return candidate.nodes === null ? candidate.cluster : `${candidate.cluster} with ${plural(candidate.nodes, 'node')}`;
}

function questionOf(candidates: readonly Candidate[]): string {
  const [first] = candidates;
  if (first?.state === 'ended' && candidates.length === 1) {
    return `delete what Temporal keeps of cluster ${first.cluster}, with its history?`;
  }
  if (first !== undefined && candidates.length === 1) {
    return `stop managing cluster ${describe(first)} and discard its history?`;
  }
  return `stop managing these ${candidates.length} clusters and discard their history?`;
}

function needsYes(candidates: readonly Candidate[], command: string): OspatchError {
  const [first] = candidates;
  const what = candidates.length === 1 ? (first?.cluster ?? '') : `${candidates.length} clusters`;
  return new OspatchError({
    type: 'Usage',
    message: `removing ${what} has to be confirmed, and there is no terminal to confirm on`,
    remedy: `${command} --yes`,
  });
}
