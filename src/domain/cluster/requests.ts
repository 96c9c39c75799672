/**
 * Checks and executes the requests of a cluster. Every request has a check, which only reads (update validators must
 * not write), and an act, which runs after the check has passed.
 */
import type { Verification } from '../shared/verification';
import { askAgainWhatFits, requestWait, whyBetweenWindows } from './run-window';
import type { ActiveRun, ClusterState, PendingRequest } from './state';
import { memberNameOf } from './member';
import { applySpecToState, answerFor, cancelRequests, isPatchable, isSelfManaged, note, remember } from './state';
import type {
  ApplySpecAnswer,
  ApplySpecMessage,
  CancelRunAnswer,
  Canceller,
  Message,
  PatchNowAnswer,
  PatchNowMessage,
  PauseAnswer,
  RemoveAnswer,
  SignalName,
} from './messages';
import { UNKNOWN_SENDER, rejectionOf, typeChangeReason } from './messages';
import { senderText } from '../shared/verification';
import type { SteeringAnswer, SteeringMessage, SteeringName } from './steering';
import { checkSteering, foreignField, steer } from './steering';
import { matchesLabels, parseLabelSelector } from '../shared/label-selector';
import { isEks } from '../eks/node-groups';
import { limitsOf, stricter } from '../run/limits';
import type { ClusterSpec } from '../spec/types';
import { tooManyNodes } from '../spec/size';
import { plainText } from '../shared/text';
import { defined } from '../shared/defined';
import { changesText } from './change-text';

/** The sender of a removal by cancellation: Temporal tells a workflow why it is cancelled, and not by whom. */
export const CANCELLED_BY = 'a cancel request in Temporal';

const MAX_CHANGES_LISTED = 200;
const MAX_VALUE_CHARS = 1_000;

/** Requests with conditions or limits that wait at the same time. */
const MAX_QUEUED = 20;

/** Answers to the requests that exist both as signal and as update. */
export interface Answers {
  patchNow: PatchNowAnswer;
  pause: PauseAnswer;
  resume: PauseAnswer;
  cancelRun: CancelRunAnswer;
}

/** Why the request is rejected, in one sentence; null when it can be executed. */
export function checkRequest(
  state: ClusterState,
  what: SignalName,
  message: PatchNowMessage,
  now: string,
): string | null {
  if (answerFor(state, requestKey(what, message)) !== undefined) return null;
  const refused = rejectionOf(state.spec) ?? beingRemoved(state);
  if (refused !== null) return refused;
  const foreign = what === 'patchNow' ? null : foreignField(message);
  if (foreign !== null) return `${what} takes no ${foreign}; it applies to the whole cluster`;
  switch (what) {
    case 'patchNow':
      return checkPatchNow(state, message, now);
    case 'cancelRun': {
      const isIdle = [state.run, state.request].every((one) => one === null) && !state.queue && !state.aside;
      return isIdle ? 'no run is in progress, so there is nothing to cancel' : null;
    }
    case 'pause':
    case 'resume':
      return null;
  }
}

/** Executes a checked request at `now` (ISO 8601) and returns its answer. */
export function actOnRequest<W extends SignalName>(
  state: ClusterState,
  what: W,
  message: PatchNowMessage & Verification,
  now: string,
): Answers[W];
export function actOnRequest(
  state: ClusterState,
  what: SignalName,
  message: PatchNowMessage & Verification,
  now: string,
): Answers[SignalName] {
  const key = requestKey(what, message);
  const before = answerFor(state, key);
  if (before !== undefined) return before as Answers[SignalName];
  const answer = act(state, what, message, now);
  remember(state, key, answer);
  record(state, what, message, resultOf(answer, message), now, { run: 'run' in answer ? answer.run : undefined });
  return answer;
}

/** What an accepted request is about, beside the cluster. */
type Subject = { node?: string | undefined; run?: number | undefined };

