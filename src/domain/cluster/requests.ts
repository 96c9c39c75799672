/**
 * Checks and executes the requests of a cluster. Every request has a check, which only reads (update validators must
 * not write), and an act, which runs after the check has passed.
 */
import type { ActiveRun, ClusterState } from './state';
import { memberNameOf } from './member';
import { applySpecToState, answerFor, cancelRequest, isSelfManaged, note, remember } from './state';
import type {
  ApplySpecAnswer,
  ApplySpecMessage,
  CancelRunAnswer,
  Message,
  PatchNowAnswer,
  PatchNowMessage,
  PauseAnswer,
  RemoveAnswer,
  SignalName,
} from './messages';
import { rejectionOf, typeChangeReason } from './messages';
import type { SteeringAnswer, SteeringMessage, SteeringName } from './steering';
import { checkSteering, steer } from './steering';
import { isEks } from '../eks/node-groups';
import { tooManyNodes } from '../spec/size';
import { plainText } from '../shared/text';
import { defined } from '../shared/defined';
import { changesText } from './change-text';

const MAX_CHANGES_LISTED = 200;
const MAX_VALUE_CHARS = 1_000;

const UNKNOWN_SENDER = 'an unnamed user';

/** Answers to the requests that exist both as signal and as update. */
export interface Answers {
  patchNow: PatchNowAnswer;
  pause: PauseAnswer;
  resume: PauseAnswer;
  cancelRun: CancelRunAnswer;
}

/** Why the request is rejected, in one sentence; null when it can be executed. */
export function checkRequest(state: ClusterState, what: SignalName, message: PatchNowMessage): string | null {
  if (answerFor(state, requestKey(what, message)) !== undefined) return null;
  const refused = rejectionOf(state.spec) ?? beingRemoved(state);
  if (refused !== null) return refused;
  if (what !== 'patchNow' && message.nodes !== undefined)
    return `${what} takes no nodes; it applies to the whole cluster`;
  switch (what) {
    case 'patchNow':
      return checkPatchNow(state, message);
    case 'cancelRun':
      return state.run === null ? 'no run is in progress, so there is nothing to cancel' : null;
    case 'pause':
    case 'resume':
      return null;
  }
}

/** Executes a checked request at `now` (ISO 8601) and returns its answer. */
export function actOnRequest<W extends SignalName>(
  state: ClusterState,
  what: W,
  message: PatchNowMessage,
  now: string,
): Answers[W];
export function actOnRequest(
  state: ClusterState,
  what: SignalName,
  message: PatchNowMessage,
  now: string,
): Answers[SignalName] {
  const key = requestKey(what, message);
  const before = answerFor(state, key);
  if (before !== undefined) return before as Answers[SignalName];
  const answer = act(state, what, message, now);
  remember(state, key, answer);
  record(state, what, message, resultOf(answer), now, { run: 'run' in answer ? answer.run : undefined });
  return answer;
}

/** What an accepted request is about, beside the cluster. */
type Subject = { node?: string | undefined; run?: number | undefined };

function record(
  state: ClusterState,
  request: string,
  message: Message,
  result: string,
  now: string,
  subject: Subject = {},
): void {
  note(state, { kind: 'action', request, ...senderOf(message), result, ...defined(subject) }, now);
}

function senderOf({ by, reason }: Message): { by: string; reason: string | null } {
  return { by: by ?? UNKNOWN_SENDER, reason: reason ?? null };
}

