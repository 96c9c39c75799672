/** `patching.rollout` of a spec document: how many nodes at once, in which order and stages, and how many may fail. */
import { z } from 'zod';
import { parseLabelSelector, matchesLabels } from '../shared/label-selector';
import { defined } from '../shared/defined';
import type { FailureBudget, Rollout } from './types';
import { MAX_NODES, ON_EXCEEDED, ON_FAILURE, ROLLOUT_ORDERS, ZONE_RULES } from './types';
import * as field from './fields';
import type { SpecIssue, SpecPath } from './issues';
import { show, valueAt } from './issues';

/** More stages than this are a mistake. */
const MAX_STAGES = 20;

/** By the smallest share that is allowed. */
const PERCENT = { 0: /^(100|[1-9]?\d)%$/, 1: /^(100|[1-9]\d?)%$/ } as const;

/** `least`: the smallest number that is allowed, 0 or 1. `allowed`: what stands in its place where more is allowed. */
function amount(least: 0 | 1, allowed?: string) {
  const error = allowed ?? `a whole number from ${least} to ${MAX_NODES}, or a share from ${least}% to 100%`;
  const share = z
    .string({ error })
    .regex(PERCENT[least], { error })
    .refine((value): value is `${number}%` => value.endsWith('%'), { error });
  return z.union([z.int({ error }).min(least, { error }).max(MAX_NODES, { error }), share], { error });
}

const orderError = `${ROLLOUT_ORDERS.join(', ')}, or a list of names of nodes`;
const order = z.union(
  [z.enum(ROLLOUT_ORDERS), z.array(field.nodeName).min(1, { error: orderError }).max(MAX_NODES, { error: orderError })],
  { error: orderError },
);

const stageNodesError = `a whole number from 1 to ${MAX_NODES}, a share from 1% to 100%, or a mapping with selector`;
const stagesError = `a list of 1 to ${MAX_STAGES} stages`;

const stage = z.strictObject(
  {
    nodes: z
      .union(
        [
          amount(1, stageNodesError),
          z.strictObject({ selector: field.labelSelector.describe('Labels of the nodes, e.g. tier=canary.') }),
        ],
        { error: stageNodesError },
      )
      .describe(
        'Which nodes: so many or such a share of all nodes of the run, the next in order that no earlier stage has, or those whose labels match a selector.',
      ),
    soak: field
      .duration('1s', '7d', 'leave it out for no soak')
      .optional()
      .describe('How long the run waits after the last node of the stage before the next stage. Default: not at all.'),
    concurrency: amount(1)
      .optional()
      .describe('Nodes patched at the same time in this stage, when that is fewer than in the run.'),
  },
  { error: 'a mapping with nodes, soak and concurrency' },
);

const budgetFields = {
  onFailure: field
    .choice(ON_FAILURE)
    .optional()
    .describe(
      'Short for two others. stop: maxFailures 0 and onExceeded stop. continue: maxFailures 100%. Default: stop, when neither maxFailures nor onExceeded is given.',
    ),
  maxFailures: amount(0)
    .optional()
    .describe(
      'How many, or which share of the run, may fail or stay unreachable after a change before nothing else is started. Default: 0.',
    ),
  onExceeded: field
    .choice(ON_EXCEEDED)
    .optional()
    .describe(
      'stop: the run ends when more have failed, the rest is not tried. pause: the run waits for retry, skip, set-max-failures or cancel. Default: stop.',
    ),
};

export const rolloutSchema = z.strictObject(
  {
    order: order
      .default('workers-first')
      .describe(
        'Which nodes come first: those of one role, then by zone, then those patched longest ago; or a list of names, before all others. Control planes are patched one at a time in any case.',
      ),
    concurrency: amount(1)
      .default(1)
      .describe(
        'How many nodes, or which share of the run, are patched at the same time. Shares are rounded down, to at least 1.',
      ),
    maxUnavailable: amount(1)
      .optional()
      .describe(
        'How many nodes, or which share of the cluster, may be out of service at the same time. Nodes that are down, not ready or cordoned for any reason count, also those that ospatch did not touch. Default: no such limit.',
      ),
    zones: field
      .choice(ZONE_RULES)
      .default('any')
      .describe(
        'one-at-a-time: no node is started while a node of another zone is being patched. any: zones do not matter.',
      ),
    ...budgetFields,
    stages: z
      .array(stage, { error: stagesError })
      .min(1, { error: stagesError })
      .max(MAX_STAGES, { error: stagesError })
      .optional()
      .describe(
        'Slices of the nodes that are patched one after the other. What no stage takes is a last stage. Default: one stage.',
      ),
  },
  { error: 'a mapping with order, concurrency, maxUnavailable, zones, maxFailures, onExceeded, onFailure and stages' },
);