function record(
  state: ClusterState,
  request: string,
  message: Message & Verification,
  result: string,
  now: string,
  subject: Subject = {},
): void {
  note(state, { kind: 'action', request, ...senderOf(message), result, ...defined(subject) }, now);
}

function senderOf({ by, reason, verified }: Message & Verification): Canceller {
  return { by: by ?? UNKNOWN_SENDER, reason: reason ?? null, ...defined({ verified }) };
}

function resultOf(answer: Answers[SignalName], { ignoreWindow, ignoreAlerts }: PatchNowMessage): string {
  if ('paused' in answer) {
    if (answer.newReason === true) return 'the cluster was paused already, and has another reason now';
    if (!answer.changed) return answer.paused ? 'the cluster was paused already' : 'the cluster was not paused';
    return answer.paused ? 'no run and no node is started until a resume' : 'runs and nodes are started again';
  }
  if ('followUp' in answer) {
    const queued = [...(answer.followUp === null ? [] : [answer.followUp]), ...(answer.alsoQueued ?? [])];
    const also = queued.length === 0 ? '' : ` and queued run${queued.length === 1 ? '' : 's'} ${queued.join(', ')}`;
    const aside = answer.setAside === undefined ? '' : ` and run ${answer.setAside}, which was set aside`;
    return `run ${answer.run}${also}${aside}`;
  }
  const rest = answer.waitsFor === undefined ? '' : `, waits for ${answer.waitsFor}`;
  const forced = `${ignoreWindow === true ? ', outside of maintenance windows too' : ''}${ignoreAlerts === true ? ', whatever alerts fire' : ''}`;
  return `${answer.after === null ? `run ${answer.run}` : `run ${answer.run}, after run ${answer.after}`}${forced}${rest}`;
}

/** Why a steering request cannot be carried out, in one sentence; null when it can, or was already. */
export function checkSteeringRequest(
  state: ClusterState,
  what: SteeringName,
  message: SteeringMessage,
  now: string,
): string | null {
  if (answerFor(state, requestKey(what, message)) !== undefined) return null;
  return checkSteering(state, what, message, now);
}

/** Carries out a checked steering request at `now` (ISO 8601), once for each request id. */
export function actOnSteering(
  state: ClusterState,
  what: SteeringName,
  message: SteeringMessage & Verification,
  now: string,
): SteeringAnswer {
  const key = requestKey(what, message);
  const before = answerFor(state, key);
  if (before !== undefined) return before as SteeringAnswer;
  const answer = steer(state, what, message, now);
  remember(state, key, answer);
  record(state, what, message, answer.effect, now, { node: message.node, run: answer.run ?? undefined });
  return answer;
}

/** Request ids are scoped by kind of request: pause and resume under one id are two requests. */
function requestKey(what: SignalName | SteeringName, { requestId }: Message): string | undefined {
  return requestId === undefined || requestId === '' ? undefined : `${what}/${requestId}`;
}

/** Records a rejection where the sender of a signal can find it. */
export function rejectRequest(
  state: ClusterState,
  what: string,
  { by = UNKNOWN_SENDER, verified }: Message & Verification,
  why: string,
  now: string,
): void {
  note(state, { kind: 'rejected', request: what, by, message: why, ...defined({ verified }) }, now);
}

/** Why a spec cannot be applied here; null when it can. The shape of the spec is already valid. */
export function checkApplySpec(state: ClusterState, message: ApplySpecMessage): string | null {
  const { spec } = message;
  const removed = beingRemoved(state);
  if (removed !== null) return removed;
  if (spec.name !== state.spec.name) return `this is cluster ${state.spec.name}, the spec is for ${spec.name}`;
  if (spec.type !== state.spec.type) {
    return typeChangeReason(state.spec.type, spec.type);
  }
  return tooManyNodes(spec);
}

