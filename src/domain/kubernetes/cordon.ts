/** The owner of a node's cordon, and the baseline taken before it. */
import type { CordonOwner, KubernetesBaseline } from './types';
import { CORDON_ANNOTATION, FIELD_MANAGER, parseCordonOwner } from './types';

/** Annotation with the baseline of a node before its cordon: a retry must not take a drained node as the baseline. */
export const BASELINE_ANNOTATION = 'ospatch/baseline';

/** More DaemonSets not ready than this make the baseline useless. */
const MAX_BASELINE_DAEMONSETS = 50;

/** The fields of a Node object that identify the owner of its cordon. */
export interface CordonedNode {
  annotations: Readonly<Record<string, string>>;
  unschedulable: boolean;
  /** Field manager of `spec.unschedulable`; null when the server does not report one. */
  unschedulableBy: string | null;
}

export interface CordonState {
  by: 'nobody' | 'ospatch' | 'others';
  /** The owner in the annotation, even when the cordon is no longer ours. */
  owner: CordonOwner | null;
}

/** A cordon that someone else removed and set again belongs to them. */
export function cordonState({ annotations, unschedulable, unschedulableBy }: CordonedNode): CordonState {
  const owner = parseCordonOwner(annotations[CORDON_ANNOTATION] ?? '');
  if (!unschedulable) return { by: 'nobody', owner };
  const isOurs = owner !== null && (unschedulableBy === null || unschedulableBy === FIELD_MANAGER);
  return { by: isOurs ? 'ospatch' : 'others', owner };
}

/** Whether an annotation of this node was written for the same node of the same cluster, in any run. */
export function isSameNode(owner: CordonOwner, target: Pick<CordonOwner, 'cluster' | 'node'>): boolean {
  return owner.cluster === target.cluster && owner.node === target.node;
}

export function isSameOwner(a: CordonOwner, b: CordonOwner): boolean {
  return isSameNode(a, b) && a.run === b.run && a.token === b.token;
}

export function writeBaseline({ ready, pressure, daemonsetsNotReady }: KubernetesBaseline): string {
  return JSON.stringify([ready ? 1 : 0, pressure, daemonsetsNotReady.slice(0, MAX_BASELINE_DAEMONSETS)]);
}

/** Null when {@link writeBaseline} did not write the text. */
export function readBaseline(text: string | undefined): KubernetesBaseline | null {
  try {
    const value: unknown = JSON.parse(text ?? '');
    if (!Array.isArray(value)) return null;
    const [ready, pressure, daemonsetsNotReady] = value as unknown[];
    if (!isTexts(pressure) || !isTexts(daemonsetsNotReady)) return null;
    return { ready: ready === 1, pressure, daemonsetsNotReady };
  } catch {
    return null;
  }
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}
