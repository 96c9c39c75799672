/** Computes what a drain of a node would do now. Changes nothing. */
import { cordonState, isSameNode } from '../../domain/kubernetes/cordon';
import type { CordonOwner, DrainPreview, DrainPolicy } from '../../domain/kubernetes/types';
import { cordonOwner } from '../../domain/kubernetes/types';
import type { KubernetesOwnerPolicy } from '../../domain/node/reboot-owners';
import { kubeletEndOfLife } from '../../domain/kubernetes/end-of-life';
import { hasEnded } from '../../domain/kubernetes/pod-filter';
import type { NodeView } from '../client/api';
import { readOwnNode } from './node-identity';
import { ownWorkerAmong } from './own-worker';
import { assertNoRebootOwners } from './reboot-owners';
import { addWorkloads } from './workloads';
import type { KubeNode, MachineIdentity } from '../../domain/kubernetes/types';
import type { KubeSession } from '../session';
import { budgetsFor, findUnevictable, findRefusals, findWaits, classifyPods } from './pod-classes';
import { defined } from '../../domain/shared/defined';

const MAX_PODS = 100;

/** @throws OspatchError `WrongNode`, `Policy` */
export async function drainPreview(
  session: KubeSession,
  machine: MachineIdentity | null,
  policy: DrainPolicy,
  owners?: KubernetesOwnerPolicy,
): Promise<DrainPreview> {
  const node = await readOwnNode(session, machine);
  const otherOwners = await assertNoRebootOwners(session, owners);
  const judged = await classifyPods(session, policy);
  const evicted = judged.filter(({ verdict }) => verdict.do === 'evict').map(({ pod }) => pod);
  const budgets = policy.disableEviction ? [] : await budgetsFor(session, evicted);
  const foreign = foreignOwner(session.target, node);
  const state = cordonState(node);
  const by = foreign === null ? state.by : 'others';
  const worker = await ownWorkerAmong(
    session,
    judged.map(({ pod }) => pod),
  );
  const ended = kubeletEndOfLife(node.kubeletVersion, Date.now());
  return {
    nodeName: node.name,
    cordonedBy: by,
    owner: by === 'ospatch' ? state.owner : null,
    evict: evicted.length,
    ...defined({
      workloads:
        machine === null
          ? undefined
          : await addWorkloads(
              session,
              [],
              evicted.filter((pod) => !hasEnded(pod)),
            ),
    }),
    pods: evicted.slice(0, MAX_PODS).map(({ namespace, name }) => ({ namespace, name })),
    ignored: countStaying(judged),
    blockers: [
      ...(foreign === null ? [] : [foreignCordon(node.name, foreign)]),
      ...findRefusals(judged),
      ...findUnevictable(evicted, budgets),
    ],
    pending: findWaits(judged, budgets).map((wait) => `a drain would wait for ${wait}`),
    ...defined({ otherOwners: otherOwners.length === 0 ? undefined : otherOwners, ended: ended ?? undefined }),
    ...defined({ worker: worker ?? undefined }),
  };
}

/** The owner of a cordon by ospatch for another node or cluster; null when there is none. */
export function foreignOwner(target: KubeNode, node: NodeView): CordonOwner | null {
  const { by, owner } = cordonState(node);
  return by === 'ospatch' && owner !== null && !isSameNode(owner, target) ? owner : null;
}

/** One clause. */
export function foreignCordon(nodeName: string, owner: CordonOwner): string {
  return `node ${nodeName} is cordoned by ospatch for node ${owner.node} of cluster ${owner.cluster} (run ${owner.run}, ${cordonOwner(owner)})`;
}

function countStaying(judged: Awaited<ReturnType<typeof classifyPods>>): Record<string, number> {
  const stay: Record<string, number> = {};
  for (const { verdict } of judged) {
    if (verdict.do === 'stay') stay[verdict.why] = (stay[verdict.why] ?? 0) + 1;
  }
  return stay;
}
