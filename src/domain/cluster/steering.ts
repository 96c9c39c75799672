/** Steering of a run in progress and locks on nodes: what each request is checked against, and what it changes. */
import type { Verification } from '../shared/verification';
import { countOf } from '../run/limits';
import { removeSettled } from '../run/run';
import { DURATION_FORMAT, isDuration } from '../shared/duration';
import { plainText } from '../shared/text';
import { whyUnreadable } from '../shared/unreadable';
import { defined } from '../shared/defined';
import type { Amount } from '../spec/types';
import { isNode, memberName, memberNameOf, transition } from './member';
import type { MemberStatus } from './member';
import { INSTANT_FORMAT, amountFormat, isAmount, isInstant } from './message-values';
import type { Message, PatchNowMessage } from './messages';
import { senderText } from '../shared/verification';
import { PATCH_FIELDS, UNKNOWN_SENDER, parseMessage, rejectionOf } from './messages';
import { askAgainWhatFits } from './run-window';
import { checkExtension, extendWindow } from './extend-window';
import type { ActiveRun, ClusterState } from './state';
import type { NodeLock } from '../node/status';
import { isLost, lockAt } from '../node/status';

export const STEERING = [
  'skip',
  'retry',
  'setConcurrency',
  'setMaxFailures',
  'extendWindow',
  'lock',
  'unlock',
] as const;
export type SteeringName = (typeof STEERING)[number];

export interface SteeringMessage extends Message {
  node?: string;
  concurrency?: Amount;
  maxFailures?: Amount;
  /** ISO 8601 with zone. */
  until?: string;
  /** e.g. `90m`. */
  duration?: string;
}

export interface SteeringAnswer {
  /** What happens now, in one sentence. */
  effect: string;
  /** The run that is steered; null: the request is about no run. */
  run: number | null;
}

type Field = 'node' | 'concurrency' | 'maxFailures' | 'until' | 'duration';
type NeededField = Field | 'reason';

const FIELDS: Readonly<Record<SteeringName, { needed: readonly NeededField[]; allowed: readonly Field[] }>> = {
  skip: { needed: ['node'], allowed: ['node'] },
  retry: { needed: ['node'], allowed: ['node'] },
  setConcurrency: { needed: ['concurrency'], allowed: ['concurrency'] },
  setMaxFailures: { needed: ['maxFailures'], allowed: ['maxFailures'] },
  extendWindow: { needed: [], allowed: ['duration', 'until'] },
  lock: { needed: ['node', 'reason'], allowed: ['node', 'until'] },
  unlock: { needed: ['node'], allowed: ['node'] },
};

const EXAMPLES: Readonly<Record<NeededField, string>> = {
  node: '"w-1"',
  concurrency: '5 or "10%"',
  maxFailures: '2 or "5%"',
  until: '"2027-01-31T18:00:00Z"',
  duration: '"90m"',
  reason: '"incident 4711"',
};

/** Reads the argument of a steering signal or update, whatever it is. */
export function parseSteering(
  name: SteeringName,
  value: unknown,
): { ok: true; message: SteeringMessage } | { ok: false; why: string } {
  const unread = whyUnreadable(value);
  if (unread !== null) return refuse(`the input cannot be read: ${unread}`);
  const { needed, allowed } = FIELDS[name];
  const record: Readonly<Record<string, unknown>> | null =
    typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null;
  if (record === null) return refuse(`the input is missing; send an object such as ${example(needed)}`);
  const own: Record<string, unknown> = {};
  const common: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(record)) (allowed.some((one) => one === key) ? own : common)[key] = field;
  const parsed = parseMessage(common);
  if (!parsed.ok) return refuse(parsed.why.replace(PATCH_FIELDS, allowed.join(', ')));
  const foreign = foreignField(parsed.message);
  if (foreign !== null)
    return refuse(`unknown field ${foreign}; allowed: requestId, by, reason, signature, ${allowed.join(', ')}`);
  const missing = needed.find((field) => (record[field] ?? '') === '');
  if (missing !== undefined) return refuse(`${missing} is missing; e.g. ${example(needed)}`);
  for (const field of allowed) {
    const given = own[field] ?? undefined;
    const problem = given === undefined ? null : fieldProblem(field, given);
    if (problem !== null) return refuse(problem);
  }
  if (name === 'extendWindow' && (own['duration'] === undefined) === (own['until'] === undefined))
    return refuse(`send ${example(['duration'])} or ${example(['until'])}`);
  return { ok: true, message: { ...parsed.message, ...defined(own as SteeringMessage) } };
}

