/** Which pods of a node a drain evicts: the filters of `kubectl drain`, in its order, plus the rules of the spec. */
import { parseDuration } from '../shared/duration';
import type { DrainPolicy, DrainRule } from './types';
import type { LabelSelector } from '../shared/label-selector';
import { matchesLabels, parseLabelSelector } from '../shared/label-selector';

/** The fields of a pod that a drain needs. */
export interface PodView {
  namespace: string;
  name: string;
  uid: string;
  labels: Record<string, string>;
  phase: string;
  ready: boolean;
  nodeName: string;
  /** End of the grace period in epoch milliseconds; null: the pod is not being deleted. */
  deletionAtMs: number | null;
  /** The owner reference marked as controller. */
  controller: ControllerRef | null;
  /** The API object of a static pod, which only the kubelet can stop. */
  isMirror: boolean;
  hasEmptyDir: boolean;
  /** The pod tolerates the cordon and may be scheduled on the node again. */
  toleratesCordon: boolean;
  finalizers: string[];
}

export interface ControllerRef {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
}

export type PodVerdict =
  | { do: 'evict'; order: number }
  | { do: 'wait-completed'; order: number }
  | { do: 'stay'; why: string }
  /** Nothing is evicted while such a pod exists. `option` allows its eviction. */
  | { do: 'refuse'; why: string; option: string };

export interface PodFilterInput {
  policy: DrainPolicy;
  nowMs: number;
  hasDaemonSet(namespace: string, name: string): boolean;
}

/** Terminated pods, and pods that exist only as API objects, block nothing. */
export function hasEnded(pod: PodView): boolean {
  return pod.phase === 'Succeeded' || pod.phase === 'Failed';
}

export function isDaemonSetPod(pod: PodView): boolean {
  return pod.controller?.kind === 'DaemonSet' && pod.controller.apiVersion === 'apps/v1';
}

/** How long to wait for a pod that is being deleted, in milliseconds; Infinity: no limit. */
export function skipWaitMs(policy: DrainPolicy): number {
  const ms = policy.skipWaitForDeleteTimeout === undefined ? 0 : parseDuration(policy.skipWaitForDeleteTimeout);
  return ms === 0 ? Infinity : ms;
}

/** Whether a pod has been terminating for longer than the policy waits. */
export function isLongDeleted(pod: PodView, policy: DrainPolicy, nowMs: number): boolean {
  return pod.deletionAtMs !== null && Math.floor((nowMs - pod.deletionAtMs) / 1000) * 1000 > skipWaitMs(policy);
}

/** Classifies the pods of one node. The selectors of the policy are parsed once. */
export function podFilter({ policy, nowMs, hasDaemonSet }: PodFilterInput): (pod: PodView) => PodVerdict {
  const selected = selector(policy.podSelector ?? '');
  const rules = policy.rules.map((rule) => ({ rule, labels: selector(rule.podSelector) }));

  return (pod) => {
    if (!matchesLabels(selected, pod.labels)) return { do: 'stay', why: 'not selected by podSelector' };
    if (isLongDeleted(pod, policy, nowMs))
      return { do: 'stay', why: 'terminating for longer than skipWaitForDeleteTimeout' };
    const rule = rules.find((one) => appliesTo(one.rule, one.labels, pod))?.rule;
    if (rule?.action === 'skip') return { do: 'stay', why: 'skipped by a rule' };
    const ended = hasEnded(pod);
    if (!ended && isDaemonSetPod(pod)) {
      if (hasDaemonSet(pod.namespace, pod.controller?.name ?? '')) {
        if (policy.ignoreDaemonsets) return { do: 'stay', why: 'managed by a DaemonSet' };
        return { do: 'refuse', why: 'managed by a DaemonSet', option: 'ignoreDaemonsets' };
      }
      if (!policy.force) return { do: 'refuse', why: 'of a DaemonSet that no longer exists', option: 'force' };
    }
    if (pod.isMirror) return { do: 'stay', why: 'static pod' };
    if (rule?.action === 'wait-completed') {
      return ended ? { do: 'stay', why: 'has ended' } : { do: 'wait-completed', order: rule.order };
    }
    if (!ended && pod.hasEmptyDir && !policy.deleteEmptydirData) {
      return { do: 'refuse', why: 'with local storage (emptyDir)', option: 'deleteEmptydirData' };
    }
    if (!ended && pod.controller === null && !policy.force) {
      return { do: 'refuse', why: 'not managed by a controller, so nothing would recreate it', option: 'force' };
    }
    return { do: 'evict', order: rule?.order ?? 0 };
  };
}

function appliesTo(rule: DrainRule, labels: LabelSelector, pod: PodView): boolean {
  return (rule.namespace === undefined || rule.namespace === pod.namespace) && matchesLabels(labels, pod.labels);
}

/** The spec has been validated before. */
function selector(text: string): LabelSelector {
  const parsed = parseLabelSelector(text);
  if (!parsed.ok) throw new RangeError(`found "${text}": ${parsed.problem}`);
  return parsed.selector;
}
