/**
 * The codec endpoint for the Temporal UI and the temporal CLI: POST /decode and, when allowed, /encode.
 *
 * Whoever may decode reads everything, and whoever may encode can command clusters where encryption is required. So every request
 * needs the token or a client certificate, on the loopback interface too: other users of the machine reach it. The token is in the
 * `Authorization` header or, for the Temporal UI, which sends none of its own, in the path.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer as createHttpServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { Payload, PayloadCodec, SerializationContext } from '@temporalio/common';
import { temporal } from '@temporalio/proto';
import { defined } from '../domain/shared/defined';
import { isOspatchError } from '../domain/shared/errors';

const MAX_BODY_BYTES = 32 * 1024 * 1024;
const MAX_PAYLOADS = 10_000;
const MAX_CONNECTIONS = 200;

const PayloadMessage = temporal.api.common.v1.Payload;

export interface CodecServerOptions {
  codec: PayloadCodec;
  /** The only allowed browser origin, e.g. `http://localhost:8233`; null = no browser, programs only. */
  uiOrigin: string | null;
  /** The required token; null: client certificates are required instead. */
  token: string | null;
  /** Whether /encode answers, for workflows named in the path. */
  allowsEncode: boolean;
  /** Null: plain HTTP. */
  tls: TlsOptions | null;
}

/** PEM. */
export interface TlsOptions {
  cert: Buffer;
  key: Buffer;
  /** The authority of the client certificates; null: none is asked for. */
  clientCa: Buffer | null;
}

/** @throws Error when neither a token nor a client certificate is required, or TLS files are malformed */
export function createCodecServer(options: CodecServerOptions): Server {
  const { token, tls } = options;
  const clientCa = tls?.clientCa ?? null;
  if (token === null && clientCa === null) throw new TypeError('a token or client certificates are required');
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    answer(options, request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      // Our own error messages are safe to show; other errors may contain anything.
      else send(response, 400, { message: isOspatchError(error) ? error.message : 'the payloads cannot be read' });
    });
  };
  const server =
    tls === null
      ? createHttpServer(listener)
      : createHttpsServer(
          {
            ...{ cert: tls.cert, key: tls.key, minVersion: 'TLSv1.2' as const },
            ...defined({ ca: clientCa ?? undefined }),
            ...{ requestCert: clientCa !== null, rejectUnauthorized: clientCa !== null },
          },
          listener,
        );
  server.requestTimeout = 30_000;
  server.maxConnections = MAX_CONNECTIONS;
  return server;
}

async function answer(
  { codec, uiOrigin, token, allowsEncode }: CodecServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { origin } = request.headers;
  // Rejects pages of other origins and requests under another host name (DNS rebinding).
  if (origin !== undefined && origin !== uiOrigin)
    return send(response, 403, { message: 'this origin is not allowed' });
  if (origin !== undefined) {
    response.setHeader('access-control-allow-origin', origin);
    response.setHeader('access-control-allow-methods', 'POST, OPTIONS');
    response.setHeader('access-control-allow-headers', 'authorization, content-type, x-namespace');
    response.setHeader('vary', 'origin');
  }
  if (request.method === 'OPTIONS') return void response.writeHead(204).end();
  const path = parsePath(request.url ?? '/');
  const authorization =
    path === null || path.token === null ? (request.headers.authorization ?? '') : `Bearer ${path.token}`;
  if (token !== null && !isSame(authorization, `Bearer ${token}`)) {
    return send(response, 401, { message: 'the token is missing or wrong' });
  }
  if (path === null)
    return send(response, 404, {
      message:
        'ask for [/NAMESPACE[/WORKFLOW-ID]]/encode or /decode; of the temporal CLI, {namespace} is empty without --namespace',
    });
  if (request.method !== 'POST') return send(response, 405, { message: 'use POST' });
  const body = await readBody(request);
  if (body === null) return send(response, 413, { message: `more than ${MAX_BODY_BYTES} bytes` });
  const payloads = parsePayloads(body);
  if (payloads === null) return send(response, 400, { message: 'not a JSON object with a list `payloads`' });
  // Of no workflow: what is bound to another one is read too.
  if (path.verb === 'decode') return send(response, 200, { payloads: (await codec.decode(payloads)).map(toJson) });
  // The temporal CLI encodes the arguments of a query even if there are none.
  if (payloads.length === 0) return send(response, 200, { payloads: [] });
  if (!allowsEncode) return send(response, 403, { message: 'this server only decodes (--allow-encode)' });
  if (path.place === null) {
    return send(response, 400, {
      message:
        'what is encrypted is bound to a workflow: use the endpoint /NAMESPACE/WORKFLOW-ID, e.g. /default/cluster/prod-eu',
    });
  }
  send(response, 200, { payloads: (await codec.encode(payloads, path.place)).map(toJson) });
}

interface RequestPath {
  verb: 'encode' | 'decode';
  token: string | null;
  place: SerializationContext | null;
}

/**
 * `[/token/TOKEN][/NAMESPACE[/WORKFLOW-ID]]/VERB`. The UI and the CLI append the verb to the endpoint, and replace `{namespace}` in
 * it; neither says for which workflow it encodes. Null for anything else.
 */
function parsePath(url: string): RequestPath | null {
  let parts: string[];
  try {
    // Not as a URL: of `//cluster/prod/encode`, which has an empty namespace, `cluster` would be the host.
    parts = (url.split('?')[0] ?? '')
      .split('/')
      .slice(1)
      .map((part) => decodeURIComponent(part));
  } catch {
    return null;
  }
  const verb = parts.pop();
  if (verb !== 'encode' && verb !== 'decode') return null;
  let token: string | null = null;
  if (parts[0] === 'token') [, token = '', ...parts] = parts;
  if (parts.includes('')) return null;
  const [namespace, ...workflow] = parts;
  const isPlace = namespace !== undefined && workflow.length > 0;
  return { verb, token, place: isPlace ? { type: 'workflow', namespace, workflowId: workflow.join('/') } : null };
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(body));
}

/** Null when the body is too large. */
async function readBody(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    const piece = Buffer.from(chunk as Uint8Array);
    size += piece.length;
    if (size > MAX_BODY_BYTES) return null;
    chunks.push(piece);
  }
  return Buffer.concat(chunks).toString();
}

/** Parses protobuf JSON, with bytes as base64. Null for anything else. */
function parsePayloads(text: string): Payload[] | null {
  try {
    // The temporal CLI omits an empty list, e.g. for a query without arguments.
    const { payloads = [] } = JSON.parse(text) as { payloads?: unknown };
    if (!Array.isArray(payloads) || payloads.length > MAX_PAYLOADS) return null;
    return payloads.map((payload: Record<string, unknown>) => PayloadMessage.fromObject(payload));
  } catch {
    return null;
  }
}

function toJson({ metadata, data }: Payload): unknown {
  const base64 = (bytes: Uint8Array | null | undefined): string => Buffer.from(bytes ?? []).toString('base64');
  return {
    metadata: Object.fromEntries(Object.entries(metadata ?? {}).map(([key, value]) => [key, base64(value)])),
    data: base64(data),
  };
}

/** Compares in constant time. */
function isSame(given: string, wanted: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}