/** The first field that only a `patchNow` has; null: there is none. */
export function foreignField(message: PatchNowMessage): string | null {
  return Object.keys(message).find((key) => PATCH_FIELDS.split(', ').includes(key)) ?? null;
}

function example(fields: readonly NeededField[]): string {
  return `{${fields.map((field) => `"${field}": ${EXAMPLES[field].replace(/ or .*/, '')}`).join(', ')}}`;
}

function fieldProblem(field: Field, value: unknown): string | null {
  const isRight =
    field === 'node'
      ? typeof value === 'string' && value.length > 0 && value.length <= 253
      : field === 'until'
        ? isInstant(value)
        : field === 'duration'
          ? typeof value === 'string' && isDuration(value)
          : isAmount(value, field === 'maxFailures' ? 0 : 1);
  if (isRight) return null;
  const shown = typeof value === 'string' || typeof value === 'number' ? JSON.stringify(value) : `a ${typeof value}`;
  return `${field} is ${plainText(shown, 60)}; allowed: ${ALLOWED[field]}`;
}

const ALLOWED: Readonly<Record<Field, string>> = {
  node: 'the name of a node',
  concurrency: amountFormat(1),
  maxFailures: amountFormat(0),
  until: INSTANT_FORMAT,
  duration: DURATION_FORMAT,
};

/** Why the request cannot be carried out, in one sentence; null when it can. `now`: ISO 8601. */
export function checkSteering(
  state: ClusterState,
  name: SteeringName,
  message: SteeringMessage,
  now: string,
): string | null {
  const refused = rejectionOf(state.spec);
  if (refused !== null) return refused;
  if (state.removing !== null) return `the cluster is being removed by ${state.removing}`;
  const { node = '' } = message;
  switch (name) {
    case 'lock':
      if (message.until !== undefined && Date.parse(message.until) <= Date.parse(now))
        return `until is ${message.until}, which has passed; allowed: a moment in the future`;
      return unknownNode(state, node) ?? tooManyReasons(state, message);
    case 'unlock':
      return unknownNode(state, node) ?? (isLocked(state, node, now) ? null : `${node} is not locked`);
    case 'skip':
      return checkSkip(state, node) ?? tooManyReasons(state, message);
    case 'retry':
      return checkRetry(state, node);
    case 'extendWindow':
      return checkExtension(state, message, Date.parse(now));
    case 'setConcurrency':
    case 'setMaxFailures':
      if (state.run === null)
        return 'no run is in progress; `patching.rollout` of the spec has the limits of the next run';
      return name === 'setConcurrency' && state.run.policy.kind !== 'node'
        ? 'node groups are updated one at a time'
        : null;
  }
}

function unknownNode(state: ClusterState, node: string): string | null {
  const row = state.nodes.find(({ name }) => name === node);
  if (row === undefined) return `no such ${memberNameOf(state.spec.type)}: ${plainText(node, 200)}`;
  return isNode(row) ? null : 'node groups cannot be locked; leave the group out of eks.nodeGroups';
}

/** Characters of different reasons for locks and skips that a cluster keeps; they are carried whole wherever its state is. */
const MAX_REASON_CHARS = 64 * 1024;