export function actOnApplySpec(
  state: ClusterState,
  message: ApplySpecMessage & Verification,
  now: string,
): ApplySpecAnswer {
  const before = state.spec;
  const changes = applySpecToState(state, message.spec, now);
  const { spec } = state;
  for (const run of [state.run, state.aside ?? null]) {
    if (run !== null && changes.length > 0) restrictRun(run, before, spec);
    if (run?.policy.kind === 'node' && isSelfManaged(spec) && !spec.patching.rebootIfRequired)
      run.policy.rebootIfRequired = false;
  }
  // Only the call that started the workflow has created the cluster, and only once: the same file applied again is
  // `unchanged`.
  const created = message.applyId === state.createdBy;
  if (created) state.createdBy = null;
  // Who has created the cluster was recorded with its start. Pipelines apply the same file again and again; recording that
  // would only fill the history.
  if (changes.length > 0) record(state, 'applySpec', message, changesText(changes), now);
  return {
    result: created ? 'created' : changes.length > 0 ? 'updated' : 'unchanged',
    changes: created ? [] : shorten(changes),
    notice: rejectionOf(spec),
  };
}

/** Records who has created the cluster at `now` (ISO 8601). */
export function noteCreation(state: ClusterState, message: Message & Verification, now: string): void {
  record(state, 'applySpec', message, 'cluster created', now);
}

/** What a new spec allows less is taken over by the run in progress, for the nodes that it has not started. */
function restrictRun(run: ActiveRun, before: ClusterSpec, after: ClusterSpec): void {
  askAgainWhatFits(run);
  if (run.policy.kind !== 'node' || !isSelfManaged(before) || !isSelfManaged(after)) return;
  const [old, limits] = [before, after].map(({ patching, nodes }) =>
    limitsOf(patching.rollout, run.nodes.length, nodes.length),
  );
  if (old !== undefined && limits !== undefined) run.policy.limits = stricter(run.policy.limits, old, limits);
}

export function actOnRemove(state: ClusterState, message: Message & Verification, now: string): RemoveAnswer {
  const sender = senderOf(message);
  const who = senderText(sender);
  state.removing ??= sender.reason === null ? who : `${who} (${sender.reason})`;
  state.request = null;
  delete state.queue;
  if (state.run !== null) cancel(state.run, message);
  const result = state.run === null ? 'at once' : `after run ${state.run.number}, which is cancelled`;
  record(state, 'remove', message, result, now, { run: state.run?.number });
  return { run: state.run?.number ?? null };
}

function act(
  state: ClusterState,
  what: SignalName,
  message: PatchNowMessage & Verification,
  now: string,
): Answers[SignalName] {
  switch (what) {
    case 'patchNow':
      return actOnPatchNow(state, message, now);
    case 'pause':
      return pause(state, message, now);
    case 'resume': {
      const changed = state.paused !== null;
      state.paused = null;
      return { paused: false, changed, pause: null };
    }
    case 'cancelRun': {
      const { run, aside } = state;
      const by = senderText(senderOf(message));
      if (run !== null) cancel(run, message);
      // It ends once the run in progress is over.
      if (aside !== undefined) cancel(aside, message);
      // A follow-up run that starts the moment the run is cancelled would defeat the cancellation.
      const also = run === null ? '' : ` together with run ${run.number}`;
      const cancelled = cancelRequests(state, `cancelled by ${by}${also}, before it started`, now);
      const [foremost, setAside] = [run, aside ?? null].flatMap((one) => one?.number ?? []);
      const [first, second = null, ...rest] = [...(foremost === undefined ? [] : [foremost]), ...cancelled];
      if (first === undefined) throw new RangeError('cancelRun was not checked');
      const alsoQueued = rest.length === 0 ? undefined : rest;
      return { run: first, followUp: second, ...defined({ alsoQueued, setAside }) };
    }
  }
}

