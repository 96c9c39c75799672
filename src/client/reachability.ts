/** Whether anything listens at an address: gRPC itself retries a refused connection until its timeout. */
import { connect } from 'node:net';

/** Why no connection can be made at all. A server that only does not answer is none of these. */
export type ConnectProblem = 'refused' | 'unknown-host' | 'no-dns' | 'no-route';

const PROBLEMS: Readonly<Record<string, ConnectProblem>> = {
  ECONNREFUSED: 'refused',
  ENOTFOUND: 'unknown-host',
  EAI_AGAIN: 'no-dns',
  EHOSTUNREACH: 'no-route',
  ENETUNREACH: 'no-route',
};

/** Those that gRPC reads; through a proxy, host names are resolved elsewhere. */
export const PROXY_VARIABLES = ['grpc_proxy', 'https_proxy', 'http_proxy'];

const DEFAULT_PORT = 7233;
const TIMEOUT_MS = 1_000;

/**
 * Why no connection can be made; null when one can, or when that is not known within a second.
 * @param address `host`, `host:port` or `[v6]:port`; other forms that gRPC knows are not tried
 */
export function connectProblem(address: string, env: NodeJS.ProcessEnv): Promise<ConnectProblem | null> {
  const target = parseTarget(address);
  if (target === null || usesProxy(env)) return Promise.resolve(null);
  return new Promise((resolve) => {
    const socket = connect(target);
    const end = (problem: ConnectProblem | null): void => {
      socket.destroy();
      resolve(problem);
    };
    socket.setTimeout(TIMEOUT_MS, () => end(null));
    socket.once('connect', () => end(null));
    socket.once('error', (error: NodeJS.ErrnoException) => end(PROBLEMS[error.code ?? ''] ?? null));
  });
}

/** Whether gRPC connects through a proxy. */
export function usesProxy(env: NodeJS.ProcessEnv): boolean {
  return PROXY_VARIABLES.some((name) => (env[name] ?? '') !== '');
}

/** Null: a form of address that only gRPC knows. */
export function parseTarget(address: string): { host: string; port: number } | null {
  const [, v6, name, port] = /^(?:\[([0-9a-f:.%]+)\]|([^:/[\]]+))(?::(\d+))?$/i.exec(address) ?? [];
  const host = v6 ?? name;
  return host === undefined ? null : { host, port: Number(port ?? DEFAULT_PORT) };
}
