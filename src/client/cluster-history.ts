/**
 * Reads the history of a cluster's workflow, open or closed, from Temporal: its start argument and all later messages.
 */
import type { Payload } from '@temporalio/common';
import { ApplicationFailure } from '@temporalio/common';
import {
  decodeArrayFromPayloads,
  decodeOptionalFailureToOptionalError,
} from '@temporalio/common/lib/internal-non-workflow';
import type { temporal } from '@temporalio/proto';
import { WORKFLOW_TYPES, clusterWorkflowId } from '../contract/workflow-ids';
import type { PastEvent } from '../domain/cluster/recovery';
import { giveUp } from '../domain/inspection/stuck';
import { OspatchError, isOspatchError } from '../domain/shared/errors';
import { defined } from '../domain/shared/defined';
import { plainText } from '../domain/shared/text';
import { isRunResult } from '../domain/run/progress-parser';
import type { RunInput } from '../domain/run/run';
import type { TemporalSession } from './connection';
import { USER_MESSAGES, admissionIn, carriedChain } from './audit';
import { chainAfter } from '../signatures/chain';
import { isOpen } from './execution-status';

type Event = temporal.api.history.v1.IHistoryEvent;

export interface ClusterPast {
  /** Run id of the newest execution, to which the history belongs. */
  runId: string;
  isOpen: boolean;
  taskQueue: string;
  startArgument: unknown;
  /** What the client that started it called itself; empty: nothing. */
  startedBy: string;
  /** Start of the history; ISO 8601. */
  beganAt: string;
  /** The start time as seen by the workflow, which is part of its run ids. */
  workflowBeganAt: string;
  events: PastEvent[];
  /** The run workflow that has not ended according to the history, if any. */
  runWorkflow: { run: number; workflowId: string; runId: string } | null;
}

/**
 * Reads the newest execution, open or closed. Throws the errors of Temporal's client.
 *
 * @throws OspatchError `Usage` when a key is missing, `Stuck` when the start argument cannot be decoded
 */
export async function readClusterPast(session: TemporalSession, cluster: string): Promise<ClusterPast> {
  const { client, namespace } = session;
  const workflowId = clusterWorkflowId(cluster);
  const { workflowExecutionInfo } = await client.workflowService.describeWorkflowExecution({
    ...{ namespace, execution: { workflowId } },
  });
  const runId = workflowExecutionInfo?.execution?.runId ?? '';
  const { events } = await client.workflow.getHandle(workflowId, runId).fetchHistory();
  const [first, ...rest] = events ?? [];
  const started = first?.workflowExecutionStartedEventAttributes;
  if (!first || !started) throw new TypeError(`the history of ${workflowId} has no beginning`);
  const isOpenNow = isOpen(workflowExecutionInfo?.status ?? 0);
  const startArgument = await readArgument(session, cluster, started.input?.payloads ?? [], isOpenNow);
  const past = new PastReader(session, carriedChain(startArgument));
  for (const event of rest) await past.take(event);
  return {
    runId,
    isOpen: isOpenNow,
    taskQueue: started.taskQueue?.name ?? session.taskQueue,
    startArgument,
    startedBy: started.identity ?? '',
    beganAt: timeOf(first),
    workflowBeganAt: past.firstTaskAt ?? timeOf(first),
    events: past.decided(),
    runWorkflow: past.runWorkflow,
  };
}

async function readArgument(
  { client, namespace }: TemporalSession,
  cluster: string,
  payloads: Payload[],
  isOpenNow: boolean,
): Promise<unknown> {
  try {
    // Of another cluster it would be recovered as this one.
    const place = { type: 'workflow', namespace, workflowId: clusterWorkflowId(cluster) } as const;
    const [argument] = await decodeArrayFromPayloads(client.options.loadedDataConverter, payloads, place);
    return argument;
  } catch (cause) {
    // The key is missing, or the payload was copied.
    if (isOspatchError(cause)) throw cause;
    const why = plainText(cause instanceof Error ? cause.message : String(cause), 200);
    throw new OspatchError(
      {
        type: 'Stuck',
        message: `what the workflow of cluster ${cluster} was started with cannot be read here: ${why}`,
        remedy: `use the version of ospatch that wrote it, or a backup: ospatch recover ${cluster} --from FILE; or ${giveUp(cluster, isOpenNow)}`,
      },
      { cause },
    );
  }
}

type PastMessageEvent = Extract<PastEvent, { kind: 'message' }>;

class PastReader {
  private events: PastEvent[] = [];
  /** Messages of users without an answer of a worker. */
  private readonly undecided = new Set<PastMessageEvent>();
  /** The workers have a list of signers, so a message without an answer is from nobody knows whom. */
  private hasSigners = false;
  runWorkflow: ClusterPast['runWorkflow'] = null;
  /** Start of the first completed workflow task, which is the current time as seen by the workflow. */
  firstTaskAt: string | null = null;
  private taskBeganAt: string | null = null;
  /** Updates by the event id of their acceptance; a failed update is removed again. */
  private readonly accepted = new Map<string, PastEvent>();
  private readonly inputs = new Map<string, RunInput>();
  /** Updates carried over by a reset, by id. */
  private readonly admitted = new Map<string, temporal.api.update.v1.IRequest>();

  /** `chain`: the last link of the history before. */
  constructor(
    private readonly session: TemporalSession,
    private chain: string,
  ) {}

