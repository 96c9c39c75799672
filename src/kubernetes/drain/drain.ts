/** Drains a node: the eviction loop, until no pod is left or the timeout is exceeded. */
import { parseDuration } from '../../domain/shared/duration';
import { OspatchError } from '../../domain/shared/errors';
import type { BlockedPod, DrainPolicy, DrainReport, EvictedWorkload } from '../../domain/kubernetes/types';
import type { PodView } from '../../domain/kubernetes/pod-filter';
import { hasEnded, isLongDeleted } from '../../domain/kubernetes/pod-filter';
import { plainText } from '../../domain/shared/text';
import { cordonGuard } from './cordon-guard';
import type { PodEviction } from './evictions';
import { refreshBudgets, evictDue, oncePerBudget } from './evictions';
import { readOwnNode } from './node-identity';
import type { NewPods } from './new-pods';
import { trackNewPods } from './new-pods';
import type { MachineIdentity } from '../../domain/kubernetes/types';
import type { KubeProgress, KubeSession } from '../session';
import type { ClassifiedPod } from './pod-classes';
import { findUnevictable, findRefusals, judge, classifyPods } from './pod-classes';
import { addWorkloads } from './workloads';

/** Poll interval for deleted pods, as in kubectl; one list request for all pods. */
const LOOK_EVERY_MS = 1_000;
/** Pods that end at once are noticed at once. */
const FIRST_LOOKS_MS = [100, 200, 400];

/** How often budgets are read while they block evictions. */
const READ_BUDGETS_EVERY_MS = 2_000;

/** A retry after the timeout gets this long to finish. */
const LAST_CHANCE_MS = 60_000;

const MAX_BLOCKED = 20;
/** Displayed during the drain. */
const MAX_SHOWN = 5;
const BLOCKING: readonly PodEviction['state'][] = ['held', 'due', 'leaving'];
const MAX_BLOCKERS = 10;
const MAX_MESSAGE = 1_500;

/** State handed over to a retry. */
export interface DrainedSoFar {
  /** Pods to evict, including those already gone. */
  total: number;
  evicted: number;
  workloads: EvictedWorkload[];
}

export interface DrainOptions {
  machine: MachineIdentity;
  policy: DrainPolicy;
  /** Start of the drain in milliseconds: a retry does not restart the timeout. */
  startedAtMs: number;
  /** The node was drained before: evict only pods that do not tolerate the cordon. */
  again: boolean;
  earlier: DrainedSoFar | null;
  remember: (soFar: DrainedSoFar) => void;
}

/** Deadline of the drain in milliseconds; a timeout of 0 means no limit, as in kubectl. */
export function drainDeadline(policy: DrainPolicy, startedAtMs: number, nowMs: number): number {
  const timeoutMs = parseDuration(policy.timeout);
  if (timeoutMs === 0) return Infinity;
  return Math.max(startedAtMs + timeoutMs, nowMs + Math.min(LAST_CHANCE_MS, timeoutMs / 10));
}

/**
 * Evicts pods until none is left or the timeout is exceeded. Pods that the policy does not allow to evict are reported
 * before the first eviction.
 * @throws OspatchError `DrainBlocked`, `WrongNode`, `Policy` when someone uncordons the node meanwhile; after evictions
 * with their number as `details.evicted`
 */
