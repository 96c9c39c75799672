/**
 * One workflow in the sandbox of a worker, without worker and server: a test feeds activation jobs and reads the commands.
 * For timings that cannot be forced on a server.
 */
import { defaultPayloadConverter } from '@temporalio/common';
import type { Payload } from '@temporalio/common';
import { coresdk } from '@temporalio/proto';
import { parseWorkflowCode } from '@temporalio/worker/lib/worker';
import { ReusableVMWorkflowCreator } from '@temporalio/worker/lib/workflow/reusable-vm';
import type { Admission } from '../../src/contract/activities/cluster';
import { workflowBundle } from '../support/workflow-bundle';

export type Job = coresdk.workflow_activation.IWorkflowActivationJob;
export type Command = coresdk.workflow_commands.IWorkflowCommand;
type Failure = NonNullable<coresdk.activity_result.IFailure['failure']>;

const ACTIVITIES = new Set([
  'checkSpec',
  'checkFirstSpec',
  'admit',
  'checkState',
  'lastRun',
  'nextWindows',
  'searchAttributes',
  'recordAudit',
  'notificationDefaults',
  'readFacts',
]);

/** After which a workflow goes on in another workflow task. */
const PAUSE_NANOS = 1_000_000;

let creator: ReusableVMWorkflowCreator | null = null;
let runs = 0;
let byHand = false;

export function payloadOf(value: unknown): Payload {
  return defaultPayloadConverter.toPayload(value);
}

export function valueOf(payload: coresdk.workflow_commands.IQuerySuccess['response']): unknown {
  return payload === null || payload === undefined
    ? undefined
    : defaultPayloadConverter.fromPayload(payload as Payload);
}

export class SandboxedWorkflow {
  /** Commands of the workflow so far. */
  readonly commands: Command[] = [];
  /** What Temporal says when a history has become long. */
  continueAsNewSuggested = false;
  private now = Date.parse('2027-01-04T12:00:00Z');
  private jobs = 0;

  private constructor(
    private readonly runId: string,
    private readonly workflow: Awaited<ReturnType<ReusableVMWorkflowCreator['createWorkflow']>>,
    private readonly first: Job,
  ) {}

  /** The workflow begins with the first `activate`, whose jobs arrive together with its start. */
  static create(workflowId: string, workflowType: string, ...args: Payload[]): Promise<SandboxedWorkflow> {
    return SandboxedWorkflow.createChildOf(undefined, workflowId, workflowType, ...args);
  }

  /** A cluster that somebody has started with this argument. */
  static startCluster(workflowId: string, argument: unknown): Promise<SandboxedWorkflow> {
    byHand = true;
    return SandboxedWorkflow.create(workflowId, 'cluster', payloadOf(argument)).finally(() => {
      byHand = false;
    });
  }

  static async createChildOf(
    parentId: string | undefined,
    workflowId: string,
    workflowType: string,
    ...args: Payload[]
  ): Promise<SandboxedWorkflow> {
    const { code } = await workflowBundle();
    creator ??= await ReusableVMWorkflowCreator.create(parseWorkflowCode(code), 20_000, ACTIVITIES);
    runs += 1;
    const runId = `run-${runs}`;
    const startedAt = new Date('2027-01-04T12:00:00Z');
    const workflow = await creator.createWorkflow({
      info: {
        ...{
          workflowId,
          runId,
          workflowType,
          namespace: 'default',
          taskQueue: 'test',
          firstExecutionRunId: runId,
          originalExecutionRunId: runId,
        },
        ...(parentId === undefined ? {} : { parent: { workflowId: parentId, runId: 'parent', namespace: 'default' } }),
        ...{ attempt: 1, taskTimeoutMs: 10_000, startTime: startedAt, runStartTime: startedAt },
        ...{ historyLength: 3, historySize: 300, continueAsNewSuggested: false, suggestedContinueAsNewReasons: [] },
        ...{ targetWorkerDeploymentVersionChanged: false, searchAttributes: {} },
        typedSearchAttributes: undefined as never,
        unsafe: {
          isReplaying: false,
          isReplayingHistoryEvents: false,
          now: () => Date.now(),
          random: undefined as never,
        },
      },
      randomnessSeed: [1, 2, 3, 4, 5, 6, 7, 8],
      now: startedAt.getTime(),
      showStackTraceSources: false,
    });
    const [argument] = args.map((one) => defaultPayloadConverter.fromPayload<unknown>(one));
    // Only a workflow that continues as new hands over its state, or somebody who has made one.
    const isContinued = !byHand && typeof argument === 'object' && argument !== null && 'state' in argument;
    const continued = isContinued ? { continuedFromExecutionRunId: 'run-before', continuedInitiator: 1 } : {};
    const first = {
      initializeWorkflow: { workflowId, workflowType, arguments: args, identity: TEST_IDENTITY, ...continued },
    };
    return new SandboxedWorkflow(runId, workflow, first);
  }

  /** Whoever asks for something may, and pauses between workflow tasks end at once; otherwise the test answers. */
  admitsAll = true;

