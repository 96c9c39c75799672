/**
 * The one client for calls of a worker to web services: one bounded request, one bounded answer. Certificates are always verified,
 * and nothing is sent to a server that was not named.
 */
import type { IncomingMessage, RequestOptions } from 'node:http';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { codeOf } from '../domain/shared/error-code';
import { defined } from '../domain/shared/defined';
import type { AddressBounds } from '../domain/trust/address-bounds';
import type { ResolveName } from './addresses';
import { addressesOf, fixedLookup, resolveName } from './addresses';
import { HttpFailure, isHttpFailure } from './failure';

const DEFAULT_TIMEOUT_MS = 15_000;
const DEFAULT_MAX_BYTES = 1024 * 1024;
const MAX_REDIRECTS = 3;

/** Redirects that keep the method and the body. */
const SAME_METHOD: ReadonlySet<number> = new Set([307, 308]);
/** Redirects after which the answer is fetched from another address. */
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

export interface HttpTls {
  /** Certificates of authorities, PEM; instead of those of Node.js. */
  ca?: string;
  /** Certificate and key of the client, PEM. */
  cert?: string;
  key?: string;
  /** The name in the certificate of the server, if it is not the host of the URL. */
  serverName?: string;
}

export interface HttpCall {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** `http:` or `https:`, without user and password. */
  url: string;
  headers?: Readonly<Record<string, string>>;
  body?: string;
  /** For the call as a whole; default 15 s. */
  timeoutMs?: number;
  /** Of the answer; default 1 MiB. */
  maxBytes?: number;
  /**
   * What happens to an answer whose body cannot be read to its end; default `fail`. `cut`: the status counts, and what was read of
   * the body: a receiver that has taken a message must not get another one for that.
   */
  onUnreadable?: 'fail' | 'cut';
  signal?: AbortSignal;
  tls?: HttpTls;
  /** The networks to which the policy of the worker limits the host. */
  within?: AddressBounds;
}

/** An answer of any status. */
export interface HttpAnswer {
  status: number;
  /** Names in lower case. */
  headers: Readonly<Record<string, string>>;
  body: string;
}

export type CallHttp = (call: HttpCall) => Promise<HttpAnswer>;

/**
 * Sends a request and reads the answer. A redirect is followed on the same server only, and only if it keeps the method.
 *
 * @throws HttpFailure when there is no answer that can be used; the reason of `signal` when it is aborted
 */
export async function callHttp(call: HttpCall, resolve: ResolveName = resolveName): Promise<HttpAnswer> {
  const { signal, timeoutMs = DEFAULT_TIMEOUT_MS } = call;
  signal?.throwIfAborted();
  const first = parseUrl(call.url);
  // One limit for all redirects together.
  const timeout = AbortSignal.timeout(timeoutMs);
  const ends = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
  try {
    return await follow(call, first, ends, resolve);
  } catch (error) {
    signal?.throwIfAborted();
    if (timeout.aborted) {
      throw new HttpFailure('timeout', `${serverOf(first)} has not answered within ${timeoutMs / 1000} s`);
    }
    throw isHttpFailure(error) ? error : describe(error, serverOf(first));
  }
}

async function follow(call: HttpCall, first: URL, signal: AbortSignal, resolve: ResolveName): Promise<HttpAnswer> {
  let url = first;
  for (let redirects = 0; ; redirects += 1) {
    const answer = await once(call, url, signal, resolve);
    const { location } = answer.headers;
    if (!REDIRECTS.has(answer.status) || location === undefined) return answer;
    const next = URL.canParse(location, url.href) ? new URL(location, url.href) : null;
    const isFollowed = next !== null && next.origin === first.origin;
    if (!isFollowed) throw redirected(first, next === null ? 'nowhere' : `another server, ${serverOf(next)}`);
    const isSame = call.method === 'GET' || SAME_METHOD.has(answer.status);
    if (!isSame) throw redirected(first, 'another page, which would drop the content of the request');
    if (redirects === MAX_REDIRECTS) throw redirected(first, `another page more than ${MAX_REDIRECTS} times`);
    url = next;
  }
}

function redirected(url: URL, where: string): HttpFailure {
  return new HttpFailure(
    'redirect',
    `${serverOf(url)} redirects to ${where}, and the redirect is not followed`,
    'set the URL to the address to which it leads in the end',
  );
}

/** `host:port`; never the path, which may be a secret. */
export function serverOf({ hostname, port, protocol }: URL): string {
  return `${hostname}:${port === '' ? (protocol === 'https:' ? '443' : '80') : port}`;
}

/** @throws HttpFailure `input` */
export function parseUrl(text: string): URL {
  const refuse = (why: string): HttpFailure =>
    new HttpFailure('input', `a URL is not used: ${why}`, 'correct the URL, e.g. https://hooks.example.com/path');
  if (!URL.canParse(text)) throw refuse('it is no URL');
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw refuse('its scheme is neither https nor http');
  }
  if (url.username !== '' || url.password !== '') throw refuse('it contains a user name or a password');
  return url;
}

