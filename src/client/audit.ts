/**
 * Verifies recorded histories of a cluster: who asked for what, whether the signatures hold, and whether a message or an answer
 * was changed or left out since. Needs nothing but the histories and a list of signers.
 */
import type { Payload } from '@temporalio/common';
import { decodeArrayFromPayloads } from '@temporalio/common/lib/internal-non-workflow';
import type { LoadedDataConverter } from '@temporalio/common';
import type { temporal } from '@temporalio/proto';
import type { Admission } from '../contract/activities/cluster';
import { clusterWorkflowId } from '../contract/workflow-ids';
import { MAX_SENTENCE, SIGNALS, parseMessage } from '../domain/cluster/messages';
import { CANCELLED_BY } from '../domain/cluster/requests';
import type { RequestSignature } from '../domain/cluster/signature';
import { isSignature } from '../domain/cluster/signature';
import { signedText } from '../domain/cluster/signed-text';
import { parseSpecMessage } from '../domain/cluster/spec-message';
import { STEERING, parseSteering } from '../domain/cluster/steering';
import { commandOf } from '../domain/cluster/verbs';
import { defined } from '../domain/shared/defined';
import { plainText } from '../domain/shared/text';
import { chainAfter } from '../signatures/chain';
import { verifySignature } from '../signatures/verify';

type History = temporal.api.history.v1.IHistory;
type Event = temporal.api.history.v1.IHistoryEvent;

/**
 * `verified`: signed by somebody on the list. `unsigned`. `unknown`: signed by somebody who is not on it. `invalid`: the
 * signature is wrong, or the history says something else than the signature. `unreadable`: it cannot be decoded here.
 */
export type AuditVerdict = 'verified' | 'unsigned' | 'unknown' | 'invalid' | 'unreadable';

/** One message to a cluster. Times are ISO 8601. */
export interface AuditedRequest {
  /** Run id of the workflow execution, and number of the event in its history. */
  execution: string;
  event: number;
  at: string;
  via: 'start' | 'signal' | 'update' | 'cancel';
  /** Name of the command. */
  request: string;
  /** As the message says; null: it does not. */
  by: string | null;
  requestId: string | null;
  verdict: AuditVerdict;
  /** On the list of signers. Null: not verified. */
  principal: string | null;
  /**
   * What the worker decided. `none`: it decided nothing, because the message was malformed, or asked only for the answer to
   * an earlier one.
   */
  decision: 'admitted' | 'refused' | 'none';
  /** Why it was refused, or what is wrong. Null: nothing. */
  message: string | null;
}

export interface AuditReport {
  cluster: string;
  executions: number;
  requests: AuditedRequest[];
  /** Signs of a change, each in one sentence; empty: none was found. */
  problems: string[];
  /** The last link of the chain over all messages and answers. */
  chain: string;
}

export interface AuditOptions {
  cluster: string;
  /** The namespace of Temporal for which the requests were signed. */
  namespace: string;
  /** Path of the list of signers. */
  signers: string;
  converter: LoadedDataConverter;
}

/** Names of the messages of users. */
export const USER_MESSAGES: readonly string[] = [...SIGNALS, ...STEERING, 'applySpec', 'remove'];

/** Name of the markers in which the SDK keeps the results of local activities. */
const LOCAL_ACTIVITY = 'core_local_activity';

/** `histories`: of the executions of one cluster, oldest first. */
export async function auditHistories(histories: readonly History[], options: AuditOptions): Promise<AuditReport> {
  const audit = new Audit(options);
  for (const history of histories) await audit.take(history);
  const { requests, problems, chain } = audit;
  return { cluster: options.cluster, executions: histories.length, requests, problems, chain };
}

interface Pending {
  name: string;
  value: unknown;
  entry: AuditedRequest;
}

class Audit {
  readonly requests: AuditedRequest[] = [];
  readonly problems: string[] = [];
  chain = '';
  private readonly used = new Map<string, AuditedRequest>();
  private pending: Pending[] = [];
  private execution = '';
  /** Id of the call that has created the cluster, which asks for its answer by it. */
  private createdBy: unknown = null;
  private isFirst = true;
  /** Messages of this execution about which nobody could say anything. */
  private failedAnswers = 0;

  constructor(private readonly options: AuditOptions) {}

