/** Specs from outside, validated and normalised by a worker whose result is recorded, never by workflow code. */
import { ApplicationFailure, sleep } from '@temporalio/workflow';
import type {
  Admission,
  AdmissionRequest,
  Admitted,
  FirstSpecVerdict,
  SpecVerdict,
} from '../../contract/activities/cluster';
import { WINDOWS_AHEAD } from '../../domain/cluster/schedule-state';
import { canonicalJson } from '../../domain/shared/canonical-json';
import { isDeeperThan } from '../../domain/shared/nesting';
import type { CalendarAhead } from '../../domain/schedule/window';
import type { ClusterSpec } from '../../domain/spec/types';
import { local } from '../shared/activity-options';
import { toErrorInfo, withoutStack } from '../shared/failures';
import { denied } from './admission';
import { timestamp } from '../shared/timestamp';

const FIRST_RETRY_MS = 60_000;
const MAX_RETRY_MS = 3_600_000;

/** No valid spec is nested deeper. */
const MAX_LEVELS = 32;

/**
 * The normalised form of an untrusted `spec`. A spec equal to the one in force is returned without a check.
 *
 * @throws ApplicationFailure `InvalidSpec` with every problem, `Internal` when the check itself failed
 */
export async function checkSpec(spec: unknown, inForce: ClusterSpec): Promise<ClusterSpec> {
  assertShallow(spec);
  if (canonicalJson({ spec }) === canonicalJson({ spec: inForce })) return inForce;
  let verdict: SpecVerdict;
  try {
    verdict = await local.checkSpec({ spec });
  } catch (failure) {
    const { message } = toErrorInfo(failure, 'the check of the spec');
    const why = `the spec could not be checked: ${message.replace(/\.$/, '')}; nothing was changed, apply it again`;
    throw ApplicationFailure.nonRetryable(why, 'Internal');
  }
  return specOf(verdict, spec);
}

/** The result of checking the first spec of a cluster. */
export interface FirstSpec {
  spec: ClusterSpec;
  /** ISO 8601; `ahead` begins after this time. */
  at: string;
  ahead: CalendarAhead | null;
  /** Names of the search attributes registered on the namespace. */
  searchAttributes: string[];
  /** Of whoever has started the cluster. */
  admission: Admission & Admitted;
}

/**
 * The same for the spec with which a cluster starts. Without a result there is no cluster, so the check is retried.
 *
 * @throws ApplicationFailure `InvalidSpec`, `Denied`
 */
export async function checkFirstSpec(spec: unknown, request: AdmissionRequest): Promise<FirstSpec> {
  assertShallow(spec);
  for (let pause = FIRST_RETRY_MS; ; pause = Math.min(2 * pause, MAX_RETRY_MS)) {
    const at = timestamp();
    const verdict = await local.checkFirstSpec({ spec, after: at, count: WINDOWS_AHEAD, request }).catch(() => null);
    if (verdict !== null) return firstSpec(verdict, spec, at);
    await sleep(pause, { summary: 'the check of the spec failed and is repeated' });
  }
}

/** A state of a newer release is looked at again this often, for a worker that can read it: more than a day. */
const MAX_STATE_CHECKS = 30;

/**
 * Whether a cluster can go on from an untrusted state. `spec`: the normalised spec; null: that of the state is.
 *
 * @throws ApplicationFailure `InvalidSpec`
 */
export async function checkCarriedState(state: unknown, cluster: string): Promise<{ spec: ClusterSpec | null }> {
  assertShallow(state);
  let problems = ['it could not be checked'];
  for (let checks = 1, pause = FIRST_RETRY_MS; ; checks += 1, pause = Math.min(2 * pause, MAX_RETRY_MS)) {
    const verdict = await local.checkState({ state, cluster }).catch(() => null);
    if (verdict?.ok === true) return { spec: verdict.spec };
    if (verdict !== null) ({ problems } = verdict);
    const mayHelp = verdict === null || verdict.isNewer;
    if (!mayHelp || checks >= MAX_STATE_CHECKS) {
      throw specFailure(`the state of cluster ${cluster} is not usable: ${problems.join('; ')}`);
    }
    await sleep(pause, { summary: 'the check of the state is repeated, by another worker if there is one' });
  }
}

function assertShallow(spec: unknown): void {
  if (isDeeperThan(spec, MAX_LEVELS))
    throw specFailure(`the input is not valid: it has more than ${MAX_LEVELS} levels`);
}

function firstSpec(verdict: FirstSpecVerdict, spec: unknown, at: string): FirstSpec {
  const { admission } = verdict;
  if (!admission.ok) throw startDenied(admission.why);
  const { ahead, searchAttributes } = verdict.ok ? verdict : { ahead: null, searchAttributes: [] };
  return { spec: specOf(verdict, spec), at, ahead, searchAttributes, admission };
}

function specOf(verdict: SpecVerdict, spec: unknown): ClusterSpec {
  if (!verdict.ok) throw specFailure(`the spec is not valid: ${verdict.problems.join('; ')}`);
  return verdict.spec ?? (spec as ClusterSpec);
}

/** The same of one that somebody has started who must not. */
function startDenied(message: string): ApplicationFailure {
  return withoutStack(denied(message));
}

/** The end of a workflow that never became a cluster. */
export function specFailure(message: string): ApplicationFailure {
  return withoutStack(ApplicationFailure.nonRetryable(message, 'InvalidSpec'));
}
