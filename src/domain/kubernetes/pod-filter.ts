/** Which pods of a node a drain evicts: the filters of `kubectl drain`, in its order, and the rules of the spec. */
import { parseDuration } from '../shared/duration';
import type { DrainPolicy, DrainRule } from './types';
import type { LabelSelector } from '../shared/label-selector';
import { matchesLabels, parseLabelSelector } from '../shared/label-selector';

/** As much of a pod as a drain needs. */
export interface PodView {
  namespace: string;
  name: string;
  uid: string;
  labels: Record<string, string>;
  phase: string;
  ready: boolean;
  nodeName: string;
  /** When its grace period is over, in milliseconds; null: it is not being deleted. */
  deletionAtMs: number | null;
  /** The owner that is its controller. */
  controller: ControllerRef | null;
  /** The image of a static pod in the API: only the kubelet can end it. */
  isMirror: boolean;
  hasEmptyDir: boolean;
  /** It may be scheduled on a cordoned node. */
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
  /** Nothing is evicted while there is one of these. `option` allows it. */
  | { do: 'refuse'; why: string; option: string };

export interface PodFilterInput {
  policy: DrainPolicy;
  nowMs: number;
  hasDaemonSet(namespace: string, name: string): boolean;
}

/** Pods that have ended, or that were never more than a record, hold nothing back. */
export function hasEnded(pod: PodView): boolean {
  return pod.phase === 'Succeeded' || pod.phase === 'Failed';
}

export function isDaemonSetPod(pod: PodView): boolean {
  return pod.controller?.kind === 'DaemonSet' && pod.controller.apiVersion === 'apps/v1';
}

/** The time after which a pod that is being deleted is not waited for, in milliseconds; Infinity: always waited for. */
export function skipWaitMs(policy: DrainPolicy): number {
  const ms = policy.skipWaitForDeleteTimeout === undefined ? 0 : parseDuration(policy.skipWaitForDeleteTimeout);
  return ms === 0 ? Infinity : ms;
}

/** Whether a pod has been on its way out for so long that the policy no longer waits for it. */
export function isLongDeleted(pod: PodView, policy: DrainPolicy, nowMs: number): boolean {
  return pod.deletionAtMs !== null && Math.floor((nowMs - pod.deletionAtMs) / 1000) * 1000 > skipWaitMs(policy);
}

/** Judges the pods of one node. The selectors of the policy are parsed once. */
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

/** A spec is validated before it comes here. */
function selector(text: string): LabelSelector {
  const parsed = parseLabelSelector(text);
  if (!parsed.ok) throw new RangeError(`found "${text}": ${parsed.problem}`);
  return parsed.selector;
}