/** A repeated pause with another reason replaces the reason of the pause. */
function pause(state: ClusterState, message: Message & Verification, now: string): PauseAnswer {
  const before = state.paused;
  const pausing = { at: now, ...senderOf(message) };
  if (before === null) {
    state.paused = pausing;
    return { paused: true, changed: true, pause: pausing };
  }
  if (pausing.reason === null || pausing.reason === before.reason)
    return { paused: true, changed: false, pause: before };
  state.paused = { ...pausing, since: before.since ?? before.at };
  return { paused: true, changed: false, pause: state.paused, newReason: true };
}

function cancel(run: ActiveRun, message: Message & Verification): void {
  run.state = 'cancelling';
  run.cancelledBy ??= senderOf(message);
}

function checkPatchNow(state: ClusterState, message: PatchNowMessage, now: string): string | null {
  if (state.paused !== null) {
    const { at, reason, since } = state.paused;
    const by = senderText(state.paused);
    const paused =
      since === undefined ? `paused by ${by} since ${at}` : `paused since ${since}, last by ${by} at ${at}`;
    return `the cluster is ${paused}${reason === null ? '' : ` (${reason})`}; resume it first`;
  }
  return checkTimes(message, now) ?? checkQueue(state, message) ?? checkNodes(state, message);
}

function checkTimes({ notBefore, deadline }: PatchNowMessage, now: string): string | null {
  if (deadline === undefined) return null;
  if (Date.parse(deadline) <= Date.parse(now))
    return `deadline is ${deadline}, which has passed; allowed: a moment in the future`;
  return notBefore !== undefined && Date.parse(deadline) <= Date.parse(notBefore)
    ? `deadline is ${deadline}, which is not after notBefore, ${notBefore}`
    : null;
}

function checkQueue(state: ClusterState, message: PatchNowMessage): string | null {
  if (!hasOptions(message) || (state.queue ?? []).length < MAX_QUEUED) return null;
  return `${MAX_QUEUED} requests wait already; \`ospatch cancel ${state.spec.name}\` cancels them`;
}

function checkNodes(state: ClusterState, message: PatchNowMessage): string | null {
  const { spec } = state;
  if (isEks(spec) && message.selector !== undefined) return 'node groups have no labels; name them in nodes';
  if (isEks(spec) && message.concurrency !== undefined) return 'node groups are updated one at a time';
  if (message.selector !== undefined) {
    if (message.nodes !== undefined) return 'nodes and selector are both there; send one of them';
    return selected(spec, message.selector).length > 0 ? null : `no node has labels that match ${message.selector}`;
  }
  // The node groups are listed when the run starts.
  if (isEks(spec) && spec.eks.nodeGroups === 'all') return null;
  const known = new Set(state.nodes.map((node) => node.name));
  const unknown = (message.nodes ?? []).filter((name) => !known.has(name));
  if (unknown.length === 0) return null;
  const names = [...known].slice(0, 10).join(', ');
  const more = known.size > 10 ? `, ... (${known.size} in all)` : '';
  const word = memberNameOf(spec.type);
  return `no such ${word}: ${plainText(unknown.slice(0, 5).join(', '), 200)}; the ${word}s are ${names}${more}`;
}

function selected(spec: ClusterSpec, selector: string): string[] {
  const parsed = parseLabelSelector(selector);
  if (!parsed.ok || !isSelfManaged(spec)) return [];
  return spec.nodes.filter(({ labels = {} }) => matchesLabels(parsed.selector, labels)).map(({ name }) => name);
}

/** Whether the request has conditions or limits, because of which it gets a run of its own. */
function hasOptions({ notBefore, deadline, ignoreWindow, ignoreAlerts, concurrency }: PatchNowMessage): boolean {
  return (
    ignoreWindow === true ||
    ignoreAlerts === true ||
    [notBefore, deadline, concurrency].some((one) => one !== undefined)
  );
}