function resultOf(answer: Answers[SignalName]): string {
  if ('paused' in answer) {
    const now = answer.paused ? 'paused' : 'not paused';
    if (answer.newReason === true) return `${now}, as before, for another reason`;
    return answer.changed ? now : `${now}, as before`;
  }
  if ('followUp' in answer) {
    const followUp = answer.followUp === null ? '' : ` and queued run ${answer.followUp}`;
    return `run ${answer.run} cancelled${followUp}`;
  }
  return answer.after === null ? `run ${answer.run}` : `run ${answer.run}, after run ${answer.after}`;
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
  message: SteeringMessage,
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
  by: string | undefined,
  why: string,
  now: string,
): void {
  note(state, { kind: 'rejected', request: what, by: by ?? UNKNOWN_SENDER, message: why }, now);
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

export function actOnApplySpec(state: ClusterState, message: ApplySpecMessage, now: string): ApplySpecAnswer {
  const changes = applySpecToState(state, message.spec, now);
  const { run, spec } = state;
  if (run?.policy.kind === 'node' && isSelfManaged(spec) && !spec.patching.rebootIfRequired)
    run.policy.rebootIfRequired = false;
  // Only the call that started the workflow has created the cluster, and only once: the same file applied again is
  // `unchanged`.
  const created = message.applyId === state.createdBy;
  if (created) state.createdBy = null;
  // Pipelines apply the same file again and again; recording that would only fill the history.
  if (created) record(state, 'applySpec', message, 'cluster created', now);
  else if (changes.length > 0) record(state, 'applySpec', message, changesText(changes), now);
  return {
    result: created ? 'created' : changes.length > 0 ? 'updated' : 'unchanged',
    changes: created ? [] : shorten(changes),
    notice: rejectionOf(spec),
  };
}

export function actOnRemove(state: ClusterState, message: Message, now: string): RemoveAnswer {
  const sender = senderOf(message);
  state.removing ??= sender.reason === null ? sender.by : `${sender.by} (${sender.reason})`;
  state.request = null;
  if (state.run !== null) cancel(state.run, message);
  const result = state.run === null ? 'removed' : `removed after run ${state.run.number}`;
  record(state, 'remove', message, result, now, { run: state.run?.number });
  return { run: state.run?.number ?? null };
}

/** Somebody has cancelled the workflow of the cluster in Temporal, which is a removal. */
export function noteCancelInTemporal(state: ClusterState, now: string): void {
  const result = state.run === null ? 'removed' : `removed after run ${state.run.number}`;
  record(state, 'remove', { by: 'Temporal', reason: 'the workflow was cancelled' }, result, now);
}

function act(state: ClusterState, what: SignalName, message: PatchNowMessage, now: string): Answers[SignalName] {
  switch (what) {
    case 'patchNow':
      return actOnPatchNow(state, message);
    case 'pause':
      return pause(state, message, now);
    case 'resume': {
      const changed = state.paused !== null;
      state.paused = null;
      return { paused: false, changed, pause: null };
    }
    case 'cancelRun': {
      const { run } = state;
      if (run === null) throw new RangeError('cancelRun was not checked');
      cancel(run, message);
      const { by } = senderOf(message);
      // A follow-up run that starts the moment the run is cancelled would defeat the cancellation.
      const why = `cancelled by ${by} together with run ${run.number}, before it started`;
      return { run: run.number, followUp: cancelRequest(state, why, now) };
    }
  }
}

/** A repeated pause with another reason replaces the reason of the pause. */
function pause(state: ClusterState, message: Message, now: string): PauseAnswer {
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

function cancel(run: ActiveRun, message: Message): void {
  run.state = 'cancelling';
  run.cancelledBy ??= senderOf(message);
}

function checkPatchNow(state: ClusterState, message: PatchNowMessage): string | null {
  if (state.paused !== null) {
    const { at, by, reason, since } = state.paused;
    const paused =
      since === undefined ? `paused by ${by} since ${at}` : `paused since ${since}, last by ${by} at ${at}`;
    return `the cluster is ${paused}${reason === null ? '' : ` (${reason})`}; resume it first`;
  }
  // The node groups are listed when the run starts.
  if (isEks(state.spec) && state.spec.eks.nodeGroups === 'all') return null;
  const known = new Set(state.nodes.map((node) => node.name));
  const unknown = (message.nodes ?? []).filter((name) => !known.has(name));
  if (unknown.length === 0) return null;
  const names = [...known].slice(0, 10).join(', ');
  const more = known.size > 10 ? `, ... (${known.size} in all)` : '';
  const word = memberNameOf(state.spec.type);
  return `no such ${word}: ${plainText(unknown.slice(0, 5).join(', '), 200)}; the ${word}s are ${names}${more}`;
}

/**
 * A request during a run is merged into one follow-up run: all nodes if any request is for all nodes, else the union.
 */
function actOnPatchNow(state: ClusterState, message: PatchNowMessage): PatchNowAnswer {
  const nodes = message.nodes ?? null;
  const by = message.by ?? UNKNOWN_SENDER;
  const reason = message.reason ?? null;
  const waiting = state.request;
  state.request =
    waiting === null
      ? { nodes, by, reason }
      : {
          nodes: waiting.nodes === null || nodes === null ? null : [...new Set([...waiting.nodes, ...nodes])],
          by: waiting.by === by ? by : plainText(`${waiting.by}, ${by}`, 200),
          reason:
            waiting.reason === reason ? reason : plainText([waiting.reason, reason].filter(Boolean).join('; '), 500),
        };
  const after = state.run?.number ?? null;
  return { run: state.nextRun, started: after === null, after };
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
