/** Asks a worker whether somebody may ask the cluster for something. The answer is in the history. */
import type { Verification } from '../../domain/shared/verification';
import { ApplicationFailure, sleep, workflowInfo } from '@temporalio/workflow';
import type { Admission, AdmissionRequest, Admitted } from '../../contract/activities/cluster';
import { clusterOfWorkflowId } from '../../contract/workflow-ids';
import { noteChain, reasonAgainstSigned, rememberSigned } from '../../domain/cluster/admissions';
import type { Message } from '../../domain/cluster/messages';
import { UNKNOWN_SENDER } from '../../domain/cluster/messages';
import type { ClusterState } from '../../domain/cluster/state';
import { defined } from '../../domain/shared/defined';
import { withoutMark } from '../../domain/shared/verification';
import { local } from '../shared/activity-options';
import { toErrorInfo } from '../shared/failures';
import { messageWasEncrypted, senderIdentity, startWasEncrypted, starterIdentity } from '../shared/sender';
import { timestamp } from '../shared/timestamp';

/** What is known of a message as it arrives. */
export interface Arrival {
  via: AdmissionRequest['via'];
  /** The identity of the client. */
  sender: string | undefined;
  sealed: boolean;
  /** Temporal may have repeated it because of a reset. */
  mayBeRepeated: boolean;
}

/** Of the message that has just arrived. Called by a handler before its first `await`. */
export function arrival(via: 'signal' | 'update', mayBeRepeated = false): Arrival {
  return { via, sender: senderIdentity(), sealed: messageWasEncrypted(), mayBeRepeated };
}

/** Of the argument with which somebody has started the workflow. */
export function startArrival(): Arrival {
  return { via: 'start', sender: starterIdentity(), sealed: startWasEncrypted(), mayBeRepeated: false };
}

/** A message with its sender as far as he is known; `why`: a sentence about why nothing comes of it, null when it is admitted. */
export interface AdmittedMessage<M> {
  message: M & Verification;
  why: string | null;
}

/** `raw`: the message as it was sent. */
export async function admit<M extends Message>(
  state: ClusterState,
  name: string,
  message: M,
  raw: unknown,
  arrived: Arrival,
): Promise<AdmittedMessage<M>> {
  const chain = state.admissions?.chain ?? '';
  let admission: Admission;
  try {
    admission = await local.admit(requestOf(name, raw, arrived, chain, message));
  } catch (failure) {
    const { message: problem } = toErrorInfo(failure, 'the check of the sender');
    const why = `nobody could check who sends this: ${problem}; nothing was changed, send the request again`;
    return { message: unverified(message, false), why };
  }
  noteChain(state, admission.chain);
  if (!admission.ok) return { message: unverified(message, admission.signers), why: admission.why };
  const isSigned = admission.principal !== undefined;
  const why = isSigned ? reasonAgainstSigned(state, name, message, arrived.mayBeRepeated) : null;
  return { message: admitted(state, name, message, admission), why };
}

/** Pauses between attempts to have a start admitted, in milliseconds. Without an answer there is no cluster. */
const FIRST_RETRY_MS = 60_000;
const MAX_RETRY_MS = 3_600_000;

/** The same for the state with which somebody starts a cluster, which waits until a worker has an answer. @throws ApplicationFailure `Refused` */
export async function admitState(state: ClusterState, message: Message, raw: unknown): Promise<void> {
  const request = requestOf('recover', raw, startArrival(), state.admissions?.chain ?? '', message);
  for (let pause = FIRST_RETRY_MS; ; pause = Math.min(2 * pause, MAX_RETRY_MS)) {
    const admission = await local.admit(request).catch(() => null);
    if (admission !== null) {
      noteChain(state, admission.chain);
      // There has been a cluster, which can still be recovered.
      if (!admission.ok) throw ApplicationFailure.nonRetryable(admission.why, 'Refused');
      return;
    }
    await sleep(pause, { summary: 'nobody could check who starts the cluster; the check is repeated' });
  }
}

export function requestOf(
  name: string,
  raw: unknown,
  { via, sender, sealed }: Arrival,
  chain: string,
  message: Message,
): AdmissionRequest {
  const { workflowId, runStartTime } = workflowInfo();
  const by = message.by ?? sender ?? UNKNOWN_SENDER;
  return {
    cluster: clusterOfWorkflowId(workflowId),
    name,
    message: raw,
    sender: by,
    via,
    ...defined({ receivedAt: via === 'start' ? runStartTime.toISOString() : undefined }),
    sealed,
    chain,
  };
}

/** The message of somebody who was let in, with who it is as far as that is known. */
export function admitted<M extends Message>(
  state: ClusterState,
  name: string,
  message: M,
  { principal, signers }: Admitted,
): M & Verification {
  if (principal !== undefined) {
    rememberSigned(state, name, message, timestamp());
    return { ...message, by: principal, verified: true };
  }
  return unverified(message, signers);
}

/** Without a claim of the sender to be verified. `signers`: he could be. */
function unverified<M extends Message>(message: M, signers: boolean): M & Verification {
  const { by } = message;
  return {
    ...message,
    ...defined({ by: by === undefined ? undefined : withoutMark(by) }),
    ...defined({ verified: signers ? false : undefined }),
  };
}

export function denied(why: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(why, 'Denied');
}
