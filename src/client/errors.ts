/** Converts errors of Temporal's client to messages for users. */
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
import type { ConnectProblem } from './reachability';
import { PROXY_VARIABLES } from './reachability';
import type { TlsProblem } from './tls-probe';
import type { StuckCluster } from '../domain/inspection/stuck';
import { stuckInfo } from '../domain/inspection/stuck';
import { defined } from '../domain/shared/defined';

const GRPC_INVALID_ARGUMENT = 3;
const GRPC_NOT_FOUND = 5;
const GRPC_PERMISSION_DENIED = 7;
const GRPC_FAILED_PRECONDITION = 9;
const GRPC_UNAVAILABLE = 14;
const GRPC_UNAUTHENTICATED = 16;

/** Context of a call, for error messages. */
export interface CallContext {
  address: string;
  namespace: string;
  /** Cluster the call is about, if any. */
  cluster: string | null;
  deadlineMs: number;
}

/** Whether a retry may succeed: the server or the workers are temporarily unavailable. */
export function isTransient(error: unknown): boolean {
  return isOspatchError(error) && (error.type === 'NoServer' || error.type === 'NoWorker');
}

export function toClientError(error: unknown, context: CallContext): Error {
  if (isOspatchError(error)) return error;
  // Errors of the payload codec may be wrapped.
  if (error instanceof Error && isOspatchError(error.cause)) return error.cause;
  if (error instanceof WorkflowUpdateFailedError || error instanceof WorkflowFailedError)
    return withStatus(fromFailure(error.cause ?? error, error), context);
  if (error instanceof NamespaceNotFoundError) return namespaceNotFound(context, error);
  // For a cluster, the caller reports this with the cluster's name.
  if (error instanceof QueryRejectedError && isPausedOnServer(error.status)) return pausedOnServer(error);
  if (error instanceof WorkflowNotFoundError || error instanceof QueryRejectedError)
    return clusterNotFound(context, error);
  if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError || isGrpcDeadlineError(error))
    return noAnswer(context, error);
  if (isFailedQuery(error)) {
    const message = `the workers failed in the code of this request: ${error.message}`;
    return new OspatchError({ type: 'Internal', message, remedy: 'see the log of the worker' }, { cause: error });
  }
  if (error instanceof QueryNotRegisteredError) {
    return new OspatchError(
      {
        type: 'Internal',
        message: `the workers run a version of ospatch that does not know this query: ${error.message}`,
        remedy: 'run the workers and this command at the same version',
      },
      { cause: error },
    );
  }
  // A client error may wrap the gRPC error.
  const cause = isGrpcServiceError(error) ? error : error instanceof Error ? error.cause : undefined;
  if (isGrpcServiceError(cause)) return fromGrpc(cause.code, cause.details, context, error);
  return error instanceof Error ? error : new Error(String(error));
}

/** Whether workers have failed a query that they have: the SDK uses one error for these and for those that they do not have. */
export function isFailedQuery(error: unknown): error is QueryNotRegisteredError {
  return error instanceof QueryNotRegisteredError && !/did not register a handler/i.test(error.message);
}

const USUAL_REMEDY =
  'start one (`ospatch dev` runs its own), or set the address of yours with --address or TEMPORAL_ADDRESS';

/** No connection can be made to `address`. */
export function unreachableServer(address: string, problem: ConnectProblem): OspatchError {
  const host = address.replace(/:\d+$/, '');
  const found: Readonly<Record<ConnectProblem, string>> = {
    refused: `nothing listens at ${address}: the connection was refused`,
    'unknown-host': `the host ${host} is not known: its name has no address`,
    'no-dns': `the host ${host} cannot be looked up: the name server does not answer`,
    'no-route': `the host ${host} cannot be reached: there is no route to it`,
  };
  const remedy =
    problem === 'refused' ? USUAL_REMEDY : 'correct --address, TEMPORAL_ADDRESS or the profile, e.g. localhost:7233';
  return new OspatchError({ type: 'NoServer', message: `no Temporal server: ${found[problem]}`, remedy });
}

/** Server and client do not agree on TLS. */
export function wrongTls(address: string, { found, remedy }: TlsProblem, cause?: unknown): OspatchError {
  return new OspatchError(
    { type: 'NoServer', message: `the Temporal server at ${address} ${found}`, remedy },
    { cause },
  );
}

function throughProxy(env: NodeJS.ProcessEnv): string {
  const name = PROXY_VARIABLES.find((one) => (env[one] ?? '') !== '');
  return name === undefined ? '' : `; the connection goes through the proxy of ${name}, unless no_proxy names the host`;
}

/** `tls`: whether the client uses TLS; undefined when unknown. */
export function noServer(context: Pick<CallContext, 'address'> & { tls?: boolean }, cause: unknown): OspatchError {
  const { address, tls } = context;
  const foreign = cause instanceof Error ? notTemporal(context, detailsOf(cause), cause) : null;
  if (foreign !== null) return foreign;
  return new OspatchError(
    tls === true
      ? {
          type: 'NoServer',
          message: `no Temporal server answers at ${address} with TLS, which may be on here only`,
          remedy: `for a server without TLS switch it off (TEMPORAL_TLS=false, or tls in the profile); else ${USUAL_REMEDY}`,
        }
      : {
          type: 'NoServer',
          message: `no Temporal server answers at ${address}`,
          remedy: `${USUAL_REMEDY}${tls === false ? '; for a server with TLS set TEMPORAL_TLS=true' : ''}${throughProxy(process.env)}`,
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

/** A cluster begins a fresh history before that, unless a node is in work all the time. */
function tooManyUpdates({ cluster }: CallContext, cause: unknown): OspatchError {
  const name = cluster ?? 'NAME';
  return new OspatchError(
    {
      type: 'Refused',
      message: `cluster ${name} has taken as many requests as Temporal allows while one node is patched`,
      remedy: `wait for that node (\`ospatch status ${name}\`), or send a signal: \`temporal workflow signal --workflow-id cluster/${name} --name pause\` (or resume, cancelRun, patchNow)`,
    },
    { cause },
  );
}

function fromFailure(failure: Error, cause: Error): OspatchError {
  // The cause of a workflow or activity failure is at the end of the chain.
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

/** A request rejected by a cluster gets the status command as remedy. */
function withStatus(error: OspatchError, { cluster }: CallContext): OspatchError {
  if (error.type !== 'Refused' || error.remedy !== undefined || cluster === null) return error;
  return new OspatchError({ ...error.toInfo(), remedy: `see \`ospatch status ${cluster}\`` }, { cause: error.cause });
}

/** Failures made by Temporal, whose messages contain neither cause nor remedy. */
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

/** The details of an error and its causes. */
function detailsOf(error: Error): string {
  const own = 'details' in error && typeof error.details === 'string' ? error.details : error.message;
  return error.cause instanceof Error ? `${own}\n${detailsOf(error.cause)}` : own;
}

/** The error when a web server, proxy or load balancer answered instead of Temporal; null when none is recognised. */
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
      // The server's answer to a query when no worker has polled for some minutes, or when a workflow task has failed
      // several times.
      if (/poller|workflow task in failed state/i.test(details)) return noAnswer(context, error);
      if (/limit on the total number of .*updates/i.test(details)) return tooManyUpdates(context, error);
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