export async function drainNode(session: KubeSession, options: DrainOptions): Promise<DrainReport> {
  const { policy, earlier, again } = options;
  await readOwnNode(session, options.machine);
  const untilMs = drainDeadline(policy, options.startedAtMs, session.now());
  const soFar: DrainedSoFar = { total: 0, evicted: 0, workloads: [...(earlier?.workloads ?? [])] };
  const guard = cordonGuard(session, again ? 'before it was rebooted' : 'while it was drained');
  await guard(true);
  const there = await classifyPods(session, policy);
  // Before a reboot only a toleration keeps a pod on the node.
  const judged = there.filter(({ pod }) => !again || !pod.toleratesCordon);
  await assertNotBlocked(session, policy, judged);
  const pods = judged.flatMap((one) => toLeaving(one, policy, session.now()));
  const toEvict = countEvicted(pods);
  soFar.total = Math.max(earlier?.total ?? 0, toEvict);
  soFar.evicted = soFar.total - toEvict;
  const before = soFar.evicted;
  const newPods = trackNewPods(there.map(({ pod }) => pod));

  const note = async (leaving: readonly PodEviction[]): Promise<void> => {
    soFar.workloads = await addWorkloads(
      session,
      soFar.workloads,
      leaving.filter((one) => one.do === 'evict' && !hasEnded(one.pod)).map(({ pod }) => pod),
    );
    options.remember(soFar);
    session.show({ done: soFar.evicted, total: soFar.total });
  };
  await note(pods);

  const left = await evictAll(session, policy, pods, {
    untilMs,
    guard,
    onGone: (one) => {
      newPods.left(one.pod);
      if (one.do === 'evict') onGone(session, options, soFar);
    },
    admit: async (onNode) => {
      const came = newPods.among(onNode);
      if (came.length === 0) return [];
      // Only a toleration brings a pod to a cordoned node.
      await guard(true);
      const more = await judge(session, policy, came);
      await assertNotBlocked(session, policy, more);
      const leaving = more.flatMap((one) => admitted(toLeaving(one, policy, session.now()), newPods));
      pods.push(...leaving);
      soFar.total += countEvicted(leaving);
      await note(leaving);
      return leaving;
    },
  }).catch((error: unknown) => {
    throw withEvicted(error, before + pods.filter(({ state }) => state === 'leaving').length);
  });
  if (left.length > 0) return report('timed-out', soFar, left);
  await stillCordoned(guard, soFar);
  return report('drained', soFar, []);
}

function countEvicted(pods: readonly PodEviction[]): number {
  return pods.filter((one) => one.do === 'evict').length;
}

/** Returning pods are evicted after increasing delays, and finally left alone. */
function admitted(leaving: readonly PodEviction[], newPods: NewPods): PodEviction[] {
  return leaving.flatMap((one) => {
    const pauseMs = newPods.pauseMs(one.pod);
    if (pauseMs === null) return [];
    const why = one.state === 'due' && one.do === 'evict' ? 'it was scheduled after the cordon' : one.why;
    return [{ ...one, nextAtMs: one.nextAtMs + pauseMs, why }];
  });
}

/** Verifies the cordon now. @throws OspatchError `Policy` with the number of evicted pods */
async function stillCordoned(guard: (now?: boolean) => Promise<void>, { evicted }: DrainedSoFar): Promise<void> {
  await guard(true).catch((error: unknown) => {
    throw withEvicted(error, evicted);
  });
}

/** Adds the number of evicted pods to any error of the drain. */
function withEvicted(error: unknown, evicted: number): unknown {
  if (!(error instanceof OspatchError) || evicted === 0) return error;
  const info = error.toInfo();
  return new OspatchError({ ...info, details: { ...info.details, evicted } }, { cause: error });
}

function onGone({ show }: KubeSession, { remember }: DrainOptions, soFar: DrainedSoFar): void {
  soFar.evicted += 1;
  show({ done: soFar.evicted, total: soFar.total });
  remember(soFar);
}

async function assertNotBlocked(
  session: KubeSession,
  policy: DrainPolicy,
  judged: readonly ClassifiedPod[],
): Promise<void> {
  const evicted = judged.filter(({ verdict }) => verdict.do === 'evict').map(({ pod }) => pod);
  const budgets = policy.disableEviction || evicted.length === 0 ? [] : await session.reach((api) => api.listBudgets());
  const blockers = [...findRefusals(judged), ...findUnevictable(evicted, budgets)];
  if (blockers.length === 0) return;
  const more = blockers.length > MAX_BLOCKERS ? [`and ${blockers.length - MAX_BLOCKERS} more reasons`] : [];
  throw new OspatchError({
    type: 'DrainBlocked',
    message: plainText(
      `${session.target.node} cannot be drained: ${[...blockers.slice(0, MAX_BLOCKERS), ...more].join('; ')}`,
      MAX_MESSAGE,
    ),
    remedy: 'change these workloads or budgets, or allow it under kubernetes.drain of the spec',
  });
}