function tooManyReasons({ spec, nodes, run, aside }: ClusterState, { by = '', reason = '' }: Message): string | null {
  const locks = nodes.flatMap((row) => (isNode(row) && row.lock !== undefined ? [reasonOf(row.lock)] : []));
  const skips = [run, aside ?? null].flatMap((one) => Object.values({ ...one?.skipped, ...one?.withdrawn }));
  const kept = new Set([...locks, ...skips]);
  const own = reasonOf({ by, reason });
  const chars = [...kept].reduce((sum, text) => sum + text.length, 0);
  if (kept.has(own) || chars + own.length <= MAX_REASON_CHARS) return null;
  return `the reasons of the locks and skips of ${spec.name} take ${chars} characters, and with this one more than the ${MAX_REASON_CHARS} that are allowed; give several nodes the same reason, or unlock nodes`;
}

function reasonOf({ by, reason }: { by: string; reason: string | null }): string {
  return `${by}: ${reason ?? ''}`;
}

function memberInRun(state: ClusterState, node: string): { run: ActiveRun; row: MemberStatus | undefined } | string {
  const run = runWith(state, node);
  if (run === null) {
    const [first = null] = [state.run, state.aside ?? null].filter((one) => one !== null);
    if (first === null) return 'no run is in progress';
    if (first.nodeGroupsUnresolved === true) return `run ${first.number} has not listed its node groups at AWS yet`;
    return `run ${first.number} has no ${memberName(first.policy.kind)} ${plainText(node, 200)}`;
  }
  if (run.state === 'cancelling') return `run ${run.number} is being cancelled`;
  return { run, row: state.nodes.find(({ name }) => name === node) };
}

/** The run that a request about this member is about: the one in progress, else the one that was set aside. */
function runWith({ run, aside }: ClusterState, node: string): ActiveRun | null {
  const has = (one: ActiveRun): boolean => one.nodes.includes(node) && !one.removed.includes(node);
  return [run, aside ?? null].find((one) => one !== null && has(one)) ?? null;
}

function checkSkip(state: ClusterState, node: string): string | null {
  const found = memberInRun(state, node);
  if (typeof found === 'string') return found;
  const { run, row } = found;
  const outcome = run.done[node];
  if (outcome === 'failed') return null;
  if (outcome !== undefined) return `${node} is done in run ${run.number}: ${outcome}`;
  if ((run.skipped?.[node] ?? run.withdrawn?.[node]) !== undefined) return `${node} is skipped already`;
  if (row === undefined || !isStarted(state, run, row)) return null;
  const { name } = state.spec;
  if (!isNode(row))
    return `${node} is being updated, and AWS ends what it has begun; \`ospatch cancel ${name}\` ends the run after that`;
  return isLost(row)
    ? `${node} cannot be reached after a change of run ${run.number}; \`ospatch release ${name} ${node}\` ends the wait for the node`
    : null;
}

/** Whether the run has started the member. A run that was set aside has nothing in flight. */
function isStarted(state: ClusterState, run: ActiveRun, row: MemberStatus): boolean {
  return state.run === run && row.state === 'patching';
}

function checkRetry(state: ClusterState, node: string): string | null {
  const found = memberInRun(state, node);
  if (typeof found === 'string') return found;
  const { run } = found;
  const outcome = run.done[node];
  if (outcome === undefined)
    return `${node} is not done in run ${run.number}; only what has failed or was skipped is retried`;
  const isRetriable = ['failed', 'skipped', 'cancelled', 'not-tried'].includes(outcome);
  return isRetriable
    ? null
    : `${node} is ${outcome} in run ${run.number}; only what has failed or was skipped is retried`;
}

