/** Node groups in the state of a cluster. */
import type { ActiveRun, ClusterState } from '../cluster/state';
import type { ErrorInfo } from '../shared/errors';
import { transition } from '../cluster/member';
import { isEks } from './node-groups';
import { nodeGroupLimits } from '../run/limits';
import { rowsFor } from './rows';
import { plainText } from '../shared/text';

/**
 * Freezes the node groups of a run that was waiting for the list, and adjusts the rows. Returns why the run cannot
 * start; null when it can.
 */
export function takeNodeGroups(state: ClusterState, run: ActiveRun, listed: readonly string[]): ErrorInfo | null {
  const names = [...listed].sort();
  delete run.nodeGroupsUnresolved;
  const { spec } = state;
  if (!isEks(spec)) return null;
  // A spec applied meanwhile that names its groups has rows already.
  if (spec.eks.nodeGroups === 'all') state.nodes = rowsFor(names, state.nodes);
  const wanted = run.explicitNodes === true ? run.nodes : names;
  const missing = wanted.filter((name) => !names.includes(name));
  if (missing.length > 0) return noSuchGroups(missing, names);
  run.nodes = wanted;
  if (run.policy.kind === 'node-group') Object.assign(run.policy, nodeGroupLimits(run.policy.budget, wanted.length));
  const rows = new Set(state.nodes.map(({ name }) => name));
  run.removed = wanted.filter((name) => !rows.has(name));
  const queued = new Set(wanted);
  state.nodes = state.nodes.map((row) => (queued.has(row.name) ? transition(row, { kind: 'queued' }) : row));
  return null;
}

function noSuchGroups(missing: readonly string[], names: readonly string[]): ErrorInfo {
  const there = names.length === 0 ? 'the cluster has none' : `its node groups are ${plainText(names.join(', '), 200)}`;
  return {
    type: 'NotFound',
    message: `the EKS cluster has no node group ${plainText(missing.slice(0, 5).join(', '), 150)}; ${there}`,
    remedy: 'name node groups as `ospatch check` shows them',
  };
}
