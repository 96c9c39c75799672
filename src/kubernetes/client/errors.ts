/** Classifies failed calls of the Kubernetes client. */
import { isOspatchError } from '../../domain/shared/errors';
import { plainText, withoutFullStop } from '../../domain/shared/text';
import { describePage, pageTitle } from '../../domain/shared/web-page';
import { redactSecrets } from '../../domain/shared/redact';
import { ApiError } from './api';
import { defined } from '../../domain/shared/defined';

/** A rejection by a server. */
export interface ApiStatus {
  code: number;
  reason: string;
  message: string;
  /** Describes an answer that came from an intermediary instead of an API server: `a web page (HTTP 403)`. */
  intermediary: string | null;
  /** Reasons in `details.causes`. */
  causes: string[];
  /** From the answer's details or header; null when absent. */
  retryAfterMs: number | null;
}

const MAX_MESSAGE = 300;

/** Node.js certificate error codes: the server is up, and one side does not trust the other. */
const DISTRUST = /CERT|SIGNATURE|SELF_SIGNED|ERR_TLS|ERR_SSL|ERR_OSSL/;

/** The status of a server answer; null when the error is not one. */
export function apiStatus(error: unknown): ApiStatus | null {
  // System errors may have numeric codes too; only answers have a body.
  if (!isRecord(error) || typeof error['code'] !== 'number' || !('body' in error)) return null;
  const body = bodyOf(error['body']);
  const title = typeof error['body'] === 'string' ? pageTitle(error['body']) : null;
  const details = isRecord(body['details']) ? body['details'] : {};
  const causes: unknown[] = Array.isArray(details['causes']) ? details['causes'] : [];
  return {
    code: error['code'],
    reason: text(body['reason']),
    message: title === null ? clean(text(body['message'])) : '',
    intermediary: title === null ? null : describePage(title, error['code']),
    causes: causes.map((cause) => (isRecord(cause) ? text(cause['reason']) : '')),
    retryAfterMs: seconds(details['retryAfterSeconds']) ?? seconds(headerOf(error['headers'], 'retry-after')),
  };
}

export interface FailedCall {
  /** Completes "could not": `list the pods of node w-1`. */
  what: string;
  /** Names the kubeconfig and context. */
  where: string;
  /** The request was sent, so the failure is not about our credentials. */
  wasSent: boolean;
}

export function toApiError(error: unknown, call: FailedCall): ApiError {
  if (error instanceof ApiError) return error;
  const status = apiStatus(error);
  return status === null ? fromThrown(error, call) : fromStatus(status, call);
}

function fromStatus(status: ApiStatus, { what, where }: FailedCall): ApiError {
  const { code, message, intermediary, retryAfterMs } = status;
  if (intermediary !== null) return fromIntermediary({ what, where }, intermediary);
  if (code === 401) {
    return new ApiError('credentials', {
      message: `could not ${what}: the API server does not accept the credentials of ${where} (401)`,
      remedy: `renew the token or certificate in ${where}; the worker reads it again by itself`,
    });
  }
  if (code === 403) {
    return new ApiError('forbidden', {
      message: `could not ${what}: ${withoutFullStop(message) || 'the API server forbids it (403)'}`,
      remedy: `give the user of ${where} this right; \`ospatch rbac\` prints all that are needed`,
    });
  }
  const isTransient = code >= 500 || code === 429 || code === 408;
  return new ApiError(
    isTransient ? 'unavailable' : 'rejected',
    {
      message: `could not ${what}: the API server answered ${code}${message === '' ? '' : `: ${withoutFullStop(message)}`}`,
      ...defined({ remedy: isTransient ? undefined : `see what the API server of ${where} says` }),
    },
    retryAfterMs,
  );
}

/** The status code of an intermediary says nothing about permissions. */
function fromIntermediary({ what, where }: Pick<FailedCall, 'what' | 'where'>, answer: string): ApiError {
  return new ApiError('unavailable', {
    message: `could not ${what}: what answers in place of the API server of ${where} is ${answer}, most likely a proxy or load balancer in between`,
    remedy: `check that the server address in ${where} is that of the API and that the worker reaches it without a proxy (NO_PROXY)`,
  });
}

/** No answer: unreachable, untrusted, or no credentials. */
function fromThrown(error: unknown, { what, where, wasSent }: FailedCall): ApiError {
  const { code, name, message } = describe(error);
  if (name === 'SyntaxError') return fromIntermediary({ what, where }, 'something that is not an API response');
  const isLate = name === 'AbortError' || name === 'TimeoutError';
  if (isLate || (wasSent && !DISTRUST.test(code))) {
    const why = isLate ? 'did not answer in time' : `is unreachable${code === '' ? '' : ` (${code})`}`;
    return new ApiError('unavailable', {
      message: `could not ${what}: the API server of ${where} ${why}`,
      remedy: 'check that it is up and that the worker reaches it',
    });
  }
  const why = wasSent ? `certificates are not trusted (${code})` : `there are no credentials: ${clean(message)}`;
  return new ApiError('credentials', {
    message: `could not ${what} with ${where}: ${withoutFullStop(why)}`,
    remedy:
      (isOspatchError(error) ? error.remedy : undefined) ??
      `correct ${where} on the worker; the worker reads the file again by itself`,
  });
}

function describe(error: unknown): { code: string; name: string; message: string } {
  if (!isRecord(error)) return { code: '', name: '', message: String(error) };
  return { code: text(error['code']), name: text(error['name']), message: text(error['message']) };
}

/** Client-node passes the raw body. */
function bodyOf(body: unknown): Record<string, unknown> {
  if (isRecord(body)) return body;
  if (typeof body !== 'string') return {};
  try {
    const parsed: unknown = JSON.parse(body);
    return isRecord(parsed) ? parsed : {};
  } catch {
    return { message: body };
  }
}

function headerOf(headers: unknown, name: string): string {
  return isRecord(headers) ? text(headers[name]) : '';
}

function seconds(value: unknown): number | null {
  const number = typeof value === 'string' && /^\d{1,6}$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && number >= 0 ? number * 1000 : null;
}

/** Untrusted text; plugin errors may contain secrets. */
function clean(message: string): string {
  return plainText(redactSecrets(message.slice(0, MAX_MESSAGE * 4)), MAX_MESSAGE);
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
