/** Verifies during a drain that the node stays cordoned. */
import { OspatchError } from '../../domain/shared/errors';
import { plainText } from '../../domain/shared/text';
import type { KubeSession } from '../session';

const READ_NODE_EVERY_MS = 5_000;

/**
 * A node that someone uncordons fills up again, which needs a person. The returned function reads the node at most
 * every 5 s, or immediately with `now`. `when` completes "was uncordoned by somebody else".
 * @throws OspatchError `Policy`, from the returned function
 */
export function cordonGuard(session: KubeSession, when: string): (now?: boolean) => Promise<void> {
  let askedAtMs = session.now();
  return async (always = false) => {
    if (!always && session.now() < askedAtMs + READ_NODE_EVERY_MS) return;
    askedAtMs = session.now();
    const node = await session.reach((api) => api.readNode(session.target.nodeName));
    if (node === null || node.unschedulable) return;
    const who = node.unschedulableBy === null ? '' : ` (${plainText(node.unschedulableBy, 60)})`;
    throw new OspatchError({
      type: 'Policy',
      message: `${session.target.node} was uncordoned by somebody else ${when}${who}`,
      remedy: 'find out who did it and why, then patch the node again',
    });
  };
}