function actOnPatchNow(state: ClusterState, message: PatchNowMessage & Verification, now: string): PatchNowAnswer {
  const { spec } = state;
  const { selector } = message;
  const wait = isPatchable(spec) ? requestWait(state, spec, message, Date.parse(now)) : null;
  const request: PendingRequest = {
    id: message.requestId || `${now}/${state.nextRun}`,
    at: now,
    nodes: selector === undefined ? (message.nodes ?? null) : selected(spec, selector),
    ...senderOf(message),
  };
  const queued = hasOptions(message) ? queue(state, request, message) : merge(state, request, wait !== null);
  // A run that is suspended between its windows makes room.
  const { run } = state;
  const isInTheWay =
    run !== null &&
    ((run.suspended?.inFlight ?? []).length > 0 || whyBetweenWindows(state, run, Date.parse(now)) === null);
  const after = isInTheWay || wait !== null ? (run?.number ?? null) : null;
  return {
    ...{ run: queued.number ?? state.nextRun, requestId: queued.id, started: after === null && wait === null, after },
    ...defined({
      waitsFor: wait?.what,
      startsAt: wait === null || wait.untilMs === null ? undefined : new Date(wait.untilMs).toISOString(),
    }),
  };
}

/** A request with conditions or limits gets a run of its own. */
function queue(state: ClusterState, request: PendingRequest, message: PatchNowMessage): PendingRequest {
  const { notBefore, deadline, ignoreWindow, ignoreAlerts, concurrency } = message;
  // Whoever sent the waiting one was told the number of its run.
  if (state.request !== null) state.request.number ??= reserveNumber(state);
  const queued = {
    ...request,
    number: reserveNumber(state),
    ...defined({
      notBefore,
      deadline,
      ignoreWindow: ignoreWindow === true ? (true as const) : undefined,
      ignoreAlerts: ignoreAlerts === true ? (true as const) : undefined,
      concurrency,
    }),
  };
  state.queue = [...(state.queue ?? []), queued];
  return queued;
}

/**
 * A request without is merged into one follow-up run: all nodes if any request is for all nodes, else the union. `waits`: its
 * run may not be the next one.
 */
function merge(state: ClusterState, request: PendingRequest, waits: boolean): PendingRequest {
  const { nodes, by, reason } = request;
  const waiting = state.request;
  const merged =
    waiting === null
      ? request
      : {
          ...waiting,
          nodes: waiting.nodes === null || nodes === null ? null : [...new Set([...waiting.nodes, ...nodes])],
          by: waiting.by === by ? by : plainText(`${waiting.by}, ${by}`, 200),
          // What several people ask for is verified when all of them are.
          ...defined({ verified: bothVerified(waiting, request) }),
          reason:
            waiting.reason === reason ? reason : plainText([waiting.reason, reason].filter(Boolean).join('; '), 500),
        };
  // As long as a request waits, other runs may start.
  if (merged.number === undefined && waits) merged.number = reserveNumber(state);
  state.request = merged;
  return merged;
}

function bothVerified(one: Verification, other: Verification): boolean | undefined {
  if (one.verified === undefined && other.verified === undefined) return undefined;
  return one.verified === true && other.verified === true;
}

function reserveNumber(state: ClusterState): number {
  state.nextRun += 1;
  return state.nextRun - 1;
}

/** Why the cluster accepts no new work, in one sentence; null unless a removal is in progress. */
export function beingRemoved(state: ClusterState): string | null {
  return state.removing === null ? null : `the cluster is being removed by ${state.removing}`;
}

/** The answer must stay far below the message size limit; the client computes the full diff. */
function shorten(changes: ApplySpecAnswer['changes']): ApplySpecAnswer['changes'] {
  return changes.slice(0, MAX_CHANGES_LISTED).map(({ path, before, after }) => ({
    path,
    before: briefly(before),
    after: briefly(after),
  }));
}

function briefly(value: unknown): unknown {
  const text = JSON.stringify(value) ?? '';
  return text.length <= MAX_VALUE_CHARS ? value : `${text.slice(0, MAX_VALUE_CHARS)}…`;
}
