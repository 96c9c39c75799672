/** Putting our cordon on a node, with the name of its owner, and taking it off again. */
import {
  BASELINE_ANNOTATION,
  cordonState,
  isSameNode,
  isSameOwner,
  readBaseline,
  writeBaseline,
} from '../../domain/kubernetes/cordon';
import { formatDuration } from '../../domain/shared/duration';
import { OspatchError } from '../../domain/shared/errors';
import type { CordonOwner, KubernetesBaseline } from '../../domain/kubernetes/types';
import { CORDON_ANNOTATION, cordonOwner } from '../../domain/kubernetes/types';
import { quorumViolation } from '../../domain/kubernetes/quorum';
import type { NodeView } from '../client/api';
import { readControlPlane } from './control-plane';
import { readBaselineOf } from './health';
import { readOwnNode } from './node-identity';
import { foreignCordon, foreignOwner } from './preview';
import type { MachineIdentity } from '../../domain/kubernetes/types';
import type { KubeSession } from '../session';
import { defined } from '../../domain/shared/defined';

/** Observed time after which a control plane that is not whole is a matter for people. */
const QUORUM_TIMEOUT_MS = 10 * 60_000;
const QUORUM_LOOK_EVERY_MS = 3_000;

/** Two that have seen each other do not come back at the same moment. */
const MAX_BACK_OFF_MS = 6_000;

export interface CordonOptions {
  machine: MachineIdentity;
  owner: CordonOwner;
  /** Default 10 min. */
  quorumTimeoutMs?: number;
  /** What earlier attempts have waited of that, in milliseconds. */
  waitedMs?: number;
}

/**
 * Waits until the control plane can spare the node, then cordons it. A node that others have cordoned stays theirs.
 * @returns what the node was like before
 * @throws OspatchError `WrongNode`, `Policy`
 */
export async function cordonNode(session: KubeSession, options: CordonOptions): Promise<KubernetesBaseline> {
  const { machine, owner, quorumTimeoutMs = QUORUM_TIMEOUT_MS, waitedMs = 0 } = options;
  const until = session.now() + quorumTimeoutMs - waitedMs;
  for (;;) {
    const first = await readOwnNode(session, machine);
    assertNotForeign(session, first);
    const kept = ownBaseline(first, owner);
    if (kept !== null) {
      if ((await whyNot(session)) === null) return kept;
      await backOff(session, owner);
    }
    await awaitQuorum(session, until, quorumTimeoutMs);
    const node = await readOwnNode(session, machine);
    assertNotForeign(session, node);
    const baseline = await readBaselineOf(session, node);
    if (cordonState(node).by === 'others') return baseline;
    if (!(await applyCordon(session, node, owner, baseline))) continue;
    // Another node of the control plane may have been cordoned in the same moment.
    if ((await whyNot(session)) === null) return baseline;
    await backOff(session, owner);
  }
}

/** Neither of two that have cordoned at once goes on before one is alone. */
async function backOff(session: KubeSession, owner: CordonOwner): Promise<void> {
  await uncordon(session, owner);
  await session.pause(Math.random() * MAX_BACK_OFF_MS);
}

/** Null: this very run has not cordoned the node yet. */
function ownBaseline(node: NodeView, owner: CordonOwner): KubernetesBaseline | null {
  const state = cordonState(node);
  if (state.by !== 'ospatch' || state.owner === null || !isSameOwner(state.owner, owner)) return null;
  return readBaseline(node.annotations[BASELINE_ANNOTATION]);
}

function assertNotForeign({ target }: KubeSession, node: NodeView): void {
  const foreign = foreignOwner(target, node);
  if (foreign === null) return;
  throw new OspatchError({
    type: 'Policy',
    message: `${target.node} was not drained: ${foreignCordon(node.name, foreign)}`,
    remedy: `a machine belongs to one node of one cluster only; if that one is gone, kubectl uncordon ${node.name}`,
  });
}

/** False: the node was changed meanwhile. */
async function applyCordon(
  session: KubeSession,
  node: NodeView,
  owner: CordonOwner,
  baseline: KubernetesBaseline,
): Promise<boolean> {
  const answer = await session.change((api) =>
    api.patchNode(node.name, {
      resourceVersion: node.resourceVersion,
      annotations: { [CORDON_ANNOTATION]: cordonOwner(owner), [BASELINE_ANNOTATION]: writeBaseline(baseline) },
      unschedulable: true,
    }),
  );
  return answer.state === 'patched';
}

async function whyNot(session: KubeSession): Promise<string | null> {
  const controlPlane = await readControlPlane(session);
  return controlPlane === null ? null : quorumViolation(session.target.nodeName, controlPlane);
}

async function awaitQuorum(session: KubeSession, until: number, timeoutMs: number): Promise<void> {
  const { target, now, show, pause } = session;
  for (;;) {
    const why = await whyNot(session);
    if (why === null) return show({ waitingFor: undefined });
    if (now() >= until) {
      throw new OspatchError({
        type: 'Policy',
        message: `${target.node} was not cordoned: for ${formatDuration(timeoutMs)} the control plane could not spare it, ${why}`,
        remedy: 'bring the control plane back to health, then patch again',
      });
    }
    show({ waitingFor: `the control plane: ${why}` });
    await pause(QUORUM_LOOK_EVERY_MS);
  }
}

/**
 * Takes off what `owner` has put on; `any`: whatever was left on this node for the same node of the same cluster.
 * A cordon that others have made theirs, also by removing its owner, stays, without our annotations.
 * @returns false when there was nothing of it
 */
export async function uncordon(session: KubeSession, owner: CordonOwner | 'any'): Promise<boolean> {
  const { target, reach, change } = session;
  let wasSent = false;
  for (;;) {
    const node = await reach((api) => api.readNode(target.nodeName));
    if (node === null) return false;
    const state = cordonState(node);
    const isOwn =
      state.owner !== null && (owner === 'any' ? isSameNode(state.owner, target) : isSameOwner(state.owner, owner));
    // The answer to an earlier attempt may have been lost on its way.
    if (!isOwn && !hasLostOwner(node)) return wasSent;
    const isCordoned = isOwn && state.by === 'ospatch';
    const answer = await change((api) => {
      wasSent ||= isCordoned;
      return api.patchNode(node.name, {
        resourceVersion: node.resourceVersion,
        annotations: { [CORDON_ANNOTATION]: null, [BASELINE_ANNOTATION]: null },
        ...defined({ unschedulable: isCordoned ? false : undefined }),
      });
    });
    if (answer.state === 'patched') return isCordoned;
    if (answer.state === 'gone') return false;
  }
}

/** Somebody has removed the annotation with the owner; the other one of ours is still there. */
function hasLostOwner({ annotations }: NodeView): boolean {
  return annotations[CORDON_ANNOTATION] === undefined && annotations[BASELINE_ANNOTATION] !== undefined;
}