  async take({ events }: History): Promise<void> {
    const all = events ?? [];
    const [first] = all;
    const started = first?.workflowExecutionStartedEventAttributes;
    if (first === undefined || !started) {
      this.problems.push('a history does not begin with the start of a workflow');
      return;
    }
    this.execution = started.originalExecutionRunId ?? '';
    const { cluster } = this.options;
    const id = started.workflowId ?? '';
    if (id !== '' && id !== clusterWorkflowId(cluster))
      this.problem(1, `the workflow is ${plainText(id, 200)}, not ${clusterWorkflowId(cluster)}`);
    all.forEach(({ eventId }, at) => {
      if (Number(eventId) !== at + 1) this.problem(at + 1, 'the event is missing, or stands in another place');
    });
    this.pending = [];
    await this.start(first, started);
    this.failedAnswers = 0;
    let decidedUpTo = 0;
    for (const event of all.slice(1)) {
      await this.event(event);
      if (event.workflowTaskCompletedEventAttributes) decidedUpTo = Number(event.eventId);
    }
    // A cluster that did not come into being answers nothing.
    if (all.every((event) => !event.workflowExecutionFailedEventAttributes)) this.assertAnswered(decidedUpTo);
    this.isFirst = false;
  }

  private async start(
    event: Event,
    started: NonNullable<Event['workflowExecutionStartedEventAttributes']>,
  ): Promise<void> {
    const value = await this.decode(started.input?.payloads);
    const state = recordOf(recordOf(value)?.['state']);
    const before = carriedChain(value);
    const isContinued = (started.continuedExecutionRunId ?? '') !== '' && Number(started.initiator) === 1;
    if (isContinued && !this.isFirst && before !== this.chain)
      this.problem(
        1,
        'the execution does not continue the one before: a history between them is missing, or was changed',
      );
    this.chain = before;
    this.createdBy = (state === null ? recordOf(value)?.['applyId'] : state['createdBy']) ?? null;
    if (state === null) await this.message(event, 'start', 'applySpec', value);
    else if (!isContinued) await this.message(event, 'start', 'recover', value);
  }

  private async event(event: Event): Promise<void> {
    const signal = event.workflowExecutionSignaledEventAttributes;
    if (signal && USER_MESSAGES.includes(signal.signalName ?? ''))
      await this.message(event, 'signal', signal.signalName ?? '', await this.decode(signal.input?.payloads));
    const accepted = event.workflowExecutionUpdateAcceptedEventAttributes?.acceptedRequest;
    const admitted = event.workflowExecutionUpdateAdmittedEventAttributes?.request;
    const { input } = accepted ?? admitted ?? {};
    if (input && USER_MESSAGES.includes(input.name ?? ''))
      await this.message(event, 'update', input.name ?? '', await this.decode(input.args?.payloads));
    if (input?.name === 'applySpec') this.assertAnswerable(event, await this.decode(input.args?.payloads));
    const cancel = event.workflowExecutionCancelRequestedEventAttributes;
    if (cancel) {
      const reason = plainText(cancel.cause ?? '', MAX_SENTENCE) || undefined;
      await this.message(event, 'cancel', 'remove', defined({ by: CANCELLED_BY, reason }));
    }
    const marker = event.markerRecordedEventAttributes;
    if (marker?.markerName === LOCAL_ACTIVITY) {
      const answer = admissionIn(await this.decode(marker.details?.['result']?.payloads));
      if (answer !== null) this.answer(event, answer);
      else if (marker.failure) this.failedAnswers += 1;
    }
  }

  private async message(event: Event, via: AuditedRequest['via'], name: string, value: unknown): Promise<void> {
    const fields = recordOf(value);
    const text = (field: string): string | null => {
      const one = fields?.[field];
      return typeof one === 'string' ? plainText(one, 300) : null;
    };
    const entry: AuditedRequest = {
      ...{ execution: this.execution, event: Number(event.eventId), at: timeOf(event), via },
      ...{ request: commandOf(name), by: text('by'), requestId: text('requestId') },
      ...{
        verdict: value === UNREADABLE ? 'unreadable' : 'unsigned',
        principal: null,
        decision: 'none',
        message: null,
      },
    };
    const signature = fields?.['signature'];
    if (fields !== null && isSignature(signature)) await this.verify(entry, fields, signature);
    this.requests.push(entry);
    this.pending.push({ name, value, entry });
  }

  private async verify(entry: AuditedRequest, message: object, { time, value }: RequestSignature): Promise<void> {
    const { namespace, cluster, signers } = this.options;
    const text = signedText({ namespace, cluster, verb: entry.request, time }, message);
    const verdict = await verifySignature({ text, signature: value, signers, at: new Date(time) });
    switch (verdict.kind) {
      case 'good':
        entry.verdict = 'verified';
        entry.principal = verdict.principal;
        return;
      case 'unknown':
        entry.verdict = 'unknown';
        entry.message = verdict.why;
        return;
      case 'bad':
        entry.verdict = 'invalid';
        entry.message = `the signature is wrong: ${verdict.why}`;
    }
  }