  /** Returns the commands after `jobs`. @throws the error with which the workflow task failed */
  async activate(...jobs: Job[]): Promise<Command[]> {
    const commands = await this.activateOnce(...jobs);
    if (!this.admitsAll) return commands;
    const answers = commands.map(answerOf);
    const open = answers.filter((answer) => answer !== null);
    if (open.length === 0) return commands;
    return [...commands.filter((_, at) => answers[at] === null), ...(await this.activate(...open))];
  }

  private async activateOnce(...jobs: Job[]): Promise<Command[]> {
    const all = this.jobs === 0 ? [this.first, ...jobs] : jobs;
    this.jobs += all.length;
    this.now += 1_000;
    const completion = await this.workflow.activate(
      coresdk.workflow_activation.WorkflowActivation.fromObject({
        runId: this.runId,
        timestamp: { seconds: Math.floor(this.now / 1_000), nanos: 0 },
        isReplaying: false,
        historyLength: 3 + this.jobs,
        continueAsNewSuggested: this.continueAsNewSuggested,
        availableInternalFlags: [1, 2, 3, 4],
        jobs: all,
      }),
    );
    if (!completion.successful) throw new Error(completion.failed?.failure?.message ?? 'the workflow task failed');
    const commands = completion.successful.commands ?? [];
    this.commands.push(...commands);
    return commands;
  }

  /** Advances the time without a job. */
  pass(ms: number): void {
    this.now += ms;
  }

  async query(queryType: string, ...args: Payload[]): Promise<unknown> {
    const [answer] = await this.activate({ queryWorkflow: { queryId: `q-${this.jobs}`, queryType, arguments: args } });
    const { succeeded, failed } = answer?.respondToQuery ?? {};
    if (succeeded) return valueOf(succeeded.response);
    throw new Error(failed?.message ?? 'no answer');
  }

  dispose(): Promise<void> {
    return this.workflow.dispose();
  }
}

/** As of a worker without a policy. */
export const ADMITTED: Admission = { ok: true, signers: false, chain: '' };

let updates = 0;

/** Of the client that sends what tests do not sign. */
export const TEST_IDENTITY = 'tester@host';

export function signal(signalName: string, ...input: Payload[]): Job {
  return { signalWorkflow: { signalName, input, identity: TEST_IDENTITY } };
}

export function update(name: string, ...input: Payload[]): { id: string; job: Job } {
  updates += 1;
  const id = `u-${updates}`;
  const meta = { identity: TEST_IDENTITY };
  return { id, job: { doUpdate: { id, protocolInstanceId: id, name, input, meta, runValidator: true } } };
}

/** The outcome of an update: its result or its failure; undefined before that. */
export function outcomeOf(
  commands: readonly Command[],
  id: string,
): { answer?: unknown; failure?: Failure } | undefined {
  for (const { updateResponse } of commands) {
    if (updateResponse?.protocolInstanceId !== id) continue;
    if (updateResponse.rejected) return { failure: updateResponse.rejected };
    if (updateResponse.completed) return { answer: valueOf(updateResponse.completed) };
  }
  return undefined;
}

/** The sequence number of the last scheduled local activity `activityType`. */
export function localActivity(commands: readonly Command[], activityType: string): number {
  const found = commands.findLast(({ scheduleLocalActivity: one }) => one?.activityType === activityType);
  const seq = found?.scheduleLocalActivity?.seq;
  if (seq === undefined || seq === null) throw new Error(`${activityType} was not scheduled`);
  return seq;
}

export function resolved(seq: number, value: unknown): Job {
  return { resolveActivity: { seq, isLocal: true, result: { completed: { result: payloadOf(value) } } } };
}

export function timeout(): Failure {
  return { message: 'StartToClose timeout', timeoutFailureInfo: { timeoutType: 1 } };
}

/** The result of a local activity that timed out, as reported by the core of the SDK. */
export function timedOut(seq: number, isLocal = true): Job {
  const activityFailureInfo = { activityType: { name: 'a' }, activityId: String(seq), retryState: 5 };
  const failure = { message: 'Activity task timed out', activityFailureInfo, cause: timeout() };
  return { resolveActivity: { seq, isLocal, result: { failed: { failure } } } };
}

/** Null: that is for the test. */
function answerOf({ scheduleLocalActivity: local, startTimer: timer }: Command): Job | null {
  if (local?.activityType === 'admit') return resolved(local.seq ?? 0, ADMITTED);
  const { seconds, nanos } = timer?.startToFireTimeout ?? {};
  const isPause = Number(seconds ?? 0) === 0 && nanos === PAUSE_NANOS;
  return isPause ? { fireTimer: { seq: timer?.seq ?? 0 } } : null;
}

/** A cluster that has accepted its first spec and sleeps. `ahead`: its windows. */
export async function acceptedCluster(spec: object, ahead: object | null = null): Promise<SandboxedWorkflow> {
  const workflow = await SandboxedWorkflow.create('cluster/demo', 'cluster', payloadOf({ spec, applyId: 'a' }));
  await workflow.activate();
  const checked = { admission: ADMITTED, ok: true, spec: null, ahead, searchAttributes: [] };
  await workflow.activate(resolved(localActivity(workflow.commands, 'checkFirstSpec'), checked));
  return workflow;
}
