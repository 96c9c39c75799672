/** Classifies errors of the AWS API, the SDK and the network by their remedy. */
import type { EksAccess } from '../domain/eks/node-groups';
import { OspatchError, isOspatchError } from '../domain/shared/errors';
import { plainText, withoutFullStop } from '../domain/shared/text';
import { describePage, pageTitle } from '../domain/shared/web-page';
import { defined } from '../domain/shared/defined';

/**
 * `transient`: throttling, server and network errors, which a retry may resolve. `credentials`: missing, or not (or no
 * longer) accepted by AWS. `conflict`: another operation on the node group is in progress. `intermediary`: an
 * intermediary answered instead of AWS, so the status code says nothing about permissions.
 */
export const AWS_ERROR_KINDS = [
  'transient',
  'credentials',
  'denied',
  'not-found',
  'conflict',
  'rejected',
  'intermediary',
] as const;
export type AwsErrorKind = (typeof AWS_ERROR_KINDS)[number];

/** A failed AWS call. */
export class AwsError extends OspatchError {
  constructor(
    readonly kind: AwsErrorKind,
    /** AWS's message; empty where it may contain secrets. */
    readonly awsMessage: string,
    message: string,
    remedy?: string,
  ) {
    super({ type: 'Aws', message, ...defined({ remedy }) });
  }
}

export function isAwsError(error: unknown): error is AwsError {
  return isOspatchError(error) && error.type === 'Aws' && 'kind' in error;
}

const CREDENTIALS = new Set([
  'CredentialsProviderError',
  'TokenProviderError',
  'ProviderError',
  'ExpiredToken',
  'ExpiredTokenException',
  'RequestExpired',
  'InvalidToken',
  'InvalidClientTokenId',
  'UnrecognizedClientException',
  'InvalidSignatureException',
  'SignatureDoesNotMatch',
  'IncompleteSignature',
  'IncompleteSignatureException',
  'MissingAuthenticationToken',
  'MissingAuthenticationTokenException',
  'AuthFailure',
]);

/** No credentials were found, as opposed to credentials that AWS does not accept. */
const NO_CREDENTIALS = new Set(['CredentialsProviderError', 'TokenProviderError', 'ProviderError']);

const DENIED = new Set([
  'AccessDenied',
  'AccessDeniedException',
  'UnauthorizedOperation',
  'NotAuthorized',
  'OptInRequired',
]);

const TRANSIENT =
  /^(Throttl|TooManyRequests|RequestLimitExceeded|RequestThrottled|SlowDown|TimeoutError|RequestTimeout|NetworkingError|ServerException|ServiceUnavailable|InternalFailure|InternalServer|ResourcePropagationDelay)/;

/** Node.js error codes of the network, name resolution and TLS. */
const NETWORK_CODE = /^(E[A-Z_]{4,}|UND_ERR_|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|ERR_(TLS|SSL|SOCKET))/;

/** AWS's various messages for an update in progress. */
const BUSY = /\b(update|operation)\b.*\bin progress\b|\bcurrently (being )?updat/i;

/** Converts an error thrown by the SDK to an {@link AwsError}; unrelated errors are returned unchanged. */
export function toAwsError(error: unknown, action: string, access: EksAccess): unknown {
  if (!(error instanceof Error) || isAwsError(error)) return error;
  const kind = kindOf(error);
  if (kind === null) return error;
  const awsMessage = kind === 'credentials' || intermediaryAnswer(error) !== null ? '' : withoutKeys(error.message);
  return new AwsError(
    kind,
    awsMessage,
    sentence(kind, error, awsMessage, action, access),
    remedyFor(kind, error, action, access),
  );
}

/** The kind of an error; null for an unrelated error. */
export function awsErrorKind(error: unknown): AwsErrorKind | null {
  return error instanceof Error ? kindOf(error) : null;
}

function kindOf(error: Error): AwsErrorKind | null {
  const { name, message } = error;
  const status = statusOf(error);
  // AWS load balancers answer with a web page too when their backend is down.
  if (intermediaryAnswer(error) !== null) return status !== null && status >= 500 ? 'transient' : 'intermediary';
  if (CREDENTIALS.has(name)) return 'credentials';
  if (DENIED.has(name)) return 'denied';
  if (TRANSIENT.test(name) || status === 429 || (status !== null && status >= 500)) return 'transient';
  if (/^(?:Resource|Parameter)?NotFound(?:Exception)?$|^ParameterVersionNotFound$/.test(name) || status === 404)
    return 'not-found';
  if (name === 'ResourceInUseException' || status === 409 || BUSY.test(message)) return 'conflict';
  if (status === 401) return 'credentials';
  if (status === 403) return 'denied';
  if (status !== null && status >= 400) return 'rejected';
  return isNetworkError(error) ? 'transient' : null;
}