async function once(call: HttpCall, url: URL, signal: AbortSignal, resolve: ResolveName): Promise<HttpAnswer> {
  const { method, headers = {}, body, within, tls = {} } = call;
  const server = serverOf(url);
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const addresses = await unlessAborted(addressesOf(server, host, within, resolve), signal);
  const isHttps = url.protocol === 'https:';
  const options: RequestOptions = {
    method,
    signal,
    // No connection is kept: another call may have other certificates or other bounds.
    agent: false,
    lookup: fixedLookup(addresses),
    headers: {
      'user-agent': 'ospatch',
      'accept-encoding': 'identity',
      ...headers,
      ...defined({ 'content-length': body === undefined ? undefined : String(Buffer.byteLength(body)) }),
    },
  };
  const { ca, cert, key, serverName } = tls;
  const secure = { minVersion: 'TLSv1.2', ...defined({ ca, cert, key, servername: serverName }) } as const;
  return new Promise((settle, reject) => {
    try {
      const request = isHttps ? requestHttps(url, { ...options, ...secure }) : requestHttp(url, options);
      request.once('error', reject);
      request.once('response', (response) => {
        // From here on the answer fails, not the request.
        request.off('error', reject).on('error', () => undefined);
        read(response, call, server).then(settle, reject);
      });
      request.end(body);
    } catch (error) {
      reject(notSent(error, server));
    }
  });
}

/** Of what Node.js does not send. Its own message would contain the value of a header. */
function notSent(error: unknown, server: string): unknown {
  const code = codeOf(error) ?? '';
  if (code.startsWith('ERR_OSSL')) {
    return new HttpFailure(
      'tls',
      `${server} is not called: the certificates for it cannot be read (${code})`,
      'replace the file with certificates in PEM',
    );
  }
  if (!code.startsWith('ERR_')) return error;
  return new HttpFailure(
    'input',
    `${server} is not called: a header or the path contains characters that HTTP does not allow`,
  );
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let stop: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

async function read(response: IncomingMessage, call: HttpCall, server: string): Promise<HttpAnswer> {
  const { maxBytes = DEFAULT_MAX_BYTES, onUnreadable = 'fail' } = call;
  const { statusCode: status = 0 } = response;
  const encoding = response.headers['content-encoding'] ?? 'identity';
  const headers = headersOf(response);
  if (encoding !== 'identity' && encoding !== '') {
    response.destroy();
    if (onUnreadable === 'cut') return { status, headers, body: '' };
    throw new HttpFailure('answer', `${server} has answered with compressed data, which was not asked for`);
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > maxBytes)
        throw new HttpFailure('answer', `${server} has answered with more than ${sizeText(maxBytes)}`);
    }
  } catch (error) {
    if (onUnreadable === 'fail') throw error;
  }
  return { status, headers, body: Buffer.concat(chunks).subarray(0, maxBytes).toString('utf8') };
}

function headersOf(response: IncomingMessage): Record<string, string> {
  const headers = Object.entries(response.headers).flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, Array.isArray(value) ? value.join(', ') : value]],
  );
  return Object.fromEntries(headers);
}

function sizeText(bytes: number): string {
  return bytes < 1024 ? `${bytes} bytes` : `${Math.floor(bytes / 1024)} KiB`;
}

const CONNECTION: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refuses the connection',
  ECONNRESET: 'has closed the connection without an answer',
  EPIPE: 'has closed the connection without an answer',
  EHOSTUNREACH: 'cannot be reached: there is no route to it',
  ENETUNREACH: 'cannot be reached: there is no network to it',
  ETIMEDOUT: 'does not answer',
};

const CERTIFICATE =
  /^(CERT_|ERR_TLS_CERT|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA|ERR_OSSL_X509)/;

/** Of an error of Node.js, whose text is not used: it may contain what was sent. */
function describe(error: unknown, server: string): HttpFailure {
  const code = codeOf(error) ?? codeOf(firstOf(error)) ?? 'unknown reason';
  if (CERTIFICATE.test(code)) {
    return new HttpFailure(
      'tls',
      `the certificate of ${server} is not trusted (${code})`,
      'set the file with the certificates of its authority, or correct the certificate of the server',
    );
  }
  if (/^(EPROTO|ERR_SSL|ERR_TLS|ERR_OSSL)/.test(code)) {
    return new HttpFailure('tls', `${server} and the worker found no common form of TLS (${code})`);
  }
  if (code.startsWith('HPE_')) return new HttpFailure('answer', `${server} has not answered with HTTP (${code})`);
  return new HttpFailure('connection', `${server} ${CONNECTION[code] ?? 'cannot be called'} (${code})`);
}

/** Of several addresses that were all tried. */
function firstOf(error: unknown): unknown {
  return error instanceof AggregateError ? (error.errors as unknown[])[0] : null;
}
