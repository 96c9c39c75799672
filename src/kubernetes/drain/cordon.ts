/** Cordons and uncordons nodes, with an annotation that names the owner. */
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

/** Observed time after which an unhealthy control plane needs a person. */
const QUORUM_TIMEOUT_MS = 10 * 60_000;
const QUORUM_LOOK_EVERY_MS = 3_000;

/** Random back-off, so that two nodes that collide do not retry at the same moment. */
const MAX_BACK_OFF_MS = 6_000;

export interface CordonOptions {
  machine: MachineIdentity;
  owner: CordonOwner;
  /** Default 10 min. */
  quorumTimeoutMs?: number;
  /** Time waited by earlier attempts, in milliseconds. */
  waitedMs?: number;
}

/**
 * Waits until the control plane tolerates the loss of the node, then cordons the node. A node cordoned by others keeps
 * their cordon.
 * @returns the baseline of the node before the cordon
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
      if ((await quorumBlocker(session)) === null) return kept;
      await backOff(session, owner);
    }
    await awaitQuorum(session, until, quorumTimeoutMs);
    const node = await readOwnNode(session, machine);
    assertNotForeign(session, node);
    const baseline = await readBaselineOf(session, node);
    if (cordonState(node).by === 'others') return baseline;
    if (!(await applyCordon(session, node, owner, baseline))) continue;
    // Another control-plane node may have been cordoned at the same moment.
    if ((await quorumBlocker(session)) === null) return baseline;
    await backOff(session, owner);
  }
}

/** Of two nodes cordoned at the same time, each uncordons and retries until one is alone. */
async function backOff(session: KubeSession, owner: CordonOwner): Promise<void> {
  await uncordon(session, owner);
  await session.pause(Math.random() * MAX_BACK_OFF_MS);
}

/** Null: this run has not cordoned the node yet. */
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

/** False: the node was changed concurrently. */
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

async function quorumBlocker(session: KubeSession): Promise<string | null> {
  const controlPlane = await readControlPlane(session);
  return controlPlane === null ? null : quorumViolation(session.target.nodeName, controlPlane);
}

async function awaitQuorum(session: KubeSession, until: number, timeoutMs: number): Promise<void> {
  const { target, now, show, pause } = session;
  for (;;) {
    const why = await quorumBlocker(session);
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
 * Removes the cordon of `owner`; `any`: a stale cordon of the same node of the same cluster from any run. A cordon
 * taken over by others, also by removing its owner, stays; our annotations are removed.
 * @returns false when there was no such cordon
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
    // The answer to an earlier attempt may have been lost.
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

/** Someone has removed the owner annotation; the baseline annotation is still there. */
function hasLostOwner({ annotations }: NodeView): boolean {
  return annotations[CORDON_ANNOTATION] === undefined && annotations[BASELINE_ANNOTATION] !== undefined;
}