function statusOf(error: object): number | null {
  const metadata = '$metadata' in error ? (error.$metadata as { httpStatusCode?: unknown } | undefined) : undefined;
  if (typeof metadata?.httpStatusCode === 'number') return metadata.httpStatusCode;
  const response = '$response' in error ? (error.$response as { statusCode?: unknown } | undefined) : undefined;
  return typeof response?.statusCode === 'number' ? response.statusCode : null;
}

function isNetworkError(error: Error): boolean {
  if ('code' in error && typeof error.code === 'string' && NETWORK_CODE.test(error.code)) return true;
  return /socket hang up|aborted|premature/i.test(error.message);
}

/**
 * What an intermediary answered instead of the API, as part of a sentence; null when AWS itself, or nobody, answered.
 */
function intermediaryAnswer(error: Error): string | null {
  if (!/Deserialization error|Unexpected (?:token|end)|is not valid JSON/i.test(error.message)) return null;
  const body: unknown = '$responseBodyText' in error ? error.$responseBodyText : undefined;
  const status = statusOf(error);
  // The SDK usually keeps only the first characters, in the message of its parser.
  const title = typeof body === 'string' ? pageTitle(body) : /token '?</.test(error.message) ? '' : null;
  if (title !== null) return describePage(title, status);
  return `something that is not an API response${status === null ? '' : ` (HTTP ${status})`}`;
}

function sentence(kind: AwsErrorKind, error: Error, awsMessage: string, action: string, access: EksAccess): string {
  const where = `EKS cluster ${access.cluster} in ${access.region}`;
  const intermediary = intermediaryAnswer(error);
  const words = intermediary ?? (awsMessage === '' ? error.name : `${error.name}: ${withoutFullStop(awsMessage)}`);
  switch (kind) {
    case 'credentials':
      return NO_CREDENTIALS.has(error.name)
        ? `the worker has no AWS credentials${profileOf(access)}, so it cannot ask for ${where}`
        : `AWS does not accept the credentials of the worker${profileOf(access)} for ${where} (${error.name})`;
    case 'denied':
      return `AWS does not allow the worker eks:${action} on ${where} (${words})`;
    case 'transient':
      return `AWS does not answer eks:${action} for ${where} (${words})`;
    case 'intermediary':
      return `what answers eks:${action} for ${where} is not AWS but ${words}, most likely a proxy or firewall in between`;
    case 'not-found':
      return `AWS does not find what eks:${action} asks for in ${where} (${words})`;
    case 'conflict':
    case 'rejected':
      return `AWS rejects eks:${action} for ${where} (${words})`;
  }
}

function remedyFor(kind: AwsErrorKind, error: Error, action: string, access: EksAccess): string | undefined {
  switch (kind) {
    case 'credentials':
      return NO_CREDENTIALS.has(error.name)
        ? 'give the worker credentials by the default chain of AWS (environment, profile, web identity, instance role), or name one of its profiles in eks.profile'
        : 'renew the AWS credentials of the worker, then patch again';
    case 'denied':
      return `allow eks:${action} to the role of the worker; the policy is in docs/eks.md`;
    case 'transient':
      return 'check that the worker reaches the EKS API of this region, and eks.region and eks.endpoint';
    case 'intermediary':
      return 'check that the proxy of the worker (HTTPS_PROXY, NO_PROXY) and its firewall let it through to the EKS API, and eks.endpoint';
    case 'not-found':
      return `check eks.cluster, eks.region and eks.nodeGroups: aws eks list-nodegroups --region ${access.region} --cluster-name ${access.cluster}`;
    case 'conflict':
    case 'rejected':
      return undefined;
  }
}

function profileOf({ profile }: EksAccess): string {
  return profile === undefined ? '' : ` (profile ${profile})`;
}

/** Access key ids, and strings as long as a key, must not get into a history. */
function withoutKeys(message: string): string {
  const masked = message
    .replace(/\b(AKIA|ASIA|AIDA|AROA)[A-Z0-9]{12,}\b/g, '***')
    .replace(/[A-Za-z0-9/+=]{40,}/g, (word) => (/[/+=]/.test(word) && !word.includes(':') ? '***' : word));
  return plainText(masked, 300);
}
