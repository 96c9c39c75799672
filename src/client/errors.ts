/** Turns what Temporal's client throws into sentences for people. */
import {
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  ChildWorkflowFailure,
  NamespaceNotFoundError,
  QueryNotRegisteredError,
  QueryRejectedError,
  TerminatedFailure,
  TimeoutFailure,
  WorkflowFailedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
  isGrpcDeadlineError,
  isGrpcServiceError,
} from '@temporalio/client';
import type { ErrorInfo } from '../domain/shared/errors';
import { describePage } from '../domain/shared/web-page';
import { ERROR_TYPES, OspatchError, isOspatchError } from '../domain/shared/errors';
import { isPausedOnServer } from './execution-status';
import type { StuckCluster } from '../domain/inspection/stuck';
import { stuckInfo } from '../domain/inspection/stuck';
import { defined } from '../domain/shared/defined';

const GRPC_INVALID_ARGUMENT = 3;
const GRPC_NOT_FOUND = 5;
const GRPC_PERMISSION_DENIED = 7;
const GRPC_FAILED_PRECONDITION = 9;
const GRPC_UNAVAILABLE = 14;
const GRPC_UNAUTHENTICATED = 16;

/** What was being done, for the sentence. */
export interface CallContext {
  address: string;
  namespace: string;
  /** Cluster the call is about, if any. */
  cluster: string | null;
  deadlineMs: number;
}

/** True when the failure may pass by itself: the server or the workers are away for a moment. */
export function isTransient(error: unknown): boolean {
  return isOspatchError(error) && (error.type === 'NoServer' || error.type === 'NoWorker');
}

export function toClientError(error: unknown, context: CallContext): Error {
  if (isOspatchError(error)) return error;
  // What the payload codec says may come wrapped.
  if (error instanceof Error && isOspatchError(error.cause)) return error.cause;
  if (error instanceof WorkflowUpdateFailedError || error instanceof WorkflowFailedError)
    return withStatus(fromFailure(error.cause ?? error, error), context);
  if (error instanceof NamespaceNotFoundError) return namespaceNotFound(context, error);
  // That of a cluster is named by whoever knows that it was asked.
  if (error instanceof QueryRejectedError && isPausedOnServer(error.status)) return pausedOnServer(error);
  if (error instanceof WorkflowNotFoundError || error instanceof QueryRejectedError)
    return clusterNotFound(context, error);
  if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError || isGrpcDeadlineError(error))
    return noAnswer(context, error);
  if (error instanceof QueryNotRegisteredError) {
    // The SDK takes every failure of a query for this one.
    if (!isUnknownQuery(error)) {
      const message = `the workers failed in the code of this request: ${error.message}`;
      return new OspatchError({ type: 'Internal', message, remedy: 'see the log of the worker' }, { cause: error });
    }
    return new OspatchError(
      {
        type: 'Internal',
        message: `the workers run a version of ospatch that does not know this query: ${error.message}`,
        remedy: 'run the workers and this command at the same version',
      },
      { cause: error },
    );
  }
  // An error of the client may wrap the one of gRPC.
  const cause = isGrpcServiceError(error) ? error : error instanceof Error ? error.cause : undefined;
  if (isGrpcServiceError(cause)) return fromGrpc(cause.code, cause.details, context, error);
  return error instanceof Error ? error : new Error(String(error));
}

/** Whether the workers have no such query, and not merely failed to answer it. */
export function isUnknownQuery({ message }: QueryNotRegisteredError): boolean {
  return /did not register a handler/i.test(message);
}

/** `tls`: whether this side speaks TLS; undefined when that is not known. */
export function noServer(context: Pick<CallContext, 'address'> & { tls?: boolean }, cause: unknown): OspatchError {
  const { address, tls } = context;
  const foreign = cause instanceof Error ? notTemporal(context, detailsOf(cause), cause) : null;
  if (foreign !== null) return foreign;
  const usual =
    'start one (`ospatch dev` runs its own), or set the address of yours with --address or TEMPORAL_ADDRESS';
  return new OspatchError(
    tls === true
      ? {
          type: 'NoServer',
          message: `no Temporal server answers at ${address} with TLS, which may be on here only`,
          remedy: `for a server without TLS switch it off (TEMPORAL_TLS=false, or tls in the profile); else ${usual}`,
        }
      : {
          type: 'NoServer',
          message: `no Temporal server answers at ${address}`,
          remedy: `${usual}${tls === false ? '; for a server with TLS set TEMPORAL_TLS=true' : ''}`,
        },
    { cause },
  );
}

export function noWorker(taskQueue: string, cause?: unknown): OspatchError {
  return new OspatchError(
    {
      type: 'NoWorker',
      message: `no worker polls the task queue ${taskQueue}, so no query can be answered`,
      remedy: 'start one with `ospatch worker`',
    },
    { cause },
  );
}

export function stuckError(stuck: StuckCluster, cause?: unknown): OspatchError {
  return new OspatchError(stuckInfo(stuck), { cause });
}

export function clusterNotFound(context: CallContext, cause?: unknown): OspatchError {
  return new OspatchError(
    {
      type: 'NotFound',
      message: `there is no cluster ${context.cluster ?? ''} in namespace ${context.namespace}`,
      remedy: '`ospatch list` shows all clusters, `ospatch apply -f FILE` creates one',
    },
    { cause },
  );
}