  /** The events that count, once all are taken. */
  decided(): PastEvent[] {
    if (!this.hasSigners) return this.events;
    return this.events.map((event) =>
      event.kind === 'message' && this.undecided.has(event)
        ? { at: event.at, kind: 'unreadable', name: event.name }
        : event,
    );
  }

  async take(event: Event): Promise<void> {
    const at = timeOf(event);
    if (event.workflowTaskStartedEventAttributes) this.taskBeganAt = at;
    if (event.workflowTaskCompletedEventAttributes) this.firstTaskAt ??= this.taskBeganAt;
    const signal = event.workflowExecutionSignaledEventAttributes;
    if (signal) this.events.push(await this.message(at, signal.signalName, signal.input?.payloads, signal.identity));
    const admitted = event.workflowExecutionUpdateAdmittedEventAttributes?.request;
    if (admitted) this.admitted.set(admitted.meta?.updateId ?? '', admitted);
    const accepted = event.workflowExecutionUpdateAcceptedEventAttributes;
    if (accepted) {
      const { protocolInstanceId, acceptedRequest } = accepted;
      const { input, meta } = acceptedRequest ?? this.admitted.get(protocolInstanceId ?? '') ?? {};
      const message = await this.message(at, input?.name, input?.args?.payloads, meta?.identity);
      this.events.push(message);
      this.accepted.set(meta?.updateId ?? '', message);
    }
    await this.admission(event);
    const answered = event.workflowExecutionUpdateCompletedEventAttributes;
    if (answered?.outcome?.failure) this.drop(this.accepted.get(answered.meta?.updateId ?? ''));
    await this.child(event, at);
  }

  /** What a worker has refused came to nothing. */
  private async admission(event: Event): Promise<void> {
    const result = event.markerRecordedEventAttributes?.details?.['result']?.payloads;
    const answer = result ? admissionIn(await this.decode(result).catch(() => null)) : null;
    if (answer === null) return;
    this.hasSigners ||= answer.signers;
    const message = [...this.undecided].find(
      ({ name, value }) => chainAfter(this.chain, { name, message: value }, answer) === answer.chain,
    );
    this.chain = answer.chain;
    if (message === undefined) return;
    this.undecided.delete(message);
    if (!answer.ok) return this.drop(message);
    const { principal: by, signers } = answer;
    if (by !== undefined || signers) message.admitted = { ...defined({ by }), verified: by !== undefined };
  }

  private drop(message: PastEvent | undefined): void {
    this.events = this.events.filter((one) => one !== message);
  }

  private async message(
    at: string,
    name: string | null | undefined,
    payloads: Payload[] | null | undefined,
    identity: string | null | undefined,
  ): Promise<PastEvent> {
    try {
      const value = await this.decode(payloads);
      const message: PastMessageEvent = { at, kind: 'message', name: name ?? '', value, identity: identity ?? '' };
      if (USER_MESSAGES.includes(message.name) && !asksForAnswer(value)) this.undecided.add(message);
      return message;
    } catch {
      return { at, kind: 'unreadable', name: name ?? '' };
    }
  }

  private async child(event: Event, at: string): Promise<void> {
    const asked = event.startChildWorkflowExecutionInitiatedEventAttributes;
    if (asked?.workflowType?.name === WORKFLOW_TYPES.run) {
      const input = (await this.decode(asked.input?.payloads).catch(() => null)) as RunInput | null;
      if (input !== null) this.inputs.set(String(event.eventId), input);
    }
    const started = event.childWorkflowExecutionStartedEventAttributes;
    const input = this.inputs.get(String(started?.initiatedEventId));
    if (started && input !== undefined) {
      const { workflowId, runId } = started.workflowExecution ?? {};
      this.runWorkflow = { run: input.run, workflowId: workflowId ?? '', runId: runId ?? '' };
      this.events.push({ at, kind: 'run-started', workflowId: this.runWorkflow.workflowId, input });
    }
    const completed = event.childWorkflowExecutionCompletedEventAttributes;
    const closed =
      completed ??
      event.childWorkflowExecutionFailedEventAttributes ??
      event.childWorkflowExecutionCanceledEventAttributes ??
      event.childWorkflowExecutionTimedOutEventAttributes ??
      event.childWorkflowExecutionTerminatedEventAttributes;
    const ended = this.inputs.get(String(closed?.initiatedEventId));
    if (ended === undefined) return;
    this.runWorkflow = null;
    const report = completed
      ? await this.decode(completed.result?.payloads).catch(() => null)
      : await this.answerIn(event.childWorkflowExecutionFailedEventAttributes?.failure);
    this.events.push({ at, kind: 'run-ended', run: ended.run, report: isRunResult(report) ? report : null });
  }

  /** The result of a failed run is in its failure details. */
  private async answerIn(failure: temporal.api.failure.v1.IFailure | null | undefined): Promise<unknown> {
    const converter = this.session.client.options.loadedDataConverter;
    const error = await decodeOptionalFailureToOptionalError(converter, failure).catch(() => undefined);
    return error instanceof ApplicationFailure ? error.details?.[0] : null;
  }

  private async decode(payloads: Payload[] | null | undefined): Promise<unknown> {
    const [value] = await decodeArrayFromPayloads(this.session.client.options.loadedDataConverter, payloads ?? []);
    return value;
  }
}

/** The call that has started the cluster asks what became of its spec, which nobody decides about again. */
function asksForAnswer(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'applyId' in value && !('spec' in value);
}

function timeOf({ eventTime }: Event): string {
  return new Date(Number(eventTime?.seconds ?? 0) * 1000 + Math.floor((eventTime?.nanos ?? 0) / 1e6)).toISOString();
}