/** Carries out a checked request at `now` (ISO 8601). */
export function steer(
  state: ClusterState,
  name: SteeringName,
  message: SteeringMessage & Verification,
  now: string,
): SteeringAnswer {
  const { node = '', by = UNKNOWN_SENDER, reason = null, verified } = message;
  const why = `${senderText({ by, ...defined({ verified }) })}${reason === null ? '' : `: ${reason}`}`;
  switch (name) {
    case 'lock': {
      const lock: NodeLock = { at: now, by, ...defined({ verified }), reason, until: message.until ?? null };
      setLock(state, node, lock);
      const until = lock.until === null ? 'until it is unlocked' : `until ${lock.until}`;
      const inWork = state.nodes.some((row) => row.name === node && row.state === 'patching');
      const effect = inWork
        ? `${node} is being patched, which goes on to its end; no run patches the node after that ${until}`
        : `no run patches ${node} ${until}`;
      return { effect, run: null };
    }
    case 'unlock':
      setLock(state, node, null);
      return { effect: `${node} is patched again by the runs that have not come to it yet`, run: null };
    case 'extendWindow':
      return extendWindow(state, message, now);
    default:
      return steerRun(state, runOf(state, node), name, message, why);
  }
}

function runOf(state: ClusterState, node: string): ActiveRun {
  const run = node === '' ? state.run : runWith(state, node);
  if (run === null) throw new RangeError('the request was not checked');
  return run;
}

function steerRun(
  state: ClusterState,
  run: ActiveRun,
  name: Exclude<SteeringName, 'lock' | 'unlock' | 'extendWindow'>,
  { node = '', concurrency = 1, maxFailures = 0 }: SteeringMessage,
  why: string,
): SteeringAnswer {
  const { limits } = run.policy;
  const total = run.nodes.length;
  askAgainWhatFits(run);
  switch (name) {
    case 'skip': {
      const reason = plainText(`skipped by ${why}`, 300);
      const row = state.nodes.find((one) => one.name === node);
      if (run.done[node] === undefined && row !== undefined && isStarted(state, run, row)) {
        run.withdrawn = { ...run.withdrawn, [node]: reason };
        const effect = `${node} is left out of run ${run.number}, unless its drain or its change has begun, which then goes on to its end`;
        return { effect, run: run.number };
      }
      run.skipped = { ...run.skipped, [node]: reason };
      if (run.done[node] === undefined) return { effect: `${node} is left out of run ${run.number}`, run: run.number };
      run.done[node] = 'skipped';
      if (run.suspended !== null) skipSettled(run.suspended, node);
      return { effect: `the failure of ${node} no longer counts in run ${run.number}`, run: run.number };
    }
    case 'retry': {
      delete run.done[node];
      run.retried = { ...run.retried, [node]: (run.retried?.[node] ?? 0) + 1 };
      if (run.skipped !== undefined) delete run.skipped[node];
      if (run.withdrawn !== undefined) delete run.withdrawn[node];
      if (run.suspended !== null) removeSettled(run.suspended, node);
      state.nodes = state.nodes.map((row) => (row.name === node ? transition(row, { kind: 'queued' }) : row));
      return { effect: `${node} waits for another turn in run ${run.number}`, run: run.number };
    }
    case 'setConcurrency':
      limits.concurrency = countOf(concurrency, total);
      return { effect: `run ${run.number} patches at most ${limits.concurrency} at the same time`, run: run.number };
    case 'setMaxFailures':
      limits.maxFailures = countOf(maxFailures, total);
      return { effect: `at most ${limits.maxFailures} of run ${run.number} may fail`, run: run.number };
  }
}

function skipSettled(cursor: NonNullable<ActiveRun['suspended']>, node: string): void {
  const failed = cursor.settled.find((one) => one.node === node && one.outcome === 'failed');
  if (failed === undefined) return;
  cursor.settled = cursor.settled.map((one) => (one === failed ? { ...one, outcome: 'skipped' } : one));
  cursor.failures -= 1;
}

function setLock(state: ClusterState, node: string, lock: NodeLock | null): void {
  state.nodes = state.nodes.map((row) => (row.name === node ? transition(row, { kind: 'locked', lock }) : row));
}

function isLocked(state: ClusterState, node: string, now: string): boolean {
  return state.nodes.some((row) => row.name === node && isNode(row) && lockAt(row, Date.parse(now)) !== null);
}

function refuse(why: string): { ok: false; why: string } {
  return { ok: false, why };
}