function pausedOnServer(cause: unknown): OspatchError {
  return new OspatchError(
    {
      type: 'Stuck',
      message: 'the workflow that has to answer is paused on the Temporal server',
      remedy: 'find it in the Temporal UI and unpause it there, or with `temporal workflow unpause`',
      details: { kind: 'paused-on-server' },
    },
    { cause },
  );
}

function namespaceNotFound(context: CallContext, cause: unknown): OspatchError {
  return new OspatchError(
    {
      type: 'NotFound',
      message: `Temporal at ${context.address} has no namespace ${context.namespace}`,
      remedy: 'name another with --namespace, or create it with `temporal operator namespace create`',
    },
    { cause },
  );
}

function noAnswer(context: CallContext, cause: unknown): OspatchError {
  return new OspatchError(
    {
      type: 'NoWorker',
      message: `no answer within ${Math.round(context.deadlineMs / 1000)} s: Temporal at ${context.address} or the workers are busy or not running`,
      remedy: 'check that `ospatch worker` runs, or allow more time with --timeout',
    },
    { cause },
  );
}

function fromFailure(failure: Error, cause: Error): OspatchError {
  // What a workflow or an activity failed of stands at the end of the chain.
  if ((failure instanceof ActivityFailure || failure instanceof ChildWorkflowFailure) && failure.cause !== undefined) {
    return fromFailure(failure.cause, cause);
  }
  if (!(failure instanceof ApplicationFailure)) return new OspatchError(fromTemporal(failure), { cause });
  const info: unknown = failure.details?.[0];
  const type = ERROR_TYPES.find((known) => known === failure.type) ?? 'Internal';
  const remedy =
    typeof info === 'object' && info !== null && 'remedy' in info && typeof info.remedy === 'string'
      ? info.remedy
      : null;
  const described: ErrorInfo = { type, message: failure.message, ...defined({ remedy: remedy ?? undefined }) };
  return new OspatchError(described, { cause });
}

/** A cluster says why it refuses a request; what to ask for instead is seen in how it stands. */
function withStatus(error: OspatchError, { cluster }: CallContext): OspatchError {
  if (error.type !== 'Refused' || error.remedy !== undefined || cluster === null) return error;
  return new OspatchError({ ...error.toInfo(), remedy: `see \`ospatch status ${cluster}\`` }, { cause: error.cause });
}

/** Ends that Temporal has made, in whose words nobody finds a cause or a remedy. */
function fromTemporal(failure: Error): ErrorInfo {
  if (failure instanceof TimeoutFailure) {
    return {
      type: 'NoWorker',
      message: 'the workers did not finish the request in time, so Temporal has ended it',
      remedy: 'see with `ospatch doctor` that workers run and are not overloaded, then try again',
    };
  }
  if (failure instanceof TerminatedFailure || failure instanceof CancelledFailure) {
    const how = failure instanceof TerminatedFailure ? 'terminated' : 'cancelled';
    return {
      type: 'Cancelled',
      message: `the workflow that had to answer was ${how} in Temporal`,
      remedy: 'try again; the Temporal UI shows who ended it',
    };
  }
  return { type: 'Internal', message: failure.message };
}

/** Of the error and those it wraps. */
function detailsOf(error: Error): string {
  const own = 'details' in error && typeof error.details === 'string' ? error.details : error.message;
  return error.cause instanceof Error ? `${own}\n${detailsOf(error.cause)}` : own;
}

/** A web server, a proxy or a load balancer speaks HTTP too; null when it is not known to be one. */
function notTemporal({ address }: Pick<CallContext, 'address'>, details: string, cause: unknown): OspatchError | null {
  const [, status] = /(?:Received|Unexpected) HTTP (?:status(?: code)?|response)[: ]+(\d{3})/i.exec(details) ?? [];
  if (status === undefined && !/content-type[^\n]*text\/html/i.test(details)) return null;
  return new OspatchError(
    {
      type: 'NoServer',
      message: `what answers at ${address} is not a Temporal server but ${describePage('', status === undefined ? null : Number(status))}, most likely a proxy or load balancer`,
      remedy:
        'check that --address or TEMPORAL_ADDRESS names the gRPC port of the server (7233), not its web UI, and that no proxy is between',
    },
    { cause },
  );
}

function fromGrpc(code: number, details: string, context: CallContext, error: unknown): Error {
  const foreign = notTemporal(context, details, error);
  if (foreign !== null) return foreign;
  switch (code) {
    case GRPC_NOT_FOUND:
      if (/namespace/i.test(details)) return namespaceNotFound(context, error);
      return clusterNotFound(context, error);
    case GRPC_UNAVAILABLE:
      return noServer(context, error);
    case GRPC_UNAUTHENTICATED:
    case GRPC_PERMISSION_DENIED:
      return new OspatchError(
        {
          type: 'NoServer',
          message: `Temporal at ${context.address} denies access: ${details}`,
          remedy: 'check the API key or certificate of the profile',
        },
        { cause: error },
      );
    case GRPC_FAILED_PRECONDITION:
      // What the server says to a query when it has not seen a worker for some minutes, and when workers have failed or
      // died in the same workflow task several times.
      if (/poller|workflow task in failed state/i.test(details)) return noAnswer(context, error);
      return new OspatchError(
        { type: 'Internal', message: `Temporal rejected the call: ${details}` },
        { cause: error },
      );
    case GRPC_INVALID_ARGUMENT:
      return new OspatchError(
        { type: 'Internal', message: `Temporal rejected the call: ${details}` },
        { cause: error },
      );
    default:
      return noAnswer(context, error);
  }
}