/** Of node groups, which are updated one at a time. */
export const nodeGroupRolloutSchema = z.strictObject(budgetFields, {
  error: 'a mapping with maxFailures, onExceeded and onFailure',
});

export function normaliseBudget({
  onFailure = 'stop',
  maxFailures,
  onExceeded,
}: z.output<typeof nodeGroupRolloutSchema>): FailureBudget {
  return { maxFailures: maxFailures ?? (onFailure === 'continue' ? '100%' : 0), onExceeded: onExceeded ?? 'stop' };
}

export function normaliseRollout(document: z.output<typeof rolloutSchema>): Rollout {
  const { order: first, concurrency, maxUnavailable, zones, stages } = document;
  return {
    order: first,
    concurrency,
    ...defined({ maxUnavailable }),
    zones,
    ...normaliseBudget(document),
    ...defined({
      stages: stages?.map(({ nodes, soak, concurrency: fewer }) => ({
        nodes,
        ...defined({ soak, concurrency: fewer }),
      })),
    }),
  };
}

/** Rules that join several fields. They read the document as it was written. */
export function rolloutIssues(document: unknown): SpecIssue[] {
  const path: SpecPath = ['patching', 'rollout'];
  return [
    ...budgetIssues(document, path),
    ...orderIssues(document, path),
    ...zoneIssues(document, path),
    ...stageIssues(document, path),
  ];
}

export function budgetIssues(document: unknown, path: SpecPath): SpecIssue[] {
  if (valueAt(document, [...path, 'onFailure']) === undefined) return [];
  const other = ['maxFailures', 'onExceeded'].find((name) => valueAt(document, [...path, name]) !== undefined);
  if (other === undefined) return [];
  const message = `found onFailure beside ${other}; allowed: onFailure alone, or maxFailures and onExceeded; remove onFailure`;
  return [{ severity: 'error', path: [...path, 'onFailure'], at: 'key', message }];
}

function orderIssues(document: unknown, path: SpecPath): SpecIssue[] {
  const names = valueAt(document, [...path, 'order']);
  if (!Array.isArray(names)) return [];
  const known = new Set(nodesOf(document).map((node) => valueAt(node, ['name'])));
  const seen = new Set<unknown>();
  return names.flatMap((name, at): SpecIssue[] => {
    const twice = seen.has(name);
    seen.add(name);
    if (known.has(name) && !twice) return [];
    const why = twice
      ? 'which stands in the list before; allowed: each name once'
      : 'which is no node of this cluster; allowed: names of nodes';
    return [{ severity: 'error', path: [...path, 'order', at], at: 'value', message: `found ${show(name)}, ${why}` }];
  });
}

function zoneIssues(document: unknown, path: SpecPath): SpecIssue[] {
  if (valueAt(document, [...path, 'zones']) !== 'one-at-a-time') return [];
  if (nodesOf(document).some((node) => valueAt(node, ['zone']) !== undefined)) return [];
  const message = 'found one-at-a-time, but no node has a zone, so that all count as one; set zone on the nodes';
  return [{ severity: 'warning', path: [...path, 'zones'], at: 'value', message }];
}

function stageIssues(document: unknown, path: SpecPath): SpecIssue[] {
  const stages = valueAt(document, [...path, 'stages']);
  if (!Array.isArray(stages)) return [];
  const nodes = nodesOf(document);
  return stages.flatMap((_, at): SpecIssue[] => {
    const place: SpecPath = [...path, 'stages', at, 'nodes', 'selector'];
    const selector = valueAt(document, place);
    const parsed = typeof selector === 'string' ? parseLabelSelector(selector) : null;
    if (parsed === null || !parsed.ok || nodes.some((node) => matchesLabels(parsed.selector, labelsOf(node))))
      return [];
    const message = `found ${show(selector)}, which matches no node of this cluster, so that the stage is empty; set labels on the nodes`;
    return [{ severity: 'warning', path: place, at: 'value', message }];
  });
}

function labelsOf(node: unknown): Record<string, string> {
  const labels = valueAt(node, ['labels']);
  if (typeof labels !== 'object' || labels === null) return {};
  return Object.fromEntries(
    Object.entries(labels).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

function nodesOf(document: unknown): unknown[] {
  const nodes = valueAt(document, ['nodes']);
  return Array.isArray(nodes) ? nodes : [];
}
