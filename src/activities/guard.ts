/**
 * Stands in front of every activity: whoever may write to the Temporal namespace may start one with any input. The
 * implementation gets the parsed input, never the one that came.
 */
import type { Info } from '@temporalio/activity';
import { activityInfo } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { ErrorInfo } from '../domain/shared/errors';
import { OspatchError, isOspatchError } from '../domain/shared/errors';
import { plainText } from '../domain/shared/text';
import { RetryLater } from '../retry/slot-release';
import { defined } from '../domain/shared/defined';
import { toApplicationFailure } from './errors';
import { isRetriedForEver } from './heartbeat';
import { oversized } from './input/object';
import type { ActivityRequest } from './input/place';
import { isComputation, misplaced, placeOf } from './input/place';
import type { AllActivities } from './input/types';
import { INPUT_SCHEMAS } from './input/schemas';
import type { ActivityLog } from './node';

/** How an activity has reached this worker. */
export interface Delivery extends Pick<Info, 'taskQueue' | 'attempt'> {
  /** Without end; absent for what a person waits for at a terminal. */
  isRetried: boolean;
}

/**
 * Throws, with the error for the user, unless this worker may do what is requested. Returns the input for the activity, in
 * which the worker may have replaced what it knows better than the message.
 */
export type Authorise = (request: ActivityRequest, attempt: Delivery) => Promise<unknown>;

export interface GuardDeps {
  authorise: Authorise;
  log: ActivityLog;
  /** For tests; default: that of the activity in progress. */
  info?: () => Pick<Info, 'workflowExecution' | 'attempt' | 'taskQueue' | 'retryPolicy'>;
}

type AnyActivity = (input: unknown) => Promise<unknown>;

/** The same activities, each behind the check of its input and of the right to do what the input says. */
export function guardActivities(activities: AllActivities, deps: GuardDeps): AllActivities {
  const guarded = Object.entries(activities).map(([name, implementation]) => [
    name,
    guard(name as keyof AllActivities, implementation as AnyActivity, deps),
  ]);
  return Object.fromEntries(guarded) as AllActivities;
}

function guard(
  activity: keyof AllActivities,
  implementation: AnyActivity,
  { authorise, log, info = activityInfo }: GuardDeps,
): (...inputs: unknown[]) => Promise<unknown> {
  return async (...inputs) => {
    const { workflowExecution, attempt, taskQueue, retryPolicy } = info();
    const workflowId = workflowExecution?.workflowId ?? '';
    const fields = { activity, workflowId: plainText(workflowId, 300) };
    const check = async (): Promise<unknown> => {
      const input = readInput(activity, inputs);
      if (isComputation(activity)) return input;
      return authorise(placed(activity, input, workflowId), {
        attempt,
        taskQueue,
        isRetried: isRetriedForEver(defined({ retryPolicy })),
      });
    };
    const input = await check().catch((error: unknown) => {
      const { cause } = error instanceof RetryLater ? error : { cause: error };
      if (!isOspatchError(cause)) throw error;
      const isDenied = cause.type === 'Denied';
      const details = isDenied ? cause.details : {};
      const what = isDenied ? DENIED : 'an activity was refused';
      log.warn({ ...fields, ...details, error: cause.message }, what);
      throw toApplicationFailure(error, attempt);
    });
    // An address is judged when it is connected to.
    return implementation(input).catch((error: unknown) => {
      const denied = denialIn(error);
      if (denied !== null) log.warn({ ...fields, ...denied.details, error: denied.message }, DENIED);
      throw error;
    });
  };
}

const DENIED = 'denied by the policy of the worker';

function denialIn(error: unknown): ErrorInfo | null {
  if (!(error instanceof ApplicationFailure) || error.type !== 'Denied') return null;
  return (error.details?.[0] as ErrorInfo | undefined) ?? null;
}

/** @throws OspatchError `Refused` */
function readInput(activity: keyof AllActivities, inputs: readonly unknown[]): unknown {
  const [input] = inputs;
  if (inputs.length > 1) throw refusal(activity, `is a list of ${inputs.length} values; allowed: one`);
  const tooMuch = isSpecCheck(activity) ? null : oversized(input);
  if (tooMuch !== null) throw refusal(activity, tooMuch);
  const parsed = INPUT_SCHEMAS[activity].safeParse(input);
  if (!parsed.success) throw refusal(activity, describe(parsed.error.issues[0]));
  return parsed.data;
}

/** Answers with the problems of a spec, or of a state, of any size and form. */
function isSpecCheck(activity: keyof AllActivities): boolean {
  return activity === 'checkSpec' || activity === 'checkFirstSpec' || activity === 'checkState';
}

/** @throws OspatchError `Refused` when the workflow with this id must not start the activity */
function placed(activity: keyof AllActivities, input: unknown, workflowId: string): ActivityRequest {
  const place = placeOf(workflowId);
  if (place === null) throw refusal(activity, 'comes from no workflow of a cluster');
  const request = { activity, input, cluster: place.cluster } as ActivityRequest;
  const wrong = misplaced(request, place);
  if (wrong !== null) throw refusal(activity, wrong);
  return request;
}

function refusal(activity: string, why: string): OspatchError {
  return new OspatchError({
    type: 'Refused',
    message: `the input of the activity ${activity} ${why}`,
    remedy: 'start activities of ospatch through its own workflows only, and run all workers from released packages',
  });
}

/** Names the field and what is allowed there, never the value, which may be a secret in the wrong place. */
function describe(issue: { path: PropertyKey[]; message: string } | undefined): string {
  if (issue === undefined) return 'is not valid';
  const allowed = issue.message.replace(/^found[^]*?; allowed: /, '');
  const said = allowed.startsWith('found') ? 'another value' : allowed;
  return `is not valid in ${pathOf(issue.path)}; allowed: ${plainText(said, 300)}`;
}

/** `targets[3].host`; the input itself is `input`. */
function pathOf(path: readonly PropertyKey[]): string {
  const text = path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('');
  return text === '' ? 'the input itself' : text.replace(/^\./, '');
}
