/** The codec endpoint for the Temporal UI and the temporal CLI: POST /decode and /encode. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Payload, PayloadCodec } from '@temporalio/common';
import { temporal } from '@temporalio/proto';
import { isOspatchError } from '../domain/shared/errors';

const MAX_BODY_BYTES = 32 * 1024 * 1024;
const MAX_PAYLOADS = 10_000;

const PayloadMessage = temporal.api.common.v1.Payload;

export interface CodecServerOptions {
  codec: PayloadCodec;
  /** The only allowed browser origin, e.g. `http://localhost:8233`; null = no browser, programs only. */
  uiOrigin: string | null;
  /** The required `Authorization: Bearer` token; null = no token. */
  token: string | null;
}

export function createCodecServer(options: CodecServerOptions): Server {
  const server = createServer((request, response) => {
    answer(options, request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      // Our own error messages are safe to show; other errors may contain anything.
      else send(response, 400, { message: isOspatchError(error) ? error.message : 'the payloads cannot be read' });
    });
  });
  server.requestTimeout = 30_000;
  return server;
}

async function answer(
  { codec, uiOrigin, token }: CodecServerOptions,
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
  // The UI may prefix the path with a namespace.
  const verb = /^(?:\/[A-Za-z0-9._-]+)?\/(encode|decode)$/.exec(
    new URL(request.url ?? '/', 'http://codec').pathname,
  )?.[1];
  if (verb === undefined) return send(response, 404, { message: 'ask for /encode or /decode' });
  if (request.method !== 'POST') return send(response, 405, { message: 'use POST' });
  if (token !== null && !isSame(request.headers.authorization ?? '', `Bearer ${token}`)) {
    return send(response, 401, { message: 'the bearer token is missing or wrong' });
  }
  const body = await readBody(request);
  if (body === null) return send(response, 413, { message: `more than ${MAX_BODY_BYTES} bytes` });
  const payloads = parsePayloads(body);
  if (payloads === null) return send(response, 400, { message: 'not a JSON object with a list `payloads`' });
  const done = verb === 'encode' ? await codec.encode(payloads) : await codec.decode(payloads);
  send(response, 200, { payloads: done.map(toJson) });
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
