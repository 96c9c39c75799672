/** Nodes of a status by state and labels. */
import type { MemberStatus } from '../domain/cluster/member';
import { OspatchError } from '../domain/shared/errors';
import { LABEL_SELECTOR_FORMAT, matchesLabels, parseLabelSelector } from '../domain/shared/label-selector';
import type { ClusterClient } from './cluster-client';
import type { LiveStatus } from './live-status';

/**
 * All nodes without a condition.
 *
 * @throws OspatchError `Usage` when `selector` is none
 */
export async function chosenNodes(
  client: Pick<ClusterClient, 'spec'>,
  { cluster, nodes }: LiveStatus,
  { state, selector }: { state?: string; selector?: string },
): Promise<MemberStatus[]> {
  const inState = state === undefined ? nodes : nodes.filter((node) => node.state === state);
  if (selector === undefined) return inState;
  const parsed = parseLabelSelector(selector);
  if (!parsed.ok)
    throw new OspatchError({ type: 'Usage', message: `--selector is not valid; allowed: ${LABEL_SELECTOR_FORMAT}` });
  const spec = await client.spec(cluster);
  if (spec.type !== 'self-managed') return [];
  const matching = new Set(
    spec.nodes.filter(({ labels = {} }) => matchesLabels(parsed.selector, labels)).map(({ name }) => name),
  );
  return inState.filter(({ name }) => matching.has(name));
}
