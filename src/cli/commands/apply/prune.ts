/**
 * `apply --prune`: removes clusters that no spec of the source names. A cluster keeps no record of the files that its spec came
 * from, so the scope is given: a prefix that all clusters of the source have, or the whole namespace.
 */
import type { ClusterClient } from '../../../client/cluster-client';
import { sourcesInCommand } from '../../../client/load/sources';
import { OspatchError } from '../../../domain/shared/errors';
import type { ClusterSpec } from '../../../domain/spec/types';
import { canAsk } from '../../io/confirm';
import type { CliContext } from '../../io/context';
import { colors, print, printNote } from '../../io/output';
import type { SpecSources } from '../../options/spec-source';
import type { Candidate } from '../remove/candidates';
import { findCandidates } from '../remove/candidates';
import type { Removed } from '../remove/remove';
import { mayRemove, removeClusters } from '../remove/remove';

export interface PruneOptions {
  /** Beginning of the names of all clusters of the source; null: the source is that of every cluster of the namespace. */
  prefix: string | null;
  yes: boolean;
}

/** @throws OspatchError `Usage` when the scope cannot be that of the specs */
export function assertPruneScope(specs: readonly ClusterSpec[], { prefix }: PruneOptions): void {
  if (prefix === null) return;
  const other = specs.find(({ name }) => !name.startsWith(prefix));
  if (other === undefined) return;
  throw new OspatchError({
    type: 'Usage',
    message: `--prune ${prefix}: found the cluster ${other.name} in the specs; allowed: specs of clusters whose names begin with ${prefix}`,
    remedy: 'give the beginning that the names of all clusters of these specs have',
  });
}

/** @throws OspatchError `Usage` when there will be nobody to ask */
export function assertCanConfirm(context: CliContext, source: SpecSources, { prefix, yes }: PruneOptions): void {
  if (yes || canAsk(context)) return;
  const scope = prefix === null ? '--prune-all' : `--prune ${prefix}`;
  throw new OspatchError({
    type: 'Usage',
    message: 'removing clusters has to be confirmed, and there is no terminal to confirm on',
    remedy: `see what would be removed with --dry-run, then: ospatch apply -f ${sourcesInCommand(source)} ${scope} --yes`,
  });
}

/** The clusters in the scope that no spec names. One whose workflow has ended is left alone, and named. */
export async function findPruned(
  context: CliContext,
  client: ClusterClient,
  specs: readonly ClusterSpec[],
  { prefix }: PruneOptions,
): Promise<Candidate[]> {
  const wanted = new Set(specs.map(({ name }) => name));
  const listed = await client.list();
  const surplus = listed.filter(({ cluster }) => cluster.startsWith(prefix ?? '') && !wanted.has(cluster));
  const ended = surplus.filter(({ state }) => state === 'ended').map(({ cluster }) => cluster);
  for (const cluster of ended) {
    printNote(
      context,
      `${colors(context, 'stderr').yellow('note:')} ${cluster} is in no spec and stays, because its workflow has ended: ospatch recover ${cluster}, or ospatch remove ${cluster}`,
    );
  }
  const names = surplus.map(({ cluster }) => cluster).filter((cluster) => !ended.includes(cluster));
  const candidates = await findCandidates(client, names, true);
  // One that was removed meanwhile is what was wanted.
  return candidates.filter((one) => one.state !== 'unusable' || one.error.type !== 'NotFound');
}

/** Asks before anything is applied; a no sets exit code 1. */
export async function mayPrune(
  context: CliContext,
  candidates: readonly Candidate[],
  { yes }: PruneOptions,
): Promise<boolean> {
  if (yes || candidates.length === 0) return true;
  printNote(context, `in no spec: ${candidates.map(({ cluster }) => cluster).join(', ')}`);
  if (await mayRemove(context, candidates, 'ospatch apply')) return true;
  printNote(context, 'nothing was applied, and nothing was removed');
  return false;
}

/** Removes the clusters, or says which would be removed. `isSafe`: every spec was applied. */
export async function prune(
  context: CliContext,
  client: ClusterClient,
  candidates: readonly Candidate[],
  options: { isDryRun: boolean; isJson: boolean; isSafe: boolean },
): Promise<Removed[]> {
  const { isDryRun, isJson, isSafe } = options;
  if (isSafe && !isDryRun)
    return removeClusters(context, client, candidates, { isJson, reason: 'in no spec (--prune)' });
  if (!isSafe && candidates.length > 0) {
    printNote(
      context,
      `nothing is pruned, because not every spec was applied: ${candidates.map(({ cluster }) => cluster).join(', ')}`,
    );
  }
  for (const { cluster } of candidates) {
    if (!isJson && isSafe) print(context, `${cluster} ${colors(context).red('would be removed')}`);
  }
  return candidates.map((one) => {
    const error = one.state === 'unusable' ? one.error : null;
    return { cluster: one.cluster, removed: false, cancelledRun: null, error };
  });
}
