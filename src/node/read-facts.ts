/** Reads the facts of a running node. */
import { OspatchError } from '../domain/shared/errors';
import type { FactsReading } from './facts';
import type { Session } from './session';

/**
 * Reads the facts of the node. A node that is shutting down still answers, but its facts are about to change, so it
 * counts as unreachable until it is back.
 *
 * @throws OspatchError any connection error
 */
export async function readFacts({ node, reachability }: Pick<Session, 'node' | 'reachability'>): Promise<FactsReading> {
  return reachability.whenReachable(async () => {
    const reading = await node.facts();
    if (reading.facts.systemState !== 'stopping') return reading;
    throw new OspatchError({
      type: 'Unreachable',
      message: `${node.name} is shutting down or about to reboot`,
      remedy: `check \`systemctl list-jobs\` on ${node.name}: the shutdown may wait for a service`,
    });
  });
}