  /** What a cluster can read is answered by a worker before the cluster acts; `upTo`: the last event at which it acted. */
  private assertAnswered(upTo: number): void {
    const open = this.pending.filter(
      ({ entry, name, value }) => entry.event < upTo && isReadable(name, value) && !this.asksForAnswer(name, value),
    );
    for (const { entry } of open.slice(this.failedAnswers)) {
      this.problem(
        entry.event,
        `no worker has answered ${entry.request}: the answer was left out, or the cluster could not read the request`,
      );
    }
  }

  private asksForAnswer(name: string, value: unknown): boolean {
    const fields = recordOf(value);
    return name === 'applySpec' && fields !== null && Object.keys(fields).every((field) => field === 'applyId');
  }

  /** An update without a spec is accepted from the call that has created the cluster only. */
  private assertAnswerable(event: Event, value: unknown): void {
    const fields = recordOf(value);
    if (fields === null || !this.asksForAnswer('applySpec', value)) return;
    if (fields['applyId'] !== this.createdBy)
      this.problem(
        Number(event.eventId),
        'the update asks for the answer to another call than that which created the cluster',
      );
  }

  /** The worker has said this to one of the messages before. */
  private answer(event: Event, answer: Admission): void {
    const found = this.pending.find(
      ({ name, value }) => chainAfter(this.chain, { name, message: value }, answer) === answer.chain,
    );
    this.chain = answer.chain;
    if (found === undefined) {
      const why = 'the answer of the worker fits no message before: a message or an answer was changed or left out';
      this.problem(Number(event.eventId), why);
      return;
    }
    this.pending = this.pending.filter((one) => one !== found);
    const { entry } = found;
    entry.decision = answer.ok ? 'admitted' : 'refused';
    if (!answer.ok) {
      entry.message = plainText(answer.why, 500);
      // A wrong signature that was refused has done nothing; whoever changes one later does so to what was admitted.
      if (entry.verdict === 'invalid') entry.verdict = 'unknown';
      return;
    }
    const { principal = null } = answer;
    if (principal !== entry.principal) {
      entry.verdict = 'invalid';
      entry.message = `the worker took it for a request of ${principal ?? 'nobody who is verified'}, and the signature is of ${entry.principal ?? 'nobody on the list'}`;
    }
    if (entry.principal !== null) this.count(entry);
  }

  /** The cluster carries out each signed request once. */
  private count(entry: AuditedRequest): void {
    const key = `${entry.request}/${entry.requestId}`;
    const before = this.used.get(key);
    if (before === undefined) this.used.set(key, entry);
    else entry.message = `repeats event ${before.event} of execution ${before.execution}, so the cluster refused it`;
  }

  private problem(event: number, why: string): void {
    this.problems.push(`event ${event} of execution ${this.execution}: ${why}`);
  }

  private async decode(payloads: Payload[] | null | undefined): Promise<unknown> {
    try {
      const [value] = await decodeArrayFromPayloads(this.options.converter, payloads ?? []);
      return value ?? null;
    } catch {
      return UNREADABLE;
    }
  }
}

/** Whether the cluster asks a worker about the message; it refuses a malformed one itself. */
function isReadable(name: string, value: unknown): boolean {
  if (name === 'recover') return true;
  const steering = STEERING.find((one) => one === name);
  if (steering !== undefined) return parseSteering(steering, value).ok;
  return name === 'applySpec' ? parseSpecMessage(value).ok : parseMessage(value).ok;
}

/** Stands for what cannot be decoded here. */
const UNREADABLE = Symbol('unreadable');

/** The last link of the chain with which a history begins; empty: it is a new cluster. `argument`: of the start. */
export function carriedChain(argument: unknown): string {
  const chain = recordOf(recordOf(recordOf(argument)?.['state'])?.['admissions'])?.['chain'];
  return typeof chain === 'string' ? chain : '';
}

/** The answer to a message, if a local activity has given one. */
export function admissionIn(result: unknown): Admission | null {
  const own = recordOf(result);
  const admission = recordOf(own?.['admission']) ?? own;
  const isOne = typeof admission?.['chain'] === 'string' && typeof admission['ok'] === 'boolean';
  return isOne ? (admission as unknown as Admission) : null;
}

function recordOf(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}

function timeOf({ eventTime }: Event): string {
  return new Date(Number(eventTime?.seconds ?? 0) * 1_000 + Math.floor((eventTime?.nanos ?? 0) / 1e6)).toISOString();
}
