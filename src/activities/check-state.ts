/** Checks the state that a person has started a cluster with: `ospatch recover` does, and anybody else may. */
import { z } from 'zod';
import type { StateVerdict } from '../contract/activities/cluster';
import type { LoopContext } from '../domain/cluster/decide';
import { decide } from '../domain/cluster/decide';
import { packState } from '../domain/cluster/packed-state';
import { readStartArgument } from '../domain/cluster/recovery';
import { STATE_VERSION } from '../domain/cluster/state-version';
import { toHistory, toStatus } from '../domain/cluster/status';
import type { ClusterState } from '../domain/cluster/state';
import { statusLines } from '../domain/explain/status-line';
import { plainText } from '../domain/shared/text';
import { validateSpecObject } from '../domain/spec/parse';
import type { SpecVerdict } from '../contract/activities/cluster';

/** As for a cluster that has just begun. */
const IDLE: LoopContext = {
  runWorkflowRunning: false,
  continueAsNewDue: false,
  runPutDown: false,
  refreshingFacts: false,
  prefetching: false,
};

const thing = z.looseObject({});
const when = z.string().refine((text) => !Number.isNaN(Date.parse(text)));
const request = z.looseObject({ id: z.string(), at: when, nodes: z.array(z.string()).nullable(), by: z.string() });
const activeRun = z.looseObject({ number: z.int().min(1), policy: thing, nodes: z.array(z.string()), startedAt: when });

/** The kinds of all fields; what is in them is found out by use. */
const FORM = z.object({
  version: z.int(),
  spec: thing,
  createdBy: z.string().nullable(),
  createdAt: when,
  nodes: z.array(z.looseObject({ kind: z.string(), name: z.string(), state: z.string() })),
  formerNodes: z.array(thing).optional(),
  paused: thing.nullable(),
  removing: z.string().nullable(),
  nextRun: z.int().min(1),
  run: activeRun.nullable(),
  request: request.nullable(),
  queue: z.array(request).optional(),
  aside: activeRun.optional(),
  schedule: thing,
  runs: z.array(z.looseObject({ number: z.int().min(1), startedAt: when })),
  events: thing,
  totals: z
    .object({
      counts: z.record(z.string(), z.record(z.string(), z.number())),
      steps: z.record(z.string(), z.object({ counts: z.array(z.number()), sum: z.number() })),
    })
    .optional(),
  notices: z
    .looseObject({
      seen: z.int(),
      defaults: z.array(z.looseObject({ name: z.string(), on: z.array(z.unknown()) })).optional(),
      pending: z.array(z.looseObject({ kind: z.string() })).optional(),
      handedOver: z.record(z.string(), z.string()).optional(),
      reminded: z.record(z.string(), z.number()).optional(),
      unknown: z.string().optional(),
      stuck: z.string().optional(),
    })
    .optional(),
  admissions: z.looseObject({ chain: z.string() }).optional(),
  answered: z.array(z.looseObject({ id: z.string() })),
  loopError: z.string().optional(),
  reset: z.looseObject({ at: when, after: z.int() }).optional(),
  factsRefreshedAt: when.nullable(),
  confirmMachines: z.literal(true).optional(),
  factsRefreshedUpTo: z.string().optional(),
  prefetchedFor: z.string().nullable(),
  prefetchedUpTo: z.string().optional(),
} satisfies Record<keyof ClusterState, z.ZodType>);

/**
 * Whether a cluster can go on from this state: its parts fit each other, and its spec is one that `apply` would accept. Whatever it
 * makes the cluster do, the activities check again.
 *
 * @param checkSpec the check of a spec, with its normal form
 */
export function checkState(
  state: unknown,
  cluster: string,
  nowMs: number,
  checkSpec: (spec: unknown) => SpecVerdict,
): StateVerdict {
  if (versionOf(state) > STATE_VERSION) {
    const problem = `the state has version ${versionOf(state)}, and this worker reads versions up to ${STATE_VERSION}`;
    return { ok: false, isNewer: true, problems: [problem] };
  }
  const read = readStartArgument({ state }, cluster, new Date(nowMs).toISOString(), validateSpecObject);
  if (typeof read === 'string') return refused(read);
  const verdict = checkSpec(read.spec);
  if (!verdict.ok) return { ok: false, isNewer: false, problems: verdict.problems };
  const formed = FORM.safeParse(read);
  if (!formed.success) return refused(`the state is damaged: ${formed.error.issues[0]?.path.join('.') ?? ''}`);
  const broken = whyUnusable({ ...read, spec: verdict.spec ?? read.spec }, nowMs);
  return broken === null ? { ok: true, spec: verdict.spec } : refused(broken);
}

function refused(problem: string): StateVerdict {
  return { ok: false, isNewer: false, problems: [problem] };
}

function versionOf(state: unknown): number {
  if (typeof state !== 'object' || state === null || !('version' in state)) return 0;
  return typeof state.version === 'number' ? state.version : 0;
}

/** Does once what the cluster does again and again: what throws there would stop its workflow. */
function whyUnusable(state: ClusterState, nowMs: number): string | null {
  try {
    const status = toStatus(state);
    toHistory(state);
    const { message } = decide(structuredClone(state), nowMs, IDLE);
    statusLines({ ...status, explanation: message }, nowMs);
    packState(state);
    return null;
  } catch (error) {
    return `the state is damaged: ${plainText(error instanceof Error ? error.message : String(error), 200)}`;
  }
}
