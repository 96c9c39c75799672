/** How a run is divided into stages. */
import { matchesLabels, parseLabelSelector } from '../shared/label-selector';
import { parseDuration } from '../shared/duration';
import type { NodeSpec, RolloutStage } from '../spec/types';
import { countOf } from './limits';

export interface Stage {
  /** In the order in which they are started. */
  nodes: string[];
  /** How long the run waits between the last node of the stage and the next stage. */
  soakMs: number;
  /** Node patches at the same time. Null: as many as the run may have. */
  concurrency: number | null;
}

/** A stage without its nodes, which stand in the order of the run. */
export interface RunStage extends Omit<Stage, 'nodes'> {
  /** How many of them belong to this stage. */
  size: number;
}

export function toRunStage({ nodes, soakMs, concurrency }: Stage): RunStage {
  return { size: nodes.length, soakMs, concurrency };
}

/** The place of its stage for each of the members of a run, which are in order. */
export function stageNumbers(stages: readonly RunStage[]): number[] {
  return stages.flatMap(({ size }, stage) => Array.from({ length: size }, () => stage));
}

/** The stages of a run without the members that have left the cluster. */
export function stagesWithout(
  stages: readonly RunStage[],
  members: readonly string[],
  isThere: (name: string) => boolean,
): RunStage[] {
  const numbers = stageNumbers(stages);
  const gone = new Map<number, number>();
  for (const [at, name] of members.entries()) {
    const stage = numbers[at] ?? 0;
    if (!isThere(name)) gone.set(stage, (gone.get(stage) ?? 0) + 1);
  }
  return stages.map((stage, at) => ({ ...stage, size: stage.size - (gone.get(at) ?? 0) }));
}

/**
 * Cuts `nodes`, which are in order, into stages. Each takes from those that no earlier stage has; what is left over forms a
 * last stage of its own. A stage that takes no node is left out.
 */
export function stagesOf(
  nodes: readonly Pick<NodeSpec, 'name' | 'labels'>[],
  stages: readonly RolloutStage[] = [],
): Stage[] {
  const total = nodes.length;
  const result: Stage[] = [];
  let rest = nodes;
  for (const { nodes: wanted, soak, concurrency } of stages) {
    const taken = typeof wanted === 'object' ? matching(rest, wanted.selector) : rest.slice(0, countOf(wanted, total));
    if (taken.length === 0) continue;
    const names = new Set(taken.map(({ name }) => name));
    rest = rest.filter(({ name }) => !names.has(name));
    result.push({
      nodes: [...names],
      soakMs: soak === undefined ? 0 : parseDuration(soak),
      concurrency: concurrency === undefined ? null : countOf(concurrency, total),
    });
  }
  if (rest.length > 0) result.push({ nodes: rest.map(({ name }) => name), soakMs: 0, concurrency: null });
  return result;
}

function matching<N extends Pick<NodeSpec, 'labels'>>(nodes: readonly N[], selector: string): N[] {
  const parsed = parseLabelSelector(selector);
  return parsed.ok ? nodes.filter(({ labels = {} }) => matchesLabels(parsed.selector, labels)) : [];
}
