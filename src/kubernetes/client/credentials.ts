/**
 * Credentials that expire: token files, and plugins as in kubectl (client.authentication.k8s.io). The client library
 * supports both, but reads a file only once a minute, has no timeout for plugins, runs a plugin without expiry for
 * every request, and passes no cluster information to it.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Cluster, KubeConfig, User } from '@kubernetes/client-node';
import { defined } from '../../domain/shared/defined';

type Authenticator = Parameters<KubeConfig['addAuthenticator']>[0];

/** `authProvider` of users with credentials from this module. */
const PROVIDER = 'ospatch';

/** Enough for a token or a certificate. */
const MAX_OUTPUT = 1_000_000;
const MAX_STDERR = 2_000;

export interface Credentials {
  /** Drops credentials fetched before `before` (milliseconds). False: there were none, so a retry is pointless. */
  invalidate(before: number): boolean;
}

interface Fetched {
  headers: Record<string, string>;
  cert?: string;
  key?: string;
  /** In milliseconds. */
  endsAt: number;
  fetchedAt: number;
}

/** A plugin as configured in a kubeconfig. */
interface Plugin {
  apiVersion?: string;
  command?: string;
  args?: string[] | null;
  env?: { name: string; value: string }[] | null;
  installHint?: string;
  provideClusterInfo?: boolean;
}

/** Reads the current user's token from a file for every request, because the file is small and rotates. */
export function useTokenFile(config: KubeConfig, file: string): Credentials {
  return use(config, () => {
    let token: string;
    try {
      token = readFileSync(file, 'utf8').trim();
    } catch {
      throw new Error(`the token file ${file} cannot be read`);
    }
    return Promise.resolve({ headers: bearer(token), endsAt: 0, fetchedAt: Date.now() });
  });
}

/** Gets the current user's credentials from a plugin and caches them until they expire or are rejected. */
export function usePlugin(config: KubeConfig, kubeconfig: string, exec: unknown, timeoutMs: number): Credentials {
  const plugin = (exec ?? {}) as Plugin;
  const cluster = config.getCurrentCluster();
  return use(config, async () => toFetched(await run(plugin, cluster, dirname(kubeconfig), timeoutMs)));
}

function use(config: KubeConfig, fetch: () => Promise<Fetched>): Credentials {
  let kept: Fetched | null = null;
  let fetching: Promise<Fetched> | null = null;
  const authenticator: Authenticator = {
    isAuthProvider: ({ authProvider }) => (authProvider as { name?: string } | undefined)?.name === PROVIDER,
    applyAuthentication: async (_, options) => {
      if (kept === null || kept.endsAt <= Date.now()) {
        // Concurrent requests share one fetch.
        fetching ??= fetch().finally(() => {
          fetching = null;
        });
        kept = await fetching;
      }
      options.headers = { ...(options.headers as Record<string, string> | undefined), ...kept.headers };
      if (kept.cert !== undefined) options.cert = kept.cert;
      if (kept.key !== undefined) options.key = kept.key;
    },
  };
  config.addAuthenticator(authenticator);
  const { name } = config.getCurrentUser() ?? { name: '' };
  // The library prefers its own providers, so the user must match none of them.
  config.users = config.users.map(({ exec, token, ...user }): User => {
    if (user.name === name) return { ...user, authProvider: { name: PROVIDER, config: {} } };
    return { ...user, exec, ...defined({ token }) };
  });
  return {
    invalidate: (before) => {
      if (kept === null || kept.fetchedAt >= before) return kept !== null;
      kept = null;
      return true;
    },
  };
}

/** A plugin may need any variable of its vendor, but never the worker's own secrets, such as TEMPORAL_API_KEY. */
function vendorEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(?:OSPATCH|TEMPORAL)_/.test(name)));
}

/** Runs a plugin and parses its output. */
function run(plugin: Plugin, cluster: Cluster | null, directory: string, timeoutMs: number): Promise<unknown> {
  const { command = '', args, env, installHint } = plugin;
  // As in client-go: a path is relative to the kubeconfig, a bare name is searched in PATH.
  const program = command.includes('/') ? resolve(directory, command) : command;
  const named = Object.fromEntries((env ?? []).map(({ name, value }) => [name, value]));
  return new Promise((done, fail) => {
    // In a process group of its own, so that its children end with it. Without stdin, because nobody can answer.
    const child = spawn(program, args ?? [], {
      detached: true,
      env: { ...vendorEnvironment(), ...named, KUBERNETES_EXEC_INFO: JSON.stringify(infoFor(plugin, cluster)) },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let stderr = '';
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      child.stdout.destroy();
      child.stderr.destroy();
      settle();
    };
    const kill = (why: string): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {
        // The process has already exited.
      }
      end(() => fail(new Error(`the credential plugin ${command} ${why}`)));
    };
    const timer = setTimeout(() => kill(`did not answer within ${Math.ceil(timeoutMs / 1000)} s`), timeoutMs);
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (output.length > MAX_OUTPUT) kill('printed too much');
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = `${stderr}${text}`.slice(-MAX_STDERR);
    });
    child.on('error', () => {
      const hint = installHint === undefined ? '' : ` (${installHint})`;
      end(() => fail(new Error(`the credential plugin ${command} cannot be run on the worker${hint}`)));
    });
    child.on('close', (code, signal) =>
      end(() => {
        if (code !== 0) {
          const how = code === null ? `was ended by ${signal}` : `failed with exit code ${code}`;
          return fail(new Error(`the credential plugin ${command} ${how}: ${stderr.trim() || 'no output'}`));
        }
        try {
          done(JSON.parse(output));
        } catch {
          // The parser's message would quote the credential.
          fail(new Error(`the credential plugin ${command} did not print JSON`));
        }
      }),
    );
  });
}

function infoFor({ apiVersion, provideClusterInfo }: Plugin, cluster: Cluster | null): object {
  const told = defined({
    cluster:
      provideClusterInfo === true && cluster !== null
        ? {
            server: cluster.server,
            'insecure-skip-tls-verify': cluster.skipTLSVerify,
            ...defined({ 'certificate-authority-data': cluster.caData, 'tls-server-name': cluster.tlsServerName }),
          }
        : undefined,
  });
  return { apiVersion, kind: 'ExecCredential', spec: { interactive: false, ...told } };
}

function toFetched(answer: unknown): Fetched {
  const status = (answer as { status?: Record<string, unknown> } | null)?.status ?? {};
  const text = (key: string) => {
    const value = status[key];
    return typeof value === 'string' && value !== '' ? value : null;
  };
  const [token, cert, key] = [text('token'), text('clientCertificateData'), text('clientKeyData')];
  if (token === null && (cert === null || key === null)) {
    throw new Error('the credential plugin returned neither a token nor a certificate with its key');
  }
  const endsAt = Date.parse(text('expirationTimestamp') ?? '');
  return {
    headers: token === null ? {} : bearer(token),
    ...defined({
      cert: cert === null || key === null ? undefined : cert,
      key: cert === null || key === null ? undefined : key,
    }),
    endsAt: Number.isNaN(endsAt) ? Infinity : endsAt,
    fetchedAt: Date.now(),
  };
}

function bearer(token: string): Record<string, string> {
  return { Authorization: `Bearer ${token.trim()}` };
}
