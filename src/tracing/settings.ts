/** Where spans are sent, from the variables that OpenTelemetry defines for every program. */
import { readFileSync } from 'node:fs';
import { codeOf } from '../domain/shared/error-code';
import { OspatchError } from '../domain/shared/errors';

export interface TraceSettings {
  url: string;
  headers: Readonly<Record<string, string>>;
  timeoutMs: number;
  /** Certificates of authorities, PEM; null: those of Node.js. */
  ca: string | null;
  /** Attributes of the process. */
  resource: Readonly<Record<string, string>>;
}

const DEFAULT_TIMEOUT_MS = 10_000;

/**
 * Null: spans are not recorded, because no endpoint is set or `OTEL_SDK_DISABLED` or `OTEL_TRACES_EXPORTER=none` says so.
 *
 * @throws OspatchError `Usage`
 */
export function traceSettingsFromEnv(env: NodeJS.ProcessEnv): TraceSettings | null {
  const url = endpointOf(env);
  const isOff = env['OTEL_SDK_DISABLED']?.toLowerCase() === 'true' || env['OTEL_TRACES_EXPORTER'] === 'none';
  if (url === null || isOff) return null;
  refuseGrpc(env);
  const [, serviceName] = firstSet(env, ['OTEL_SERVICE_NAME']) ?? [];
  const { 'service.name': named, ...resource } = pairsOf(env, ['OTEL_RESOURCE_ATTRIBUTES']);
  return {
    url,
    headers: pairsOf(env, ['OTEL_EXPORTER_OTLP_TRACES_HEADERS', 'OTEL_EXPORTER_OTLP_HEADERS']),
    timeoutMs: timeoutOf(env),
    ca: certificateOf(env),
    resource: { 'service.name': serviceName ?? named ?? 'ospatch-worker', ...resource },
  };
}

function endpointOf(env: NodeJS.ProcessEnv): string | null {
  const [name, text] = firstSet(env, ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT']) ?? [];
  if (name === undefined || text === undefined) return null;
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.username !== '' || url.password !== '') {
    throw usage(`${name} is no URL of the form http://HOST:PORT or https://HOST:PORT without user and password`, {
      remedy: `set ${name} to the OTLP/HTTP endpoint of a collector, e.g. http://localhost:4318`,
    });
  }
  return name.includes('TRACES') ? url.href : `${url.href.replace(/\/$/, '')}/v1/traces`;
}

function refuseGrpc(env: NodeJS.ProcessEnv): void {
  const [name, protocol] = firstSet(env, ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL']) ?? [];
  if (protocol !== 'grpc') return;
  throw usage(`${name} is grpc, and spans are sent over HTTP with JSON`, {
    remedy: `set ${name} to http/json, and the endpoint to the HTTP port of the collector, usually 4318`,
  });
}

function timeoutOf(env: NodeJS.ProcessEnv): number {
  const [name, text] = firstSet(env, ['OTEL_EXPORTER_OTLP_TRACES_TIMEOUT', 'OTEL_EXPORTER_OTLP_TIMEOUT']) ?? [];
  if (text === undefined) return DEFAULT_TIMEOUT_MS;
  const ms = Number(text);
  if (Number.isSafeInteger(ms) && ms >= 100 && ms <= 60_000) return ms;
  throw usage(`${name} is not a whole number of milliseconds from 100 to 60000`, {
    remedy: `set ${name} to e.g. ${DEFAULT_TIMEOUT_MS}`,
  });
}

function certificateOf(env: NodeJS.ProcessEnv): string | null {
  const names = ['OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE', 'OTEL_EXPORTER_OTLP_CERTIFICATE'];
  const [name, file] = firstSet(env, names) ?? [];
  if (file === undefined) return null;
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw usage(`${name} names the file ${file}, which cannot be read: ${codeOf(error) ?? 'unknown reason'}`, {
      remedy: `set ${name} to a file with the certificates of the authorities, PEM`,
    });
  }
}

/** `key=value,key=value`, percent-encoded. The values may be secrets, so no error shows them. */
function pairsOf(env: NodeJS.ProcessEnv, names: readonly string[]): Record<string, string> {
  const [name, text] = firstSet(env, names) ?? [];
  if (text === undefined) return {};
  const pairs = text.split(',').filter((pair) => pair.trim() !== '');
  return Object.fromEntries(
    pairs.map((pair, at) => {
      const [, key = '', value = ''] = /^\s*([^=\s]+)\s*=\s*(.*?)\s*$/.exec(pair) ?? [];
      const decoded = decode(value);
      if (key !== '' && decoded !== null) return [key, decoded];
      throw usage(`entry ${at + 1} of ${name} is not of the form KEY=VALUE with a percent-encoded value`, {
        remedy: `set ${name} to KEY=VALUE,KEY=VALUE`,
      });
    }),
  );
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

/** An empty variable counts as one that is not set. */
function firstSet(env: NodeJS.ProcessEnv, names: readonly string[]): [string, string] | null {
  for (const name of names) {
    const value = env[name];
    if (value !== undefined && value !== '') return [name, value];
  }
  return null;
}

function usage(message: string, { remedy }: { remedy: string }): OspatchError {
  return new OspatchError({ type: 'Usage', message, remedy });
}