function toLeaving({ pod, verdict }: ClassifiedPod, policy: DrainPolicy, now: number): PodEviction[] {
  if (verdict.do !== 'evict' && verdict.do !== 'wait-completed') return [];
  // Evicting a terminating pod again could only shorten its grace period.
  const isLeaving = verdict.do === 'evict' && pod.deletionAtMs !== null && policy.gracePeriod === undefined;
  const why = isLeaving ? 'it is terminating' : 'it is not its turn yet';
  return [
    {
      pod,
      do: verdict.do,
      order: verdict.order,
      state: isLeaving ? 'leaving' : 'due',
      nextAtMs: now,
      askedAtMs: 0,
      heldBy: null,
      why: verdict.do === 'evict' ? why : 'a rule lets it run to completion',
      since: new Date(now).toISOString(),
    },
  ];
}

interface EvictionLoop {
  untilMs: number;
  guard: (now?: boolean) => Promise<void>;
  onGone: (one: PodEviction) => void;
  /** New pods on the node that have to be evicted too. */
  admit: (onNode: Iterable<PodView>) => Promise<PodEviction[]>;
}

/** Returns the pods left at the deadline. */
async function evictAll(
  session: KubeSession,
  policy: DrainPolicy,
  pods: readonly PodEviction[],
  { untilMs, guard, onGone: reportGone, admit }: EvictionLoop,
): Promise<PodEviction[]> {
  const { now, show, pause, reach, target } = session;
  const looks = [...FIRST_LOOKS_MS];
  let left = [...pods];
  let notBeforeMs = 0;
  let budgetsAtMs = 0;
  while (left.length > 0) {
    await guard();
    const order = Math.min(...left.map((one) => one.order));
    const turn = left.filter((one) => one.order === order && one.do === 'evict');
    const held = turn.filter((one) => one.state === 'held');
    if (held.length > 0 && now() >= budgetsAtMs) {
      refreshBudgets(held, await reach((api) => api.listBudgets()));
      budgetsAtMs = now() + READ_BUDGETS_EVERY_MS;
    }
    const due = oncePerBudget(
      turn.filter((one) => one.state !== 'leaving' && one.nextAtMs <= now()),
      now(),
    );
    if (now() >= notBeforeMs && now() < untilMs) {
      notBeforeMs = await evictDue(session, policy, due, untilMs);
      // Refresh the budgets for newly rejected evictions.
      const refused = due.filter((one) => one.state === 'held' && !held.includes(one));
      if (refused.length > 0) refreshBudgets(refused, await reach((api) => api.listBudgets()));
    }
    show(drainProgress(left, order));
    await pause(Math.min(looks.shift() ?? LOOK_EVERY_MS, Math.max(0, untilMs - now())));

    const there = new Map((await reach((api) => api.podsOfNode(target.nodeName))).map((pod) => [pod.uid, pod]));
    left = left.filter((one) => {
      const pod = there.get(one.pod.uid);
      if (pod !== undefined) one.pod = pod;
      else reportGone(one);
      return pod !== undefined && !(one.do === 'wait-completed' && hasEnded(pod)) && !isLongDeleted(pod, policy, now());
    });
    left.push(...(await admit(there.values())));
    if (now() >= untilMs) break;
  }
  return left;
}

/** For display: the longest-blocking pod, the number of others, and the first pods. */
function drainProgress(left: readonly PodEviction[], order: number): KubeProgress {
  const turn = left
    .filter((one) => one.order === order)
    .sort((a, b) => BLOCKING.indexOf(a.state) - BLOCKING.indexOf(b.state) || Date.parse(a.since) - Date.parse(b.since))
    .slice(0, MAX_SHOWN)
    .map(toBlocked);
  const [first] = turn;
  if (first === undefined) return { waitingFor: 'pods to end' };
  const more = left.length > 1 ? `, and ${left.length - 1} more` : '';
  return {
    waitingFor: plainText(`${first.namespace}/${first.name}: ${first.why}${more}`, 400),
    waitingSince: first.since,
    blocked: turn,
  };
}

function toBlocked({ pod, state, why, since }: PodEviction): BlockedPod {
  const keep = state === 'leaving' && pod.finalizers.length > 0 ? ` (finalizers ${pod.finalizers.join(', ')})` : '';
  return { namespace: pod.namespace, name: pod.name, why: plainText(`${why}${keep}`, 300), since };
}

function report(
  state: DrainReport['state'],
  { evicted, workloads }: DrainedSoFar,
  left: readonly PodEviction[],
): DrainReport {
  return {
    state,
    evicted,
    workloads,
    blocked: left.slice(0, MAX_BLOCKED).map(toBlocked),
  };
}
